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


def view_rows(gradient: Tensor, *changed: Tensor) -> list[Tensor]:
    """Return tensors (R, ...) as rows (R, P): those that are `changed` of the same memory, and the
    gradient, which vmap may give in another order, copied if it has to be.

    Raises `ValueError` where the numbers of a run that is changed do not stand one after the other.
    """
    if not all(each[0].is_contiguous() for each in changed):
        shown = ", ".join(f"{tuple(each.shape)} in steps of {each.stride()}" for each in changed)
        raise ValueError(f"a run's numbers must stand one after the other, not {shown}")
    return [each.detach().view(len(each), -1) for each in (join_within_runs(gradient), *changed)]


def join_within_runs(tensor: Tensor) -> Tensor:
    """Return a tensor whose runs may stand apart, as parameters do that are in one row, or be one
    and the same, but whose numbers of one run are in order."""
    if tensor[0].is_contiguous():
        return tensor
    if tensor.stride(0) == 0:
        return tensor[:1].contiguous().expand_as(tensor)
    return tensor.contiguous()
