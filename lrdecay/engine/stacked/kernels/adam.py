"""A step of Adam or AdamW for many runs as one kernel."""

import triton
import triton.language as tl
from torch import Tensor

from lrdecay.engine.stacked.kernels.arithmetic import (
    BLOCK,
    UNFUSED,
    move_toward,
    safe_root,
    view_rows,
)


@triton.jit
def adam_kernel(
    p: "Tensor",
    g: "Tensor",
    average: "Tensor",
    square: "Tensor",
    weight1: "Tensor",
    weight2: "Tensor",
    eps: "Tensor",
    size: "Tensor",
    decay: "Tensor | None",
    p_stride: int,
    g_stride: int,
    average_stride: int,
    square_stride: int,
    count: int,
    DECOUPLED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Step BLOCK numbers of one run, each read and written once.

    The operations are those of `optimizers.adam.Adam`, in its order and each rounded like it.
    """
    run = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = at < count
    p += run * p_stride + at
    average += run * average_stride + at
    square += run * square_stride + at
    value = tl.load(p, there, other=0.0)
    gradient = tl.load(g + run * g_stride + at, there, other=0.0)
    if decay is not None:
        if DECOUPLED:
            value *= tl.load(decay + run)
        else:
            gradient = tl.fma(value, tl.load(decay + run), gradient)
    mean = tl.load(average, there, other=0.0)
    mean = move_toward(mean, gradient, tl.load(weight1 + run))
    variance = tl.load(square, there, other=0.0)
    variance = move_toward(variance, gradient * gradient, tl.load(weight2 + run))
    tl.store(average, mean, there)
    tl.store(square, variance, there)
    root = safe_root(variance) + tl.load(eps + run)
    tl.store(p, value + tl.div_rn(mean * tl.load(size + run), root), there)


def adam_step(
    p_RX: Tensor,
    g_RX: Tensor,
    average_RX: Tensor,
    square_RX: Tensor,
    weight1_R: Tensor,
    weight2_R: Tensor,
    eps_R: Tensor,
    size_R: Tensor,
    decay_R: Tensor | None = None,
    decoupled: bool = False,
) -> None:
    """Change parameters of all runs and both averages by one step, in place.

    All are float32. On a GPU the result is that of torch's operations to the last bit.

    Args:
        p_RX: parameters of each run, which stand one after the other; so do both averages.
        g_RX: their gradients.
        average_RX: the average of gradients.
        square_RX: the average of their squares.
        weight1_R: each run's 1 - beta1, 1 - beta2, eps and the step's size, with bias corrections,
            as `Adam.coefficients` has them.
        weight2_R: see there.
        eps_R: see there.
        size_R: see there.
        decay_R: weight decay, that is added to the gradient, or with `decoupled` what parameters
            are multiplied with; None where there is none.
        decoupled: whether it is AdamW.
    """
    g, p, average, square = view_rows(g_RX, p_RX, average_RX, square_RX)
    runs, count = p.shape
    adam_kernel[triton.cdiv(count, BLOCK), runs](
        *(p, g, average, square, weight1_R, weight2_R, eps_R, size_R, decay_R),
        *(row.stride(0) for row in (p, g, average, square)),
        count,
        DECOUPLED=decoupled,
        BLOCK=BLOCK,
        **UNFUSED,
    )
