"""Tests of the compiled kernel: where there is a compiler it must be there."""

import os
import shutil

import pytest

from lrdecay.engine.native.library import explain_absence


def has_compiler() -> bool:
    """Whether lrdecay could be compiled here; CC=false stands for a machine without."""
    named = os.environ.get("CXX") or os.environ.get("CC")
    if named:
        return named != "false" and shutil.which(named) is not None
    return any(map(shutil.which, ("c++", "g++", "clang++", "cc", "gcc")))


needs_kernel = pytest.mark.skipif(
    explain_absence() is not None and not has_compiler(),
    reason="no kernel was compiled, and there is no compiler",
)
