"""Runs laid out as seed blocks: every cell of the matrix at one seed, and what may be paired.

Runs of one seed within a stratum (one value of every axis but scheduler and dropout) start from the
same weights, see the same batches and draw the same dropout uniforms. Whether they did is read from
their digests, never assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pandas as pd

from lrdecay.analysis.axes import compared, list_cells, number_cells, require_columns
from lrdecay.analysis.metrics import Metric, read_metric
from lrdecay.core.errors import InputError

DIGESTS = {
    "init_digest": "initial weights",
    "order_digest": "data orders",
    "dataset_digest": "datasets",
}
"""What runs of one seed share: a column of `runs`, and what it is the digest of."""


class State(IntEnum):
    """How a cell stands at a seed."""

    UNASKED = 0  # not there, and never asked for
    MISSING = 1  # not there, though asked for
    COMPLETED = 2
    NO_VALUE = 3  # completed without the metric
    DIVERGED = 4
    FAILED = 5


@dataclass(frozen=True)
class Blocks:
    """Cells x seeds. `row` is the place in `runs`, -1 where there is no run; `values` are in the
    metric's unit, NaN but for completed runs; `digests` number the distinct ones, -1 for none.

    `waiting`: missing runs are still to come, so that their seeds do not count yet.
    """

    runs: pd.DataFrame
    cells: pd.DataFrame
    strata: list[str]
    stratum: np.ndarray
    seeds: np.ndarray
    row: np.ndarray
    values: np.ndarray
    state: np.ndarray
    digests: dict[str, np.ndarray]
    waiting: bool


def build_seed_blocks(
    runs: pd.DataFrame,
    metric: Metric,
    epochs: pd.DataFrame | None = None,
    planned: pd.DataFrame | None = None,
) -> Blocks:
    """Lay out the runs of the comparison; trials of base rates are left out.

    Without `planned` (rows of the sweep's plan) every cell is asked for at every seed at which its
    stratum has a run: what is not there then is missing, and may have been left out.

    Raises:
        InputError: there are no runs, a column is missing, or two runs are of one cell and seed.
    """
    require_columns(runs, ["seed", *DIGESTS])
    runs = compared(runs)
    if runs.empty:
        raise InputError("no runs to compare: the table has none of phase compare")
    asked = runs if planned is None else _with_planned(runs, compared(planned))
    cells = list_cells(asked)
    axes = list(map(str, cells))
    seeds = np.sort(asked["seed"].unique())
    shape = len(cells), len(seeds)
    row = np.full(shape, -1)
    at = number_cells(runs, cells), np.searchsorted(seeds, runs["seed"].to_numpy())
    row[at] = np.arange(len(runs))
    _refuse_doubles(runs, row[at], axes)
    strata = axes[:-2]
    stratum = (
        cells.groupby(strata, sort=False, dropna=False).ngroup().to_numpy()
        if strata
        else np.zeros(len(cells), int)
    )
    wanted = np.zeros(shape, bool)
    if planned is None:
        for number in np.unique(stratum):
            wanted[stratum == number] = (row[stratum == number] >= 0).any(axis=0)
    else:
        wanted[number_cells(asked, cells), np.searchsorted(seeds, asked["seed"])] = True
    values = np.where(row >= 0, read_metric(runs, metric, epochs)[row], np.nan)
    return Blocks(
        runs=runs,
        cells=cells,
        strata=strata,
        stratum=stratum,
        seeds=seeds,
        row=row,
        values=values,
        state=_states(runs, row, wanted, values),
        digests={name: _codes(runs[name], row) for name in DIGESTS},
        waiting=planned is not None,
    )


def find_unlike_digests(blocks: Blocks, cells: np.ndarray) -> dict[str, np.ndarray]:
    """Return, for contrasts of `cells` (contrasts x terms), at which seeds the digests differ.

    A digest that a completed run lacks cannot be verified, so it counts as different.

    Returns:
        By name of the digest, bool (contrasts x seeds): only where all of the cells completed.
    """
    completed = (blocks.state[cells] == State.COMPLETED).all(axis=1)
    found = {}
    for name, codes in blocks.digests.items():
        of_terms = codes[cells]
        different = (of_terms != of_terms[:, :1]).any(axis=1) | (of_terms < 0).any(axis=1)
        found[name] = different & completed
    return found


def _with_planned(runs: pd.DataFrame, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the planned rows, and after them runs that no plan names; a run is as its own row has
    it, since labels change in one table before the other."""
    require_columns(planned, ["run_id"])
    shared = [name for name in runs if name in planned]
    missing = planned[~planned["run_id"].isin(runs["run_id"])]
    parts = [part[shared] for part in (runs, missing) if len(part)]
    order = pd.unique(pd.concat([planned["run_id"], runs["run_id"]]))
    rows: pd.DataFrame = pd.concat(parts).set_index("run_id").loc[order].reset_index()
    return rows


def _refuse_doubles(runs: pd.DataFrame, placed: np.ndarray, axes: list[str]) -> None:
    hidden = np.flatnonzero(placed != np.arange(len(runs)))
    if len(hidden):
        first, second = runs.iloc[hidden[0]], runs.iloc[placed[hidden[0]]]
        differ = [
            name
            for name in ("validation", "precision", "scheduler_args", "optimizer_args", "plugins")
            if name in runs and first[name] != second[name]
        ]
        cell = ", ".join(f"{name} {first[name]}" for name in axes)
        why = f"they differ in {', '.join(differ)}" if differ else "as if one were counted twice"
        raise InputError(
            f"two runs of {cell} at seed {first['seed']} ({why}): filter the table first, so that "
            f"each cell has one run per seed"
        )


def _states(
    runs: pd.DataFrame, row: np.ndarray, wanted: np.ndarray, values: np.ndarray
) -> np.ndarray:
    states = {"completed": State.COMPLETED, "diverged": State.DIVERGED, "failed": State.FAILED}
    of_runs = runs["status"].map(states).to_numpy(dtype=int)
    absent = np.where(wanted, State.MISSING, State.UNASKED)
    state: np.ndarray = np.where(row >= 0, of_runs[row], absent)
    without = (state == State.COMPLETED) & ~np.isfinite(values)
    return np.where(without, State.NO_VALUE, state)


def _codes(column: pd.Series[str], row: np.ndarray) -> np.ndarray:
    codes, _ = pd.factorize(column)
    numbers: np.ndarray = np.where(row >= 0, codes[row], -1)
    return numbers
