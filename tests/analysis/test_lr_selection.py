"""Each scheduler's own base rate: how it is chosen, and that only its runs are compared."""

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from helpers.trials import CHOSEN, both, rates_of, trials

from lrdecay import analysis, plots
from lrdecay.analysis import lr_selection
from lrdecay.core.errors import InputError


@pytest.mark.parametrize("per", ["scheduler", "scheduler, dropout"])
def test_the_rate_with_the_lowest_mean_validation_loss_is_chosen(per: str) -> None:
    runs, _ = trials(per, n_epochs=2)
    by = per.split(", ")
    means = runs.groupby([*by, "lr"], sort=False)["val_loss"].mean()
    table = lr_selection.compare_rates(runs.sample(frac=1, random_state=1))
    got = table.set_index([*by, "lr"])["val_loss"]
    pd.testing.assert_series_equal(got.sort_index(), means.sort_index())
    assert set(table["n"]) == {3 if len(by) == 2 else 6}
    assert rates_of(runs, *by) == dict(means.unstack("lr").idxmin(axis=1))
    assert len(set(rates_of(runs, *by).values())) > 1


def test_every_other_axis_has_a_choice_of_its_own() -> None:
    runs, _ = trials(epochs=[3, 10], batch_norm=[False, True], n_epochs=2)
    by = ["batch_norm", "epochs", "scheduler"]
    means = runs.groupby([*by, "lr"])["val_loss"].mean()
    assert rates_of(runs, *by) == dict(means.unstack("lr").idxmin(axis=1))
    assert len(rates_of(runs, *by)) == 2 * 2 * 3


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_rate_of_which_one_trial_did_not_complete_is_out(status: str) -> None:
    runs, _ = trials(n_epochs=2)
    first = rates_of(runs, "scheduler")
    hit = (runs["scheduler"] == "step") & (runs["lr"] == first["step"]) & (runs["seed"] == 2)
    assert hit.sum() == 2  # one at each dropout
    runs.loc[hit, ["status", "val_loss"]] = [status, np.nan]
    means = runs[runs["scheduler"] == "step"].groupby("lr")["val_loss"].mean()
    second = means.drop(first["step"]).idxmin()
    assert rates_of(runs, "scheduler") == {**first, "step": second}
    (out,) = lr_selection.compare_rates(runs).query("n_out > 0").to_dict("records")
    assert (out["scheduler"], out["lr"], out["n"], out["n_out"]) == ("step", first["step"], 6, 2)
    assert np.isnan(out["val_loss"])


def test_no_rate_is_chosen_where_none_completed_and_losses_must_be_finite() -> None:
    runs, _ = trials(n_epochs=2)
    step, cosine = runs["scheduler"] == "step", runs["scheduler"] == "cosine"
    runs.loc[step & (runs["lr"] == 0.1) & (runs["seed"] == 0), "status"] = "diverged"
    runs.loc[step & (runs["lr"] != 0.1) & (runs["seed"] == 2), "val_loss"] = np.inf
    runs.loc[cosine & (runs["lr"] != 0.1) & (runs["seed"] == 1), "val_loss"] = np.inf
    assert rates_of(runs, "scheduler") == {
        "constant": rates_of(trials(n_epochs=2)[0], "scheduler")["constant"],
        "cosine": 0.1,
    }


def test_of_equal_losses_the_smaller_rate_is_chosen() -> None:
    runs, _ = trials(n_epochs=2)
    by_seed = {0: 0.3, 1: 0.1, 2: 0.7}
    runs["val_loss"] = runs["seed"].map(by_seed)
    assert set(rates_of(runs[::-1], "scheduler").values()) == {0.001}
    runs.loc[runs["lr"] == 0.001, "val_loss"] += 1e-9
    assert set(rates_of(runs, "scheduler").values()) == {0.01}


def test_test_data_never_enter_the_choice() -> None:
    runs, _ = trials(n_epochs=2)
    of_test = [name for name in runs if "test" in name] + ["best_val_loss", "val_accuracy"]
    assert {"test_loss", "test_accuracy", "best_test_loss", "test_correct"} <= set(of_test)
    expected = lr_selection.compare_rates(runs)
    for blind in (
        runs.drop(columns=of_test),
        runs.assign(test_loss=-runs["val_loss"], test_accuracy=runs["val_loss"]),
    ):
        pd.testing.assert_frame_equal(lr_selection.compare_rates(blind), expected)


def test_a_chosen_rate_is_no_axis_and_a_list_of_rates_is_one() -> None:
    runs, epochs = both(CHOSEN)
    compared = analysis.compared(runs)
    assert analysis.extra_axes(compared) == []
    assert analysis.rates_chosen(compared)
    cells = analysis.cell_summary(compared)
    assert cells[["scheduler", "dropout", "n"]].to_numpy().tolist() == [
        [label, dropout, 3] for label in CHOSEN for dropout in (0.0, 0.3)
    ]
    # whatever is filtered, and whatever the trials look like
    assert analysis.extra_axes(compared[compared["seed"] == 0]) == []
    assert analysis.extra_axes(runs[runs["phase"] == "choose"]) == ["lr"]
    rates = analysis.learning_rate_curves(compared, epochs).groupby("scheduler")
    assert rates["learning_rate_first"].max().to_dict() == dict.fromkeys(CHOSEN, 0.001)
    listed, _ = make_tables(lr=[0.1, 0.01], n_epochs=2)
    assert analysis.extra_axes(listed) == ["lr"]
    assert not analysis.rates_chosen(listed)


def test_a_mean_over_trials_and_comparison_is_refused() -> None:
    runs, epochs = both(CHOSEN)
    for function in (
        analysis.extra_axes,
        analysis.cell_summary,
        lambda rows: analysis.learning_curves(rows, epochs),
        plots.plot_accuracy_by_dropout,
    ):
        with pytest.raises(InputError, match=r"take one of them first.*compared\(runs\)"):
            function(runs)
