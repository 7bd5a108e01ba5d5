"""Frames that were made by hand: refused where they cannot be true, never in part left out."""

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables

from lrdecay import analysis
from lrdecay.core.errors import InputError

SEEDS = 8


@pytest.fixture(scope="module")
def tables():
    return make_tables(("constant", "step"), (0.3,), SEEDS, n_epochs=2)


def change(frame: pd.DataFrame, column: str, value: object, rows: slice) -> pd.DataFrame:
    """Return a copy with one value in some rows, whatever its kind."""
    values = frame[column].astype(object)
    values.iloc[rows] = value
    kept = isinstance(value, float) and frame[column].dtype == "float64"
    return frame.assign(**{column: values.astype("float64") if kept else values})


def refused(call, *frames, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*frames, **options)
    return str(caught.value)


ONE = slice(3, 4)
RUN = "(run 0000000000000003)"
MEMBERS = [
    ("status", "complete", "'complete'", "one of completed, diverged, failed"),
    ("status", None, "nothing", "one of completed, diverged, failed"),
    ("phase", "Compare", "'Compare'", "one of choose, compare"),
    ("test_accuracy", 1.7, "1.7", "a number from 0 to 1"),
    ("test_accuracy", -0.01, "-0.01", "a number from 0 to 1"),
    ("test_accuracy", 97.5, "97.5", "a number from 0 to 1"),
    ("test_accuracy", np.inf, "inf", "a number from 0 to 1"),
    ("test_accuracy", "0.97", "'0.97'", "a number from 0 to 1"),
    ("epochs", -2, "-2", "a whole number, at least 1"),
    ("epochs", 2.5, "2.5", "a whole number, at least 1"),
    ("batch_size", 0, "0", "a whole number, at least 1"),
    ("seed", "3", "'3'", "a whole number, at least 0"),
    ("seed", -1, "-1", "a whole number, at least 0"),
    ("seed", np.nan, "nothing", "a whole number, at least 0"),
    ("seed", True, "true", "a whole number, at least 0"),
    ("lr", 0.0, "0.0", "a finite number above 0"),
    ("lr", np.inf, "inf", "a finite number above 0"),
    ("dropout", 1.0, "1.0", "a number at least 0 and less than 1"),
    ("dropout", "0.3", "'0.3'", "a number at least 0 and less than 1"),
    ("scheduler", None, "nothing", "text that is not empty"),
    ("scheduler", 1, "1", "text that is not empty"),
    ("scheduler", False, "false", "text that is not empty"),
    ("scheduler", " ", "' '", "text that is not empty"),
]


@pytest.mark.parametrize(("column", "value", "shown", "valid"), MEMBERS)
@pytest.mark.parametrize(
    "call", [analysis.compare, analysis.best_set, analysis.verdicts_by_look, analysis.cell_summary]
)
def test_the_column_the_first_row_and_what_is_valid_are_named(
    tables, call, column, value, shown, valid
):
    if call is analysis.cell_summary and column == "seed":
        return  # it counts runs
    runs = change(tables[0], column, value, ONE)
    assert refused(call, runs) == f"{column} is {shown} in row 3 from 0 {RUN}; valid is {valid}"


@pytest.mark.parametrize("column", ["scheduler", "dropout", "test_accuracy"])
def test_a_column_that_is_there_twice_is_refused(tables, column):
    runs = pd.concat([tables[0], tables[0][[column]]], axis=1)
    assert refused(analysis.compare, runs) == f"the table has two columns '{column}'"


def test_labels_may_be_categories(tables):
    runs = tables[0].assign(scheduler=tables[0]["scheduler"].astype("category"))
    assert analysis.compare(runs)["sentence"].tolist() == (
        analysis.compare(tables[0])["sentence"].tolist()
    )


def test_how_many_such_rows_there_are_is_said(tables):
    runs = change(tables[0], "status", "complete", slice(3, 9))
    assert refused(analysis.compare, runs) == (
        f"status is 'complete' in row 3 from 0 {RUN}, the first of 6 such rows; valid is one of "
        "completed, diverged, failed"
    )
    assert refused(analysis.status_counts, runs).startswith("status is 'complete' in row 3")


