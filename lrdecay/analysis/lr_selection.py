"""Each scheduler's base rate, chosen: the trials' rows -> the rates that the comparison uses.

Every scheduler gets the same grid, the same seeds and so the same number of trials. Its rate is the
one with the lowest mean validation loss after the last epoch; test data play no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lrdecay.core.text import to_text
from lrdecay.store.schema import AXES

if TYPE_CHECKING:
    from lrdecay.core.run import Run

CellKey = tuple[object, ...]
"""What one choice is made for: the values of `cell_columns`."""


def cell_columns(per: str) -> list[str]:
    """Return the columns of `runs` that tell one choice from another: every axis but lr, and but
    dropout unless the choice is `per` dropout too.

    >>> set(AXES) - set(cell_columns("scheduler")) == {"lr", "dropout"}
    True
    """
    left_out = {"lr", "dropout"} - set(per.split(", "))
    return [axis for axis in AXES if axis not in left_out]


def cell_key(run: Run) -> CellKey:
    """Return the cell that a run's base rate is chosen for.

    Raises `ValueError` for a run whose rate the sweep file gives.
    """
    if run.lr_chosen_per is None:
        raise ValueError("the base rate of this run is not chosen")
    return tuple(getattr(run, name) for name in cell_columns(run.lr_chosen_per))


def compare_rates(trials: pd.DataFrame) -> pd.DataFrame:
    """Compare the base rates that were tried, and choose.

    A rate of which a trial diverged or failed is left out; of equal losses the smaller rate is
    chosen. A cell with fewer trials than others has no rate yet.

    Args:
        trials: rows of `runs` whose phase is `choose`, of one sweep; at least one.

    Returns:
        One row per cell and rate, cells in the order of the rows and rates ascending: the columns
        of `cell_columns` and `lr`; `n` trials, `n_out` of them that diverged or failed;
        `val_loss`, the mean over the trials in nats per image, null if any is out; `chosen`, at
        most once per cell.
    """
    by = cell_columns(trials["lr_chosen_per"].iloc[0])
    completed = trials["status"] == "completed"
    marked = trials[[*by, "lr"]].assign(
        out=~completed, loss=trials["val_loss"].astype("float64").where(completed)
    )
    cells = marked.groupby(by, sort=False, dropna=False).ngroup()
    table = (
        marked.assign(cell=cells)
        .groupby(["cell", *by, "lr"], sort=False, dropna=False)
        .agg(n=("out", "size"), n_out=("out", "sum"), val_loss=("loss", "mean"))
        .reset_index()
        .sort_values(["cell", "lr"], ignore_index=True)
    )
    valid = (table["n_out"] == 0) & np.isfinite(table["val_loss"])
    table["val_loss"] = table["val_loss"].where(valid)
    least = table.groupby("cell")["val_loss"].transform("min")
    equal = table["val_loss"] == least
    trials_of_cell = table.groupby("cell")["n"].transform("sum")
    equal &= trials_of_cell == trials_of_cell.max()
    table["chosen"] = equal & (equal.groupby(table["cell"]).cumsum() == 1)
    return table.drop(columns="cell")


def select_lr(trials: Sequence[Run], outcomes: pd.DataFrame) -> dict[CellKey, float | None]:
    """Return the base rate of each cell whose trials have all ended.

    Args:
        trials: all that the sweep asks for.
        outcomes: the rows of those that have ended.

    Returns:
        The chosen rate by cell; None where some trial of every rate diverged or failed, so that
        the cell cannot be compared.
    """
    ended = set(outcomes["run_id"])
    waiting = {cell_key(run) for run in trials if run.run_id not in ended}
    rates: dict[CellKey, float | None] = {
        key: None for run in trials if (key := cell_key(run)) not in waiting
    }
    if not rates:
        return {}
    table = compare_rates(outcomes)
    by = [name for name in table if name in AXES and name != "lr"]
    chosen = table[table["chosen"]]
    for row in chosen.to_dict("records"):
        key = tuple(None if pd.isna(row[name]) else row[name] for name in by)
        if key in rates:
            rates[key] = row["lr"]
    return rates


def list_first_rates(runs: Iterable[Run]) -> dict[CellKey, float]:
    """Return a rate for each cell before it is chosen: the first that was given for it."""
    rates: dict[CellKey, float] = {}
    for run in runs:
        if run.lr_chosen_per is not None:
            rates.setdefault(cell_key(run), run.lr)
    return rates


def name_cells(runs: Iterable[Run]) -> dict[CellKey, str]:
    """Return what to call each cell whose base rate is chosen: its scheduler, and the axes on which
    cells differ, such as `step` or `step, epochs 10, dropout 0.3`."""
    rows = {
        cell_key(run): {name: getattr(run, name) for name in cell_columns(run.lr_chosen_per)}
        for run in runs
        if run.lr_chosen_per is not None
    }
    columns = list(next(iter(rows.values()), {}))
    several = [
        name
        for name in columns
        if name != "scheduler" and len({row[name] for row in rows.values()}) > 1
    ]
    return {
        key: ", ".join([row["scheduler"], *(f"{name} {to_text(row[name])}" for name in several)])
        for key, row in rows.items()
    }


def describe_rates(runs: Sequence[Run], rates: Mapping[CellKey, float | None]) -> list[str]:
    """Return a line for each rate chosen, such as `step: base rate 0.003, chosen on validation from
    0.001, 0.003, 0.01`; `runs` are at every rate of the grid."""
    grid = ", ".join(f"{rate:g}" for rate in dict.fromkeys(run.lr for run in runs))
    return [
        f"{name}: base rate {rate:g}, chosen on validation from {grid}"
        for key, name in name_cells(runs).items()
        if (rate := rates.get(key)) is not None
    ]


def list_without_rate(
    runs: Sequence[Run], rates: Mapping[CellKey, float | None]
) -> tuple[str, ...]:
    """Return the names of the cells that cannot be compared, since no rate could be chosen."""
    return tuple(
        name for key, name in name_cells(runs).items() if key in rates and rates[key] is None
    )
