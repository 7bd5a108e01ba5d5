"""What any implementation has to pass: each check takes one, so that a mutant of it can fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from helpers.simulated import ALPHA, bound, random, running, runs_of, statistics

Radius = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""n, sd, alpha -> half the width of an interval that is looked at after every pair."""
Interval = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]
"""Differences (repetitions x n, or x seeds x images), alpha -> low and high ends."""
Compare = Callable[..., pd.DataFrame]
Judge = Callable[[pd.DataFrame, np.ndarray, float], pd.DataFrame]

RATES_OF = {
    "normal": lambda rng, size: rng.normal(size=size),
    "rounded to 0.01": lambda rng, size: np.round(rng.normal(0, 0.05, size), 2),
    "t with 3 degrees": lambda rng, size: rng.standard_t(3, size),
    "difference of exponentials": lambda rng, size: (
        rng.exponential(size=size) - rng.exponential(size=size)
    ),
    "one-sided exponential": lambda rng, size: rng.exponential(size=size) - 1,
}
MARGIN = 1.0
LOOKS = np.arange(8, 65, 4)


def error_with_peeking(radius: Radius, kind: str, repetitions: int = 20_000, n: int = 200) -> float:
    """How often an interval misses the true mean 0 at any of its looks, from the 8th pair on."""
    rng, wrong = random(1), 0
    pairs = np.arange(8, n + 1)
    for _ in range(10):
        mean, sd = running(RATES_OF[kind](rng, (repetitions // 10, n)))
        ends = radius(pairs, sd[:, 7:], ALPHA)
        wrong += int((abs(mean[:, 7:]) > ends).any(axis=1).sum())
    return wrong / repetitions


def check_peeking(radius: Radius, kind: str = "normal") -> None:
    rate = error_with_peeking(radius, kind)
    assert rate <= bound(ALPHA, 20_000), f"errs in {rate:.1%} of {kind}"


def check_coverage(interval: Interval, n: int, repetitions: int = 20_000) -> None:
    differences = random(2).normal(0.3, 1.0, (repetitions, n))
    low, high = interval(differences, ALPHA)
    rate = float(((low > 0.3) | (high < 0.3)).mean())
    assert rate <= bound(ALPHA, repetitions), f"misses {rate:.1%} at n = {n}"


def seeds_by_images(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Differences of 0/1 answers, repetitions x seeds x images, with effects of both; mean 0."""
    repetitions, n, images = shape
    of_seeds = rng.normal(0, 0.02, (repetitions, n, 1))
    of_images = rng.normal(0, 0.15, (repetitions, 1, images))
    chance = 0.1 + np.abs(of_seeds + of_images)
    sign = np.sign(of_seeds + of_images)
    drawn = rng.random(shape) < np.minimum(chance, 1.0)
    # one side more often than the other, as the effects have it
    side = np.where(rng.random(shape) < 0.5 * (1 + sign * (chance - 0.1) / chance), 1.0, -1.0)
    return drawn * side


def check_new_images(interval: Interval, n: int, repetitions: int = 1000) -> None:
    rng, wrong = random(3), 0
    for _ in range(10):
        low, high = interval(seeds_by_images(rng, (repetitions // 10, n, 200)), ALPHA)
        wrong += int(((low > 0) | (high < 0)).sum())
    rate = wrong / repetitions
    assert rate <= bound(ALPHA, repetitions), f"misses {rate:.1%} at n = {n}"


def paired_runs(effect: float, seeds: int = 16) -> pd.DataFrame:
    """Two schedulers whose seeds matter far more than they do: correlation 0.98."""
    rng = random(4)
    of_seed = rng.normal(90, 1.0, seeds)
    ours, theirs = (of_seed + rng.normal(0, 0.14, seeds) for _ in range(2))
    return runs_of({("constant", 0.3): theirs, ("step", 0.3): ours + effect})


def check_pairing(compare: Compare) -> None:
    """A difference that only pairing can show is shown, and the correlation said."""
    row = compare(paired_runs(0.5), margin=0.1).iloc[0]
    assert row["verdict"] == "higher", row["sentence"]
    assert 0.95 < row["correlation"] < 1, row["correlation"]
    assert row["sd"] < 0.3 < 1 < row["unpaired_sd"], row["sd"]


def check_diverged(compare: Compare) -> None:
    """Runs that diverged are said, and are no reason to leave their seeds out."""
    runs = paired_runs(2.0)
    lost = (runs["scheduler"] == "step") & runs["seed"].isin([2, 5, 11])
    runs.loc[lost, "status"] = "diverged"
    runs.loc[lost, "test_accuracy"] = np.nan
    (row,) = compare(runs, margin=0.1).to_dict("records")
    assert row["verdict"] == "not evaluated", row["sentence"]
    assert "3 of 16 seeds diverged for step" in row["sentence"], row["sentence"]
    assert np.isnan(row["mean"]), row["mean"]


def false_claims(judge: Judge, effect: float, sd: float, repetitions: int = 2000) -> pd.DataFrame:
    """Which claims are made at any look, and how often; whoever looks stops at nothing."""
    differences = random(5).normal(effect, sd, (repetitions, LOOKS[-1]))
    mean, spread = (numbers[:, LOOKS - 1] for numbers in running(differences))
    table = statistics(np.tile(LOOKS, repetitions), mean.ravel(), spread.ravel())
    judged = judge(table, np.full(len(table), ALPHA), MARGIN)
    whose = np.repeat(np.arange(repetitions), len(LOOKS))
    claims = {
        "higher": judged["verdict"] == "higher",
        "lower": judged["verdict"] == "lower",
        "equivalent": judged["verdict"] == "equivalent",
        "at least": judged["size"] == "at least",
        "less than": judged["size"] == "less than",
    }
    return pd.DataFrame(claims).groupby(whose).any()


FALSE = {
    0.0: ["higher", "lower", "at least"],
    0.5 * MARGIN: ["lower", "at least"],
    MARGIN: ["lower", "equivalent", "less than"],
    2 * MARGIN: ["lower", "equivalent", "less than"],
}
"""By the true effect: what must not be said of it."""


def check_verdicts(judge: Judge) -> None:
    for effect, wrong in FALSE.items():
        for sd in (0.5, 2.0):
            made = false_claims(judge, effect, sd)
            rate = made[wrong].any(axis=1).mean()
            assert rate <= bound(ALPHA, len(made)), f"{rate:.1%} false at {effect}, sd {sd}"
    # and what is true is said, given the seeds
    assert false_claims(judge, 0.0, 0.5)["equivalent"].mean() > 0.99
    assert false_claims(judge, 2 * MARGIN, 0.5)["at least"].mean() > 0.99
    assert false_claims(judge, 0.5 * MARGIN, 0.5)["less than"].mean() > 0.9


def check_family(judge_family: Callable[[np.ndarray], np.ndarray]) -> None:
    """Nine schedulers, none of which differs from the reference with which all are compared.

    `judge_family` takes differences (families x contrasts x pairs), and says which contrasts have
    a side at any look.
    """
    repetitions, m = 2000, 9
    accuracy = random(6).normal(0, 1, (repetitions, m + 1, int(LOOKS[-1])))
    differences = accuracy[:, 1:] - accuracy[:, :1]
    wrong = judge_family(differences)
    rate = float(wrong.any(axis=1).mean())
    assert rate <= bound(ALPHA, repetitions), f"some contrast of {m} errs in {rate:.1%}"
