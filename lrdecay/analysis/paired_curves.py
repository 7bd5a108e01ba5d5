"""What a scheduler changes by epoch: curves relative to the reference at the same seed."""

import numpy as np
import pandas as pd

from lrdecay.analysis.axes import extra_axes, sort_by_axes
from lrdecay.analysis.contrasts import find_reference
from lrdecay.analysis.intervals import t_radius
from lrdecay.analysis.summaries import join_epochs
from lrdecay.core.errors import InputError

CURVES = ("loss", "accuracy")
LEVEL = 0.05
"""The error rate of an interval at one epoch; those of several epochs are not right together."""


def relative_curves(
    runs: pd.DataFrame, epochs: pd.DataFrame, reference: str, metric: str = "accuracy"
) -> pd.DataFrame:
    """Return each scheduler's loss or accuracy less the reference's at the same seed, by epoch.

    Returns:
        One row per scheduler but the reference, dropout, combination of the extra axes, split and
        epoch: these columns; `mean` over the seeds at which both runs completed, and the t interval
        of that epoch alone, `low` to `high`, at 95%, in the metric's own unit (nats per image, or
        0..1); `n`. One pair has no interval: nulls.

    Raises:
        InputError: the metric has no such curve, a column is missing, or there is no reference.
    """
    _require_curve(metric)
    find_reference(runs, reference)
    others = [*extra_axes(runs), "dropout"]
    place = [*others, "seed", "split", "epoch"]
    rows = join_epochs(runs, epochs)[["scheduler", *place, metric]].dropna(subset=metric)
    of_reference = rows["scheduler"] == reference
    beside = rows[of_reference].drop(columns="scheduler")
    pairs = rows[~of_reference].merge(beside, on=place, suffixes=("", "_reference"))
    pairs["difference"] = pairs[metric] - pairs[f"{metric}_reference"]
    by = [*others, "scheduler", "split", "epoch"]
    curves = (
        pairs.groupby(by, sort=False, dropna=False)["difference"]
        .agg(mean="mean", sd="std", n="count")
        .reset_index()
    )
    radius = t_radius(curves["n"], curves["sd"].fillna(0.0), LEVEL)
    radius = np.where(curves["n"] > 1, radius, np.nan)
    curves = curves.assign(low=curves["mean"] - radius, high=curves["mean"] + radius)
    ordered = sort_by_axes(curves, runs, [*others, "scheduler"], then=["split", "epoch"])
    return ordered[[*by, "mean", "low", "high", "n"]]


def late_changes(
    runs: pd.DataFrame, epochs: pd.DataFrame, metric: str = "accuracy", split: str = "test"
) -> pd.DataFrame:
    """Return how much each completed run's loss or accuracy changes from epoch to epoch at its end.

    Returns:
        `runs` that completed, with one more column, `late_change`: the mean of the absolute changes
        between neighbouring epochs of the last half of the run, in the metric's own unit; null for
        a run of less than three epochs.

    Raises:
        InputError: as `relative_curves`.
    """
    _require_curve(metric)
    rows = join_epochs(runs, epochs)
    rows = rows[rows["split"] == split].sort_values(["run_id", "epoch"])
    change = rows.groupby("run_id")[metric].diff().abs()
    last = rows.groupby("run_id")["epoch"].transform("max")
    late = change[(rows["epoch"] > last / 2) & (last > 2)].groupby(rows["run_id"]).mean()
    completed = runs[runs["status"] == "completed"]
    return completed.assign(late_change=completed["run_id"].map(late).astype("float64"))


def _require_curve(metric: str) -> None:
    if metric not in CURVES:
        raise InputError(f"metric {metric!r} has no curve; choose one of {', '.join(CURVES)}")
