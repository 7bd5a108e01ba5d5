"""Kernel for the gradients of a block's weights and bias; names as in `conv_forward`."""

import triton
import triton.language as tl
from torch import Tensor

from lrdecay.engine.stacked.kernels.conv_forward import DEAD
from lrdecay.engine.stacked.kernels.tiles import DOT, SPLITS, find_tiles, pad_channels


@triton.jit
def weigh_kernel(
    x: "Tensor",
    gradient: "Tensor",
    winner: "Tensor",
    parts: "Tensor",
    x_stride: int,
    batch: int,
    C: tl.constexpr,
    H: tl.constexpr,
    W: tl.constexpr,
    OUT: tl.constexpr,
    PLACES: tl.constexpr,
    TAPS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    SPLITS: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Compute the gradients of TAPS taps x OUTPUTS channels of one run, in one of SPLITS parts.

    It goes over every SPLITS-th tile of PLACES pooled pixels, in order. An output's gradient is
    that of the pixel that won, so for each of the four it is a product (TAPS, PLACES) x (PLACES,
    OUTPUTS), in which the gradients of the other winners are zero. Each part has its own place in
    `parts`: no two programs add to one.
    """
    run, runs = tl.program_id(2).to(tl.int64), tl.num_programs(2)
    split, first_tap = tl.program_id(0) % SPLITS, tl.program_id(0) // SPLITS * TAPS
    PH: tl.constexpr = H // 2
    PW: tl.constexpr = W // 2
    tap = first_tap + tl.arange(0, TAPS)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    known, of_layer = tap < C * 9, output < OUT
    channel, ky, kx = tap // 9, tap // 3 % 3, tap % 3
    x += run * x_stride
    gradient += run * OUT * PH * PW * batch
    winner += run * OUT * PH * PW * batch
    total = tl.zeros((TAPS, OUTPUTS), tl.float32)
    shift = tl.zeros((OUTPUTS,), tl.float32)
    for first in range(split * PLACES, batch * (PH * PW), SPLITS * PLACES):
        place = first + tl.arange(0, PLACES)
        live = place < batch * (PH * PW)
        image, pixel = place // (PH * PW), place % (PH * PW)
        top, left = pixel // PW * 2, pixel % PW * 2
        at = (image[:, None] * OUT + output[None, :]) * (PH * PW) + pixel[:, None]
        there = live[:, None] & of_layer[None, :]
        change = tl.load(gradient + at, there, other=0.0)
        won = tl.load(winner + at, there, other=DEAD).to(tl.int32)
        shift += tl.sum(tl.where(won == DEAD, 0.0, change), 0)
        for quarter in range(4):
            yy = (top + quarter // 2)[None, :] + (ky - 1)[:, None]
            xx = (left + quarter % 2)[None, :] + (kx - 1)[:, None]
            inside = (yy >= 0) & (yy < H) & (xx >= 0) & (xx < W)
            inside &= live[None, :] & known[:, None]
            from_x = (image[None, :] * C + channel[:, None]) * (H * W) + yy * W + xx
            patch = tl.load(x + from_x, mask=inside, other=0.0)
            own = tl.where(won == quarter, change, 0.0)
            total = tl.dot(patch, own, total, input_precision=PRECISION)
    # a run's part is its weights' gradients, then its biases'
    parts += (split * runs + run) * (OUT * (C * 9 + 1))
    to = output[None, :] * (C * 9) + tap[:, None]
    tl.store(parts + to, total, known[:, None] & of_layer[None, :])
    if first_tap == 0:
        tl.store(parts + OUT * C * 9 + output, shift, of_layer)


def differentiate_weights(
    x_RBCHW: Tensor, gradient_ROHW: Tensor, winner: Tensor, precision: str
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the weights (R, O, C, 3, 3) and of the bias (R, O)."""
    runs, batch, channels, height, width = x_RBCHW.shape
    outputs = winner.shape[2]
    parts = x_RBCHW.new_empty(SPLITS, runs, outputs * (channels * 9 + 1))
    tiles, of_channels = find_tiles("weights", precision, channels), pad_channels(outputs)
    rows = triton.cdiv(channels * 9, tiles.taps)
    grid = rows * SPLITS, triton.cdiv(outputs, of_channels), runs
    weigh_kernel[grid](
        *(x_RBCHW, gradient_ROHW, winner, parts),
        *(x_RBCHW.stride(0), batch),
        *(channels, height, width, outputs),
        *(tiles.places, tiles.taps, of_channels, SPLITS),
        PRECISION=DOT[precision],
        **tiles.options,
    )
    of_weights, of_biases = parts.sum(0).split([outputs * channels * 9, outputs], dim=1)
    return of_weights.unflatten(1, (outputs, channels, 3, 3)), of_biases
