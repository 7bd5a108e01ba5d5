"""Forward kernel of a block: convolution 3x3 with padding 1, bias, 2x2 max-pooling and ReLU.

Runs R, images B, input channels C, output channels O, height H, width W; PH and PW are those of
the pooled image.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lrdecay.engine.stacked.kernels.tiles import DOT, find_tiles, pad_channels

DEAD = tl.constexpr(4)
"""What stands for the winner where ReLU lets no gradient pass."""


@triton.jit
def convolve_kernel(
    x: "Tensor",
    weight: "Tensor",
    bias: "Tensor",
    y: "Tensor",
    winner: "Tensor",
    x_stride: int,
    weight_stride: int,
    bias_stride: int,
    batch: int,
    C: tl.constexpr,
    H: tl.constexpr,
    W: tl.constexpr,
    OUT: tl.constexpr,
    PLACES: tl.constexpr,
    TAPS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
    KEEP: tl.constexpr,
) -> None:
    """Compute PLACES pooled pixels x OUTPUTS channels of one run.

    Each of the four pixels that are pooled is a product (PLACES, TAPS) x (TAPS, OUTPUTS), summed
    over all taps in order; what lies outside of the image or the layer is loaded as zero. The
    largest is kept as torch keeps it: a later one wins only if it is larger or NaN, so of equals
    the first does, and NaN always. The bias is added before that, since it may round two to equals.
    """
    run = tl.program_id(2).to(tl.int64)
    PH: tl.constexpr = H // 2
    PW: tl.constexpr = W // 2
    place = tl.program_id(0) * PLACES + tl.arange(0, PLACES)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    live = place < batch * (PH * PW)
    of_layer = output < OUT
    image, pixel = place // (PH * PW), place % (PH * PW)
    top, left = pixel // PW * 2, pixel % PW * 2
    x += run * x_stride
    weight += run * weight_stride
    shift = tl.load(bias + run * bias_stride + output, mask=of_layer, other=0.0)
    best = tl.full((PLACES, OUTPUTS), float("-inf"), tl.float32)
    won = tl.zeros((PLACES, OUTPUTS), tl.int32)
    for quarter in tl.static_range(4):
        total = tl.zeros((PLACES, OUTPUTS), tl.float32)
        for first in range(0, C * 9, TAPS):
            tap = first + tl.arange(0, TAPS)
            channel, ky, kx = tap // 9, tap // 3 % 3, tap % 3
            yy = (top + quarter // 2)[:, None] + (ky - 1)[None, :]
            xx = (left + quarter % 2)[:, None] + (kx - 1)[None, :]
            inside = (yy >= 0) & (yy < H) & (xx >= 0) & (xx < W)
            inside &= live[:, None] & (tap < C * 9)[None, :]
            at = (image[:, None] * C + channel[None, :]) * (H * W) + yy * W + xx
            patch = tl.load(x + at, mask=inside, other=0.0)
            known = of_layer[None, :] & (tap < C * 9)[:, None]
            factor = tl.load(weight + output[None, :] * (C * 9) + tap[:, None], known, other=0.0)
            total = tl.dot(patch, factor, total, input_precision=PRECISION)
        value = total + shift[None, :]
        better = (value > best) | (value != value)
        won = tl.where(better, quarter, won)
        best = tl.where(better, value, best)
    to = run * OUT * PH * PW * batch
    to += (image[:, None] * OUT + output[None, :]) * (PH * PW) + pixel[:, None]
    there = live[:, None] & of_layer[None, :]
    tl.store(y + to, tl.where(best < 0, 0.0, best), there)  # NaN stays
    if KEEP:
        tl.store(winner + to, tl.where(best <= 0, DEAD, won).to(tl.uint8), there)


def convolve(
    x_RBCHW: Tensor, weight_ROCHW: Tensor, bias_RO: Tensor, precision: str, keep: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the block's output (R, B, O, PH, PW).

    With `keep` its winners come with it: for each output which of the four pixels it is (0 to 3,
    row by row), or `DEAD`. That is all that the gradients take of it.
    """
    runs, batch, channels, height, width = x_RBCHW.shape
    outputs = weight_ROCHW.shape[1]
    y = x_RBCHW.new_empty(runs, batch, outputs, height // 2, width // 2)
    winner = torch.empty_like(y, dtype=torch.uint8) if keep else None
    tiles, of_channels = find_tiles("forward", precision, channels), pad_channels(outputs)
    places = batch * (height // 2) * (width // 2)
    grid = triton.cdiv(places, tiles.places), triton.cdiv(outputs, of_channels), runs
    convolve_kernel[grid](
        *(x_RBCHW, weight_ROCHW, bias_RO, y, winner),
        *(x_RBCHW.stride(0), weight_ROCHW.stride(0), bias_RO.stride(0), batch),
        *(channels, height, width, outputs),
        *(tiles.places, tiles.taps, of_channels),
        PRECISION=DOT[precision],
        KEEP=keep,
        **tiles.options,
    )
    return y, winner
