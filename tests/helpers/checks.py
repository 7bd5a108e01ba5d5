"""What any implementation has to pass: each check takes one, so that a mutant of it can fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from helpers.simulated import (
    ALPHA,
    KINDS,
    at_looks,
    bound,
    draw_families,
    random,
    runs_of,
    statistics,
)

from lrdecay.analysis.looks import list_looks
from lrdecay.core.first_plan import FirstPlan

Interval = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]
"""Differences (repetitions x n, or x seeds x images), alpha -> low and high ends."""
Compare = Callable[..., pd.DataFrame]
Sides = Callable[..., np.ndarray]
"""Differences (families x contrasts x seeds) -> which contrasts have a side at any look."""
JudgeLooks = Callable[..., pd.DataFrame]
JudgeContrasts = Callable[..., pd.DataFrame]

MARGIN = 1.0
MOST = 64


def check_family(find_sides: Sides, repetitions: int = 2000) -> None:
    """Of nine schedulers, none of which differs, extended from 8 seeds to 64, whoever looks."""
    differences = draw_families(random(6), KINDS["normal"], repetitions, MOST)
    rate = float(find_sides(differences).any(axis=1).mean())
    assert rate <= bound(ALPHA, repetitions), f"some contrast of 9 errs in {rate:.1%}"


def check_dropping(count_family: Callable[[FirstPlan, int], int], sides: Sides) -> None:
    """Whoever takes out all schedulers but the one that looks best at 8 seeds errs no more often;
    `count_family` is given the first plan, and how many contrasts there are now."""
    repetitions, plan = 2000, FirstPlan(8, family=9)
    differences = draw_families(random(6), KINDS["normal"], repetitions, MOST)
    first = differences[:, :, :8]
    best = (abs(first.mean(axis=2)) / first.std(axis=2)).argmax(axis=1)
    alone = differences[np.arange(repetitions), best][:, None]
    rate = float(sides(alone, family=count_family(plan, 1)).mean())
    assert rate <= bound(ALPHA, repetitions), f"what was left errs in {rate:.1%}"


def check_rare(judge_looks: JudgeLooks, repetitions: int = 4000) -> None:
    """A scheduler that differs at one seed in ten, by far more than the margin, is not called
    equivalent."""
    rng, shape = random(9), (repetitions, 8)
    differences = np.where(rng.random(shape) < 0.1, rng.normal(1.0, 0.3, shape), 0.0)
    table = at_looks(differences, list_looks(8, None, 8))
    judged = judge_looks(table, np.full(len(table), ALPHA), 0.1)
    rates = judged["verdict"].value_counts(normalize=True)
    rate = float(rates.get("equivalent", 0.0))
    assert rate < 0.01, f"called equivalent in {rate:.1%}"
    # of 8 seeds none differs in 43% of the cases
    assert abs(rates["identical"] - 0.9**8) < 0.03, rates["identical"]


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


FALSE = {
    0.0: ["higher", "lower", "at least"],
    0.5 * MARGIN: ["lower", "at least"],
    MARGIN: ["lower", "equivalent", "less than"],
    2 * MARGIN: ["lower", "equivalent", "less than"],
}
"""By the true effect: what must not be said of it."""


def list_claims(
    judge_looks: JudgeLooks, judge_contrasts: JudgeContrasts, repetitions: int
) -> pd.DataFrame:
    """Which claims are made at any look, by true effect and sd; whoever looks stops at nothing."""
    rng, plan = random(5), FirstPlan(8)
    truths = pd.DataFrame([(effect, sd) for effect in FALSE for sd in (0.5, 2.0)])
    truths = truths.loc[truths.index.repeat(repetitions)].set_axis(["effect", "sd"], axis=1)
    effect, sd = truths.to_numpy().T[:, :, None]
    differences = rng.normal(effect, sd, (len(truths), MOST))
    looks, error = list_looks(plan.first, plan.most, MOST), np.full(len(truths), ALPHA)
    table = at_looks(differences, looks)
    judged = judge_looks(table, np.full(len(table), ALPHA), MARGIN)
    claims = {name: np.zeros(len(truths), bool) for name in (*SAID["verdict"], *SAID["size"])}
    for look in looks:
        so_far = differences[:, : look.n]
        numbers = so_far.mean(axis=1), so_far.std(axis=1, ddof=1)
        estimates = statistics(np.full(len(truths), look.n), *numbers)
        until = judged[judged["n"] <= look.n]
        said = judge_contrasts(estimates, until, error, MARGIN, plan, MOST)
        for column, names in SAID.items():
            for name in names:
                claims[name] |= (said[column] == name).fillna(False).to_numpy(bool)
    return truths.assign(**claims)


SAID = {"verdict": ("higher", "lower", "equivalent"), "size": ("at least", "less than")}
"""Claims, by the column that makes them."""


def check_verdicts(
    judge_looks: JudgeLooks, judge_contrasts: JudgeContrasts, repetitions: int = 1000
) -> None:
    made = list_claims(judge_looks, judge_contrasts, repetitions)
    for (effect, sd), claims in made.groupby(["effect", "sd"]):
        rate = claims[FALSE[effect]].any(axis=1).mean()
        assert rate <= bound(ALPHA, repetitions), f"{rate:.1%} false at {effect}, sd {sd}"
    # and what is true is said, given the seeds
    share = made[made["sd"] == 0.5].groupby("effect").mean()
    assert share.loc[0.0, "equivalent"] > 0.93
    assert share.loc[2 * MARGIN, "at least"] > 0.99
    assert share.loc[0.5 * MARGIN, "less than"] > 0.99
