"""The house: what import contracts cannot say of the packages."""

import ast
from collections.abc import Iterator

from helpers.paths import HOME

PACKAGE = HOME / "lrdecay"
MARKERS = {"__main__.py", "py.typed"}
LAZY = ("cli/", "store/export/", "plots/figure_file.py")
"""Where `--help` or a format that is asked for decides what is imported."""


def own_imports(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """The imports of lrdecay's own modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lrdecay":
            yield node


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported_in_functions(tree: ast.Module) -> list[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [node.module or "" for function in functions for node in own_imports(function)]


def test_there_are_twelve_packages_and_the_face():
    entries = {path.name for path in PACKAGE.iterdir()} - MARKERS - {"__pycache__"}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert entries == packages | {"__init__.py"}
    assert len(entries) == 13


def test_every_package_says_what_it_is_in_a_line_and_what_it_offers():
    for path in PACKAGE.glob("*/__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert len((ast.get_docstring(tree) or "").splitlines()[0]) > 10, path
        assert "__all__" in path.read_text(encoding="utf-8"), path


def test_no_package_imports_a_private_name_of_another():
    found = [
        f"{name}: {node.module}.{alias.name}"
        for name, tree in modules()
        for node in own_imports(tree)
        for alias in node.names
        if alias.name.startswith("_")
        and (node.module or "").split(".")[1:2] != [name.split("/")[0]]
    ]
    assert found == []


def test_our_own_modules_are_imported_late_only_where_that_saves_a_start():
    late = {name for name, tree in modules() if imported_in_functions(tree)}
    assert {name for name in late if not name.startswith(LAZY)} == set()
    assert late  # the check sees them where they are allowed


def test_a_late_import_and_a_private_one_are_seen():
    tree = ast.parse("def f():\n    from lrdecay.core.run import _x\n")
    assert imported_in_functions(tree) == ["lrdecay.core.run"]
    assert [alias.name for node in own_imports(tree) for alias in node.names] == ["_x"]
