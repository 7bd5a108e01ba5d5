"""Dropout as one kernel: the mask of a run's stream is drawn where it is used, and kept nowhere."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_GAMMA = tl.constexpr(0x9E3779B97F4A7C15)
_FIRST = tl.constexpr(0xBF58476D1CE4E5B9)
_SECOND = tl.constexpr(0x94D049BB133111EB)
"""The constants of SplitMix64, as in `components.rng`."""

_PAIRS = 512


@triton.jit
def drop_kernel(
    x: "Tensor",
    y: "Tensor",
    keys: "Tensor",
    thresholds: "Tensor",
    scales: "Tensor",
    count: int,
    PAIRS: tl.constexpr,
) -> None:
    """Multiply 2 PAIRS numbers of one run by their mask.

    Output i of SplitMix64 is had from the key and i alone, and its halves are the uniforms of
    numbers 2 i and 2 i + 1, the lower one first: integer arithmetic, so the bits are those of
    `rng.draw_mask`. What is dropped is multiplied by zero, as there: NaN stays.
    """
    run = tl.program_id(1).to(tl.int64)
    pair = tl.program_id(0) * PAIRS + tl.arange(0, PAIRS)
    bits = tl.load(keys + run).to(tl.uint64) + (pair + 1).to(tl.uint64) * _GAMMA
    bits = (bits ^ (bits >> 30)) * _FIRST
    bits = (bits ^ (bits >> 27)) * _SECOND
    bits = bits ^ (bits >> 31)
    uniform = tl.interleave(bits.to(tl.int32), (bits >> 32).to(tl.int32))
    factor = tl.where(uniform >= tl.load(thresholds + run), tl.load(scales + run), 0.0)
    element = tl.program_id(0) * (2 * PAIRS) + tl.arange(0, 2 * PAIRS)
    at = run * count + element
    there = element < count
    tl.store(y + at, tl.load(x + at, mask=there, other=0.0) * factor, there)


def drop(x_RX: Tensor, keys_R: Tensor, thresholds_R: Tensor, scales_R: Tensor) -> Tensor:
    """Return each run's numbers with its mask applied.

    Args:
        x_RX: of any shape after the run axis, in float32.
        keys_R: each run's key of the mask (`rng.derive_keys`), int64.
        thresholds_R: its rate as `rng.mask_threshold` gives it, int32.
        scales_R: what is kept is multiplied by, 1 / (1 - rate).

    Raises `ValueError` for another type than float32.
    """
    if x_RX.dtype != torch.float32:
        raise ValueError(f"kernels: triton computes in torch.float32, not {x_RX.dtype}")
    of_runs = (each.contiguous() for each in (keys_R, thresholds_R, scales_R))
    dropped_RX: Tensor = _Drop.apply(x_RX.contiguous(), *of_runs)
    return dropped_RX


class _Drop(torch.autograd.Function):
    """The gradient goes through the same mask, which is drawn again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *of_runs: Tensor) -> Tensor:
        ctx.save_for_backward(*of_runs)
        return _multiply(x, *of_runs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _multiply(gradient.contiguous(), *ctx.saved_tensors), None, None, None


def _multiply(x: Tensor, keys: Tensor, thresholds: Tensor, scales: Tensor) -> Tensor:
    y = torch.empty_like(x)
    count = x[0].numel()
    grid = triton.cdiv(count, 2 * _PAIRS), len(x)
    drop_kernel[grid](x, y, keys, thresholds, scales, count, PAIRS=_PAIRS, enable_fp_fusion=False)
    return y
