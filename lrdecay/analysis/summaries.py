"""What the tables say of each cell: means, spread and curves, with no comparison in it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lrdecay.analysis.axes import (
    axis_values,
    cell_axes,
    complete_axes,
    extra_axes,
    require_columns,
    sort_by_axes,
)
from lrdecay.analysis.frame_check import with_engines
from lrdecay.core.errors import InputError
from lrdecay.core.run import ADDED
from lrdecay.store.schema import AXES, MADE_WITH, STATUSES

METRICS = ("loss", "accuracy", "learning_rate")
RATES = ("learning_rate", "learning_rate_first", "learning_rate_last")


def describe_matrix(runs: pd.DataFrame) -> pd.DataFrame:
    """The axes and seeds of a sweep and their values; left out are axes of which nothing is known,
    and those that came later where all runs are as runs were before.

    Returns:
        One row per axis, then one for the seeds: `axis`, `values` (a list), `n_values`.
    """
    there = [axis for axis in (*AXES, "seed") if axis in runs and runs[axis].notna().any()]
    known = [axis for axis in there if axis not in ADDED or (runs[axis] != ADDED[axis]).any()]
    values = {axis: axis_values(runs, axis) for axis in known}
    return pd.DataFrame(
        {
            "axis": list(values),
            "values": list(values.values()),
            "n_values": [len(listed) for listed in values.values()],
        }
    )


def status_counts(runs: pd.DataFrame) -> pd.Series[int]:
    """Number of runs by status, all three statuses listed, zeros included."""
    require_columns(runs, ["status"])
    counts = runs["status"].value_counts()
    return counts.reindex(list(STATUSES), fill_value=0).astype("int64").rename("runs")


def made_with(runs: pd.DataFrame) -> pd.DataFrame:
    """What the numbers depend on beside what was asked for: one row if all were made alike.

    Returns:
        One row per combination that occurs, the most frequent first: the columns of `MADE_WITH`
        (`device`, `torch_version`), and `runs`, how many have it.
    """
    require_columns(runs, MADE_WITH)
    return runs.value_counts(list(MADE_WITH)).rename("runs").reset_index()


def cell_summary(runs: pd.DataFrame, metric: str = "test_accuracy") -> pd.DataFrame:
    """Mean and spread over seeds of one column of `runs`, per cell of the matrix.

    Returns:
        One row per cell, in the order of the axes' values: the columns of `cell_axes(runs)`;
        `mean` and `sd` (ddof = 1, null for fewer than two runs) in the metric's own unit; `n`,
        the completed runs that have the metric; `n_diverged`, `n_failed`.

    Raises:
        InputError: `runs` lacks the metric, the scheduler or the status.
    """
    runs = complete_axes(runs)
    require_columns(runs, [metric, "status"])
    by = cell_axes(runs)
    marked = runs[by].assign(
        value=runs[metric].astype("float64").where(runs["status"] == "completed"),
        diverged=runs["status"] == "diverged",
        failed=runs["status"] == "failed",
    )
    cells = marked.groupby(by, sort=False, dropna=False).agg(
        mean=("value", "mean"),
        sd=("value", "std"),
        n=("value", "count"),
        n_diverged=("diverged", "sum"),
        n_failed=("failed", "sum"),
    )
    return sort_by_axes(cells.reset_index(), runs, by)


def learning_curves(
    runs: pd.DataFrame, epochs: pd.DataFrame, metric: str = "accuracy"
) -> pd.DataFrame:
    """Mean and band over seeds of loss, accuracy or learning rate, by epoch.

    Returns:
        One row per cell, split and epoch of the completed runs: the columns of
        `cell_axes(runs)`; `split`, `epoch`; `mean`, `sd` (ddof = 1) and the band `low`, `high`
        (mean - sd, mean + sd), all in the metric's own unit (nats per image, 0..1, or the
        rate); `n`. Fewer than two runs have no sd and no band: nulls.

    Raises:
        InputError: the metric is not one of `METRICS`, or a column is missing.
    """
    if metric not in METRICS:
        raise InputError(f"metric {metric!r} has no curve; choose one of {', '.join(METRICS)}")
    by = [*cell_axes(runs), "split", "epoch"]
    rows = join_epochs(runs, epochs)
    curves = (
        rows.groupby(by, sort=False, dropna=False)[metric]
        .agg(mean="mean", sd="std", n="count")
        .reset_index()
    )
    curves["low"] = curves["mean"] - curves["sd"]
    curves["high"] = curves["mean"] + curves["sd"]
    ordered = sort_by_axes(curves, runs, by[:-2], then=["split", "epoch"])
    return ordered[[*by, "mean", "sd", "low", "high", "n"]]


def learning_rate_curves(
    runs: pd.DataFrame, epochs: pd.DataFrame, by_dropout: bool = False
) -> pd.DataFrame:
    """The distinct curves of the learning rate under each scheduler, or at each of its dropouts.

    Most schedulers have one curve for all seeds and dropouts; one that reacts to validation loss
    may have as many as runs. Two curves are one if equal in single precision.

    Returns:
        One row per curve and epoch: the extra axes, `scheduler`, `dropout` if it is by dropout,
        `curve` (from 0 within its scheduler, and dropout), `epoch`, `learning_rate` (mean over the
        epoch's steps), `learning_rate_first`, `learning_rate_last`, and `n_runs` that have the
        curve.
    """
    runs = complete_axes(runs)
    by = [*extra_axes(runs), "scheduler", *(["dropout"] if by_dropout else [])]
    then = [column for column in ("dropout", "seed", "epoch") if column not in by]
    rows = join_epochs(runs, epochs).drop_duplicates(["run_id", "epoch"])
    rows = sort_by_axes(rows, runs, by, then)
    own = rows.drop_duplicates("run_id")[["run_id", *by]]
    own = own.assign(shape=own["run_id"].map(applied_rates(rows)))
    own["n_runs"] = own.groupby([*by, "shape"], dropna=False)["run_id"].transform("size")
    # One run stands for all that have the same curve.
    own = own.drop_duplicates([*by, "shape"])
    own = own.assign(curve=own.groupby(by, dropna=False).cumcount())
    curves = own[["run_id", "curve", "n_runs"]].merge(rows, on="run_id", how="left")
    return curves[[*by, "curve", "epoch", *RATES, "n_runs"]]


def applied_rates(epochs: pd.DataFrame) -> pd.Series[Any]:
    """The learning rates of each run, epoch by epoch, as one value.

    Returns:
        By run_id, bytes: equal for two runs whose rates are equal, in single precision, in every
        epoch (their mean, the first and the last).
    """
    require_columns(epochs, ["run_id", "epoch", *RATES])
    rows = epochs.drop_duplicates(["run_id", "epoch"])
    wide = rows.pivot(index="run_id", columns="epoch", values=list(RATES)).astype("float32")
    return pd.Series([rates.tobytes() for rates in wide.to_numpy()], wide.index, dtype=object)


def train_test_gap(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """How much better each run does on images it trained on, in percentage points.

    The gap is `train_eval` accuracy (a fixed sample of training images, dropout off) minus test
    accuracy, within one run, at that run's last epoch; null for a run that did not complete.

    Returns:
        `runs` with one more column, `train_test_gap`: `cell_summary` then gives its mean.
    """
    require_columns(runs, ["run_id", "status"])
    require_columns(with_engines(epochs, runs), ["run_id", "epoch", "split", "accuracy"])
    completed = runs.loc[runs["status"] == "completed", "run_id"]
    of_both = epochs["split"].isin(["train_eval", "test"]) & epochs["run_id"].isin(completed)
    rows = epochs.loc[of_both, ["run_id", "epoch", "split", "accuracy"]]
    last = rows[rows["epoch"] == rows.groupby("run_id")["epoch"].transform("max")]
    accuracy = {
        split: last[last["split"] == split].set_index("run_id")["accuracy"]
        for split in ("train_eval", "test")
    }
    gap = 100.0 * (accuracy["train_eval"] - accuracy["test"])
    return runs.assign(train_test_gap=runs["run_id"].map(gap).astype("float64"))


def join_epochs(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """The rows of `epochs` that belong to a completed run of `runs`, with that run's axes."""
    runs = complete_axes(runs)
    axes = [axis for axis in AXES if axis in runs]
    require_columns(runs, ["run_id", "status", "scheduler", *axes])
    require_columns(with_engines(epochs, runs), ["run_id", "epoch", "split", *METRICS])
    completed = runs.loc[runs["status"] == "completed", ["run_id", *axes]]
    own = epochs.drop(columns=[axis for axis in AXES if axis in epochs])
    return own.merge(completed, on="run_id", how="inner", validate="many_to_one")