def test_the_row_is_that_of_the_frame_as_it_was_given(tables):
    """Trials, which are left out, come before it, and an index of its own says nothing."""
    trials = tables[0].assign(phase="choose", run_id=lambda t: "t" + t["run_id"])
    runs = pd.concat([trials, change(tables[0], "test_accuracy", 2.0, ONE)])
    assert refused(analysis.compare, runs).startswith(
        f"test_accuracy is 2.0 in row 19 from 0 {RUN}"
    )
    bare = change(tables[0], "lr", -1.0, ONE).drop(columns="run_id")
    assert refused(analysis.compare, bare) == (
        "lr is -1.0 in row 3 from 0; valid is a finite number above 0"
    )


def test_a_loss_that_was_not_finite_is_counted_and_said(tables):
    """The table of such a run has a null there, as its column says."""
    for metric in ("test_loss", "test_accuracy"):
        table = analysis.compare(change(tables[0], metric, np.nan, ONE), metric=metric)
        assert table["n"].tolist() == [SEEDS - 1]
        assert table["n_without"].tolist() == [1]
        assert "1 of 8 seeds has a run without the metric" in table["sentence"].item()
    runs = change(tables[0], "test_loss", np.inf, ONE)
    assert refused(analysis.compare, runs, metric="test_loss") == (
        f"test_loss is inf in row 3 from 0 {RUN}; valid is a finite number"
    )


@pytest.mark.parametrize(
    ("column", "value", "shown", "valid"),
    [
        ("epoch", -1, "-1", "a whole number, at least 1"),
        ("epoch", 0, "0", "a whole number, at least 1"),
        ("split", "valid", "'valid'", "one of train, train_eval, val, test"),
        ("accuracy", 1.5, "1.5", "a number from 0 to 1"),
        ("learning_rate", np.nan, "nothing", "a finite number"),
        ("loss", "high", "'high'", "a number"),
    ],
)
def test_epochs_are_held_to_their_ranges_too(tables, column, value, shown, valid):
    runs, epochs = tables
    message = refused(analysis.learning_curves, runs, change(epochs, column, value, ONE))
    assert message == (
        f"{column} is {shown} in row 3 from 0 (run 0000000000000000); valid is {valid}"
    )


def test_the_gap_is_made_of_accuracies_that_can_be(tables):
    runs, epochs = tables
    wrong = change(epochs, "accuracy", 98.0, ONE)
    assert refused(analysis.compare, runs, wrong, metric="gap").startswith("accuracy is 98.0 in")


@pytest.mark.parametrize(
    "convert",
    [
        lambda runs: runs.assign(seed=runs["seed"].astype("float64")),
        lambda runs: runs.assign(seed=runs["seed"].astype("Int64")),
        lambda runs: runs.assign(seed=runs["seed"].astype(object)),
        lambda runs: runs.assign(epochs=np.uint8(2), lr=np.float32(0.5)),
        lambda runs: runs.assign(status=runs["status"].astype("category")),
        lambda runs: runs.assign(dropout=np.nan),
        lambda runs: runs.assign(mine=-1, test_loss=np.nan),
    ],
)
def test_the_same_values_in_another_kind_are_as_good(tables, convert):
    expected = analysis.compare(tables[0])
    found = analysis.compare(convert(tables[0].copy()))
    for column in ("n", "mean", "low", "high", "verdict"):
        assert found[column].tolist() == expected[column].tolist()


def test_rates_of_a_program_may_be_unknown_in_part_or_in_all(tables):
    runs, epochs = tables
    told = runs.assign(engine="command", trainer="command")
    lost = epochs.assign(learning_rate_first=np.nan, learning_rate_last=np.nan)
    curves = analysis.learning_rate_curves(told, lost)
    assert curves["learning_rate"].tolist() == [0.001, 0.001, 0.001, 0.0005]
    assert curves["n_runs"].tolist() == [SEEDS] * 4
    unknown = lost.assign(learning_rate=np.nan)
    assert analysis.learning_rate_curves(told, unknown)["learning_rate"].isna().all()
    means = analysis.learning_curves(told, unknown, "accuracy")
    assert means["mean"].equals(analysis.learning_curves(*tables, "accuracy")["mean"])
    # of lrdecay's own runs all are known
    assert refused(analysis.learning_curves, runs, unknown).startswith(
        "learning_rate is nothing in row 0 from 0"
    )
