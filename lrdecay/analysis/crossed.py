"""Seeds x images: what a difference in test accuracy would be on new images of the same kind.

The test images are a sample too, and more seeds do not shrink their part of the error. Which image
each run got right is stored, one bit per image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrdecay.analysis.blocks import Blocks
from lrdecay.analysis.sequences import Numbers, fixed_radius

_ROWS = 256
"""Bitmaps that are unpacked at once, a byte per image."""


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
    whole: np.ndarray = by_seeds + s2_columns / images - s2_residual / (n * images)
    return np.maximum(whole, by_seeds)


def crossed_interval(
    differences: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return mean, low and high of the crossed interval of a matrix of seeds x images.

    t with n - 1 degrees of freedom, the fewer of the two. For a number of seeds fixed beforehand.
    """
    n, images = differences.shape
    mean = float(differences.mean())
    rows, columns = differences.mean(axis=1), differences.mean(axis=0)
    residual = differences - rows[:, None] - columns[None, :] + mean
    variance = crossed_variance(
        rows.var(ddof=1),
        columns.var(ddof=1),
        (residual**2).sum() / ((n - 1) * (images - 1)),
        n,
        images,
    )
    radius = float(fixed_radius(n, np.sqrt(n * variance), 1 - confidence))
    return mean, mean - radius, mean + radius


class Bitmaps:
    """Which test images each run got right, read a cell at a time when first asked for.

    Holds the cells of one stratum at a time, at a bit per run and image.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        runs = blocks.runs
        self._bitmaps = list(runs["test_correct"]) if "test_correct" in runs else [None] * len(runs)
        images = runs["test_images"] if "test_images" in runs else np.full(len(runs), np.nan)
        self._images = np.asarray(images, float)
        sizes = [len(bits) if isinstance(bits, bytes) else -1 for bits in self._bitmaps]
        # NaN where a run has no bitmap, or not one of as many images as it says
        self._images[np.ceil(self._images / 8) != sizes] = np.nan
        self._stratum = -1
        self._packed: dict[int, np.ndarray] = {}
        self._counts: dict[tuple[int, bytes], np.ndarray] = {}

    def variance(self, cells: Sequence[int], weights: Sequence[float], used: np.ndarray) -> float:
        """Return the variance of a contrast's mean on new images, in squared points.

        `used` says which seeds count (bool, at least two); NaN where one of their runs has no
        bitmap, or they are of different numbers of images.
        """
        self._enter(int(self._blocks.stratum[cells[0]]))
        rows = self._blocks.row[np.ix_(cells, np.flatnonzero(used))]
        if not (self._images[rows] == self._images[rows[0, 0]]).all():
            return np.nan
        images, n = int(self._images[rows[0, 0]]), int(used.sum())
        w = np.asarray(weights)
        bits = [packed if used.all() else packed[used] for packed in map(self._of_cell, cells)]
        right = np.array([np.bitwise_count(each).sum(axis=1, dtype=np.int64) for each in bits])
        by_seed = w @ right / images
        counts = [self._by_image(c, b, images, used) for c, b in zip(cells, bits, strict=True)]
        by_image = w @ np.array(counts) / n
        squares = sum(
            (1 if i == j else 2) * w[i] * w[j] * _both_right(bits[i], bits[j])
            for i in range(len(bits))
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
        self._enter(int(self._blocks.stratum[cell]))
        images = self._images[self._blocks.row[cell, used]]
        if not len(images) or not (images == images[0]).all():
            return None
        return self._by_image(cell, self._of_cell(cell)[used], int(images[0]), used)

    def _enter(self, stratum: int) -> None:
        if stratum != self._stratum:
            self._stratum = stratum
            self._packed.clear()
            self._counts.clear()

    def _of_cell(self, cell: int) -> np.ndarray:
        """Seeds x bytes; zeros where there is no bitmap."""
        if cell not in self._packed:
            rows = self._blocks.row[cell]
            found = [
                self._bitmaps[row] if row >= 0 and self._images[row] > 0 else None for row in rows
            ]
            size = max((len(bits) for bits in found if bits is not None), default=0)
            joined = b"".join((bits or b"").ljust(size, b"\0") for bits in found)
            self._packed[cell] = np.frombuffer(joined, np.uint8).reshape(len(rows), size)
        return self._packed[cell]

    def _by_image(self, cell: int, bits: np.ndarray, images: int, used: np.ndarray) -> np.ndarray:
        key = cell, used.tobytes()
        if key not in self._counts:
            counts = np.zeros(images, np.int64)
            for start in range(0, len(bits), _ROWS):
                chunk = np.unpackbits(bits[start : start + _ROWS], axis=1, count=images)
                counts += chunk.sum(axis=0, dtype=np.int64)
            self._counts[key] = counts
        return self._counts[key]


def _both_right(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.bitwise_count(a & b).sum(dtype=np.int64))
