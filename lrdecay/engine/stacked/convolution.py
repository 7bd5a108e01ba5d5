"""Convolutions of many runs as one matrix product per run, with gradients written by hand.

Tensors are named by their shape: R runs, B images of a batch, C channels (O of the output), H
height, W width; Q planes; K values under a kernel (C x its height x its width) and N places where
it stands (B x H x W of the output). Images are (R, C, B, H, W): what a kernel sees, (K, N), is then
a view of them, copied at once, and a run is one product (Q O, K) @ (K, N) instead of one per image.

A 2x2 max-pool takes the largest of four neighbours. Where it follows, the four are computed as four
planes, by kernels that are one larger, two apart and moved within their frame: 3x3 kernels then see
4 values a pixel instead of 9, which is less memory to move for 16/9 of the multiplications.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from lrdecay.engine.stacked.windows import Geometry, Layout, add_windows, view_windows

Into = tuple[Tensor | None, Tensor | None]
"""Where the gradients of weight and bias are to be."""


def convolve(
    x_RCBHW: Tensor,
    weight_ROCHW: Tensor,
    bias_RO: Tensor | None,
    sign_RO: Tensor | None,
    layer: nn.Conv2d,
    tile: int,
    framed: bool,
    with_zeros: bool,
    into: Into = (None, None),
) -> Tensor:
    """Convolve each run's images with its own kernels; return (R, Q O, B, H, W), Q = tile x tile.

    Images without a run axis of their own, (1, C, B, H, W), are those of all runs. `sign_RO`
    multiplies kernels and biases. `framed` says that the images lie in a border of zeros as wide as
    the padding. `with_zeros` keeps a plane of zeros in memory before the others. Gradients of
    weight and bias are written `into` tensors that are there for them.
    """
    dtype = find_dtype(x_RCBHW)
    matrix_RMK = _Lift.apply(weight_ROCHW, bias_RO, sign_RO, tile, dtype, into)
    geometry = Geometry.of(layer, tile)
    ahead = weight_ROCHW.shape[1] if with_zeros else 0
    x_RMBHW: Tensor = _Convolve.apply(x_RCBHW, matrix_RMK, geometry, framed, ahead)
    return x_RMBHW


def find_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype that torch's own convolution would compute in."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def write_into(
    into: Tensor | None, dtype: torch.dtype, function: Callable[..., Tensor], *given: Any
) -> Tensor:
    """Return what a function of torch gives, written into a tensor if there is one of the dtype."""
    if into is None or into.dtype != dtype:
        return function(*given)
    return function(*given, out=into)


class _Lift(Function):
    """Kernels (R, O, C, H, W) and biases (R, O) as the matrices (R, Q O, K) of a product.

    With biases K is even, since products load two numbers at once, and what is multiplied with the
    additional columns is 1: the first holds the bias, a second one 0.
    """

    @staticmethod
    def forward(
        ctx: Any,
        weight_ROCHW: Tensor,
        bias_RO: Tensor | None,
        sign_RO: Tensor | None,
        tile: int,
        dtype: torch.dtype,
        into: Into,
    ) -> Tensor:
        runs, outputs, channels, height, width = weight_ROCHW.shape
        ctx.shape = channels, height, width
        ctx.tile, ctx.into = tile, into
        inner = channels * (height + tile - 1) * (width + tile - 1)
        columns = inner if bias_RO is None else (inner // 2 + 1) * 2
        matrix = weight_ROCHW.new_zeros(runs, tile, tile, outputs, columns, dtype=dtype)
        kernels, biases = _view_kernels(matrix, ctx.shape), matrix[..., inner:][..., :1]
        kernels.copy_(weight_ROCHW[:, None, None])
        if bias_RO is not None:
            biases.copy_(bias_RO[:, None, None, :, None])
        if sign_RO is not None:
            matrix *= sign_RO[:, None, None, :, None]
        ctx.with_bias = bias_RO is not None
        ctx.save_for_backward(sign_RO)
        return matrix.view(runs, tile * tile * outputs, columns)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (g_RMK,) = gradients
        tile, (channels, height, width) = ctx.tile, ctx.shape
        (sign_RO,) = ctx.saved_tensors
        inner = channels * (height + tile - 1) * (width + tile - 1)
        g = g_RMK.contiguous().view(len(g_RMK), tile, tile, -1, g_RMK.shape[2])
        if sign_RO is not None:
            g *= sign_RO[:, None, None, :, None]  # a product that nobody else has
        of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            kernels = _view_kernels(g, ctx.shape)
            of_weight = write_into(ctx.into[0], g.dtype, torch.sum, kernels, (1, 2))
        if ctx.with_bias and ctx.needs_input_grad[1]:
            of_bias = write_into(ctx.into[1], g.dtype, torch.sum, g[..., inner], (1, 2))
        return of_weight, of_bias, None, None, None, None


def _view_kernels(matrix: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return the kernels (R, tile, tile, O, C, H, W) within matrices (R, tile, tile, O, K)."""
    runs, tile, _, outputs, _ = matrix.shape
    channels, height, width = shape
    tall, wide = height + tile - 1, width + tile - 1
    of_run, of_row, of_column, of_output, _ = matrix.stride()
    return matrix.as_strided(
        (runs, tile, tile, outputs, channels, height, width),
        (of_run, of_row + wide, of_column + 1, of_output, tall * wide, wide, 1),
    )


