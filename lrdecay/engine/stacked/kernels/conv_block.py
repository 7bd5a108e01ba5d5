"""A block of a network as one operation: convolution 3x3 with padding 1, bias, pooling and ReLU.

What torch does in four operations, with the convolution's output written once and read six times,
is one kernel forwards and two backwards, which never write that output. Values, ties, NaN and
gradients are those of torch: `conv_forward` says how.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lrdecay.engine.stacked.kernels.arithmetic import join_within_runs
from lrdecay.engine.stacked.kernels.conv_forward import convolve
from lrdecay.engine.stacked.kernels.conv_inputs import differentiate_inputs
from lrdecay.engine.stacked.kernels.conv_weights import differentiate_weights

_MOST_NUMBERS = 2**31
"""Within one run places are counted in 32 bits."""


def fused_conv_block(
    x_RBCHW: Tensor, weight_ROCHW: Tensor, bias_RO: Tensor, precision: str = "float32"
) -> Tensor:
    """Return `relu(max_pool2d(conv2d(x, weight, bias, padding=1), 2))` of each run, (R, B, O, H/2,
    W/2), where of an odd height or width the last row or column is left out.

    Args:
        x_RBCHW: images in float32; where all runs see the same they may be expanded over R.
        weight_ROCHW: each run's weights, 3x3.
        bias_RO: its biases.
        precision: of the products: `float32`; `tf32`, whose factors have 10 bits of mantissa; or
            `tf32x3`, three products of such, about as exact as float32.

    Raises `ValueError` for tensors that the kernels are not for.
    """
    _check_tensors(x_RBCHW, weight_ROCHW)
    x, weight, bias = map(join_within_runs, (x_RBCHW, weight_ROCHW, bias_RO))
    if torch.is_grad_enabled() and any(each.requires_grad for each in (x, weight, bias)):
        y_ROHW: Tensor = _ConvBlock.apply(x, weight, bias, precision)
        return y_ROHW
    return convolve(x, weight, bias, precision, keep=False)[0]


class _ConvBlock(torch.autograd.Function):
    """The block with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, precision: str) -> Tensor:
        y, winner = convolve(x, weight, bias, precision, keep=True)
        ctx.save_for_backward(x, weight, winner)
        ctx.precision = precision
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x, weight, winner = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_weight, of_bias = differentiate_weights(x, gradient, winner, ctx.precision)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = differentiate_inputs(weight, gradient, winner, x.shape[3:], ctx.precision)
        return of_x, of_weight, of_bias, None


def _check_tensors(x_RBCHW: Tensor, weight_ROCHW: Tensor) -> None:
    """Raise `ValueError` for what would be computed wrongly."""
    if x_RBCHW.dtype != torch.float32:
        raise ValueError(f"kernels: triton computes in torch.float32, not {x_RBCHW.dtype}")
    runs, batch, channels, height, width = x_RBCHW.shape
    outputs = weight_ROCHW.shape[1]
    if weight_ROCHW.shape != (runs, outputs, channels, 3, 3):
        raise ValueError(
            f"images {tuple(x_RBCHW.shape)} take weights ({runs}, outputs, {channels}, 3, 3), not "
            f"{tuple(weight_ROCHW.shape)}"
        )
    if batch * max(channels, outputs) * height * width >= _MOST_NUMBERS:
        raise ValueError(
            f"a batch of {batch:,} images has too many numbers for kernels: triton "
            f"({_MOST_NUMBERS:,} for {max(channels, outputs)} channels of {height}x{width})"
        )
