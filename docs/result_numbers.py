"""What the pages of results/ say in numbers, each worked out from the tables in one place: for the
pages' own tables (result_tables) and for the test of their sentences."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import lrdecay
from lrdecay.analysis import Conclusions, compared
from lrdecay.analysis.intervals import detectable_effect
from lrdecay.analysis.looks import list_looks
from lrdecay.analysis.lr_selection import compare_rates


def read_compared(folder: Path) -> pd.DataFrame:
    """Return the runs of a results folder that are compared; trials of base rates are left out."""
    return compared(lrdecay.read_runs(folder))


def read_theirs(folder: Path) -> pd.Series:
    """Return what `elsewhere.csv`, beside a results folder, has of that problem: test accuracies by
    epoch, one for each seed."""
    elsewhere = pd.read_csv(folder.parent / "elsewhere.csv")
    own = elsewhere[elsewhere["problem"] == folder.name]
    return own.set_index("epoch")["test_accuracy"]


def read_last(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the test accuracies of a published problem after the last epoch: ours, and theirs."""
    runs = read_compared(folder)
    (last,) = runs["epochs"].unique()
    return runs["test_accuracy"].to_numpy(), read_theirs(folder).loc[[last]].to_numpy()


@cache
def conclude(folder: Path) -> Conclusions:
    """Return what `lrdecay compare` finds in a results folder."""
    return lrdecay.compare_folder(folder).found


def find_detectable(primary: pd.DataFrame, seeds: int) -> tuple[float, float]:
    """Return which true difference, in the unit of a sweep's differences, a verdict finds with a
    probability of 80% where so many seeds are planned: at their middle sd, and at the largest."""
    look = list_looks(seeds, None, seeds)[-1]
    effect = detectable_effect(seeds, look.share * 0.05 / len(primary))
    sds = primary.loc[primary["sd"] > 0, "sd"]
    return effect * float(sds.median()), effect * float(sds.max())


def find_trial_rates(folder: Path) -> pd.DataFrame:
    """Return which base rate the trials would have chosen at each dropout alone: by scheduler and
    dropout its `lr`, and the mean `test_accuracy` of its trials."""
    runs = lrdecay.read_runs(folder)
    trials = runs[runs["phase"] == "choose"].assign(lr_chosen_per="scheduler, dropout")
    rates = compare_rates(trials)
    cell = ["scheduler", "dropout", "lr"]
    means = trials.groupby(cell)["test_accuracy"].mean()
    return rates.loc[rates["chosen"], cell].join(means, on=cell).set_index(cell[:2])


def find_changes(folder: Path) -> pd.DataFrame:
    """Return how a scheduler's gain on `constant` changes with the number of epochs.

    Returns:
        One row per scheduler and number of epochs above the fewest: `mean`, and `low` to `high`, in
        points: of the differences at each seed a t interval, all of them right together with at
        least 95% confidence (Bonferroni).
    """
    runs = read_compared(folder)
    wide = 100 * runs.pivot(index="seed", columns=["scheduler", "epochs"], values="test_accuracy")
    fewest, *more = sorted(runs["epochs"].unique())
    others = [name for name in runs["scheduler"].drop_duplicates() if name != "constant"]
    level = 1 - 0.05 / (len(others) * len(more))
    changes = []
    for name in others:
        gains = wide[name] - wide["constant"]
        for epochs in more:
            found = stats.ttest_rel(gains[epochs], gains[fewest])
            low, high = found.confidence_interval(level)
            mean = (gains[epochs] - gains[fewest]).mean()
            changes.append((name, epochs, mean, low, high))
    return pd.DataFrame(changes, columns=["scheduler", "epochs", "mean", "low", "high"])


def find_difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return the 95% interval of the difference of two means by Welch's t, with the degrees of
    freedom of the smaller sample, as `lrdecay compare` has it of runs that are no pairs; of a
    single number it is that of one more run less their number, as wide as runs differ.

    >>> low, high = find_difference(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0, 3.0]))
    >>> round(low, 4), round(high, 4)  # 4.3027 times the root of 1 / 3 + 2 / 3 / 4
    (-3.0424, 3.0424)
    >>> low, high = find_difference(np.array([1.0, 2.0, 3.0]), np.array([2.0]))
    >>> round(low, 4), round(high, 4)  # 4.3027, of Student's t, times the root of 1 + 1/3
    (-4.9683, 4.9683)
    """
    variance = ours.var(ddof=1)
    if len(theirs) > 1:
        error = (variance / len(ours) + theirs.var(ddof=1) / len(theirs)) ** 0.5
    else:
        error = (variance * (1 + 1 / len(ours))) ** 0.5
    smaller = min(len(each) for each in (ours, theirs) if len(each) > 1)
    half = float(stats.t.ppf(0.975, smaller - 1) * error)
    mean = float(ours.mean() - theirs.mean())
    return mean - half, mean + half
