"""Sweeps of several datasets whose differences are given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from helpers.frames import make_tables

from lrdecay.analysis import Conclusions, conclude
from lrdecay.analysis.settings import Criteria
from lrdecay.core.first_plan import FirstPlan

Effects = Mapping[tuple[str, float], Sequence[float]]
"""Differences to constant, in points, by scheduler and dropout: one for each seed."""


def make_runs(
    dataset: str, effects: Effects, arguments: Mapping[str, Mapping[str, object]] | None = None
) -> pd.DataFrame:
    """Runs on a dataset with these differences; `arguments` are those of schedulers."""
    schedulers = ["constant", *dict.fromkeys(scheduler for scheduler, _ in effects)]
    dropouts = sorted({dropout for _, dropout in effects})
    seeds = max(map(len, effects.values()))
    runs, _ = make_tables(schedulers, dropouts, seeds, n_epochs=1, dataset=[dataset])
    base = 0.5 + 0.01 * np.random.default_rng(5).normal(size=seeds)
    runs["dataset_digest"] = f"digest of {dataset}"
    given = arguments or {}
    runs["scheduler_args"] = [
        json.dumps({"interval": "epoch", **given.get(label, {})}) for label in runs["scheduler"]
    ]
    rows = runs[["scheduler", "dropout", "seed"]].itertuples(index=False)
    points = [
        0.0 if label == "constant" else dict(enumerate(effects.get((label, rate), ()))).get(seed)
        for label, rate, seed in rows
    ]
    runs["test_accuracy"] = base[runs["seed"]] + np.array(points, float) / 100
    runs = runs.drop(columns=["test_correct", "test_images"])
    return runs[runs["test_accuracy"].notna()].reset_index(drop=True)


def conclude_effects(
    dataset: str,
    effects: Effects,
    plan: FirstPlan | None = None,
    arguments: Mapping[str, Mapping[str, object]] | None = None,
    **criteria: object,
) -> Conclusions:
    """What a sweep with these differences concludes."""
    asked = Criteria(**criteria)  # type: ignore[arg-type]
    return conclude(make_runs(dataset, effects, arguments), None, asked, first_plan=plan)


def draw_effects(seed: int, seeds: int, mean: float = 0.0, sd: float = 1.0) -> list[float]:
    drawn: list[float] = np.random.default_rng(seed).normal(mean, sd, seeds).tolist()
    return drawn
