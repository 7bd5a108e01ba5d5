"""Verdicts on real runs: a scheduler against itself, and dropout's effect on the gap."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.shared import make_once
from helpers.training import sweep as make_sweep

from lrdecay import analysis
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_runs

# StepLR that multiplies by 1 is the constant schedule by another name. With 1,000 images held out,
# 437 are left to train on, few enough for a gap that dropout makes smaller.
TEXT = """\
name: twins
optimizer: {name: Adam, lr: 0.003}
validation: 1000
epochs: 20
dropout: [0.0, 0.5]
seeds: 16
"""
TWINS = """\
schedulers:
  constant: {class: constant}
  twin:     {class: StepLR, step_size: 5, gamma: 1.0}
"""


pytestmark = pytest.mark.slow


def train_twins(home: Path) -> None:
    run_sweep(make_sweep(TEXT, TWINS), home, workers=0, device="cpu")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = make_once(tmp_path_factory, "twins", train_twins) / "twins"
    return read_runs(folder), read_epochs(folder)


def test_a_scheduler_against_itself_at_the_same_seeds_differs_by_exactly_nothing(tables):
    runs, epochs = tables
    assert runs["run_id"].nunique() == len(runs) == 64
    for metric in ("test_accuracy", "test_loss", "gap"):
        table = analysis.compare(runs, epochs, metric=metric, margin=0.5)
        own = table[table["family"].isin(["scheduler", "average", "interaction"])]
        assert (own["n_one_schedule"] == 16).all()
        assert set(own["verdict"]) == {"not evaluated"}
        assert own["sentence"].str.contains("one schedule under two names").all()
        # as a table says that an older lrdecay wrote
        table = analysis.compare(runs.drop(columns="rates_digest"), epochs, metric=metric)
        own = table[table["family"].isin(["scheduler", "average", "interaction"])]
        assert (own[["mean", "sd"]].to_numpy() == 0).all()
        assert set(own["verdict"]) == {"identical"}  # which has no interval


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
def test_a_scheduler_against_itself_at_other_seeds_is_not_found_better(tables, dropout, metric):
    runs, _ = tables
    runs = runs[(runs["scheduler"] == "constant") & (runs["dropout"] == dropout)]
    first, second = runs[runs["seed"] < 8], runs[runs["seed"] >= 8]
    other = second.assign(scheduler="other", seed=second["seed"] - 8)
    both = pd.concat([first, other], ignore_index=True)
    (row,) = analysis.compare(both, metric=metric, margin=0.5).to_dict("records")
    assert row["verdict"] == "not evaluated"  # they are no pairs, and the digests say so
    by_seed = first.set_index("seed")
    for column in ("init_digest", "order_digest"):
        both[column] = both["seed"].map(by_seed[column])
    (row,) = analysis.compare(both, metric=metric, margin=0.5).to_dict("records")
    assert row["n"] == 8
    assert row["sd"] > 0
    assert row["verdict"] in ("unresolved", "equivalent")


def test_dropout_makes_the_gap_smaller(tables):
    runs, epochs = tables
    one = runs[runs["scheduler"] == "constant"]
    (row,) = analysis.compare(one, epochs, metric="gap", margin=0.5).to_dict("records")
    assert (row["family"], row["n"]) == ("dropout", 16)
    assert row["verdict"] == "lower", row["sentence"]
    assert row["sentence"].startswith(
        "constant: the train-test gap of dropout 0.5 is lower than that of dropout 0 by "
    )


def test_bitmaps_agree_with_the_accuracies(tables):
    runs, _ = tables
    right = [
        np.unpackbits(np.frombuffer(bits, np.uint8), count=360).mean()
        for bits in runs["test_correct"]
    ]
    assert right == pytest.approx(runs["test_accuracy"].tolist())
    table = analysis.compare(runs, margin=0.5)
    own = table[table["family"] == "dropout"]
    # images only add to what the seeds leave open
    assert (own["images_sd"] >= own["sd"] / 4 - 1e-9).all()
