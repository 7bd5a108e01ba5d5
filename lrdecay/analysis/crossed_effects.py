"""Seeds x images: what a difference in test accuracy would be on new images of the same kind.

The test images are a sample too, and more seeds do not shrink their part of the error. Which image
each run got right is stored, one bit per image.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lrdecay.analysis.distributions import Numbers
from lrdecay.analysis.seed_blocks import Blocks

_ROWS = 255
"""Bitmaps that are unpacked at once, a byte per image: as many as a byte can count."""


def crossed_variance(
    s2_rows: Numbers, s2_columns: Numbers, s2_residual: Numbers, n: Numbers, images: Numbers
) -> np.ndarray:
    """Return the variance of the grand mean of n seeds x images, both of them random.

    s2_rows/n + s2_columns/images - s2_residual/(n images), not below s2_rows/n, where the first two
    are the variances of the row and column means and the third is the residual mean square of the
    two-way layout without replication (Searle, Casella and McCulloch, Variance Components, 1992,
    chapter 4).
    """
    by_seeds = s2_rows / n
    total = by_seeds + s2_columns / images - s2_residual / (n * images)
    variance: np.ndarray = np.maximum(total, by_seeds)
    return variance


class Bitmaps:
    """Which test images each run got right, read a cell at a time when first asked for.

    Holds the cells of one stratum at a time, at a bit per run and image.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        runs = blocks.runs
        self._bitmaps = list(runs["test_correct"]) if "test_correct" in runs else [None] * len(runs)
        images = runs["test_images"] if "test_images" in runs else np.full(len(runs), np.nan)
        self._images = np.array(images, float)
        sizes = [len(bits) if isinstance(bits, bytes) else -1 for bits in self._bitmaps]
        # NaN where a run has no bitmap, or not one of as many images as it says
        self._images[np.ceil(self._images / 8) != sizes] = np.nan
        self._stratum = -1
        self._packed: dict[int, np.ndarray] = {}
        self._kept: dict[tuple[Any, ...], Any] = {}

    def variance(self, cells: Sequence[int], weights: Sequence[float], used: np.ndarray) -> float:
        """Return the variance of a contrast's mean on new images, in squared points.

        `used` says which seeds count (bool, at least two); NaN where one of their runs has no
        bitmap, or they are of different numbers of images.
        """
        self._enter(cells[0])
        at = np.flatnonzero(used)
        rows = self._blocks.row[np.asarray(cells)[:, None], at]
        if not (self._images[rows] == self._images[rows[0, 0]]).all():
            return np.nan
        images, n = int(self._images[rows[0, 0]]), len(at)
        w, key = np.asarray(weights), used.tobytes()
        by_seed = w @ np.array([self._right(cell, at, key) for cell in cells]) / images
        by_image = w @ np.array([self._by_image(c, at, key, images) for c in cells]) / n
        squares = sum(
            (1 if i == j else 2) * w[i] * w[j] * self._both_right(cells[i], cells[j], at, key)
            for i in range(len(cells))
            for j in range(i + 1)
        )
        mean = by_seed.mean()
        of_seeds, of_images = ((by_seed - mean) ** 2).sum(), ((by_image - mean) ** 2).sum()
        residual = squares - n * images * mean**2 - images * of_seeds - n * of_images
        variance = crossed_variance(
            of_seeds / (n - 1),
            of_images / (images - 1),
            max(residual, 0.0) / ((n - 1) * (images - 1)),
            n,
            images,
        )
        return 100.0**2 * float(variance)

    def by_image(self, cell: int, used: np.ndarray) -> np.ndarray | None:
        """Return at how many of the used seeds a cell got each image right; None as NaN above."""
        self._enter(cell)
        at = np.flatnonzero(used)
        images = self._images[self._blocks.row[cell, at]]
        if not len(images) or not (images == images[0]).all():
            return None
        return self._by_image(cell, at, used.tobytes(), int(images[0]))

    def _enter(self, cell: int) -> None:
        stratum = int(self._blocks.stratum[cell])
        if stratum != self._stratum:
            self._stratum = stratum
            self._packed.clear()
            self._kept.clear()

    def _bits(self, cell: int, at: np.ndarray) -> np.ndarray:
        """Seeds x words of 64 images; zeros where there is no bitmap."""
        if cell not in self._packed:
            rows = self._blocks.row[cell]
            found = [
                self._bitmaps[row] if row >= 0 and self._images[row] > 0 else None for row in rows
            ]
            size = 8 * -(-max((len(bits) for bits in found if bits is not None), default=0) // 8)
            joined = b"".join((bits or b"").ljust(size, b"\0") for bits in found)
            self._packed[cell] = np.frombuffer(joined, np.uint64).reshape(len(rows), size // 8)
        packed = self._packed[cell]
        return packed if len(at) == len(packed) else packed[at]

    # Contrasts share cells and pairs of cells: what is computed of them is kept within a stratum.

    def _right(self, cell: int, at: np.ndarray, key: bytes) -> np.ndarray:
        """How many images were right at each seed."""
        if (name := (cell, key)) not in self._kept:
            self._kept[name] = np.bitwise_count(self._bits(cell, at)).sum(axis=1, dtype=np.int64)
        right: np.ndarray = self._kept[name]
        return right

    def _both_right(self, a: int, b: int, at: np.ndarray, key: bytes) -> int:
        """How often, over seeds and images, both cells were right."""
        if (name := (min(a, b), max(a, b), key)) not in self._kept:
            both = self._bits(a, at) & self._bits(b, at)
            self._kept[name] = int(np.bitwise_count(both).sum(dtype=np.int64))
        return int(self._kept[name])

    def _by_image(self, cell: int, at: np.ndarray, key: bytes, images: int) -> np.ndarray:
        """At how many seeds each image was right."""
        if (name := ("images", cell, key)) not in self._kept:
            counts = np.zeros(images, np.int64)
            bits = self._bits(cell, at).view(np.uint8)
            for start in range(0, len(bits), _ROWS):
                chunk = np.unpackbits(bits[start : start + _ROWS], axis=1, count=images)
                counts += chunk.sum(axis=0, dtype=np.uint8)
            self._kept[name] = counts
        counted: np.ndarray = self._kept[name]
        return counted
