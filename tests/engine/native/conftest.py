"""The kernel's variants, and a build of it in float64."""

from pathlib import Path

import pytest
from helpers.kernels import compile_double, is_there, need_compiler
from helpers.shared import make_once

from lrdecay.engine.native.library import VARIANTS


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest, needs_kernel: None) -> str:
    """Each variant that this processor can run."""
    if not is_there(request.param):
        pytest.skip(f"this processor cannot run the variant {request.param}")
    return request.param


@pytest.fixture(scope="session")
def double_kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of the portable variant in float64."""
    need_compiler()
    return make_once(tmp_path_factory, "double_kernel", compile_double) / "kernel.so"
