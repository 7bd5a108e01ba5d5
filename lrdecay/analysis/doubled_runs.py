"""What must not stand in seed blocks: two runs at one place, or one run at two seeds."""

import numpy as np
import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.core.text import format_named, join_filled, join_some, join_words

_BESIDE_AXES = ("validation", "precision", "kernels", "scheduler_args", "optimizer_args", "plugins")
"""Columns in which two runs of one cell and seed may differ."""

_COPIES = 16
"""Seeds that were copied that are named."""


def refuse_doubles(runs: pd.DataFrame, placed: np.ndarray, axes: list[str]) -> None:
    """Refuse two runs of one cell, of these axes, and one seed: `placed` is, for each run, the one
    that stands in its place."""
    hidden = np.flatnonzero(placed != np.arange(len(runs)))
    if len(hidden):
        first, second = runs.iloc[hidden[0]], runs.iloc[placed[hidden[0]]]
        differ = [name for name in _BESIDE_AXES if name in runs and first[name] != second[name]]
        cell = ", ".join(f"{name} {first[name]}" for name in axes)
        why = f"they differ in {', '.join(differ)}" if differ else "as if one were counted twice"
        raise InputError(
            f"two runs of {cell} at seed {first['seed']} ({why}): filter the table first, so that "
            f"each cell has one run per seed"
        )


def refuse_copies(
    cells: pd.DataFrame, seeds: np.ndarray, digests: dict[str, np.ndarray], told: np.ndarray
) -> None:
    """Refuse runs of one cell that began alike at two seeds; a value that is `told` may be.

    Where a network's weights are not drawn, so the same at every seed, the data order tells.
    """
    init = np.where(told, -1, digests["init_digest"])
    drawn = ((init >= 0) & (init != init.max(axis=1, keepdims=True))).any(axis=1)
    twice = _stand_twice(init) & drawn
    if not twice.any():
        drawn, twice = np.zeros_like(drawn), _stand_twice(digests["order_digest"])
    if not twice.any():
        return
    codes = np.where(drawn[:, None], init, digests["order_digest"])
    cell = int(twice.argmax())
    alike = [seeds[codes[cell] == code].tolist() for code in np.unique(codes[cell]) if code >= 0]
    named = [join_words(each) for each in sorted(alike) if len(each) > 1]
    where = join_filled(*(format_named(str(axis), x) for axis, x in cells.iloc[cell].items()))
    name = "init_digest" if drawn[cell] else "order_digest"
    what = "initial weights" if drawn[cell] else "data order"
    raise InputError(
        f"seeds {join_some(named, _COPIES)}: the runs of {where} have the same {what} (equal "
        f"{name}), as runs have that were copied to another seed; keep one of each"
    )


def _stand_twice(codes: np.ndarray) -> np.ndarray:
    """Return of which cells two seeds have one digest."""
    ordered = np.sort(codes, axis=1)
    twice: np.ndarray = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    return twice
