"""Seed spread, time to target, and what more base rates are worth."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables

from lrdecay import analysis
from lrdecay.analysis.tuning_curve import expected_maximum
from lrdecay.core.errors import InputError


def with_answers(runs, answers):
    """The runs with these images right (runs x images)."""
    return runs.assign(
        test_correct=[np.packbits(each).tobytes() for each in answers],
        test_images=answers.shape[1],
        test_accuracy=answers.mean(axis=1),
    )


def test_seed_spread_by_hand():
    runs, _ = make_tables(("a",), (0.0,), seeds=4, n_epochs=1)
    answers = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], bool)
    (row,) = analysis.seed_spread(with_answers(runs, answers)).to_dict("records")
    accuracy = np.array([75.0, 50.0, 50.0, 100.0])
    assert (row["n"], row["mean"]) == (4, accuracy.mean())
    assert row["seed_sd"] == pytest.approx(accuracy.std(ddof=1))
    # images right at rates 1, 3/4, 3/4, 1/4; each p(1 - p) by 4/3
    of_images = (0 + 3 / 16 + 3 / 16 + 3 / 16) * 4 / 3
    assert row["independent_sd"] == pytest.approx(100 * math.sqrt(of_images) / 4)
    p = 11 / 16
    assert row["sampling_sd"] == pytest.approx(100 * math.sqrt(p * (1 - p) / 4))


def test_runs_with_independent_errors_spread_as_said():
    runs, _ = make_tables(("a",), (0.0,), seeds=200, n_epochs=1)
    random = np.random.default_rng(1)
    rate = random.beta(0.8, 0.2, 1000)
    (row,) = analysis.seed_spread(with_answers(runs, random.random((200, 1000)) < rate)).to_dict(
        "records"
    )
    assert row["seed_sd"] == pytest.approx(row["independent_sd"], rel=0.15)
    # of rates p with mean 0.8 and E p(1 - p) = 0.08
    assert row["sampling_sd"] / row["independent_sd"] == pytest.approx(math.sqrt(2), rel=0.1)


def test_spread_needs_two_runs_and_leaves_out_what_did_not_complete():
    runs, _ = make_tables(("a", "b"), (0.0,), 3, n_epochs=1)
    runs.loc[[0, 1, 3], "status"] = "diverged"
    table = analysis.seed_spread(runs)
    assert table["n"].tolist() == [1, 2]
    assert table["seed_sd"].isna().tolist() == [True, False]
    assert table["independent_sd"].isna().tolist() == [True, False]


def reaching(epochs_to_target, horizon=10, **changes):
    runs, _ = make_tables(("a",), (0.0,), seeds=len(epochs_to_target), n_epochs=1)
    return runs.assign(
        target=0.98,
        epochs=horizon,
        epochs_to_target=pd.array(epochs_to_target, dtype="Int32"),
        **changes,
    )


def test_time_to_target_by_hand():
    curve = analysis.time_to_target(reaching([3, 5, 5, 9, None]))
    assert curve["epoch"].tolist() == [0, 3, 5, 9]
    assert curve["share"].tolist() == pytest.approx([0, 0.2, 0.6, 0.8])
    assert set(curve["median"]) == {5}
    assert (set(curve["n"]), set(curve["n_reached"])) == ({5}, {4})
    # Greenwood's variance of log(-log S) after the first of five
    survival, spread = 0.8, math.sqrt(1 / (5 * 4)) / abs(math.log(0.8))
    low = 1 - survival ** math.exp(-1.959964 * spread)
    high = 1 - survival ** math.exp(1.959964 * spread)
    ends = sorted([low, high])
    assert curve[["low", "high"]].iloc[1].tolist() == pytest.approx(ends, rel=1e-5)


def test_a_run_that_never_gets_there_is_not_dropped():
    half = analysis.time_to_target(reaching([4, None, None]))
    assert half["share"].tolist() == pytest.approx([0, 1 / 3])
    assert half["median"].isna().all()
    lost = reaching([4, None, None])
    lost.loc[1, "status"] = "diverged"
    assert analysis.time_to_target(lost)["share"].tolist() == half["share"].tolist()
    lost.loc[1, "status"] = "failed"
    after = analysis.time_to_target(lost)
    assert after["share"].tolist() == pytest.approx([0, 1 / 2])
    assert (set(after["n"]), set(after["n_failed"])) == ({2}, {1})
    never = analysis.time_to_target(reaching([None, None]))
    assert never[["epoch", "share", "n_reached"]].to_numpy().tolist() == [[0, 0, 0]]
    always = analysis.time_to_target(reaching([2, 2, 2]))
    assert always["share"].tolist() == [0, 1]


def test_time_to_target_is_by_cell_in_the_sweep_s_order():
    runs, _ = make_tables(("zeta", "alpha"), (0.0, 0.5), 3, n_epochs=1)
    runs["target"], runs["epochs"] = 0.9, 5
    runs["epochs_to_target"] = pd.array([1, 2, 3] * 4, dtype="Int32")
    table = analysis.time_to_target(runs)
    assert table.drop_duplicates(["scheduler", "dropout"])[
        ["scheduler", "dropout"]
    ].to_numpy().tolist() == [["zeta", 0.0], ["zeta", 0.5], ["alpha", 0.0], ["alpha", 0.5]]
    with pytest.raises(InputError, match="no run has a target: give target"):
        analysis.time_to_target(runs.assign(target=np.nan))


def test_the_expected_maximum_is_that_of_all_draws():
    values = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    expected = [
        np.mean([max(draw) for draw in combinations(values, k)]) for k in range(1, len(values) + 1)
    ]
    assert expected_maximum(values).tolist() == pytest.approx(expected)
    # with one rate that diverged only a draw of two surely has a value
    found = expected_maximum(np.array([2.0, np.nan, 4.0]))
    assert np.isnan(found[0])
    assert found[1:].tolist() == pytest.approx([(2 + 4 + 4) / 3, 4.0])


def test_expected_best_is_of_the_trials():
    rates = [0.001, 0.01, 0.1]
    trials, _ = make_tables(("zeta", "alpha"), (0.0,), 2, n_epochs=1, lr=rates)
    trials = trials.assign(phase="choose", lr_chosen_per="scheduler")
    of_rate = {0.001: [0.90, 0.92], 0.01: [0.95, 0.97], 0.1: [0.80, 0.90]}
    trials["val_accuracy"] = [of_rate[row.lr][row.seed] for row in trials.itertuples()]
    compared = trials.assign(phase="compare", val_accuracy=0.0)
    table = analysis.expected_best(pd.concat([trials, compared], ignore_index=True))
    assert table["scheduler"].tolist() == ["zeta"] * 3 + ["alpha"] * 3
    assert table["trials"].tolist() == [1, 2, 3] * 2
    means = [91.0, 96.0, 85.0]
    expected = [sum(means) / 3, (96 + 96 + 91) / 3, 96.0]
    assert table["expected_best"].tolist() == pytest.approx(expected * 2)
    # runs at several given rates tell the same
    given = trials.assign(phase="compare", lr_chosen_per=None)
    assert analysis.expected_best(given)["expected_best"].tolist() == pytest.approx(expected * 2)
