"""Figures of runs that another loop than lrdecay's trained: what they show is what it measured."""

import numpy as np
from helpers.frames import make_tables

from lrdecay.plots.style import style_schedulers
from lrdecay.report.figures import cells, curves, panels

RATES = ["learning_rate", "learning_rate_first", "learning_rate_last"]
NO_IMAGES = {"test_correct": None, "test_images": None, "dataset_digest": None, "validation": None}


def make_setting(engine="own", change=lambda epochs: epochs, dropouts=(0.3,), **columns):
    """The one setting of a page on made-up runs, with columns of runs as given."""
    runs, epochs = make_tables(("constant", "step"), dropouts, seeds=2)
    runs = runs.assign(engine=engine, **{"trainer": "mine"} | NO_IMAGES | columns)
    (setting,) = panels.split_settings(runs, change(epochs), style_schedulers(runs))
    return setting


def list_titles(chart) -> list[str]:
    """The titles of a chart's panels, which stand side by side where there is one dropout."""
    return [panel.title for row in chart.rows for panel in row.panels]


def test_figures_of_another_loop_speak_of_splits_and_of_a_loss_without_a_unit():
    chart = curves.draw_curves("loss", make_setting())
    assert list_titles(chart) == [
        *("Training split", "Validation split", "Test split"),
        *("Test split, the last half of the run", "Learning rate"),
    ]
    assert chart.caption == (
        "Loss (log scale) by epoch, mean over seeds (band: mean \N{PLUS-MINUS SIGN} 1 sd, n = 2 "
        "runs per cell). The learning rate is the one that was applied."
    )
    gap = cells.draw_gap_by_dropout(make_setting(dropouts=(0.0, 0.3)))
    assert gap.caption.startswith(
        "Accuracy on the split train_eval minus test accuracy, after the last epoch"
    )
    spread = cells.draw_spread(None, make_setting())
    assert spread.caption == (
        "Standard deviations of test accuracy, a row per cell. Coloured: between seeds. n = 2 runs "
        "per cell."
    )
    built_in = make_setting("reference", trainer=None)
    assert list_titles(curves.draw_curves("loss", built_in))[0] == "Training images"
    assert "nats per image" in curves.draw_curves("loss", built_in).caption


def test_a_split_has_a_curve_where_it_was_measured_more_than_once():
    def change(epochs):
        kept = (epochs["split"] == "val") | (epochs["split"] == "test") & (epochs["epoch"] == 4)
        return epochs[kept].assign(loss=epochs["loss"].where(epochs["split"] == "val"))

    setting = make_setting(change=change)
    assert list_titles(curves.draw_curves("loss", setting)) == ["Validation split", "Learning rate"]
    assert list_titles(curves.draw_curves("accuracy", setting)) == [
        *("Validation split", "Learning rate")
    ]
    once = make_setting(change=lambda epochs: epochs[epochs["epoch"] == 4])
    assert curves.draw_curves("loss", once) is None
    no_loss = make_setting(change=lambda epochs: epochs.assign(loss=None).astype({"loss": float}))
    assert curves.draw_curves("loss", no_loss) is None
    assert len(list_titles(curves.draw_curves("accuracy", no_loss))) == 5


def test_rates_are_those_of_all_epochs_though_a_split_was_measured_in_some():
    setting = make_setting(
        change=lambda epochs: epochs[(epochs["split"] != "test") | (epochs["epoch"] >= 3)]
    )
    chart = curves.draw_curves("loss", setting)
    whole = curves.draw_curves("loss", make_setting())
    assert chart.rows[0].panels[-1].svg == whole.rows[0].panels[-1].svg


def test_rates_that_some_runs_did_not_tell_are_not_counted():
    def change(epochs):
        told = epochs["learning_rate"].where(epochs["seed"] == 0)
        return epochs.assign(
            learning_rate=told, learning_rate_first=float("nan"), learning_rate_last=float("nan")
        )

    chart = curves.draw_rates(make_setting("command", change))
    assert chart.caption == (
        "Learning rate as told by the program, epoch by epoch; a line drawn later may cover an "
        "earlier. n = 2 completed runs."
    )
    untold = make_setting("command", lambda epochs: epochs.assign(**dict.fromkeys(RATES, np.nan)))
    assert curves.draw_rates(untold) is None
