"""Runs laid out as seed blocks: every cell of the matrix at one seed, and what may be paired.

Runs of one seed within a stratum (one value of every axis but scheduler and dropout) start from the
same weights, see the same batches and draw the same dropout uniforms. Whether they did is read from
their digests, never assumed. So is that two seeds are two: runs that were copied to another seed
would count as pairs once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis.axes import (
    AXES,
    compared,
    complete_axes,
    list_cells,
    number_cells,
    require_columns,
)
from lrdecay.analysis.doubled_runs import refuse_copies, refuse_doubles
from lrdecay.analysis.frame_check import check_shares
from lrdecay.analysis.metrics import POINTS, Metric, find_steps, read_metric
from lrdecay.core.errors import InputError
from lrdecay.store.columns import FOREIGN
from lrdecay.store.importing.columns import TOLD

DIGESTS = {
    "init_digest": "initial weights",
    "order_digest": "data orders",
    "dataset_digest": "datasets",
}
"""What runs of one seed share: a column of `runs`, and what it is the digest of."""

OUTCOME = ("test_loss", "test_accuracy", "val_loss", "val_accuracy")
"""Columns of `runs` that are equal, to the bit, of two runs that trained alike."""


class State(IntEnum):
    """How a cell stands at a seed."""

    UNASKED = 0  # not there, and never asked for
    MISSING = 1  # not there, though asked for
    COMPLETED = 2
    NO_VALUE = 3  # completed without the metric
    DIVERGED = 4
    FAILED = 5
    UNKNOWN = 6  # imported without a value, and without a word on how it ended


@dataclass(frozen=True)
class Blocks:
    """Cells x seeds, which are in the order of the plan. `row` is the place in `runs`, -1 where
    there is no run; `values` are in the metric's unit, NaN but for completed runs, and `steps` the
    smallest differences between such, infinite but for these; `digests`, `outcomes` and `rates`
    number the distinct ones, -1 for none. An outcome is what `OUTCOME` has of a completed run;
    rates are those of all of its steps. `strict` is where a digest that is missing counts as
    different, `told` where that of the initial weights is of another value (`TOLD`).

    `imported`: no run is lrdecay's own, so that runs of seeds that no other cell has are two
    samples.
    `waiting`: missing runs are still to come, so that their seeds do not count yet.
    """

    runs: pd.DataFrame
    cells: pd.DataFrame
    strata: list[str]
    stratum: np.ndarray
    seeds: np.ndarray
    row: np.ndarray
    values: np.ndarray
    steps: np.ndarray
    state: np.ndarray
    digests: dict[str, np.ndarray]
    outcomes: np.ndarray
    rates: np.ndarray
    strict: np.ndarray
    told: np.ndarray
    imported: bool
    waiting: bool

    @property
    def is_built_in(self) -> bool:
        """Whether lrdecay's own loop trained every run, so that all is recorded of it."""
        return bool(self.strict[self.row >= 0].all())


def build_seed_blocks(
    runs: pd.DataFrame,
    metric: Metric,
    epochs: pd.DataFrame | None = None,
    planned: pd.DataFrame | None = None,
    common_seeds: bool = False,
) -> Blocks:
    """Lay out the runs of the comparison; trials of base rates are left out.

    Seeds are in the order of `planned` (rows of the sweep's plan). Without it they ascend, and
    every cell is asked for at every seed at which its stratum has a run: what is not there then is
    missing, and may have been left out; with `common_seeds` only cells are that are there. Of
    results that were imported there is no plan: they are all there is.

    Raises:
        InputError: there are no runs, a column is missing or has what cannot be there, two runs
            are of one cell and seed, or runs of one cell at two seeds are the same.
    """
    # before any row is left out, so that the rows of an error are those of the table
    own = [] if metric.needs_epochs else [metric.name]
    runs = _complete(runs)
    axes_there = [axis for axis in AXES if axis in runs]
    require_columns(runs, ["seed", "scheduler", "phase", "status", *axes_there, *own])
    if own and metric.unit == POINTS:
        check_shares(runs, metric.name)
    runs = compared(runs)
    if runs.empty:
        raise InputError("no runs to compare: the table has none of phase compare")
    engines = runs["engine"]
    imported = bool((engines == "imported").all())
    if imported:
        planned = None
    asked = runs if planned is None else _with_planned(runs, compared(planned))
    cells = list_cells(asked)
    axes = list(map(str, cells))
    seeds = asked["seed"].unique() if planned is not None else np.sort(asked["seed"].unique())
    number = pd.Index(seeds).get_indexer
    shape = len(cells), len(seeds)
    row = np.full(shape, -1)
    at = number_cells(runs, cells), number(runs["seed"])
    row[at] = np.arange(len(runs))
    refuse_doubles(runs, row[at], axes)
    strata = axes[:-2]
    stratum = (
        cells.groupby(strata, sort=False, dropna=False).ngroup().to_numpy()
        if strata
        else np.zeros(len(cells), int)
    )
    wanted = np.zeros(shape, bool)
    if common_seeds:
        wanted = row >= 0
    elif planned is None:
        for each in np.unique(stratum):
            wanted[stratum == each] = (row[stratum == each] >= 0).any(axis=0)
    else:
        wanted[number_cells(asked, cells), number(asked["seed"])] = True
    values = np.where(row >= 0, read_metric(runs, metric, epochs)[row], np.nan)
    digests = {name: _codes(runs[name], row) for name in DIGESTS}
    is_told = runs["init_digest"].astype(str).str.startswith(TOLD).to_numpy(dtype=bool)
    told = (row >= 0) & is_told[row]
    refuse_copies(cells, seeds, digests, told)
    return Blocks(
        runs=runs,
        cells=cells,
        strata=strata,
        stratum=stratum,
        seeds=seeds,
        row=row,
        values=values,
        steps=np.where(np.isfinite(values), find_steps(runs, metric)[row], np.inf),
        state=_states(runs, row, wanted, values),
        digests=digests,
        outcomes=_codes(_number_outcomes(runs), row),
        rates=_codes(runs.get("rates_digest", pd.Series(np.nan, index=runs.index)), row),
        strict=(row >= 0) & ~engines.isin(FOREIGN).to_numpy(dtype=bool)[row],
        told=told,
        imported=imported,
        waiting=planned is not None,
    )


