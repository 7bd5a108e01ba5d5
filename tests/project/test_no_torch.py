"""The half that reads is tested in an environment without torch."""

import os
import subprocess
import sys

from helpers.paths import HOME

PACKAGES = ("core", "store", "analysis", "plots", "report")


def test_the_half_that_reads_needs_no_torch(tmp_path):
    """Its tests pass where importing torch is an error; a browser has been shown elsewhere."""
    for name in ("torch", "torchvision"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('there is none here')\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(HOME)])}
    options = ("-q", "-x", "-m", "not slow and not browser", "-p", "no:cacheprovider")
    tests = (f"tests/{package}" for package in PACKAGES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=HOME,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
