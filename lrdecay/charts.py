"""The figures of the report: panels, a legend and a caption that says what they show and n."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrdecay import plots
from lrdecay.analysis import (
    axis_values,
    cell_summary,
    extra_axes,
    learning_curves,
    learning_rate_curves,
    train_test_gap,
)
from lrdecay.plots.curves import EARLY
from lrdecay.styles import Style
from lrdecay.svg import to_svg

MAX_DROPOUTS = 6
"""Dropouts that get a panel of curves."""
SPLIT_TITLES = {"train": "Training images", "val": "Validation images", "test": "Test images"}
PANEL_INCHES = (4.2, 2.9)
SINGLE_INCHES = (4.8, 3.2)


@dataclass(frozen=True)
class Row:
    """Panels that belong side by side."""

    title: str
    panels: Sequence[tuple[str, Markup]]


@dataclass(frozen=True)
class Chart:
    """A figure of the page: rows of panels, one legend, one caption."""

    setting: str
    rows: Sequence[Row]
    caption: str
    keys: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Setting:
    """One combination of the extra axes' values, and its part of the tables."""

    number: int
    title: str
    runs: pd.DataFrame
    epochs: pd.DataFrame


def split_settings(
    runs: pd.DataFrame, epochs: pd.DataFrame, but: Collection[str] = ()
) -> list[Setting]:
    """Return the tables by combination of the values of the extra axes `but` some, in their own
    order."""
    by = [axis for axis in extra_axes(runs) if axis not in but]
    if not by:
        return [Setting(0, "", runs, epochs)]
    order = [axis_values(runs, axis) for axis in by]
    groups = dict(list(runs.groupby(by, dropna=False)))
    keys = sorted(groups, key=lambda key: [o.index(v) for o, v in zip(order, key, strict=True)])
    titles = [", ".join(f"{a} {text_of(v)}" for a, v in zip(by, key, strict=True)) for key in keys]
    return [
        Setting(i, title, groups[key], epochs[epochs["run_id"].isin(groups[key]["run_id"])])
        for i, (key, title) in enumerate(zip(keys, titles, strict=True))
    ]


