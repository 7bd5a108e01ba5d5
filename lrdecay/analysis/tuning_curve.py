"""What more trials of base rates are worth."""

import numpy as np
import pandas as pd
from scipy.special import comb

from lrdecay.analysis.axes import extra_axes, require_columns, sort_by_axes


def expected_best(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the best validation accuracy to expect of k base rates of the grid, in percent.

    The rates are drawn without replacement; each has the mean over its runs. From the trials that
    chose base rates where there are any, else from runs at several rates. (After Dodge and others,
    Show your work, EMNLP 2019, with the unbiased estimate that draws without replacement.) A rate
    at which a run did not complete is the worst of all, so it gives no value: until some rate that
    completed must be among the k, the value is null.

    Returns:
        One row per cell and k: the axes that have several values, `scheduler`, `dropout`; `trials`
        (k, from 1 to the number of rates), `expected_best`.
    """
    require_columns(runs, ["phase", "lr", "val_accuracy", "status"])
    trials = runs[runs["phase"] == "choose"]
    trials = (trials if len(trials) else runs).reset_index(drop=True)
    axes = [axis for axis in extra_axes(trials) if axis != "lr"] + ["scheduler", "dropout"]
    accuracy = 100.0 * trials["val_accuracy"].where(trials["status"] == "completed")
    means = (
        trials.assign(accuracy=accuracy)
        .groupby([*axes, "lr"], sort=False, dropna=False)["accuracy"]
        .agg(lambda values: values.mean() if values.notna().all() else np.nan)
        .reset_index()
    )
    parts = []
    for _, cell in means.groupby(axes, sort=False, dropna=False):
        expected = expected_maximum(cell["accuracy"].to_numpy())
        part = pd.DataFrame({axis: cell[axis].iloc[0] for axis in axes}, index=range(len(expected)))
        parts.append(part.assign(trials=np.arange(1, len(expected) + 1), expected_best=expected))
    return sort_by_axes(pd.concat(parts, ignore_index=True), trials, axes, then=["trials"])


def expected_maximum(values: np.ndarray) -> np.ndarray:
    """Return the expected maximum of k of the values, drawn without replacement, for k = 1, 2, ...

    Of N sorted values the i-th is the largest of C(i - 1, k - 1) of the C(N, k) draws. NaN counts
    as the worst: null for every k at which all of the draw may be NaN.

    >>> expected_maximum(np.array([1.0, 3.0, 2.0])).tolist()
    [2.0, 2.6666666666666665, 3.0]
    """
    total = len(values)
    ordered = np.sort(np.where(np.isnan(values), -np.inf, values))
    draws = np.arange(1, total + 1)
    places = np.arange(1, total + 1)
    shares = comb(places[None, :] - 1, draws[:, None] - 1) / comb(total, draws)[:, None]
    lost = int(np.isinf(ordered).sum())
    expected = shares[:, lost:] @ ordered[lost:]
    found: np.ndarray = np.where(draws > lost, expected, np.nan)
    return found
