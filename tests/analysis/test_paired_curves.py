"""Curves relative to the reference, and changes late in a run, beside plain pandas and scipy."""

import numpy as np
import pytest
from helpers.frames import make_tables
from scipy import stats

from lrdecay.analysis import late_changes, relative_curves
from lrdecay.core.errors import InputError

RUNS, EPOCHS = make_tables(("constant", "step", "cosine"), (0.0, 0.3), seeds=5, n_epochs=6)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_relative_curves_are_means_of_differences_at_the_same_seed(metric):
    curves = relative_curves(RUNS, EPOCHS, "step", metric)
    wide = EPOCHS.merge(RUNS[["run_id", "scheduler", "dropout", "seed"]], suffixes=("", "_"))
    wide = wide.set_index(["dropout", "split", "epoch", "seed", "scheduler"])[metric].unstack()
    assert len(curves) == 2 * 2 * 4 * 6
    for row in curves.to_dict("records"):
        own = wide.loc[row["dropout"], row["split"], row["epoch"]]
        differences = own[row["scheduler"]] - own["step"]
        assert row["mean"] == pytest.approx(differences.mean(), abs=1e-12)
        interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        assert [row["low"], row["high"]] == pytest.approx([interval.low, interval.high], abs=1e-12)
        assert row["n"] == 5
    assert set(curves["scheduler"]) == {"constant", "cosine"}


def test_seeds_of_one_side_make_no_pair():
    lost = (RUNS["scheduler"] == "cosine") & (RUNS["seed"] == 0)
    failed = (RUNS["scheduler"] == "constant") & (RUNS["seed"] == 1)
    runs = RUNS[~lost].assign(status=RUNS["status"].where(~failed, "diverged"))
    curves = relative_curves(runs, EPOCHS, "constant")
    assert curves.groupby("scheduler")["n"].unique().map(list).to_dict() == {
        "step": [4],
        "cosine": [3],
    }


def test_one_pair_has_no_interval_and_extra_axes_stay_apart():
    runs, epochs = make_tables(("constant", "step"), (0.3,), 1, 3, batch_size=[32, 64])
    curves = relative_curves(runs, epochs, "constant")
    assert curves["n"].unique().tolist() == [1]
    assert curves[["low", "high"]].isna().all(axis=None)
    assert curves.groupby("batch_size").size().to_dict() == {32: 12, 64: 12}
    sizes = runs.set_index("run_id")["batch_size"]
    rows = epochs[(epochs["split"] == "test") & (epochs["run_id"].map(sizes) == 64)]
    values = rows.assign(scheduler=rows["run_id"].map(runs.set_index("run_id")["scheduler"]))
    wide = values.pivot(index="epoch", columns="scheduler", values="accuracy")
    own = curves[(curves["batch_size"] == 64) & (curves["split"] == "test")].set_index("epoch")
    assert own["mean"].tolist() == pytest.approx((wide["step"] - wide["constant"]).tolist())


def test_late_changes_are_mean_absolute_changes_of_the_last_half():
    changes = late_changes(RUNS, EPOCHS, "loss", "val").set_index("run_id")["late_change"]
    for run in RUNS["run_id"]:
        own = EPOCHS[(EPOCHS["run_id"] == run) & (EPOCHS["split"] == "val")].sort_values("epoch")
        loss = own["loss"].to_numpy()
        assert changes[run] == pytest.approx(np.abs(np.diff(loss))[-3:].mean())
    assert late_changes(RUNS, EPOCHS)["late_change"].notna().all()


def test_too_short_and_unfinished_runs_have_no_late_change():
    runs, epochs = make_tables(("constant",), (0.3,), 3, n_epochs=2)
    assert late_changes(runs, epochs)["late_change"].isna().all()
    runs, epochs = make_tables(
        ("constant",),
        (0.3,),
        3,
        n_epochs=4,
        status=lambda s, d, seed: "completed" if seed else "diverged",
    )
    assert late_changes(runs, epochs)["seed"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("reference", "metric", "message"),
    [("nix", "accuracy", "no run of the reference 'nix'"), ("step", "speed", "has no curve")],
)
def test_what_cannot_be_drawn_is_refused(reference, metric, message):
    with pytest.raises(InputError, match=message):
        relative_curves(RUNS, EPOCHS, reference, metric)
    if metric == "speed":
        with pytest.raises(InputError, match=message):
            late_changes(RUNS, EPOCHS, metric)
