"""Verdicts on the tables in results/, by value; worked out by another implementation."""

import math
from functools import cache

import pandas as pd
import pytest
from helpers.by_hand import judge_by_hand, looks_by_hand
from helpers.paths import REFERENCE

from lrdecay import analysis

ALIKE = (-math.inf, math.inf)
EXPECTED = {
    ("mnist", 12, "test_accuracy"): {
        ("cosine", 0.0): ("higher", 0.090, 0.500),
        ("plateau", 0.0): ("higher", 0.203, 0.522),
        ("step", 0.0): ("unresolved", -0.099, 0.158),
        ("cosine", 0.3): ("higher", 0.098, 0.247),
        ("plateau", 0.3): ("higher", 0.041, 0.284),
        ("step", 0.3): ("unresolved", -0.065, 0.079),
    },
    ("mnist", 8, "test_accuracy"): {
        ("cosine", 0.0): ("higher", 0.090, 0.555),
        ("plateau", 0.0): ("higher", 0.203, 0.559),
        ("step", 0.0): ("unresolved", -0.099, 0.184),
        ("cosine", 0.3): ("higher", 0.098, 0.247),
        ("plateau", 0.3): ("higher", 0.041, 0.284),
        ("step", 0.3): ("unresolved", -0.084, 0.079),
    },
    ("mnist", 12, "test_loss"): {
        ("cosine", 0.0): ("unresolved", -0.014, 0.003),
        ("plateau", 0.0): ("unresolved", -0.006, 0.010),
        ("step", 0.0): ("unresolved", -0.005, 0.002),
        ("cosine", 0.3): ("lower", -0.007, -0.003),
        ("plateau", 0.3): ("unresolved", -0.006, 0.001),
        ("step", 0.3): ("unresolved", -0.001, 0.000),
    },
    ("mnist", 8, "test_loss"): {
        ("cosine", 0.0): ("unresolved", -0.016, 0.003),
        ("plateau", 0.0): ("unresolved", -0.008, 0.010),
        ("step", 0.0): ("unresolved", -0.006, 0.002),
        ("cosine", 0.3): ("lower", -0.007, -0.003),
        ("plateau", 0.3): ("unresolved", -0.006, 0.002),
        ("step", 0.3): ("unresolved", -0.001, 0.001),
    },
    ("fashion_mnist", 8, "test_accuracy"): {
        ("cosine", 0.0): ("higher", 0.082, 1.423),
        ("plateau", 0.0): ("unresolved", -0.030, 0.903),
        ("step", 0.0): ("higher", 0.051, 0.754),
        ("cosine", 0.3): ("unresolved", -0.237, 0.420),
        ("plateau", 0.3): ("identical", *ALIKE),
        ("step", 0.3): ("unresolved", -0.116, 0.291),
    },
    ("fashion_mnist", 8, "test_loss"): {
        ("cosine", 0.0): ("lower", -0.061, -0.025),
        ("plateau", 0.0): ("lower", -0.027, -0.001),
        ("step", 0.0): ("lower", -0.038, -0.010),
        ("cosine", 0.3): ("unresolved", -0.009, 0.002),
        ("plateau", 0.3): ("identical", *ALIKE),
        ("step", 0.3): ("lower", -0.008, -0.001),
    },
}
"""By folder, its first seeds and metric: of each scheduler against constant at each dropout the
verdict and the ends of the interval, planned at 8 seeds."""


@cache
def read(folder: str) -> pd.DataFrame:
    runs = pd.read_parquet(REFERENCE / folder / "runs.parquet")
    return runs[runs["phase"] == "compare"]


def judge(folder: str, seeds: int, metric: str) -> pd.DataFrame:
    runs = read(folder)
    table = analysis.compare(runs[runs["seed"] < seeds], metric=metric)
    return table[table["family"] == "scheduler"].set_index(["a", "dropout"])


@pytest.mark.parametrize("asked", EXPECTED, ids=lambda asked: "-".join(map(str, asked)))
def test_verdicts_and_intervals_of_the_published_tables(asked):
    table, expected = judge(*asked), EXPECTED[asked]
    assert set(table.index) == set(expected)
    for cell, (verdict, low, high) in expected.items():
        row = table.loc[cell]
        assert row["verdict"] == verdict
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.00051)
        assert row["look"] == asked[1]


@pytest.mark.parametrize("asked", EXPECTED, ids=lambda asked: "-".join(map(str, asked)))
def test_they_are_those_of_plain_loops(asked):
    folder, seeds, metric = asked
    runs, table = read(folder), judge(*asked)
    accuracy = metric == "test_accuracy"
    unit, least = (100.0, 50 / 10_000) if accuracy else (1.0, 1e-9)
    for (scheduler, dropout), row in table.iterrows():
        wide = runs[(runs["dropout"] == dropout) & (runs["seed"] < seeds)].pivot(
            index="seed", columns="scheduler", values=metric
        )
        d = unit * (wide[scheduler] - wide["constant"])
        hand = judge_by_hand(d.tolist(), looks_by_hand(seeds), 0.05 / 6, least=least)
        assert (row["verdict"], row["look"]) == (hand.verdict, hand.look)
        assert (row["low"], row["high"]) == pytest.approx((hand.low, hand.high), rel=1e-9)
        assert (row["low_look"], row["high_look"]) == (hand.low_look, hand.high_look)
        assert row["p"] == pytest.approx(min(1, 6 * hand.p), rel=1e-9)
        assert row["may_differ"] == pytest.approx(hand.may_differ, nan_ok=True)


def test_how_many_are_settled():
    settled = {
        asked: judge(*asked)["verdict"].value_counts().to_dict()
        for asked in EXPECTED
        if asked[2] == "test_accuracy"
    }
    assert settled == {
        ("mnist", 12, "test_accuracy"): {"higher": 4, "unresolved": 2},
        ("mnist", 8, "test_accuracy"): {"higher": 4, "unresolved": 2},
        ("fashion_mnist", 8, "test_accuracy"): {"higher": 2, "unresolved": 3, "identical": 1},
    }
