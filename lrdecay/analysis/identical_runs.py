"""Cells whose runs are the same to the bit: an axis that changed nothing, or a schedule that was
not applied."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrdecay.analysis.seed_blocks import Blocks
from lrdecay.analysis.summaries import applied_rates
from lrdecay.core.text import format_named, join_filled, join_words, spell_each, to_text

_PLACES = 4
"""Places in the matrix that are named."""


@dataclass(frozen=True)
class IdenticalCells:
    """Rows of `Blocks.cells` that differ in one axis alone, and whose runs are the same to the bit
    at every seed that they share: at least `n`."""

    axis: str
    cells: tuple[int, ...]
    n: int


def find_identical_cells(blocks: Blocks) -> list[IdenticalCells]:
    """Return such cells, axis by axis; none where no two runs of a seed have one outcome."""
    known = blocks.outcomes[blocks.outcomes >= 0]
    if len(np.unique(known)) == len(known):
        return []
    found = []
    axes = list(map(str, blocks.cells))
    for axis in axes:
        others = [other for other in axes if other != axis]
        group = blocks.cells.groupby(others, sort=False, dropna=False).ngroup()
        for places in group.groupby(group).indices.values():
            left = np.asarray(places).tolist()
            while len(left) > 1:
                shared = {cell: _count_same(blocks, left[0], cell) for cell in left[1:]}
                same = [cell for cell, n in shared.items() if n]
                if same:
                    least = min(shared[cell] for cell in same)
                    found.append(IdenticalCells(axis, (left[0], *same), least))
                left = [cell for cell, n in shared.items() if not n]
    return found


def describe_identical_runs(blocks: Blocks, epochs: pd.DataFrame | None = None) -> list[str]:
    """Return a sentence for each axis and values of it between which nothing differs.

    With `epochs` (rows of the epochs table) schedulers that applied the same rates are left out:
    that their runs are the same is then as it should be.
    """
    found: dict[tuple[str, tuple[str, ...]], list[IdenticalCells]] = {}
    for each in find_identical_cells(blocks):
        if each.axis == "scheduler" and epochs is not None and _applied_alike(blocks, each, epochs):
            continue
        values = tuple(to_text(value) for value in blocks.cells[each.axis].iloc[list(each.cells)])
        found.setdefault((each.axis, values), []).append(each)
    texts = []
    for (axis, values), alike in found.items():
        seeds = spell_each(min(each.n for each in alike), "seed")
        same = f"are the same to the bit at {seeds}{_name_places(blocks, axis, alike)}"
        if axis != "scheduler":
            texts.append(
                f"{axis} changed nothing: the runs at {join_words(values)} {same}. A comparison at "
                f"one of them says nothing new at another."
            )
            continue
        differ = "" if epochs is None else ", although their learning rates differ"
        first = "the same rates were applied, " if epochs is None else ""
        texts.append(
            f"The runs of {join_words(values)} {same}{differ}. Likely causes: {first}a schedule "
            f"was not applied, runs of one stand again under the label of another, or nothing is "
            f"learnt at these rates."
        )
    return texts


def _name_places(blocks: Blocks, axis: str, found: Sequence[IdenticalCells]) -> str:
    """Return where in the matrix cells are that differ in `axis`, by the axes of several values."""
    cells = blocks.cells
    others = [name for name in cells if name != axis and cells[name].nunique(dropna=False) > 1]
    if not others:
        return ""
    places = [
        join_filled(
            *(
                value if name == "scheduler" else format_named(str(name), value)
                for name, value in cells[others].iloc[each.cells[0]].items()
            )
        )
        for each in found
    ]
    more = "; ..." if len(places) > _PLACES else ""
    return f" ({'; '.join(places[:_PLACES])}{more})"


def _count_same(blocks: Blocks, a: int, b: int) -> int:
    """Return how many seeds two cells share, 0 if any of them has two outcomes or lacks one."""
    both = (blocks.row[a] >= 0) & (blocks.row[b] >= 0)
    ours, theirs = (blocks.outcomes[cell][both] for cell in (a, b))
    return int(both.sum()) if ((ours == theirs) & (ours >= 0)).all() else 0


def _applied_alike(blocks: Blocks, each: IdenticalCells, epochs: pd.DataFrame) -> bool:
    """Whether all of the cells applied the same rates in every epoch, in single precision."""
    rows = blocks.row[list(each.cells)]
    rows = rows[:, (rows >= 0).all(axis=0)]
    ids = blocks.runs["run_id"].to_numpy()[rows]
    applied = applied_rates(epochs[epochs["run_id"].isin(ids.ravel())])
    return all(len({applied.get(run) for run in at_seed}) == 1 for at_seed in ids.T)
