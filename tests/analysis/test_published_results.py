"""Verdicts on the tables in results/reference, worked out by another implementation."""

from functools import cache

import pandas as pd
import pytest
from helpers.by_hand import judge_by_hand, looks_by_hand
from helpers.paths import REFERENCE
from helpers.tiers import slow_but

from lrdecay import analysis

CASES = [
    (folder, seeds, metric)
    for folder, counts in (
        ("digits", (8, 12)),
        ("mnist", (8, 16)),
        ("fashion_mnist", (8, 16)),
        ("families", (24,)),
    )
    for seeds in counts
    for metric in ("test_accuracy", "test_loss")
]
"""Folder, how many of its first seeds, and what is compared: as if planned at so many seeds."""


@cache
def read(folder: str) -> pd.DataFrame:
    runs = pd.read_parquet(REFERENCE / folder / "runs.parquet")
    return runs[runs["phase"] == "compare"]


@pytest.mark.parametrize(("folder", "seeds", "metric"), slow_but(CASES[:2], CASES))
def test_verdicts_and_intervals_are_those_of_plain_loops(folder, seeds, metric):
    runs = read(folder)
    first = runs["seed"].min()
    runs = runs[runs["seed"] < first + seeds]
    assert sorted(runs["seed"].unique()) == list(range(first, first + seeds))
    table = analysis.compare(runs, metric=metric)
    table = table[table["family"] == "scheduler"].set_index(["a", "dropout"])
    others = len(runs[["scheduler", "dropout"]].drop_duplicates()) - runs["dropout"].nunique()
    assert len(table) == others
    (images,) = runs["test_images"].unique()
    unit, least = (100.0, 50 / images) if metric == "test_accuracy" else (1.0, 1e-9)
    for (scheduler, dropout), row in table.iterrows():
        wide = runs[runs["dropout"] == dropout].pivot(
            index="seed", columns="scheduler", values=[metric, "rates_digest"]
        )
        rates, values = wide["rates_digest"], wide[metric].astype(float)
        d = unit * (values[scheduler] - values["constant"])
        if rates[scheduler].equals(rates["constant"]) and (d == 0).all():
            assert (row["verdict"], row["n_one_schedule"]) == ("not evaluated", seeds)
            continue
        hand = judge_by_hand(d.tolist(), looks_by_hand(seeds), 0.05 / others, least=least)
        assert (row["verdict"], row["look"]) == (hand.verdict, hand.look)
        assert (row["low"], row["high"]) == pytest.approx((hand.low, hand.high), rel=1e-9)
        assert (row["low_look"], row["high_look"]) == (hand.low_look, hand.high_look)
        assert row["p"] == pytest.approx(min(1, others * hand.p), rel=1e-9)
        assert row["may_differ"] == pytest.approx(hand.may_differ, nan_ok=True)
