"""How much of the work one program of a convolution's kernels does at once.

A program multiplies matrices of `places` (pixels of all images of one run), `taps` (of the 3x3
kernel, for each channel) and channels, as large as registers hold without spilling any; products in
float32 take more of them than those of tensor cores. `warps` are groups of 32 threads that share
the work, `stages` how many loads are under way at once.
"""

from dataclasses import dataclass, replace
from typing import Any

DOT = {"float32": "ieee", "tf32": "tf32", "tf32x3": "tf32x3"}
"""Precision -> what Triton calls it in a product."""


@dataclass(frozen=True)
class Tiles:
    """The sizes of one kernel: powers of 2."""

    places: int
    taps: int = 1
    warps: int = 4
    stages: int = 2

    @property
    def options(self) -> dict[str, Any]:
        """How a kernel with these sizes is compiled."""
        return {"num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": True}


TILES = {
    ("forward", "float32"): Tiles(places=32, taps=16),
    ("forward", "tf32"): Tiles(places=32, taps=16),
    ("forward", "tf32x3"): Tiles(places=64, taps=16, warps=8),
    ("weights", "float32"): Tiles(places=16, taps=32),
    ("weights", "tf32"): Tiles(places=32, taps=32),
    ("weights", "tf32x3"): Tiles(places=32, taps=16),
    ("inputs", "float32"): Tiles(places=32),
    ("inputs", "tf32"): Tiles(places=32),
    ("inputs", "tf32x3"): Tiles(places=64, warps=8),
}
"""The sizes by kernel and precision: with them a thread of the cnn's kernels takes at most 170
registers (tests print how many), so that three programs or more share a processor of a GPU."""

SPLITS = 4
"""Parts of a run's images whose gradients of the weights are summed apart, each in order, and then
added up; of any group as many, since a run must not depend on its company."""

_FEWEST, _MOST = 16, 32


def find_tiles(kernel: str, precision: str, channels: int) -> Tiles:
    """Return the sizes of a kernel for a layer of so many input channels.

    >>> find_tiles("forward", "float32", channels=1).taps
    16
    """
    tiles = TILES[kernel, precision]
    return replace(tiles, taps=min(tiles.taps, _round_up(9 * channels)))


def _round_up(count: int) -> int:
    return max(_FEWEST, 1 << (count - 1).bit_length())


def pad_channels(channels: int) -> int:
    """Return how many of a layer's channels a program takes: a power of 2, as its products need.

    >>> [pad_channels(channels) for channels in (1, 16, 20, 32, 100)]
    [16, 16, 32, 32, 32]
    """
    return min(_round_up(channels), _MOST)
