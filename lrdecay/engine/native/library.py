"""The compiled kernel: where it is, and how Python calls it."""

import ctypes
import os
from ctypes import c_char_p, c_double, c_int, c_int32, c_int64, c_uint64, c_void_p
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

VARIANTS = ("avx512", "avx2", "portable")
"""The kinds of processor that the kernel has machine code for, the fastest first."""

_FOLDER = Path(__file__).parent
_INTERFACE = 2
"""kInterface of kernel/interface.hpp."""
_SHAPE = (c_int,) * 4
_INSTALL = "install a C++ compiler (such as g++), and lrdecay again from its sources"


class _Table(ctypes.Structure):
    """`LrdecayKernel` of kernel/interface.hpp."""

    _fields_ = (
        ("interface", c_int64),
        ("number_bytes", c_int64),
        ("lanes", c_int64),
        ("describe", ctypes.CFUNCTYPE(None, *_SHAPE, c_void_p)),
        ("create", ctypes.CFUNCTYPE(c_void_p, *_SHAPE, c_int)),
        ("destroy", ctypes.CFUNCTYPE(None, c_void_p)),
        ("count_bytes", ctypes.CFUNCTYPE(c_int64, *_SHAPE, c_int)),
        (
            "train",
            ctypes.CFUNCTYPE(
                c_int64,
                *(c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),  # network, weights
                *(c_void_p, c_void_p, c_void_p, c_int64, c_int64),  # images and their order
                *(c_uint64, c_int64, c_int, c_int32, c_double),  # dropout
                *(c_int, c_void_p, c_void_p, c_void_p),  # optimizer, outcomes
            ),
        ),
        (
            "evaluate",
            ctypes.CFUNCTYPE(
                None, *(c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p)
            ),
        ),
    )


class KernelError(Exception):
    """There is no kernel that could run here; the text says why and what would help."""


@cache
def load_kernel(variant: str | None = None, path: Path | None = None) -> Any:
    """Return the kernel's table of functions, as kernel/interface.hpp describes them.

    `variant` is one of `VARIANTS`; without it, the fastest that this processor has instructions
    for. `path` is another library than the one that was installed.

    Raises `KernelError` where the library is not there, cannot be loaded, is of another version of
    lrdecay, or has no such kernel for this processor.
    """
    found = path or _find_library()
    if found is None:
        raise KernelError(f"its kernel was not compiled when lrdecay was installed; {_INSTALL}")
    try:
        find = ctypes.CDLL(os.fspath(found)).lrdecay_find_kernel
    except (OSError, AttributeError) as error:
        raise KernelError(f"{found} cannot be loaded ({error}); {_INSTALL}") from error
    find.restype, find.argtypes = ctypes.POINTER(_Table), (c_char_p,)
    for name in [variant] if variant else VARIANTS:
        if table := find(name.encode()):
            if table.contents.interface != _INTERFACE:
                raise KernelError(f"{found} is of another version of lrdecay; {_INSTALL}")
            return table.contents
    raise KernelError(f"this processor cannot run its variant {variant}")


def explain_absence() -> str | None:
    """Return why there is no kernel here and what would help, or None where there is one."""
    try:
        load_kernel()
    except KernelError as error:
        return str(error)
    return None


def _find_library() -> Path | None:
    paths = [_FOLDER / f"_kernel{suffix}" for suffix in EXTENSION_SUFFIXES]
    return next((path for path in paths if path.exists()), None)
