import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from pandas.testing import assert_frame_equal

from lrdecay import analysis
from lrdecay.core.errors import InputError
from lrdecay.core.run import ADDED


def two_diverged(scheduler: str, dropout: float, seed: int) -> str:
    return "diverged" if scheduler == "step" and dropout == 0.3 and seed < 2 else "completed"


def test_cell_summary_by_hand() -> None:
    runs, _ = make_tables(("constant", "step"), (0.3,), seeds=3)
    runs["test_accuracy"] = [0.90, 0.92, 0.94, 0.5, 0.6, 0.7]
    runs.loc[4, "status"] = "diverged"
    runs.loc[4, "test_accuracy"] = np.nan
    runs.loc[5, "status"] = "failed"
    expected = pd.DataFrame(
        {
            "scheduler": ["constant", "step"],
            "dropout": [0.3, 0.3],
            "mean": [0.92, 0.5],
            "sd": [0.02, np.nan],
            "n": [3, 1],
            "n_diverged": [0, 1],
            "n_failed": [0, 1],
        }
    )
    assert_frame_equal(analysis.cell_summary(runs), expected)


def test_cell_summary_is_plain_pandas_over_every_axis_that_varies() -> None:
    runs, _ = make_tables(lr=[0.01, 0.001], batch_norm=[False, True], status=two_diverged)
    by = ["batch_norm", "lr", "scheduler", "dropout"]
    got = analysis.cell_summary(runs, "test_loss")
    assert got.columns.tolist() == [*by, "mean", "sd", "n", "n_diverged", "n_failed"]
    completed = runs[runs["status"] == "completed"]
    groups = completed.groupby(by)["test_loss"]
    expected = pd.DataFrame({"mean": groups.mean(), "sd": groups.std(), "n": groups.count()})
    assert_frame_equal(got.set_index(by)[["mean", "sd", "n"]].sort_index(), expected.sort_index())
    assert got["n_diverged"].sum() == (runs["status"] == "diverged").sum() == 8


def test_cells_keep_the_order_of_the_sweep() -> None:
    runs, _ = make_tables(("zeta", "alpha"), (0.5, 0.0), seeds=1, lr=[0.01, 0.001])
    cells = analysis.cell_summary(runs)
    assert list(zip(cells["lr"], cells["scheduler"], cells["dropout"], strict=True)) == [
        (lr, scheduler, dropout)
        for lr in (0.001, 0.01)
        for scheduler in ("zeta", "alpha")
        for dropout in (0.0, 0.5)
    ]


def test_a_cell_without_a_completed_run_is_still_a_row() -> None:
    runs, epochs = make_tables(("step",), (0.3,), seeds=2, status=lambda *cell: "failed")
    (cell,) = analysis.cell_summary(runs).to_dict("records")
    assert np.isnan(cell["mean"])
    assert np.isnan(cell["sd"])
    assert (cell["n"], cell["n_diverged"], cell["n_failed"]) == (0, 0, 2)
    assert analysis.learning_curves(runs, epochs).empty
    assert analysis.learning_rate_curves(runs, epochs).empty
    assert analysis.train_test_gap(runs, epochs)["train_test_gap"].isna().all()


@pytest.mark.parametrize("metric", analysis.METRICS)
def test_learning_curves_are_plain_pandas(metric: str) -> None:
    runs, epochs = make_tables(("plateau", "step"), n_epochs=8, seeds=4, status=two_diverged)
    completed = runs.loc[runs["status"] == "completed", "run_id"]
    by = ["scheduler", "dropout", "split", "epoch"]
    groups = epochs[epochs["run_id"].isin(completed)].groupby(by)[metric]
    expected = pd.DataFrame({"mean": groups.mean(), "sd": groups.std(ddof=1)})
    expected["low"] = expected["mean"] - expected["sd"]
    expected["high"] = expected["mean"] + expected["sd"]
    expected["n"] = groups.count()
    got = analysis.learning_curves(runs, epochs, metric)
    assert_frame_equal(got.set_index(by).sort_index(), expected.sort_index())
    assert set(got.loc[(got["scheduler"] == "step") & (got["dropout"] == 0.3), "n"]) == {2}


def test_learning_curves_tell_extra_axes_apart() -> None:
    runs, epochs = make_tables(("step",), (0.0,), seeds=1, lr=[0.1, 0.2])
    got = analysis.learning_curves(runs, epochs, "learning_rate").query("split == 'test'")
    assert got["mean"].tolist() == [0.1, 0.1, 0.05, 0.05, 0.2, 0.2, 0.1, 0.1]
    assert got["lr"].tolist() == [0.1] * 4 + [0.2] * 4
    assert got["low"].isna().all()


def test_learning_rate_curves_lists_each_course_once() -> None:
    runs, epochs = make_tables(("step", "plateau"), (0.0, 0.5), seeds=4, n_epochs=8)
    got = analysis.learning_rate_curves(runs, epochs)
    train = epochs[epochs["split"] == "train"].sort_values("epoch")
    for scheduler, curves in got.groupby("scheduler"):
        own = train[train["scheduler"] == scheduler].groupby("run_id")["learning_rate"].agg(tuple)
        listed = curves.groupby("curve").agg(
            course=("learning_rate", tuple), n_runs=("n_runs", "first")
        )
        assert dict(listed.to_numpy().tolist()) == own.value_counts().to_dict()
    assert got.groupby("scheduler")["curve"].nunique().to_dict() == {"step": 1, "plateau": 3}


