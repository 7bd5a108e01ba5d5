"""Charts of what happens over a run."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from lrdecay.analysis import axis_values, learning_curves, learning_rate_curves
from lrdecay.analysis.axes import select_rows
from lrdecay.plots.common import counts_images
from lrdecay.plots.curves import (
    EARLY,
    draw_mean_curves,
    draw_rate_curves,
    find_late,
    name_values,
)
from lrdecay.report.figures import panels
from lrdecay.report.figures.panels import Chart, Row, Setting
from lrdecay.report.own_loops import AS_TOLD, has_program

_FEWEST_LATE = 4  # epochs, or its last half is but a stroke
SPLIT_TITLES = {"train": "Training", "val": "Validation", "test": "Test"}


def draw_rates(setting: Setting) -> Chart | None:
    """Learning rates as applied; None without a completed run, as for all charts here, and where
    none is known."""
    curves = learning_rate_curves(setting.runs, setting.epochs).dropna(subset="learning_rate")
    if curves.empty:
        return None
    ax = draw_rate_curves(curves, ax=panels.make_panel(), **setting.options)
    counts = curves.groupby("scheduler", sort=False)["curve"].nunique()
    several = [f"{name} ({n} courses)" for name, n in counts.items() if n > 1]
    how = AS_TOLD if has_program(setting.runs) else "as applied"
    caption = f"Learning rate {how}, epoch by epoch; a line drawn later may cover an earlier."
    if several:
        caption += " Drawn thinly, one line per distinct course over seeds and dropouts: "
        caption += ", ".join(several) + "."
    n = int(curves.drop_duplicates(["scheduler", "curve"])["n_runs"].sum())
    caption += f" n = {n} completed run{'s' if n > 1 else ''}."
    label = "learning rate by epochs trained"
    return panels.make_single(setting, ax, "rates", label, caption, curves["scheduler"])


def draw_curves(metric: str, setting: Setting, with_rates: bool = True) -> Chart | None:
    """Loss or accuracy by epoch: a row of panels per split, a panel per dropout, the late part of
    test curves on a range of its own, and below them the learning rate, if asked for."""
    completed = setting.runs[setting.runs["status"] == "completed"]
    epochs = setting.epochs[setting.epochs["run_id"].isin(completed["run_id"])]
    dropouts = axis_values(completed, "dropout")
    parts = {split: epochs[epochs["split"] == split] for split in SPLIT_TITLES}
    last = 1 if epochs.empty else int(epochs["epoch"].max())
    own = [split for split, part in parts.items() if _has_curve(part, metric, last)]
    if not own:
        return None
    of_images = counts_images(setting.runs)
    name = f"{metric}-{setting.number}"
    curves = learning_curves(completed, epochs, metric)

    def draw(split: str, since: float, dropout: object, ax: Axes) -> Axes:
        shown = select_rows(select_rows(curves, "split", split), "dropout", dropout)
        shown = shown[shown["epoch"] >= since]
        ylabel = name_values(metric, split, of_images)
        return draw_mean_curves(shown, metric, ylabel, ax=ax, **setting.options)

    rows = [
        panels.draw_row(
            dropouts,
            partial(draw, split, 0.0),
            f"{name}-{split}",
            f"{split} {metric} by epoch",
            f"{SPLIT_TITLES[split]} {'images' if of_images else 'split'}",
        )
        for split in own
    ]
    if "test" in own and last >= _FEWEST_LATE:
        rows.append(
            panels.draw_row(
                dropouts,
                partial(draw, "test", find_late(curves)),
                f"{name}-late",
                f"test {metric} by epoch, the last half",
                f"Test {'images' if of_images else 'split'}, the last half of the run",
            )
        )
    rates = draw_rate_rows(setting, dropouts, f"{name}-rate") if with_rates else []
    rows = stand_side_by_side([*rows, *rates]) if len(dropouts) == 1 else [*rows, *rates]
    counts = completed.groupby(["scheduler", "dropout"], dropna=False)["run_id"].size()
    unit = "percent"
    if metric == "loss":
        unit = "nats per image, log scale" if of_images else "log scale"
    caption = (
        f"{metric.capitalize()} ({unit}) by epoch, mean over seeds{panels.describe_band(counts)}."
    )
    if "train" in own and of_images:
        caption += " On training images: the running mean over the epoch's batches, dropout on."
    if metric == "accuracy" and last > 1 / EARLY:
        caption += " The first epochs may lie below the axis."
    how = AS_TOLD if has_program(setting.runs) else "the one that was applied"
    caption += f" The learning rate is {how}." if rates else ""
    caption += panels.describe_left_out(dropouts)
    return Chart(setting, rows, caption, setting.list_keys(completed["scheduler"]))


def draw_rate_rows(setting: Setting, dropouts: Sequence[object], name: str) -> list[Row]:
    """Return a row of the learning rate by epoch, a panel per dropout, to stand below others; none
    where no rate is known."""
    rates = setting.rates_by_dropout
    if not rates["learning_rate"].notna().any():
        return []

    def draw(dropout: object, ax: Axes) -> Axes:
        return draw_rate_curves(select_rows(rates, "dropout", dropout), ax=ax, **setting.options)

    width, height = panels.PANEL_INCHES
    inches = width, (0.6 * height if len(dropouts) > 1 else height)
    what = "learning rate by epoch"
    return [panels.draw_row(dropouts, draw, name, what, "Learning rate", inches)]


def stand_side_by_side(rows: Sequence[Row]) -> list[Row]:
    """Return rows of one panel each as one row, whose panels have the rows' titles."""
    return [Row("", [replace(row.panels[0], title=row.title) for row in rows])]


def _has_curve(part: pd.DataFrame, metric: str, last: int) -> bool:
    """Return whether a split has a metric, and at more than one of the epochs up to the `last`: a
    loop of the user's own may measure what it likes, and that once."""
    return bool(part.loc[part[metric].notna(), "epoch"].nunique() >= min(2, last))
