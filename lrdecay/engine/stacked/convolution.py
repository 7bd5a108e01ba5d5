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
from dataclasses import dataclass
from itertools import groupby, product
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

Pair = tuple[int, int]
Into = tuple[Tensor | None, Tensor | None]
"""Where the gradients of weight and bias are to be."""


@dataclass(frozen=True)
class Geometry:
    """Where kernels stand on an image; each pair is of height and width."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @classmethod
    def of(cls, layer: nn.Conv2d, tile: int) -> "Geometry":
        """Return that of a layer whose output is computed in tiles of so many places a side."""
        assert isinstance(layer.padding, tuple)
        (height, width), (down, right) = layer.kernel_size, layer.stride
        (top, left), (apart, beside) = layer.padding, layer.dilation
        kernel = height + tile - 1, width + tile - 1
        return cls(kernel, (down * tile, right * tile), (top, left), (apart, beside))

    def count_places(self, size: Pair) -> Pair:
        """Return the height and width of the output, from those of the images."""
        sides = zip(size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        height, width = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides)
        return height, width


@dataclass(frozen=True)
class Layout:
    """How images lie in memory for what comes next: in a border of zeros as wide as a convolution's
    padding, or with those of a run one after the other, as `nn.Flatten` has them."""

    border: Pair = (0, 0)
    in_rows: bool = False

    def allocate(self, like: Tensor, shape: torch.Size) -> Tensor:
        """Return a tensor (R, C, B, H, W) to be filled, of the dtype and device of another."""
        runs, channels, count, height, width = shape
        if self.in_rows:
            return like.new_empty(runs, count, channels, height, width).transpose(1, 2)
        top, left = self.border
        if not (top or left):
            return like.new_empty(shape)
        framed = like.new_zeros(runs, channels, count, height + 2 * top, width + 2 * left)
        return framed[..., top : top + height, left : left + width]

    def place(self, x_RCBHW: Tensor) -> Tensor:
        """Return the same images in this layout; in rows they already are for whoever copies."""
        top, left = self.border
        height, width = x_RCBHW.shape[3:]
        framed = nn.functional.pad(x_RCBHW, (left, left, top, top)) if top or left else x_RCBHW
        return framed[..., top : top + height, left : left + width]


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
        windows = _view_windows(x_RCBHW, geometry, ctx.size)
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
            of_images = _add_windows(seen, ctx.geometry, ctx.size)
            if len(patches_RKN) < len(of_images):
                of_images = of_images.sum(0, keepdim=True)
        return of_images, of_matrix, None, None, None


def _view_windows(x_RCBHW: Tensor, geometry: Geometry, size: Pair) -> Tensor:
    """Return what kernels see of images that lie in a border of zeros as wide as the padding: (R,
    C, height and width of a kernel, B, H, W)."""
    of_run, of_channel, of_image, of_row, of_column = x_RCBHW.stride()
    (down, right), (apart, beside) = geometry.stride, geometry.dilation
    top, left = geometry.padding
    runs, channels, count = x_RCBHW.shape[:3]
    return x_RCBHW.as_strided(
        (runs, channels, *geometry.kernel, count, *geometry.count_places(size)),
        (
            *(of_run, of_channel, apart * of_row, beside * of_column),
            *(of_image, down * of_row, right * of_column),
        ),
        x_RCBHW.storage_offset() - top * of_row - left * of_column,
    )


def _add_windows(seen: Tensor, geometry: Geometry, size: Pair) -> Tensor:
    """Return images (R, C, B, H, W), each place the sum of what all kernels have that saw it: the
    transpose of `_view_windows`."""
    runs, channels, _, _, count, height, width = seen.shape
    (down, right) = geometry.stride
    # an image cut into blocks as large as the stride
    tall, wide = -(-size[0] // down), -(-size[1] // right)
    total = seen.new_empty(runs, channels, count, tall, down, wide, right)
    parts = list(
        product(_list_taps(geometry, 0, height, tall), _list_taps(geometry, 1, width, wide))
    )
    # what is everywhere comes first, so that nothing need be there before
    parts.sort(key=lambda both: -sum(taps.everywhere for taps in both))
    covers = all(taps.everywhere for taps in parts[0])
    if not covers:
        total.zero_()
    for rows, columns in parts:
        part = total[:, :, :, rows.blocks, rows.within, columns.blocks, columns.within]
        of_taps = seen[:, :, rows.which, columns.which, :, rows.places, columns.places]
        of_taps = of_taps.permute(0, 1, 4, 5, 2, 6, 3)
        if covers and (rows, columns) == parts[0]:
            part.copy_(of_taps)
        else:
            part += of_taps
    return total.flatten(5, 6).flatten(3, 4)[..., : size[0], : size[1]]


@dataclass(frozen=True)
class _Taps:
    """Neighbours within a kernel that see the same block of an image, along one of its sides."""

    which: slice
    within: slice
    """Where in a block they see it."""
    places: slice
    """From which of its places the kernel sees a block there is."""
    blocks: slice
    everywhere: bool
    """Whether they see all of the image."""


def _list_taps(geometry: Geometry, axis: int, places: int, blocks: int) -> list[_Taps]:
    """Return all taps of a kernel that stands in so many places on so many blocks."""
    kernel, stride, padding, apart = (
        of_both[axis]
        for of_both in (geometry.kernel, geometry.stride, geometry.padding, geometry.dilation)
    )
    seen = [divmod(tap * apart - padding, stride) for tap in range(kernel)]
    together = [[tap] for tap in range(kernel)]
    if apart == 1:
        together = [list(taps) for _, taps in groupby(range(kernel), lambda tap: seen[tap][0])]
    found = []
    for taps in together:
        ahead, within = seen[taps[0]]
        first, last = max(0, -ahead), min(places, blocks - ahead)
        if first < last:
            everywhere = len(taps) == stride and (first, last) == (0, blocks) == (0, places)
            found.append(
                _Taps(
                    slice(taps[0], taps[-1] + 1),
                    slice(within, within + len(taps)),
                    slice(first, last),
                    slice(first + ahead, last + ahead),
                    everywhere,
                )
            )
    return found
