"""Charts of what happens over a run."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from matplotlib.axes import Axes

from lrdecay import plots
from lrdecay.analysis import axis_values, learning_rate_curves
from lrdecay.plots.curves import EARLY
from lrdecay.plots.style import Style
from lrdecay.report.figures import panels
from lrdecay.report.figures.panels import Chart, Row, Setting

SPLIT_TITLES = {"train": "Training images", "val": "Validation images", "test": "Test images"}
RATE_TITLE = "Learning rate"


def rates(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Learning rates as applied; None without a completed run, as for all charts here."""
    curves = learning_rate_curves(setting.runs, setting.epochs)
    if curves.empty:
        return None
    ax = plots.plot_learning_rates(
        setting.runs,
        setting.epochs,
        styles=styles,
        legend=False,
        ax=panels.make_panel(panels.SINGLE_INCHES),
    )
    rows = panels.make_single(ax, f"rates-{setting.number}", "learning rate by epochs trained")
    courses = curves.groupby("scheduler", sort=False)["curve"].nunique()
    several = [f"{name} ({n} courses)" for name, n in courses.items() if n > 1]
    caption = "Learning rate as applied, epoch by epoch; a line drawn later may cover an earlier."
    if several:
        caption += " Drawn thinly, one line per distinct course over seeds and dropouts: "
        caption += ", ".join(several) + "."
    n = int(curves.drop_duplicates(["scheduler", "curve"])["n_runs"].sum())
    caption += f" n = {n} completed run{'s' if n > 1 else ''}."
    return Chart(setting, rows, caption, panels.list_keys(curves["scheduler"], styles))


def curves(metric: str, setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Loss or accuracy by epoch: a row of panels per split, a panel per dropout, and beneath them
    the learning rate."""
    completed = setting.runs[setting.runs["status"] == "completed"]
    epochs = setting.epochs[setting.epochs["run_id"].isin(completed["run_id"])]
    epochs = epochs[epochs["split"].isin(list(SPLIT_TITLES))]
    if epochs.empty:
        return None
    dropouts = axis_values(completed, "dropout")
    splits = [split for split in SPLIT_TITLES if split in set(epochs["split"])]
    name = f"{metric}-{setting.number}"
    own = {
        split: replace(setting, runs=completed, epochs=epochs[epochs["split"] == split])
        for split in splits
    }

    def draw(split: str, dropout: object, ax: Axes) -> Axes:
        part = own[split].at(dropout)
        return plots.plot_curves(
            part.runs, part.epochs, metric, split, styles=styles, legend=False, ax=ax
        )

    def draw_rates(dropout: object, ax: Axes) -> Axes:
        # rates are those of the run, so one split has them all
        part = own[splits[-1]].at(dropout)
        return plots.plot_learning_rates(part.runs, part.epochs, styles=styles, legend=False, ax=ax)

    rows = [
        panels.draw_row(
            dropouts,
            partial(draw, split),
            f"{name}-{split}",
            f"{split} {metric} by epoch",
            SPLIT_TITLES[split],
        )
        for split in splits
    ]
    width, height = panels.PANEL_INCHES
    inches = width, (0.6 * height if len(dropouts) > 1 else height)
    what = "learning rate by epoch"
    rows.append(panels.draw_row(dropouts, draw_rates, f"{name}-rate", what, RATE_TITLE, inches))
    if len(dropouts) == 1:  # side by side
        rows = [Row("", [replace(row.panels[0], title=row.title) for row in rows])]
    counts = completed.groupby(["scheduler", "dropout"], dropna=False)["run_id"].size()
    unit = "nats per image, log scale" if metric == "loss" else "percent"
    caption = (
        f"{metric.capitalize()} ({unit}) by epoch, mean over seeds{panels.describe_band(counts)}."
    )
    if "train" in splits:
        caption += " On training images: the running mean over the epoch's batches, dropout on."
    if metric == "accuracy" and int(epochs["epoch"].max()) > 1 / EARLY:
        caption += " The first epochs may lie below the axis."
    caption += " The learning rate is the one that was applied." + panels.describe_left_out(
        dropouts
    )
    return Chart(setting, rows, caption, panels.list_keys(completed["scheduler"], styles))
