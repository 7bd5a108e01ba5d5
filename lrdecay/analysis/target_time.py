"""How many epochs a cell takes to the target, with runs that never get there counted as such."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis.axes import compared, list_cells, number_cells, require_columns
from lrdecay.core.errors import InputError


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
    require_columns(runs, ["target", "epochs_to_target", "epochs", "status"])
    runs = compared(runs)
    runs = runs[runs["target"].notna()]
    if runs.empty:
        raise InputError("no run has a target: give target: 0.98, or the like, in the sweep file")
    cells = list_cells(runs)
    numbers = number_cells(runs, cells)
    failed = (runs["status"] == "failed").to_numpy()
    columns = {
        "reached": runs["epochs_to_target"].to_numpy(float, na_value=np.nan),
        "last": runs["epochs"].to_numpy(float),
    }
    order = np.argsort(numbers, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(numbers))[:-1])
    curves = []
    for rows in parts:
        used = rows[~failed[rows]]
        curve = _curve(columns["reached"][used], columns["last"][used], confidence)
        curves.append(curve | {"n_failed": int(failed[rows].sum())})
    lengths = [len(curve["epoch"]) for curve in curves]
    table = cells.loc[np.repeat(np.arange(len(cells)), lengths)].reset_index(drop=True)
    for name in ("epoch", "share", "low", "high"):
        table[name] = np.concatenate([curve[name] for curve in curves])
    for name in ("n", "n_reached", "n_failed", "median"):
        table[name] = np.repeat([curve[name] for curve in curves], lengths)
    return table.astype({"epoch": "int64"})


def _curve(epochs: np.ndarray, last: np.ndarray, confidence: float) -> dict[str, Any]:
    """Of runs that reached the target at `epochs`, NaN if not by their `last` one."""
    reached = np.isfinite(epochs)
    counts = {"n": len(epochs), "n_reached": int(reached.sum()), "median": np.nan}
    start = {"epoch": [0.0], "share": [0.0], "low": [np.nan], "high": [np.nan]}
    if not reached.any():
        return start | counts
    from scipy import stats  # which takes long to import

    data = stats.CensoredData(uncensored=epochs[reached], right=last[~reached])
    share = stats.ecdf(data).cdf
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # there is none where all got there
        ends = share.confidence_interval(confidence, method="log-log")
    at = np.isin(share.quantiles, epochs[reached])
    found = {
        "epoch": share.quantiles,
        "share": share.probabilities,
        "low": ends.low.probabilities,
        "high": ends.high.probabilities,
    }
    half = share.quantiles[at & (share.probabilities >= 0.5)]
    if len(half):
        counts["median"] = float(half[0])
    return {name: [*start[name], *found[name][at]] for name in start} | counts
