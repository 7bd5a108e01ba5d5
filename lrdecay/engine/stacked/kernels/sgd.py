"""A step of SGD for many runs as one kernel."""

import triton
import triton.language as tl
from torch import Tensor

from lrdecay.engine.stacked.kernels.arithmetic import BLOCK, UNFUSED, view_rows


@triton.jit
def sgd_kernel(
    p: "Tensor",
    g: "Tensor",
    buffer: "Tensor | None",
    kept: "Tensor",
    added: "Tensor",
    along_buffer: "Tensor",
    along_direction: "Tensor",
    decay: "Tensor | None",
    p_stride: int,
    g_stride: int,
    buffer_stride: int,
    count: int,
    BLOCK: tl.constexpr,
) -> None:
    """Step BLOCK numbers of one run, each read and written once.

    The operations are those of `optimizers.momentum.SGD`, in its order and each rounded like it.
    """
    run = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = at < count
    p += run * p_stride + at
    value = tl.load(p, there, other=0.0)
    gradient = tl.load(g + run * g_stride + at, there, other=0.0)
    if decay is not None:
        gradient = tl.fma(value, tl.load(decay + run), gradient)
    if buffer is not None:
        buffer += run * buffer_stride + at
        moving = tl.load(buffer, there, other=0.0) * tl.load(kept + run)
        moving = tl.fma(gradient, tl.load(added + run), moving)
        tl.store(buffer, moving, there)
        value = tl.fma(moving, tl.load(along_buffer + run), value)
    tl.store(p, tl.fma(gradient, tl.load(along_direction + run), value), there)


def sgd_step(
    p_RX: Tensor,
    g_RX: Tensor,
    buffer_RX: Tensor | None,
    kept_R: Tensor,
    added_R: Tensor,
    along_buffer_R: Tensor,
    along_direction_R: Tensor,
    decay_R: Tensor | None = None,
) -> None:
    """Change parameters of all runs and the buffer of their momentum by one step, in place.

    All are float32. On a GPU the result is that of torch's operations to the last bit.

    Args:
        p_RX: parameters of each run, which stand one after the other; so does the buffer.
        g_RX: their gradients.
        buffer_RX: the momentum's buffer; None where no run has a momentum.
        kept_R: how much of buffer and gradient go into the buffer, and how much of each goes into
            the parameter, as `momentum_shares` has them.
        added_R: see there.
        along_buffer_R: see there.
        along_direction_R: see there.
        decay_R: weight decay, that is added to the gradient; None where there is none.
    """
    g, p, *buffers = view_rows(g_RX, p_RX, *([] if buffer_RX is None else [buffer_RX]))
    buffer = buffers[0] if buffers else None
    runs, count = p.shape
    sgd_kernel[triton.cdiv(count, BLOCK), runs](
        *(p, g, buffer, kept_R, added_R, along_buffer_R, along_direction_R, decay_R),
        *(p.stride(0), g.stride(0), 0 if buffer is None else buffer.stride(0)),
        count,
        BLOCK=BLOCK,
        **UNFUSED,
    )