def rates(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Learning rates as applied; None without a completed run, as for all charts here."""
    curves = learning_rate_curves(setting.runs, setting.epochs)
    if curves.empty:
        return None
    ax = plots.plot_learning_rates(
        setting.runs, setting.epochs, styles=styles, legend=False, ax=_panel(SINGLE_INCHES)
    )
    svg = Markup(to_svg(ax, f"rates-{setting.number}", "learning rate by epochs trained"))
    courses = curves.groupby("scheduler", sort=False)["curve"].nunique()
    several = [f"{name} ({n} courses)" for name, n in courses.items() if n > 1]
    caption = "Learning rate as applied, epoch by epoch; a line drawn later may cover an earlier."
    if several:
        caption += " Drawn thinly, one line per distinct course over seeds and dropouts: "
        caption += ", ".join(several) + "."
    n = int(curves.drop_duplicates(["scheduler", "curve"])["n_runs"].sum())
    caption += f" n = {n} completed run{'s' if n > 1 else ''}."
    return Chart(setting.title, [Row("", [("", svg)])], caption, _keys(curves, styles))


def curves(setting: Setting, metric: str, styles: Mapping[str, Style]) -> Chart | None:
    """Loss or accuracy by epoch: a row of panels per split, a panel per dropout."""
    curves = learning_curves(setting.runs, setting.epochs, metric)
    curves = curves[curves["split"].isin(list(SPLIT_TITLES))]
    if curves.empty:
        return None
    dropouts = axis_values(curves, "dropout")
    rows = [
        Row(title, _curve_panels(setting, metric, split, dropouts[:MAX_DROPOUTS], styles))
        for split, title in SPLIT_TITLES.items()
        if split in set(curves["split"])
    ]
    unit = "nats per image, log scale" if metric == "loss" else "percent"
    caption = f"{metric.capitalize()} ({unit}) by epoch, mean over seeds{_band(curves['n'])}."
    if "train" in set(curves["split"]):
        caption += " On training images: the running mean over the epoch's batches, dropout on."
    if metric == "accuracy" and int(curves["epoch"].max()) > 1 / EARLY:
        caption += " The first epochs may lie below the axis."
    if left_out := [text_of(dropout) for dropout in dropouts[MAX_DROPOUTS:]]:
        caption += f" Without a panel here: dropout {', '.join(left_out)}."
    return Chart(setting.title, rows, caption, _keys(curves, styles))


def _curve_panels(
    setting: Setting,
    metric: str,
    split: str,
    dropouts: Iterable[Any],
    styles: Mapping[str, Style],
) -> list[tuple[str, Markup]]:
    """One panel per dropout, all on one scale."""
    axes: dict[str, Axes] = {}
    for dropout in dropouts:
        runs = setting.runs[setting.runs["dropout"] == dropout]
        axes[text_of(dropout)] = plots.plot_curves(
            runs,
            setting.epochs,
            metric,
            split,
            styles=styles,
            legend=False,
            ax=_panel(PANEL_INCHES),
        )
    return _panels(axes, f"{metric}-{setting.number}-{split}", f"{split} {metric} by epoch")


def _panels(axes: Mapping[str, Axes], name: str, what: str) -> list[tuple[str, Markup]]:
    """Put axes by dropout on one scale; `what` they show is said to readers who cannot see it."""
    limits = [ax.get_ylim() for ax in axes.values()]
    for ax in axes.values():
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    return [
        (
            f"dropout {dropout}",
            Markup(to_svg(ax, f"{name}-{number}", f"{what} at dropout {dropout}")),
        )
        for number, (dropout, ax) in enumerate(axes.items())
    ]


def accuracy_by_dropout(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Test accuracy after the last epoch, against dropout."""
    cells = cell_summary(setting.runs, "test_accuracy").query("n > 0")
    if cells.empty:
        return None
    ax = plots.plot_accuracy_by_dropout(
        setting.runs, styles=styles, legend=False, ax=_panel(SINGLE_INCHES)
    )
    what = "Test accuracy after the last epoch, in percent"
    return _by_dropout_chart(setting, ax, "by-dropout", what, cells, styles)


def accuracy_by_rate(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Test accuracy after the last epoch, against the base rate: a panel per dropout."""
    cells = cell_summary(setting.runs, "test_accuracy").query("n > 0")
    if cells.empty:
        return None
    dropouts = axis_values(cells, "dropout")
    axes = {
        text_of(dropout): plots.plot_accuracy_by_rate(
            setting.runs[setting.runs["dropout"] == dropout],
            styles=styles,
            legend=False,
            ax=_panel(PANEL_INCHES),
        )
        for dropout in dropouts[:MAX_DROPOUTS]
    }
    panels = _panels(axes, f"by-rate-{setting.number}", "test accuracy by base learning rate")
    caption = (
        "Test accuracy after the last epoch, in percent, by base learning rate (log scale): mean "
        f"over seeds{_band(cells['n'], 'bar')}. Each dot beside it is one run."
    )
    if left_out := [text_of(dropout) for dropout in dropouts[MAX_DROPOUTS:]]:
        caption += f" Without a panel here: dropout {', '.join(left_out)}."
    return Chart(setting.title, [Row("", panels)], caption, _keys(cells, styles))


def gap_by_dropout(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Training minus test accuracy after the last epoch, against dropout."""
    gaps = train_test_gap(setting.runs, setting.epochs)
    cells = cell_summary(gaps, "train_test_gap").query("n > 0")
    if cells.empty:
        return None
    ax = plots.plot_gap_by_dropout(
        setting.runs, setting.epochs, styles=styles, legend=False, ax=_panel(SINGLE_INCHES)
    )
    what = (
        "Accuracy on a fixed sample of training images (dropout off) minus test accuracy, "
        "after the last epoch of the same run, in percentage points"
    )
    return _by_dropout_chart(setting, ax, "gap", what, cells, styles)


def _by_dropout_chart(
    setting: Setting,
    ax: Axes,
    name: str,
    what: str,
    cells: pd.DataFrame,
    styles: Mapping[str, Style],
) -> Chart:
    svg = Markup(to_svg(ax, f"{name}-{setting.number}", f"{ax.get_ylabel()} by dropout"))
    caption = f"{what}: mean over seeds{_band(cells['n'], 'bar')}. Each dot beside it is one run."
    if len(styles) > 1:
        caption += " Schedulers are shifted sideways around each dropout to keep them apart."
    return Chart(setting.title, [Row("", [("", svg)])], caption, _keys(cells, styles))


def _band(n: pd.Series[int], what: str = "band") -> str:
    """What the band or bar is and over how many seeds, to follow "mean over seeds"."""
    least, most = int(n.min()), int(n.max())
    seeds = f"n = {most}" if least == most else f"n = {least} to {most}"
    if most < 2:
        return f" ({seeds}: one run each, so no {what})"
    return f" ({what}: mean \N{PLUS-MINUS SIGN} 1 sd, {seeds} runs per cell)"


def _panel(inches: tuple[float, float]) -> Axes:
    return Figure(figsize=inches, layout="constrained").subplots()


def legend_key(style: Style, number: int) -> Markup:
    """The legend's picture of one scheduler, drawn once and referred to by its id."""
    figure = Figure(figsize=(0.5, 0.17))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    line = style.line()
    line.set(xdata=[0.05, 0.5, 0.95], ydata=[0.5] * 3, markevery=[1], markersize=5.0, clip_on=False)
    ax.add_line(line)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    return Markup(to_svg(ax, f"key-{number}", ""))


def _keys(table: pd.DataFrame, styles: Mapping[str, Style]) -> list[tuple[str, str]]:
    present = set(table["scheduler"])
    return [(f"key-{i}", name) for i, name in enumerate(styles) if name in present]


def text_of(value: object) -> str:
    """Return a value of an axis as the page shows it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
