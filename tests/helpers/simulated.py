"""Simulated results whose truth is known, and what a rate may be."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from helpers.frames import make_tables

from lrdecay import analysis
from lrdecay.analysis.estimates import COUNTS, NUMBERS

ALPHA = 0.05
Cell = tuple[str, float]


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng([2026, seed])


def bound(alpha: float, repetitions: int) -> float:
    """The most that a rate of at most `alpha` may be in so many repetitions: three standard
    errors above it."""
    return alpha + 3 * math.sqrt(alpha * (1 - alpha) / repetitions)


def runs_of(points: Mapping[Cell, np.ndarray | list[float]]) -> pd.DataFrame:
    """Runs with these test accuracies, in percent, by cell (scheduler and dropout) and seed."""
    schedulers = list(dict.fromkeys(scheduler for scheduler, _ in points))
    dropouts = sorted({dropout for _, dropout in points})
    seeds = max(len(values) for values in points.values())
    runs, _ = make_tables(schedulers, dropouts, seeds, n_epochs=1)
    there = [
        row.seed < len(points.get((row.scheduler, row.dropout), ())) for row in runs.itertuples()
    ]
    runs = runs[there].reset_index(drop=True)
    runs["test_accuracy"] = [
        points[row.scheduler, row.dropout][row.seed] / 100 for row in runs.itertuples()
    ]
    return runs.drop(columns=["test_correct", "test_images"])


def sentence(runs: pd.DataFrame, **options: object) -> str:
    """The one sentence of a comparison of two schedulers at one dropout."""
    return str(analysis.compare(runs, **options).query("family == 'scheduler'")["sentence"].item())


def statistics(n: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> pd.DataFrame:
    """What `estimates` would return for contrasts with these pairs, nothing being wrong."""
    table = pd.DataFrame(0, index=range(len(n)), columns=list(COUNTS))
    table[list(NUMBERS)] = np.nan
    return table.assign(n=n, n_asked=n, mean=mean, sd=sd)


def running(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd (ddof = 1) of the first n of each row, for every n (NaN for the first sd)."""
    n = np.arange(1, differences.shape[1] + 1)
    total, squares = differences.cumsum(axis=1), (differences**2).cumsum(axis=1)
    mean = total / n
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (squares - n * mean**2) / (n - 1)
    return mean, np.sqrt(np.maximum(variance, 0))
