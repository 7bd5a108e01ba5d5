"""The questions of a comparison: families of contrasts on a seed block.

A contrast is a weighted sum of cells whose weights add up to zero, so at each seed it is one
number, and over seeds a one-sample problem.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis.axes import axis_values, compared, has_dropout, list_cells
from lrdecay.analysis.seed_blocks import Blocks
from lrdecay.core.errors import InputError
from lrdecay.core.text import format_dropout, format_named, join_filled

FAMILIES = {
    "scheduler": "each scheduler against the reference, at each dropout",
    "average": "each scheduler against the reference, averaged over dropouts",
    "dropout": "each dropout against the lowest, for each scheduler",
    "interaction": "what a scheduler gains on the reference, at each dropout against the lowest",
    "pairs": "all pairs of schedulers, at each dropout",
}
"""By name; each is a family of its own, that is, right as a whole at the confidence asked for."""
PRIMARY, EXPLORATORY = "scheduler", "pairs"


def describe_family(name: str, table: pd.DataFrame) -> str:
    """Return what a family compares; its contrasts are the rows of `table`, and dropouts are named
    only where the sweep gives some."""
    given = has_dropout(table).any() or name not in (PRIMARY, EXPLORATORY)
    return FAMILIES[name] if given else FAMILIES[name].removesuffix(", at each dropout")


@dataclass(frozen=True)
class Contrast:
    """`weights` of `cells` (rows of `Blocks.cells`), the positive ones first; `a` minus `b`.

    `dropout` and `versus_dropout` are those of a and of b; None where it is averaged over, or a
    network has rates of its own.
    """

    family: str
    stratum: int
    where: str
    scheduler: str
    versus_scheduler: str
    dropout: float | None
    versus_dropout: float | None
    cells: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def a(self) -> str:
        """The side whose metric counts as positive."""
        return self.scheduler if self.family != "dropout" else f"dropout {self.dropout:g}"

    @property
    def b(self) -> str:
        """The side that is subtracted."""
        if self.family != "dropout":
            return self.versus_scheduler
        return f"dropout {self.versus_dropout:g}"

    @property
    def weight(self) -> float:
        """The weight of either side: how many spans of the metric the contrast has room for."""
        return sum(weight for weight in self.weights if weight > 0)

    @property
    def is_of_dropouts(self) -> bool:
        """Whether it asks what a dropout does. Then the first half of its cells are, the other way
        round, the second half at the other dropout."""
        return self.family in ("dropout", "interaction")


def find_reference(cells: pd.DataFrame, asked: str | None = None) -> str:
    """Return the scheduler that the others are compared with: `asked`, else `constant`, else the
    first of the column `scheduler`.

    Raises:
        InputError: there is no cell of it.
    """
    labels = list(map(str, axis_values(cells, "scheduler")))
    if asked is None:
        return "constant" if "constant" in labels else labels[0]
    if asked not in labels:
        raise InputError(f"no run of the reference {asked!r}; choose one of {', '.join(labels)}")
    return asked


def count_primary(planned: pd.DataFrame, reference: str) -> int:
    """Return how many contrasts the primary family of planned runs has."""
    cells = list_cells(compared(planned))
    others = [str(axis) for axis in cells if axis != "scheduler"]
    labels = cells.groupby(others, dropna=False)["scheduler"].agg(list)
    return sum(len(there) - 1 for there in labels if reference in there)


def list_contrasts(blocks: Blocks, reference: str, families: Collection[str]) -> list[Contrast]:
    """Return the contrasts of every stratum, family by family in the order of `FAMILIES`."""
    strata = [
        _Stratum(blocks, int(number), np.flatnonzero(blocks.stratum == number), reference)
        for number in np.unique(blocks.stratum)
    ]
    return [
        contrast
        for name in FAMILIES
        if name in families
        for stratum in strata
        for contrast in getattr(stratum, name)()
    ]


class _Stratum:
    """The cells of one stratum by scheduler and dropout, and the contrasts among them: a method
    for each of `FAMILIES`."""

    def __init__(self, blocks: Blocks, number: int, inside: np.ndarray, reference: str) -> None:
        cells = blocks.cells.iloc[inside]
        self.number = number
        self.reference = reference
        self.schedulers = list(dict.fromkeys(cells["scheduler"]))
        # None is a network's own rates, or not known: it is no dropout to compare others with
        given = zip(cells["dropout"], has_dropout(cells), strict=True)
        rates = [float(rate) if is_given else None for rate, is_given in given]
        self.known = sorted({rate for rate in rates if rate is not None})
        self.dropouts: list[float | None] = [*self.known, *([None] if None in rates else [])]
        keys = zip(cells["scheduler"], rates, strict=True)
        self.cell: Mapping[tuple[str, float | None], int] = dict(
            zip(keys, inside.tolist(), strict=True)
        )
        first = cells.iloc[0]
        self.name = join_filled(*(format_named(axis, first[axis]) for axis in blocks.strata))

    def scheduler(self) -> Iterator[Contrast]:
        for s, d in self.cell:
            if s != self.reference and (self.reference, d) in self.cell:
                yield self._pair("scheduler", (s, d), (self.reference, d), self._place(d))

    def dropout(self) -> Iterator[Contrast]:
        low = min(self.known, default=None)
        for s, d in self.cell:
            if d not in (low, None) and (s, low) in self.cell:
                yield self._pair("dropout", (s, d), (s, low), s)

    def pairs(self) -> Iterator[Contrast]:
        for d in self.dropouts:
            for a, b in combinations(self.schedulers, 2):
                if (a, d) in self.cell and (b, d) in self.cell:
                    yield self._pair("pairs", (a, d), (b, d), self._place(d))

    def average(self) -> Iterator[Contrast]:
        for s in self._whole():
            ours = [self.cell[s, d] for d in self.known]
            theirs = [self.cell[self.reference, d] for d in self.known]
            share = 1.0 / len(self.known)
            listed = ", ".join(f"{d:g}" for d in self.known)
            yield self._contrast(
                "average",
                (s, None),
                (self.reference, None),
                f"averaged over dropout {listed}",
                dict.fromkeys(ours, share) | dict.fromkeys(theirs, -share),
            )

    def interaction(self) -> Iterator[Contrast]:
        for s in self._whole():
            low, *others = self.known
            for d in others:
                plus = {self.cell[s, d]: 1.0, self.cell[self.reference, low]: 1.0}
                minus = {self.cell[self.reference, d]: -1.0, self.cell[s, low]: -1.0}
                where = f"dropout {d:g} against {low:g}"
                yield self._contrast(
                    "interaction", (s, d), (self.reference, low), where, plus | minus
                )

    def _place(self, dropout: float | None) -> str:
        return format_dropout("not given" if dropout is None and self.known else dropout)

    def _whole(self) -> list[str]:
        """The schedulers that, as the reference, are there at each of several dropouts."""
        there = [s for s in self.schedulers if all((s, d) in self.cell for d in self.known)]
        if len(self.known) < 2 or self.reference not in there:
            return []
        return [s for s in there if s != self.reference]

    def _pair(
        self, family: str, a: tuple[str, float | None], b: tuple[str, float | None], where: str
    ) -> Contrast:
        return self._contrast(family, a, b, where, {self.cell[a]: 1.0, self.cell[b]: -1.0})

    def _contrast(
        self,
        family: str,
        a: tuple[str, float | None],
        b: tuple[str, float | None],
        where: str,
        weights: Mapping[int, float],
    ) -> Contrast:
        where, terms = join_filled(where, self.name), (tuple(weights), tuple(weights.values()))
        return Contrast(family, self.number, where, a[0], b[0], a[1], b[1], *terms)


def contrasts_to_frame(listed: Sequence[Contrast], blocks: Blocks) -> pd.DataFrame:
    """Return one row per contrast: its family, the axes of its stratum, and its two sides."""
    sides = ("scheduler", "versus_scheduler", "dropout", "versus_dropout", "a", "b", "where")
    firsts = [contrast.cells[0] for contrast in listed]
    columns: dict[str, Any] = {"family": [contrast.family for contrast in listed]}
    columns |= {axis: blocks.cells[axis].to_numpy()[firsts] for axis in blocks.strata}
    columns |= {name: [getattr(c, name) for c in listed] for name in sides}
    return pd.DataFrame(columns).astype({"dropout": "float64", "versus_dropout": "float64"})
