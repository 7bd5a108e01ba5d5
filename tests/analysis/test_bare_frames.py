"""Frames that have little more than schedulers, seeds and a metric: an axis without a column has
one value, and nothing is asked for that nobody can know."""

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables

from lrdecay import analysis
from lrdecay.core.errors import InputError

SEEDS = 8
BARE = ["scheduler", "seed", "status", "test_accuracy"]
SIDES = ["a", "b", "n"]


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return make_tables(("constant", "step", "cosine"), (0.3,), SEEDS, n_epochs=1)[0]


def test_four_columns_are_enough(runs):
    table = analysis.compare(runs[BARE], margin=0.05)
    assert table["scheduler"].tolist() == ["step", "cosine"]
    accuracy = 100 * runs.pivot(index="seed", columns="scheduler", values="test_accuracy")
    difference = accuracy.sub(accuracy["constant"], axis=0)[["step", "cosine"]]
    np.testing.assert_allclose(table["mean"], difference.mean(), rtol=1e-12)
    whole = analysis.compare(runs, margin=0.05)
    assert table["n"].tolist() == [SEEDS] * 2
    for name in ("mean", "low", "high", "verdict"):
        assert table[name].tolist() == whole[name].tolist(), name


def test_arguments_that_are_no_json_are_shown_as_they_are():
    texts = ["{'depth': 3}", '{"depth": 4}']
    runs = make_tables(("constant", "step"), (0.3,), SEEDS, n_epochs=1, model_args=texts)[0]
    table = analysis.compare(runs[[*BARE, "model_args"]])
    assert table["where"].tolist() == ["model_args {'depth': 3}", "depth 4"]


def test_of_a_frame_that_does_not_say_who_trained_it_nothing_is_said_to_be_planned(runs):
    """The looks are the same."""
    bare, own = analysis.compare(runs[BARE]), analysis.compare(runs)
    assert bare["sentence"].str.contains("interval .*, at 8 seeds; 8 pairs by seed").all()
    assert own["sentence"].str.contains("interval .*, at the planned 8 seeds").all()
    assert analysis.compare(runs[BARE], first=8)["sentence"].str.contains("the planned 8").all()
    later = analysis.verdicts_by_look(runs[BARE], first=12)
    assert later["planned"].tolist() == [False, False]


def test_a_dropout_is_an_axis_where_there_is_one():
    runs = make_tables(("constant", "step"), (0.0, 0.3), SEEDS, n_epochs=1)[0]
    whole, bare = (analysis.compare(frame) for frame in (runs, runs[[*BARE, "dropout"]]))
    pd.testing.assert_frame_equal(bare[SIDES], whole[SIDES])
    np.testing.assert_array_equal(bare["mean"], whole["mean"])


@pytest.mark.parametrize("axis", ["lr", "batch_size", "model", "trainer_args"])
def test_an_axis_with_a_column_is_one_more(axis):
    values = {"lr": [0.1, 0.2], "batch_size": [32, 64]}.get(axis, ["one", "two"])
    runs = make_tables(("constant", "step"), (0.3,), SEEDS, n_epochs=1, **{axis: values})[0]
    bare = runs[[*BARE, axis]]
    assert analysis.extra_axes(bare) == [axis]
    table = analysis.compare(bare)
    assert table[axis].tolist() == values
    assert table["family_size"].tolist() == [2, 2]


def test_cells_are_summed_up_without_their_axes(runs):
    bare, whole = analysis.cell_summary(runs[BARE]), analysis.cell_summary(runs)
    columns = ["scheduler", "mean", "sd", "n", "n_diverged", "n_failed"]
    pd.testing.assert_frame_equal(bare[columns], whole[columns])
    assert bare["dropout"].isna().all()
    assert analysis.extra_axes(runs[BARE]) == []
    assert analysis.rates_chosen(runs[BARE]) is False
    assert len(analysis.compared(runs[BARE])) == len(runs)


def test_the_matrix_has_the_axes_that_are_there(runs):
    described = analysis.describe_matrix(runs[BARE])
    assert described["axis"].tolist() == ["scheduler", "seed"]
    assert described["n_values"].tolist() == [3, SEEDS]


@pytest.mark.parametrize("column", BARE)
def test_each_of_the_four_is_needed(runs, column):
    with pytest.raises(InputError, match=f"no column '{column}' in the table; it has: "):
        analysis.compare(runs[BARE].drop(columns=column))


def test_a_digest_that_lrdecay_s_own_runs_lack_is_still_different(runs):
    for name in ("init_digest", "order_digest", "dataset_digest"):
        table = analysis.compare(runs.drop(columns=name))
        assert set(table["verdict"]) == {"not evaluated"}, name
        assert (table[f"n_unlike_{name}"] == SEEDS).all()
    foreign = runs.drop(columns="init_digest").assign(engine="imported")
    assert set(analysis.compare(foreign)["n"]) == {SEEDS}


def test_digests_of_other_engines_that_differ_are_different(runs):
    other = runs["init_digest"].where(runs["scheduler"] != "step", "x-" + runs["init_digest"])
    table = analysis.compare(runs.assign(engine="own", init_digest=other))
    assert table.set_index("scheduler")["n_unlike_init_digest"].to_dict() == {
        "step": SEEDS,
        "cosine": 0,
    }


def test_the_frame_of_the_caller_stays_as_it_was(runs):
    bare = runs[BARE].copy()
    analysis.compare(bare)
    assert list(bare) == BARE


@pytest.mark.parametrize("name", ["loss", "accuracy"])
def test_what_lrdecay_trained_lacks_no_number_in_any_epoch(name):
    runs, epochs = make_tables(("constant", "step"), (0.3,), SEEDS, n_epochs=1)
    epochs.loc[5, name] = np.nan
    with pytest.raises(InputError, match=f"{name} is nothing in row 5 from 0"):
        analysis.learning_curves(runs, epochs)
    whole = analysis.learning_curves(runs.assign(engine="own"), epochs)
    assert len(whole) == len(analysis.learning_curves(runs, epochs.assign(**{name: 0.5})))
    others = runs[runs["run_id"] != epochs["run_id"][5]]
    assert len(analysis.learning_curves(others, epochs)) > 0
