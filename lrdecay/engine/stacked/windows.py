"""What a convolution's kernels see of images, as a view of them, and back.

Tensors are named by their shape: R runs, C channels, B images of a batch, H height, W width.
"""

from dataclasses import dataclass
from itertools import groupby, product

import torch
from torch import Tensor, nn

Pair = tuple[int, int]


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


def view_windows(x_RCBHW: Tensor, geometry: Geometry, size: Pair) -> Tensor:
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


def add_windows(seen: Tensor, geometry: Geometry, size: Pair) -> Tensor:
    """Return images (R, C, B, H, W), each place the sum of what all kernels have that saw it: the
    transpose of `view_windows`."""
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
