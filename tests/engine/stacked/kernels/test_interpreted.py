"""The kernels' values, computed in Triton's interpreter: `interpreted_*.py` run in a process of
their own, for what Triton is, compiler or interpreter, is settled as it is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import HOME

pytest.importorskip("triton", reason="it comes with torch for CUDA on Linux")

FILES = sorted(Path(__file__).parent.glob("interpreted_*.py"))


def interpret(tier: str, *files: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", tier, *files],
        cwd=HOME,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert " passed" in done.stdout


@pytest.mark.slow
def test_kernels_compute_what_torch_does():
    interpret("not slow", *FILES)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem.removeprefix("interpreted_"))
def test_every_kernel_computes_what_torch_does(path):
    interpret("slow", path)
