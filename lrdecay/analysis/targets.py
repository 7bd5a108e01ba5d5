"""How many epochs a cell takes to the target, with runs that never get there counted as such."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import stats

from lrdecay.analysis.axes import cell_axes, compared, in_axis_order, require
from lrdecay.errors import InputError


def time_to_target(runs: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Return by which epoch what share of the runs had reached the target validation accuracy.

    A run that does not get there, diverged ones included, is censored after its last epoch
    (`scipy.stats.ecdf` of right-censored data); runs that an error ended are left out and counted.

    Returns:
        One row per cell and epoch at which a run got there, and one for epoch 0: the axes that have
        several values, `scheduler`, `dropout`; `epoch`; `share`, `low` and `high`, the share that
        got there and its pointwise interval (log-log); `n`, `n_reached`, `n_failed`; and `median`,
        the first epoch by which half of them had, null if none.

    Raises:
        InputError: the sweep file set no target.
    """
    require(runs, ["target", "epochs_to_target", "epochs", "status"])
    runs = compared(runs)
    runs = runs[runs["target"].notna()]
    if runs.empty:
        raise InputError("no run has a target: give target: 0.98, or the like, in the sweep file")
    axes = cell_axes(runs)
    parts = []
    for _, cell in runs.groupby(axes, sort=False, dropna=False):
        curve = _curve(cell[cell["status"] != "failed"], confidence)
        curve["n_failed"] = int((cell["status"] == "failed").sum())
        parts.append(curve.assign(**{axis: cell[axis].iloc[0] for axis in axes}))
    table = pd.concat(parts, ignore_index=True)
    ordered = in_axis_order(table, runs, axes, then=["epoch"])
    return ordered[[*axes, *(name for name in table if name not in axes)]]


def _curve(cell: pd.DataFrame, confidence: float) -> pd.DataFrame:
    reached = cell["epochs_to_target"].notna().to_numpy()
    if not reached.any():
        first = pd.DataFrame({"epoch": [0], "share": [0.0], "low": [np.nan], "high": [np.nan]})
        return first.assign(n=len(cell), n_reached=0, median=np.nan)
    last = cell["epochs"].to_numpy(float)
    epochs = cell["epochs_to_target"].to_numpy(float, na_value=np.nan)
    data = stats.CensoredData(uncensored=epochs[reached], right=last[~reached])
    share = stats.ecdf(data).cdf
    at = np.isin(share.quantiles, epochs[reached])
    shares = share.probabilities[at]
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # there is none where all got there
        both = share.confidence_interval(confidence, method="log-log")
    low, high = both.low.probabilities[at], both.high.probabilities[at]
    half = share.quantiles[at][shares >= 0.5]
    curve = pd.DataFrame(
        {
            "epoch": [0, *share.quantiles[at].astype(int)],
            "share": [0.0, *shares],
            "low": [np.nan, *low],
            "high": [np.nan, *high],
        }
    )
    return curve.assign(
        n=len(cell), n_reached=int(reached.sum()), median=half[0] if len(half) else np.nan
    )