def find_unlike_digests(blocks: Blocks, cells: np.ndarray) -> dict[str, np.ndarray]:
    """Return, for contrasts of `cells` (contrasts x terms), at which seeds the digests differ.

    A digest that a completed run lacks cannot be verified, so it counts as different where the run
    is lrdecay's own.

    Returns:
        By name of the digest, bool (contrasts x seeds): only where all of the cells completed.
    """
    completed = (blocks.state[cells] == State.COMPLETED).all(axis=1)
    strict = blocks.strict[cells]
    found = {}
    for name, codes in blocks.digests.items():
        of_terms = codes[cells]
        known = of_terms >= 0
        highest = of_terms.max(axis=1, keepdims=True)
        different = (known & (of_terms != highest)).any(axis=1) | (~known & strict).any(axis=1)
        found[name] = different & completed
    return found


def find_lacking(blocks: Blocks, name: str, cells: np.ndarray, unlike: np.ndarray) -> np.ndarray:
    """Return at which seeds of those that `find_unlike_digests` has for a digest no two of them
    differ, but one of lrdecay's own runs lacks its own: bool (contrasts x seeds)."""
    codes = blocks.digests[name][cells]
    highest = codes.max(axis=1, keepdims=True)
    lacking: np.ndarray = unlike & ((codes < 0) | (codes == highest)).all(axis=1)
    return lacking


def _complete(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs with the columns that a comparison goes by and that a frame may lack which was
    made by hand: nothing else is known of its runs, so they count as imported."""
    absent = {"engine": "imported", **dict.fromkeys(DIGESTS)}
    return complete_axes(runs).assign(
        **{name: value for name, value in absent.items() if name not in runs}
    )


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


def _number_outcomes(runs: pd.DataFrame) -> pd.Series[float]:
    """Return a number for each distinct outcome; NaN of a run that has none, or that was imported,
    since its numbers may be rounded."""
    names = [name for name in OUTCOME if name in runs]
    if "test_loss" not in names:  # two runs may well have one accuracy
        return pd.Series(np.nan, index=runs.index)
    numbers = runs.groupby(names, dropna=False, sort=False).ngroup().astype("float64")
    known = (runs["status"] == "completed") & runs["test_loss"].notna()
    found: pd.Series[float] = numbers.where(known & (runs["engine"] != "imported"))
    return found


def _states(
    runs: pd.DataFrame, row: np.ndarray, wanted: np.ndarray, values: np.ndarray
) -> np.ndarray:
    states = {"completed": State.COMPLETED, "diverged": State.DIVERGED, "failed": State.FAILED}
    of_runs = runs["status"].map(states).to_numpy(dtype=int)
    absent = np.where(wanted, State.MISSING, State.UNASKED)
    state: np.ndarray = np.where(row >= 0, of_runs[row], absent)
    without = (state == State.COMPLETED) & ~np.isfinite(values)
    if "error" in runs:  # how a run ended that says nothing of it, whatever its status
        unknown = (runs["error"].notna() & (runs["status"] == "completed")).to_numpy(dtype=bool)
        state = np.where(without & unknown[row], State.UNKNOWN, state)
        without &= state != State.UNKNOWN
    return np.where(without, State.NO_VALUE, state)


def _codes(column: pd.Series[Any], row: np.ndarray) -> np.ndarray:
    codes, _ = pd.factorize(column)
    numbers: np.ndarray = np.where(row >= 0, codes[row], -1)
    return numbers
