"""Kernel for the gradient of a block's input; names as in `conv_forward`."""

import triton
import triton.language as tl
from torch import Tensor

from lrdecay.engine.stacked.kernels.tiles import DOT, find_tiles, pad_channels


@triton.jit
def spread_kernel(
    weight: "Tensor",
    gradient: "Tensor",
    winner: "Tensor",
    change: "Tensor",
    weight_stride: int,
    batch: int,
    C: tl.constexpr,
    H: tl.constexpr,
    W: tl.constexpr,
    OUT: tl.constexpr,
    PLACES: tl.constexpr,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Compute the gradients of PLACES pixels x INPUTS channels of one run.

    A pixel is under the kernel at nine places of the convolution's output. Of each it takes the
    gradient if that place won its pooling: a product (PLACES, OUTPUTS) x (OUTPUTS, INPUTS), summed
    over taps and blocks of channels in order. A place that was not pooled, as in the last row of an
    odd height, has none.
    """
    run = tl.program_id(2).to(tl.int64)
    PH: tl.constexpr = H // 2
    PW: tl.constexpr = W // 2
    BLOCKS: tl.constexpr = (OUT + OUTPUTS - 1) // OUTPUTS
    place = tl.program_id(0) * PLACES + tl.arange(0, PLACES)
    source = tl.program_id(1) * INPUTS + tl.arange(0, INPUTS)
    live, of_images = place < batch * (H * W), source < C
    image, pixel = place // (H * W), place % (H * W)
    row, column = pixel // W, pixel % W
    weight += run * weight_stride
    gradient += run * OUT * PH * PW * batch
    winner += run * OUT * PH * PW * batch
    total = tl.zeros((PLACES, INPUTS), tl.float32)
    for step in range(9 * BLOCKS):
        tap = step // BLOCKS
        output = step % BLOCKS * OUTPUTS + tl.arange(0, OUTPUTS)
        yy, xx = row + 1 - tap // 3, column + 1 - tap % 3
        inside = live & (yy >= 0) & (yy < 2 * PH) & (xx >= 0) & (xx < 2 * PW)
        there = inside[:, None] & (output < OUT)[None, :]
        pooled = yy // 2 * PW + xx // 2
        at = (image[:, None] * OUT + output[None, :]) * (PH * PW) + pooled[:, None]
        quarter = yy % 2 * 2 + xx % 2
        won = tl.load(winner + at, there, other=0).to(tl.int32)
        own = tl.load(gradient + at, there, other=0.0)
        own = tl.where(won == quarter[:, None], own, 0.0)
        known = (output < OUT)[:, None] & of_images[None, :]
        at = (output[:, None] * C + source[None, :]) * 9 + tap
        factor = tl.load(weight + at, known, other=0.0)
        total = tl.dot(own, factor, total, input_precision=PRECISION)
    to = run * C * H * W * batch
    to += (image[:, None] * C + source[None, :]) * (H * W) + pixel[:, None]
    tl.store(change + to, total, live[:, None] & of_images[None, :])


def differentiate_inputs(
    weight_ROCHW: Tensor,
    gradient: Tensor,
    winner: Tensor,
    size: tuple[int, int],
    precision: str,
) -> Tensor:
    """Return the gradient of the input (R, B, C, H, W), of height and width `size`."""
    runs, batch, outputs = winner.shape[:3]
    channels, (height, width) = weight_ROCHW.shape[2], size
    change = gradient.new_empty(runs, batch, channels, height, width)
    tiles, of_inputs = find_tiles("inputs", precision, channels), pad_channels(channels)
    grid = triton.cdiv(batch * height * width, tiles.places), triton.cdiv(channels, of_inputs), runs
    spread_kernel[grid](
        *(weight_ROCHW, gradient, winner, change),
        *(weight_ROCHW.stride(0), batch),
        *(channels, height, width, outputs),
        *(tiles.places, of_inputs, pad_channels(outputs)),
        PRECISION=DOT[precision],
        **tiles.options,
    )
    return change
