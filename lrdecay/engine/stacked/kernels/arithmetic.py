"""What the optimizers' kernels share: arithmetic that rounds as torch's does on a GPU.

Where torch multiplies and adds in one operation it rounds once, and so does `tl.fma`; nothing else
is fused as the kernels are compiled, and quotients and roots are the nearest numbers.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""How many numbers of a run a program steps."""

UNFUSED = {"enable_fp_fusion": False}
"""How the kernels are compiled."""


@triton.jit
def move_toward(start: "Any", end: "Any", weight: "Any") -> "Any":
    """Return what torch.lerp does: it begins at the nearer end."""
    step = end - start
    near = tl.fma(weight, step, start)
    return tl.where(tl.abs(weight) < 0.5, near, tl.fma(weight - 1.0, step, end))


@triton.jit
def safe_root(square: "Any") -> "Any":
    """Return the root of an average of squares; infinite where one was too large to hold."""
    infinite = float("inf")
    return tl.sqrt_rn(tl.where(tl.abs(square) < infinite, square, infinite))


def view_rows(*tensors: Tensor) -> list[Tensor]:
    """Return tensors (R, ...) as rows (R, P) of the same memory.

    Raises `ValueError` where a run's numbers do not stand one after the other.
    """
    rows = [tensor.detach().view(len(tensor), -1) for tensor in tensors]
    if any(row.stride(1) != 1 or row.shape != rows[0].shape for row in rows):
        shown = ", ".join(f"{tuple(row.shape)} in steps of {row.stride()}" for row in rows)
        raise ValueError(f"a run's numbers must stand one after the other, not {shown}")
    return rows
