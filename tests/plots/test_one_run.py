"""The figure of one run."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from matplotlib.axes import Axes

from lrdecay import plots
from lrdecay.core.errors import InputError

RUNS, ALL = make_tables(("cosine",), (0.3,), seeds=2, n_epochs=4)
RUN: dict[str, Any] = RUNS.iloc[0].to_dict()
EPOCHS = ALL[ALL["run_id"] == RUN["run_id"]]
SHOWN = {"train": "training", "val": "validation", "test": "test"}


def check_lines(ax: Axes, epochs: pd.DataFrame, metric: str, scale: float) -> None:
    """One line per split, of its values by epoch."""
    splits = [split for split in SHOWN if split in set(epochs["split"])]
    assert len(ax.lines) == len(splits)
    for line, split in zip(ax.lines, splits, strict=True):
        own = epochs[epochs["split"] == split].sort_values("epoch")
        assert np.asarray(line.get_xdata()).tolist() == [1, 2, 3, 4]
        assert np.asarray(line.get_ydata()).tolist() == (scale * own[metric]).tolist()
    assert len({line.get_color() for line in ax.lines}) == len(splits)


def legend_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("metric", "scale", "axis", "label"),
    [("loss", 1.0, "log", "loss (nats per image)"), ("accuracy", 100.0, "linear", "accuracy (%)")],
)
def test_each_split_is_a_line_in_the_order_of_the_epochs(metric, scale, axis, label):
    ax = plots.plot_splits(EPOCHS.sample(frac=1, random_state=0), metric)
    check_lines(ax, EPOCHS, metric, scale)
    assert legend_of(ax) == list(SHOWN.values())
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == (axis, "epoch", label)


def test_without_validation_there_is_no_line_of_it_and_others_keep_their_looks():
    whole = plots.plot_splits(EPOCHS, "loss")
    two = EPOCHS[EPOCHS["split"] != "val"]
    ax = plots.plot_splits(two, "loss")
    check_lines(ax, two, "loss", 1.0)
    assert legend_of(ax) == ["training", "test"]
    training, _, test = whole.lines
    assert [line.get_color() for line in ax.lines] == [training.get_color(), test.get_color()]


def test_a_run_is_its_loss_its_accuracy_and_its_rate_beneath():
    mean = 0.5 - 0.1 * EPOCHS["epoch"]
    ends = {"learning_rate_first": mean + 0.01, "learning_rate_last": mean - 0.01}
    epochs = EPOCHS.assign(learning_rate=mean, **ends)
    figure = plots.draw_run(RUN, epochs)
    losses, accuracies, rate = figure.axes
    check_lines(losses, epochs, "loss", 1.0)
    check_lines(accuracies, epochs, "accuracy", 100.0)
    (line,) = rate.lines
    assert np.asarray(line.get_xdata()).tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    expected = [0.41, 0.39, 0.31, 0.29, 0.21, 0.19, 0.11, 0.09]
    assert np.asarray(line.get_ydata()) == pytest.approx(expected)
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "epochs trained"]
    assert losses.get_xlim() == accuracies.get_xlim() == rate.get_xlim()
    assert legend_of(losses) == list(SHOWN.values())
    assert [ax.get_legend() for ax in (accuracies, rate)] == [None, None]
    heights = [ax.get_position().y0 for ax in figure.axes]
    assert heights == sorted(heights, reverse=True)


def test_the_title_says_which_run_and_is_no_formula(tmp_path):
    plain = plots.draw_run(RUN, EPOCHS).get_suptitle()
    assert plain == f"{RUN['dataset']}: cosine, dropout 0.3, seed {RUN['seed']}"
    odd = RUN | {"scheduler": "$x^$", "dropout": None}
    figure = plots.draw_run(odd, EPOCHS)
    assert figure.get_suptitle() == f"{RUN['dataset']}: $x^$, seed {RUN['seed']}"
    plots.save_figure(figure, tmp_path / "odd.svg")  # a formula would be an error
    assert "$x^$" in (tmp_path / "odd.svg").read_text()


def test_several_runs_and_none_are_refused():
    for draw in (lambda: plots.plot_splits(ALL, "loss"), lambda: plots.draw_run(RUN, ALL)):
        with pytest.raises(InputError, match="shows one run, and the table has 2"):
            draw()
    with pytest.raises(InputError, match="the run has finished no epoch"):
        plots.draw_run(RUN, EPOCHS[:0])
    with pytest.raises(InputError, match="unknown metric 'acc'; choose one of loss, accuracy"):
        plots.plot_splits(EPOCHS, "acc")
