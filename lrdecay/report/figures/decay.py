"""Charts of what decay does."""

from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from lrdecay import plots
from lrdecay.analysis import axis_values, relative_curves
from lrdecay.analysis.axes import select_rows
from lrdecay.analysis.paired_curves import late_changes
from lrdecay.plots.curves import EARLY
from lrdecay.plots.decay import draw_changes, draw_relative_curves
from lrdecay.report.figures import panels
from lrdecay.report.figures.curves import draw_rate_rows, stand_side_by_side
from lrdecay.report.figures.panels import Chart, Setting

_FEWEST_EPOCHS = 3


def draw_relative(reference: str, setting: Setting) -> Chart | None:
    """Test accuracy and loss less the reference's at the same seed, by epoch, and below them the
    learning rate; None without pairs, or of too few epochs to see a course."""
    runs, epochs = _select_completed(setting)
    if reference not in set(runs["scheduler"]) or _count_epochs(epochs) < _FEWEST_EPOCHS:
        return None
    dropouts = axis_values(runs, "dropout")
    rows = []
    last = pd.DataFrame()
    of_test = epochs[epochs["split"] == "test"]
    for metric in ("accuracy", "loss"):
        curves = relative_curves(runs, of_test, reference, metric)
        if curves.empty:
            continue
        last = curves

        def draw(shown: pd.DataFrame, metric: str, dropout: object, ax: Axes) -> Axes:
            own = select_rows(shown, "dropout", dropout)
            return draw_relative_curves(own, reference, metric, ax=ax, **setting.options)

        what = f"test {metric} less that of {reference} at the same seed, by epoch"
        name = f"relative-{metric}-{setting.number}"
        title = f"Test {metric}, less {reference}'s"
        rows.append(panels.draw_row(dropouts, partial(draw, curves, metric), name, what, title))
    if not rows:
        return None
    rows += draw_rate_rows(setting, dropouts, f"relative-rate-{setting.number}")
    if len(dropouts) == 1:
        rows = stand_side_by_side(rows)
    caption = (
        f"Each run less the run of {reference} at the same seed, epoch by epoch: mean over seeds, "
        f"and a band with the 95% interval of each epoch alone, which is no verdict. Above 0 a "
        f"scheduler is ahead of {reference} in accuracy, below 0 in loss. "
        f"{panels.format_counts(last['n'])} pairs."
    )
    if _count_epochs(epochs) > 1 / EARLY:
        caption += " The first epochs may lie beyond the axis."
    caption += panels.describe_left_out(dropouts)
    return Chart(setting, rows, caption, setting.list_keys(runs["scheduler"]))


def draw_late_changes(setting: Setting) -> Chart | None:
    """How much test accuracy changes from epoch to epoch late in a run: a panel per dropout."""
    runs, epochs = _select_completed(setting)
    own = late_changes(runs, epochs).dropna(subset="late_change")
    if own.empty:
        return None
    caption = (
        "How much test accuracy changes from one epoch to the next, mean over the last half of a "
        "run: each dot is a run, each bar a scheduler's mean. A rate that stays high keeps a run "
        "jumping, so that where it ends depends on when it is stopped."
    )

    def draw(shown: pd.DataFrame, ax: Axes) -> Axes:
        return draw_changes(shown, "accuracy", setting.styles, ax)

    what = "change of test accuracy per epoch, late in a run"
    return panels.draw_by_dropout(setting, own, draw, "jumps", what, caption)


def draw_ecdf(setting: Setting) -> Chart | None:
    """The distribution of test accuracies over seeds: a panel per dropout; None of too few."""
    runs, _ = _select_completed(setting)
    own = runs.dropna(subset="test_accuracy")
    counts = own.groupby(["scheduler", "dropout"], dropna=False).size()
    if counts.empty or counts.max() < _FEWEST_EPOCHS:
        return None
    caption = (
        "Share of the runs that ended at or below a test accuracy. A staircase further to the "
        "right is better; a steeper one varies less from seed to seed. "
        f"{panels.format_counts(counts)} runs each."
    )

    def draw(shown: pd.DataFrame, ax: Axes) -> Axes:
        return plots.plot_ecdf(shown, ax=ax, **setting.options)

    what = "share of runs by test accuracy"
    return panels.draw_by_dropout(setting, own, draw, "ecdf", what, caption)


def _select_completed(setting: Setting) -> tuple[pd.DataFrame, pd.DataFrame]:
    runs = setting.runs[setting.runs["status"] == "completed"]
    return runs, setting.epochs[setting.epochs["run_id"].isin(runs["run_id"])]


def _count_epochs(epochs: pd.DataFrame) -> int:
    return 0 if epochs.empty else int(epochs["epoch"].max())