def test_learning_rate_curves_by_dropout_are_those_of_each() -> None:
    runs, epochs = make_tables(("step", "plateau"), (0.0, 0.5), seeds=4, n_epochs=8)
    got = analysis.learning_rate_curves(runs, epochs, by_dropout=True)
    assert got["dropout"].drop_duplicates().tolist() == [0.0, 0.5]
    for dropout, own in got.groupby("dropout"):
        alone = analysis.learning_rate_curves(runs[runs["dropout"] == dropout], epochs)
        assert_frame_equal(own.drop(columns="dropout").reset_index(drop=True), alone)


def test_train_test_gap_is_paired_at_the_last_epoch() -> None:
    runs, epochs = make_tables(("step",), (0.0,), seeds=2, n_epochs=2)
    at = epochs.set_index(["seed", "epoch", "split"]).index
    values = {
        (0, 2, "train_eval"): 0.99,
        (0, 2, "test"): 0.95,
        (1, 2, "train_eval"): 0.98,
        (1, 2, "test"): 0.96,
    }
    epochs["accuracy"] = [values.get(row, 0.1) for row in at]
    gaps = analysis.train_test_gap(runs, epochs)
    assert gaps["train_test_gap"].tolist() == pytest.approx([4.0, 2.0])
    (cell,) = analysis.cell_summary(gaps, "train_test_gap").to_dict("records")
    assert (cell["mean"], cell["sd"], cell["n"]) == pytest.approx((3.0, np.sqrt(2.0), 2))


def test_train_test_gap_of_an_unfinished_run_is_null() -> None:
    runs, epochs = make_tables(status=two_diverged)
    gaps = analysis.train_test_gap(runs, epochs)
    assert (gaps["train_test_gap"].isna() == (runs["status"] == "diverged")).all()
    assert_frame_equal(gaps.drop(columns="train_test_gap"), runs)


def test_describe_matrix_and_status_counts() -> None:
    runs, _ = make_tables(seeds=2, status=two_diverged, batch_size=[64, 32])
    matrix = analysis.describe_matrix(runs).set_index("axis")
    # which no run has, or all as runs had before there were such columns
    unsaid = ("trainer_args", *ADDED)
    known = [axis for axis in analysis.AXES if axis not in unsaid]
    assert matrix.index.tolist() == [*known, "seed"]
    clipped = analysis.describe_matrix(runs.assign(clip_grad_norm=1.0)).set_index("axis")
    assert clipped.loc["clip_grad_norm", "values"] == [1.0]
    assert matrix.loc["batch_size", "values"] == [32, 64]
    assert matrix.loc["scheduler", "values"] == ["constant", "step", "cosine"]
    assert matrix.loc["dropout", "values"] == [0.0, 0.3]
    assert matrix["n_values"].prod() == len(runs) == 24
    assert analysis.extra_axes(runs) == ["batch_size"]
    assert analysis.cell_axes(runs) == ["batch_size", "scheduler", "dropout"]
    counts = analysis.status_counts(runs)
    assert counts.to_dict() == {"completed": 20, "diverged": 4, "failed": 0}


def test_filtering_first_gives_the_same_cells() -> None:
    runs, epochs = make_tables()
    for table in (analysis.cell_summary, lambda rows: analysis.learning_curves(rows, epochs)):
        part = table(runs[runs["scheduler"] == "cosine"])
        whole = table(runs).query("scheduler == 'cosine'").reset_index(drop=True)
        assert_frame_equal(part, whole)


def test_the_callers_frames_stay_as_they_were() -> None:
    runs, epochs = make_tables()
    before = runs.copy(), epochs.copy()
    analysis.cell_summary(runs)
    analysis.learning_curves(runs, epochs)
    analysis.learning_rate_curves(runs, epochs)
    analysis.train_test_gap(runs, epochs)
    assert_frame_equal(runs, before[0])
    assert_frame_equal(epochs, before[1])


def test_errors_name_what_is_wrong_and_what_there_is() -> None:
    runs, epochs = make_tables()
    with pytest.raises(InputError, match=r"metric 'speed' has no curve.*loss, accuracy"):
        analysis.learning_curves(runs, epochs, "speed")
    with pytest.raises(InputError, match=r"no column 'test_acuracy'.*test_accuracy"):
        analysis.cell_summary(runs, "test_acuracy")
    with pytest.raises(InputError, match=r"no column 'scheduler'"):
        analysis.cell_summary(runs.drop(columns="scheduler"))


def test_runs_with_equal_rates_have_one_course_of_them() -> None:
    runs, epochs = make_tables(("constant", "step", "plateau"), (0.3,), seeds=2)
    own = (epochs["scheduler"] == "plateau") & (epochs["seed"] == 1) & (epochs["epoch"] == 4)
    epochs.loc[own, "learning_rate_last"] /= 2
    shuffled = epochs.sample(frac=1, random_state=0)
    applied = analysis.applied_rates(shuffled)
    assert sorted(applied.index) == sorted(runs["run_id"])
    by = applied[runs["run_id"]].set_axis(pd.MultiIndex.from_frame(runs[["scheduler", "seed"]]))
    assert by["constant", 0] == by["constant", 1] != by["step", 0]
    assert by["step", 0] == by["step", 1]
    assert by["plateau", 0] != by["plateau", 1]
    rates = epochs[epochs["run_id"] == runs["run_id"].iloc[2]].drop_duplicates("epoch")
    names = ["learning_rate", "learning_rate_first", "learning_rate_last"]
    expected = rates[names].to_numpy("float32").T.tobytes()
    assert by["step", 0] == expected
    # single precision tells no smaller difference, and one epoch less is another course
    near = epochs.assign(learning_rate=epochs["learning_rate"] * (1 + 1e-12))
    assert analysis.applied_rates(near)[applied.index].tolist() == applied.tolist()
    short = analysis.applied_rates(epochs[epochs["epoch"] < 4])
    assert short.iloc[0] != applied[short.index[0]]
