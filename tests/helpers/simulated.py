"""Simulated results whose truth is known, and what a rate may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from helpers.frames import make_tables

from lrdecay import analysis
from lrdecay.analysis.estimates import COUNTS
from lrdecay.analysis.looks import Look, list_looks
from lrdecay.analysis.paired_statistics import NUMBERS
from lrdecay.analysis.verdicts import judge_looks

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
    """What `estimate_contrasts` would return for contrasts with these pairs, nothing being
    wrong."""
    table = pd.DataFrame(0, index=range(len(n)), columns=list(COUNTS))
    table[list(NUMBERS)] = np.nan
    return table.assign(n=n, n_asked=n, mean=mean, sd=sd)


def at_looks(differences: np.ndarray, looks: Sequence[Look], least: float = 1e-9) -> pd.DataFrame:
    """What `estimate_at_looks` would return of differences (contrasts x seeds)."""
    shape = len(differences), len(looks)
    mean, sd, skew = (np.empty(shape) for _ in range(3))
    for place, look in enumerate(looks):
        some = differences[:, : look.n]
        varies = np.ptp(some, axis=1) >= least
        mean[:, place] = some.mean(axis=1)
        apart = some - mean[:, [place]]
        second, third = (apart * apart).mean(axis=1), (apart * apart * apart).mean(axis=1)
        sd[:, place] = np.where(varies, np.sqrt(second * look.n / (look.n - 1)), 0.0)
        spread = np.where(varies, second, 1.0) ** 1.5
        skew[:, place] = np.where(varies, third / spread, np.nan)
    numbers = {"mean": mean, "sd": sd, "skew": skew}
    return pd.DataFrame(
        {
            "place": np.repeat(np.arange(len(differences)), len(looks)),
            "n": np.tile([look.n for look in looks], len(differences)),
            "share": np.tile([look.share for look in looks], len(differences)),
            "planned": np.tile([look.planned for look in looks], len(differences)),
            **{name: values.ravel() for name, values in numbers.items()},
        }
    )


@dataclass(frozen=True)
class Kind:
    """Of which distribution a cell's metric is at a seed, where no scheduler differs; what
    differs by less than `least` does not. A difference is the scheduler's less the reference's, or,
    with `sign` 1, their sum, which is as skewed as they are."""

    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    least: float = 1e-9
    sign: float = -1.0


def rounded(images: float) -> Kind:
    """Numbers of images, of this sd."""
    return Kind(lambda rng, size: np.round(rng.normal(0, images, size)), least=0.5)


def skewed(skewness: float) -> Kind:
    """Differences of this skewness: sums of two gamma variables."""
    shape = 2 / skewness**2
    return Kind(lambda rng, size: rng.standard_gamma(shape, size) - shape, sign=1.0)


KINDS = {
    "normal": Kind(lambda rng, size: rng.normal(size=size)),
    "t with 3 degrees": Kind(lambda rng, size: rng.standard_t(3, size)),
    "difference of exponentials": Kind(lambda rng, size: rng.exponential(size=size)),
    # differences of sd 0.5 points on 360 images, of 0.1 points on 10,000
    "rounded, 360 images": rounded(0.005 * 360 / math.sqrt(2)),
    "rounded, 10,000 images": rounded(0.001 * 10_000 / math.sqrt(2)),
    "skew 1": skewed(1.0),
    "skew 2": skewed(2.0),
}


def draw_families(
    rng: np.random.Generator, kind: Kind, repetitions: int, seeds: int, effect: float = 0.0
) -> np.ndarray:
    """Differences, repetitions x 9 x seeds: of three schedulers at three dropouts from the one
    reference there, so with correlation 1/2."""
    cells = kind.draw(rng, (repetitions, 3, 4, seeds))
    apart: np.ndarray = cells[:, :, :3] + kind.sign * cells[:, :, 3:]
    return apart.reshape(repetitions, 9, seeds) + effect


def judge_families(
    differences: np.ndarray, looks: Sequence[Look], error: float, least: float = 1e-9
) -> np.ndarray:
    """The verdicts of differences (families x contrasts x seeds) after each look, of contrasts
    that may err with `error` each: families x contrasts x looks."""
    families, m, seeds = differences.shape
    table = at_looks(differences.reshape(families * m, seeds), looks, least)
    judged = judge_looks(table, np.full(len(table), error), None)
    return judged["verdict"].to_numpy(dtype=object).reshape(families, m, len(looks))


def find_sides(verdicts: np.ndarray) -> np.ndarray:
    """Which verdicts say that one side is better."""
    sided: np.ndarray = (verdicts == "higher") | (verdicts == "lower")
    return sided


def sides(
    differences: np.ndarray,
    first: int = 8,
    most: int | None = None,
    family: int | None = None,
    least: float = 1e-9,
) -> np.ndarray:
    """Which contrasts of families (families x contrasts x seeds) have a side at any look."""
    looks = list_looks(first, most, differences.shape[2])
    error = ALPHA / (family or differences.shape[1])
    return find_sides(judge_families(differences, looks, error, least)).any(axis=2)
