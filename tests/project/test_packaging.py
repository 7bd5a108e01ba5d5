"""What a wheel and a source distribution hold, built without the network."""

import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from helpers import kernels
from helpers.paths import HOME
from helpers.shared import make_once

from lrdecay.sweep.sweep_file import list_shipped

PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder with both."""
    if subprocess.run(["git", "rev-parse"], cwd=HOME, capture_output=True, check=False).returncode:
        pytest.skip("no git checkout to tell what belongs to the project")
    return make_once(tmp_path_factory, "built", build)


def build(folder: Path, **environment: str) -> None:
    """Build both from a copy of the files that git tracks, and decoys beside them: data, results
    and what tests leave."""
    with tempfile.TemporaryDirectory() as home:
        source = Path(home)
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=HOME, capture_output=True, check=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (HOME / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes((HOME / name).read_bytes())
        for decoy in ("data/MNIST/raw/images", "results/digits/runs.parquet", "lrdecay/data/x.npy"):
            (source / decoy).parent.mkdir(parents=True, exist_ok=True)
            (source / decoy).write_bytes(b"not to be shipped")
        for hook in ("build_sdist", "build_wheel"):
            # each in a process of its own, as the standard asks, and without isolation: no network
            code = f"import sys; from setuptools import build_meta as b; b.{hook}(sys.argv[1])"
            command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
            done = subprocess.run(
                command,
                cwd=source,
                env=os.environ | environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


def sources() -> set[str]:
    """The package's files, as git has them."""
    command = ["git", "ls-files", "lrdecay"]
    listed = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (HOME / name).is_file()}


KERNEL = "lrdecay/engine/native/_kernel.abi3.so"


@pytest.mark.slow
def test_the_wheel_has_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    # one library for all versions of Python from 3.11 on
    assert wheel.name.startswith(f"lrdecay-{PROJECT['version']}-cp311-abi3-")
    names = zipfile.ZipFile(wheel).namelist()
    ours = {name for name in names if ".dist-info/" not in name}
    of_kernel = {name for name in sources() if "/native/kernel/" in name}
    assert ours - {KERNEL} == sources() - of_kernel
    assert (KERNEL in ours) == (kernels.find_compiler() is not None)
    assert {"lrdecay/py.typed", "lrdecay/report/templates/report.html.j2"} <= ours
    assert {f"lrdecay/sweep/shipped/{name}.yaml" for name in list_shipped()} <= ours
    info = f"lrdecay-{PROJECT['version']}.dist-info"
    assert f"{info}/licenses/LICENSE" in names
    points = zipfile.ZipFile(wheel).read(f"{info}/entry_points.txt").decode()
    assert points.strip() == "[console_scripts]\nlrdecay = lrdecay.cli:main"


def call_unpacked(wheel: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call lrdecay as a wheel has it, from an empty folder."""
    zipfile.ZipFile(wheel).extractall(folder / "unpacked")
    (folder / "empty").mkdir()
    return subprocess.run(
        [sys.executable, "-m", "lrdecay", *words],
        cwd=folder / "empty",
        env=os.environ | {"PYTHONPATH": str(folder / "unpacked")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_alone_plans_a_sweep_that_comes_with_it(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    done = call_unpacked(wheel, tmp_path, "plan", "digits", "--workers", "1", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    found = tmp_path / "unpacked" / "lrdecay" / "sweep" / "shipped" / "digits.yaml"
    assert done.stderr == f"Sweep file: {found}\n"
    assert "12 cells x 12 seeds = 144 runs" in done.stdout
    assert (SLOWER in done.stdout) == (kernels.find_compiler() is None)


SLOWER = "cnn: trains several times slower than it could"


@pytest.mark.slow
def test_without_a_compiler_it_installs_says_so_and_trains(tmp_path):
    (tmp_path / "built").mkdir()
    build(tmp_path / "built", CC="false", CXX="false")
    (wheel,) = (tmp_path / "built").glob("*.whl")
    assert KERNEL not in zipfile.ZipFile(wheel).namelist()
    file = tmp_path / "small.yaml"
    file.write_text("dataset: digits\nepochs: 1\nseeds: 2\nschedulers: {c: {class: constant}}\n")
    options = ("--workers", "0", "--device", "cpu")
    done = call_unpacked(wheel, tmp_path, "sweep", str(file), *options)
    assert done.returncode == 0, done.stderr
    assert SLOWER in done.stdout + done.stderr
    assert "install a C++ compiler (such as g++)" in done.stdout + done.stderr
    assert "2 trained now (0 diverged, 0 failed)" in done.stdout
    native = ("sweep", str(file), *options, "--engine", "native")
    (tmp_path / "asked").mkdir()
    done = call_unpacked(wheel, tmp_path / "asked", *native)
    assert done.returncode == 2
    told = "lrdecay: engine: native cannot be used here, since its kernel was not compiled"
    assert told in done.stderr


@pytest.mark.slow
def test_the_source_distribution_has_neither_data_nor_results(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert sources() <= names
    assert {"setup.py", "lrdecay/engine/native/kernel/network.hpp"} <= names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "docs/tutorial.md"} <= names
    for folder in ("data", "results", "lrdecay/data"):
        assert not [name for name in names if name.startswith(f"{folder}/")], folder
    assert not [name for name in names if name.endswith((".parquet", ".npy"))]


def test_the_changelog_begins_with_this_version():
    changelog = (HOME / "CHANGELOG.md").read_text(encoding="utf-8")
    (first, *_) = [line for line in changelog.splitlines() if line.startswith("## ")]
    assert first.startswith(f"## {PROJECT['version']} ")
