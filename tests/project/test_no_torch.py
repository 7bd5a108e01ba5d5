"""The half that reads is tested in an environment without torch."""

import os
import subprocess
import sys

import pytest
from helpers.paths import HOME

MISSING = ("torch", "torchvision")


@pytest.fixture
def environment(tmp_path):
    """Where importing torch is an error."""
    for name in MISSING:
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('there is no {name}')\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(HOME)])}


@pytest.mark.parametrize(
    ("packages", "options"),
    [
        pytest.param(
            ("analysis",), ("-m", "not slow", "--hypothesis-profile=brief"), marks=pytest.mark.soak
        ),
        # these would take long to run, and import all that they need
        pytest.param(
            ("analysis", "core", "store", "plots", "report"),
            ("--collect-only",),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_tests_of_the_half_that_reads_need_no_torch(environment, packages, options):
    tests = [f"tests/{package}" for package in packages]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *options, *tests],
        cwd=HOME,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
