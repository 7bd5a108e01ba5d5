"""The faces of packages: what they offer, what type checkers see, and what importing them costs."""

import ast
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from helpers.paths import HOME

FACES = {
    "core": "DamagedError InputError Run WorkerError",
    "components": "REGISTRIES load_plugins",
    "store": "Store export_results merge_results read_epochs read_plan read_runs read_status "
    "verify_results",
    "engine": "Epoch Measured train_one train_stacked",
    "analysis": "Comparison SeedsUntil compare",
    "sweep": "Matrix Sweep SweepFileError expand_matrix find_sweep_file list_shipped load_sweep "
    "parse_sweep",
    "execution": "Cluster Executor Local Site Trial TrialError plan_groups",
    "runner": "Progress Shard Summary run_sweep trials",
    "adapters": "",
    "plots": "write_figure",
    "report": "compare_folder watch_results write_comparison write_index write_report",
    "cli": "app main",
}


def parsed(package: str) -> ast.Module:
    path = HOME.joinpath(*package.split("."), "__init__.py")
    return ast.parse(path.read_text(encoding="utf-8"))


def homes_of(package: str) -> dict[str, str] | None:
    """What the package's face gives to `make_lazy`."""
    for node in ast.walk(parsed(package)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "make_lazy":
            return ast.literal_eval(node.args[1])
    return None


PACKAGES = [
    ".".join(path.parent.relative_to(HOME).parts)
    for path in sorted(Path(HOME, "lrdecay").rglob("__init__.py"))
]
LAZY = [package for package in PACKAGES if homes_of(package) is not None]
KERNELS = "lrdecay.engine.stacked.kernels"


def test_what_has_to_be_lazy_is():
    names = ("analysis", "engine", "execution", "plots", "report", "store", "sweep")
    assert {"lrdecay", KERNELS, *(f"lrdecay.{name}" for name in names)} == set(LAZY)


@pytest.mark.parametrize("package", LAZY)
def test_a_lazy_face_offers_what_type_checkers_see(package):
    homes = homes_of(package)
    offered = {(home, name) for home, names in homes.items() for name in names.split() or [home]}
    seen = {
        ("" if node.module == package else node.module.removeprefix(f"{package}."), alias.name)
        for node in ast.walk(parsed(package))
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "lrdecay"
        for alias in node.names
        if alias.asname == alias.name
    }
    assert seen == {("" if not homes[home] else home, name) for home, name in offered}
    if package == KERNELS:
        pytest.importorskip("triton", reason="it comes with torch for CUDA on Linux")
    face = import_module(package)
    assert face.__all__ == sorted(name for _, name in offered) == dir(face)
    assert list(homes) == sorted(homes)
    for home, name in offered:
        module = import_module(f"{package}.{home}")
        assert getattr(face, name) is (getattr(module, name) if homes[home] else module)
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'coffee'"):
        _ = face.coffee


@pytest.mark.parametrize("package", LAZY)
def test_no_name_is_that_of_a_module_which_would_take_its_place(package):
    homes = homes_of(package)
    names = {name for names in homes.values() for name in names.split()}
    modules = {module.name for module in pkgutil.iter_modules(import_module(package).__path__)}
    assert not names & modules


@pytest.mark.parametrize("name", FACES)
def test_a_package_has_the_face_that_is_documented(name):
    face = import_module(f"lrdecay.{name}")
    assert set(FACES[name].split()) <= set(face.__all__)
    assert all(hasattr(face, each) for each in face.__all__)
    assert face.__doc__.splitlines()[0].endswith(".")


def test_every_top_level_package_has_a_face():
    inside = {m.name for m in pkgutil.iter_modules(import_module("lrdecay").__path__) if m.ispkg}
    assert inside == set(FACES)


def test_importing_a_lazy_face_imports_nothing_heavy():
    code = f"import sys, {', '.join(LAZY)}; print(*sys.modules)"
    run = [sys.executable, "-c", code]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True, cwd=HOME).stdout
    heavy = {"torch", "triton", "pandas", "pyarrow", "numpy", "matplotlib"}
    assert not heavy & set(loaded.split())


# what modules may need beside what lrdecay requires
OPTIONAL = {"lrdecay.engine.stacked.kernels.": "triton"}


def test_every_module_can_be_imported():
    """Doctests of one that cannot would be passed over in silence."""
    modules = pkgutil.walk_packages(import_module("lrdecay").__path__, "lrdecay.")
    names = [
        module.name
        for module in modules
        # the compiled kernel is a library for ctypes, and no module
        if not module.name.endswith(("__main__", "native._kernel"))
    ]
    missing = {name: why for name in names if (why := find_missing(name))}
    allowed = {name: OPTIONAL.get(name[: name.rindex(".") + 1]) for name in missing}
    assert missing == allowed
    assert len(names) > 150


def find_missing(module: str) -> str | None:
    """The package that importing a module needs and that is not there."""
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        return error.name
    return None