class _Convolve(Function):
    """Images (R, C, B, H, W) and matrices (R, M, K) to (R, M, B, H, W)."""

    @staticmethod
    def forward(
        ctx: Any, x_RCBHW: Tensor, matrix_RMK: Tensor, geometry: Geometry, framed: bool, ahead: int
    ) -> Tensor:
        runs, rows, columns = matrix_RMK.shape
        ctx.geometry, ctx.channels, ctx.size = geometry, x_RCBHW.shape[1], x_RCBHW.shape[3:]
        if not framed and any(geometry.padding):
            inside = Layout(geometry.padding).allocate(x_RCBHW, x_RCBHW.shape)
            x_RCBHW = inside.copy_(x_RCBHW)
        windows = view_windows(x_RCBHW, geometry, ctx.size)
        inner, places = prod(windows.shape[1:4]), windows.shape[4:]
        patches_RKN = matrix_RMK.new_empty(len(x_RCBHW), columns, places.numel())
        patches_RKN[:, :inner].view(windows.shape).copy_(windows)
        if columns > inner:
            patches_RKN[:, inner:].fill_(1)
        output = matrix_RMK.new_empty(runs, ahead + rows, places.numel())
        output[:, :ahead].zero_()
        torch.bmm(matrix_RMK, patches_RKN.expand(runs, -1, -1), out=output[:, ahead:])
        ctx.save_for_backward(patches_RKN, matrix_RMK)
        x_RMBHW: Tensor = output[:, ahead:].unflatten(2, places)
        return x_RMBHW

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (g_RMBHW,) = gradients
        patches_RKN, matrix_RMK = ctx.saved_tensors
        g_RMN = g_RMBHW.contiguous().flatten(2)
        of_images = of_matrix = None
        if ctx.needs_input_grad[1]:
            patches_RNK = patches_RKN.expand(len(g_RMN), -1, -1).transpose(1, 2)
            of_matrix = torch.bmm(g_RMN, patches_RNK)
        if ctx.needs_input_grad[0]:
            shape = ctx.channels, *ctx.geometry.kernel
            seen = torch.bmm(matrix_RMK[..., : prod(shape)].transpose(1, 2), g_RMN)
            seen = seen.view(len(seen), *shape, *g_RMBHW.shape[2:])
            of_images = add_windows(seen, ctx.geometry, ctx.size)
            if len(patches_RKN) < len(of_images):
                of_images = of_images.sum(0, keepdim=True)
        return of_images, of_matrix, None, None, None
