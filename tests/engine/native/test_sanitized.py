"""The kernel under the address and undefined-behaviour sanitizers, in a build of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import sanitized_script
from helpers.kernels import compile_kernel, is_there, need_compiler
from helpers.shared import make_once

from lrdecay.engine.native.library import VARIANTS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_kernel")]

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")


@pytest.fixture(scope="session")
def sanitizer() -> str:
    """The address sanitizer's own library, which must be loaded first."""
    command = [need_compiler(), "-print-file-name=libasan.so"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.isabs(path):
        pytest.skip("the compiler has no address sanitizer as a library")
    return path


@pytest.fixture(scope="session")
def sanitized_kernel(sanitizer, tmp_path_factory) -> Path:
    def make(folder: Path) -> None:
        compile_kernel(folder, *SANITIZERS, "-fno-omit-frame-pointer")

    return make_once(tmp_path_factory, "sanitized_kernel", make) / "kernel.so"


@pytest.fixture
def run_script(sanitizer, sanitized_kernel):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        script = Path(sanitized_script.__file__)
        paths = [str(script.parents[2]), str(script.parents[1])]
        # what Python itself keeps to its end would be called leaks
        given = {"LD_PRELOAD": sanitizer, "ASAN_OPTIONS": "detect_leaks=0"}
        return subprocess.run(
            [sys.executable, script, sanitized_kernel, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **given, "PYTHONPATH": os.pathsep.join(paths)},
        )

    return run


@pytest.fixture
def variants() -> list[str]:
    """Those that this processor can run."""
    return [each for each in VARIANTS if is_there(each)]


def test_all_that_the_kernel_does_is_clean(run_script, variants):
    done = run_script("do_all", *variants)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, variants, "")


@pytest.mark.parametrize("fault", [each.__name__ for each in sanitized_script.FAULTS])
def test_a_fault_would_be_found(run_script, variants, fault):
    done = run_script(fault, variants[0])
    assert done.returncode != 0
    assert done.stdout == ""
    assert "ERROR: AddressSanitizer: " in done.stderr
    assert "lrdecay/engine/native/kernel/" in done.stderr
