"""Frames to figures: each function draws on one matplotlib axes and returns it.

Pass `ax` to draw into a figure of your own; without it a new figure is made (`ax.figure`), never
through pyplot, so nothing global changes and no display is needed. A figure shows one value of
every extra axis, and a curve one dropout: filter in pandas first. Labels are drawn as they are
written; a dollar sign starts no formula.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from lrdecay.analysis import (
    axis_values,
    cell_summary,
    extra_axes,
    learning_curves,
    learning_rate_curves,
    train_test_gap,
)
from lrdecay.errors import InputError
from lrdecay.marks import mark
from lrdecay.styles import (
    Style,
    finish,
    log_scale,
    new_axes,
    plain,
    scheduler_styles,
    used_styles,
)
from lrdecay.tables import SPLITS

UNITS = {"loss": "loss (nats per image)", "accuracy": "accuracy (%)"}
BAND_ALPHA = 0.18
MARKERS_PER_LINE = 8
SPREAD = 0.4  # of the smallest step on the axis: how far the schedulers of a value are spread out
EARLY = 0.2  # share of the epochs whose accuracy may lie below the axis


def plot_learning_rates(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """The learning rate as applied, against epochs trained; one line per distinct course.

    Each epoch adds two points: its first rate at its start, its last rate at its end. A scheduler
    with several courses has each drawn thinly.

    Raises:
        InputError: an extra axis has more than one value in `runs`.
    """
    _one_value(runs, extra_axes(runs))
    styles = styles or scheduler_styles(runs)
    ax = ax or new_axes()
    curves = learning_rate_curves(runs, epochs)
    for scheduler, courses in curves.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        thin = courses["curve"].nunique() > 1
        for _, course in courses.groupby("curve"):
            rates = course[["learning_rate_first", "learning_rate_last"]]
            trained = [epoch - before for epoch in course["epoch"] for before in (1.0, 0.0)]
            line = ax.plot(
                trained,
                rates.to_numpy().ravel(),
                color=style.color,
                linestyle=style.dash,
                linewidth=0.8 if thin else 1.6,
                alpha=0.6 if thin else 1.0,
            )
            mark(line, {"scheduler": str(scheduler)}, str(scheduler))
    ax.set(xlabel="epochs trained", ylabel="learning rate")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(FuncFormatter(plain))
    return finish(ax, used_styles(curves, styles), legend)


def plot_schedules(
    curves: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Learning rates as planned, against epochs trained: one staircase per scheduler.

    `curves` has the columns `scheduler`, `trained` (epochs done where a rate begins) and
    `learning_rate`, as `lrdecay.preview.curves` returns them, for runs of one length.
    """
    styles = styles or scheduler_styles(curves)
    ax = ax or new_axes()
    for scheduler, course in curves.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        ax.plot(
            course["trained"],
            course["learning_rate"],
            drawstyle="steps-post",
            color=style.color,
            linestyle=style.dash,
            linewidth=1.6,
        )
    ax.set(xlabel="epochs trained", ylabel="learning rate")
    ax.set_ylim(bottom=min(0.0, float(curves["learning_rate"].min())))
    ax.yaxis.set_major_formatter(FuncFormatter(plain))
    return finish(ax, used_styles(curves, styles), legend)


def plot_curves(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    metric: str = "accuracy",
    split: str = "test",
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Loss (log scale) or accuracy (percent) by epoch: mean over seeds, band mean +- 1 sd.

    Raises:
        InputError: dropout or an extra axis has more than one value in `runs`, or the metric or
            the split is unknown.
    """
    _one_of("metric", metric, UNITS)
    _one_of("split", split, SPLITS)
    _one_value(runs, [*extra_axes(runs), "dropout"])
    styles = styles or scheduler_styles(runs)
    ax = ax or new_axes()
    scale = 100.0 if metric == "accuracy" else 1.0
    curves = learning_curves(runs, epochs, metric)
    curves = curves[curves["split"] == split]
    for scheduler, curve in curves.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        line = ax.plot(
            curve["epoch"],
            scale * curve["mean"],
            color=style.color,
            linestyle=style.dash,
            marker=style.marker,
            markersize=3.5,
            markevery=max(1, len(curve) // MARKERS_PER_LINE),
            linewidth=1.4,
        )
        if curve["sd"].notna().any():
            low, high = scale * curve["low"], scale * curve["high"]
            band = ax.fill_between(
                curve["epoch"], low, high, color=style.color, alpha=BAND_ALPHA, linewidth=0
            )
            mark(
                [band], {"scheduler": str(scheduler)}, f"{scheduler}, mean \N{PLUS-MINUS SIGN} 1 sd"
            )
        mark(line, {"scheduler": str(scheduler)}, str(scheduler))
    ax.set(xlabel="epoch", ylabel=f"{split} {UNITS[metric]}")
    if not curves.empty:
        ax.set_ylim(*_limits(curves, metric, scale))
    if metric == "loss":
        log_scale(ax)
    return finish(ax, used_styles(curves, styles), legend)


def plot_accuracy_by_dropout(
    runs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Test accuracy (percent) against dropout: mean, +- 1 sd over seeds, and each run as a dot.

    Raises:
        InputError: an extra axis has more than one value in `runs`.
    """
    percent = runs.assign(percent=100.0 * runs["test_accuracy"])
    return _by_axis("dropout", percent, "percent", "test accuracy (%)", styles, legend, ax)


def plot_accuracy_by_rate(
    runs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Test accuracy (percent) against the base rate (log scale), drawn like that by dropout.

    Raises:
        InputError: dropout or an extra axis beside lr has more than one value in `runs`.
    """
    percent = runs.assign(percent=100.0 * runs["test_accuracy"])
    return _by_axis("lr", percent, "percent", "test accuracy (%)", styles, legend, ax)


def plot_gap_by_dropout(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Train-test gap (percentage points) against dropout, drawn like the accuracy.

    Raises:
        InputError: an extra axis has more than one value in `runs`.
    """
    gaps = train_test_gap(runs, epochs)
    ylabel = "train \N{MINUS SIGN} test accuracy (pp)"
    ax = _by_axis("dropout", gaps, "train_test_gap", ylabel, styles, legend, ax)
    ax.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    return ax


def _by_axis(
    axis: str,
    runs: pd.DataFrame,
    metric: str,
    ylabel: str,
    styles: Mapping[str, Style] | None,
    legend: bool,
    ax: Axes | None,
) -> Axes:
    _one_value(runs, [name for name in (*extra_axes(runs), "dropout") if name != axis])
    styles = styles or scheduler_styles(runs)
    ax = ax or new_axes()
    log = axis == "lr"

    def moved(values: pd.Series[float], shift: float) -> pd.Series[float]:
        return values * 10**shift if log else values + shift

    present = cell_summary(runs, metric).query("n > 0")
    used = used_styles(present, styles)
    rows = runs[runs["status"] == "completed"].dropna(subset=[metric])
    values = sorted({float(str(value)) for value in axis_values(runs, axis)})
    steps = [math.log10(b / a) if log else b - a for a, b in pairwise(values)]
    apart = SPREAD * min(steps, default=0.1) / max(1, len(used))
    for place, (scheduler, style) in enumerate(used.items()):
        cells = present[present["scheduler"] == scheduler].sort_values(axis)
        own = rows[rows["scheduler"] == scheduler]
        shift = apart * (place - (len(used) - 1) / 2)
        x = moved(cells[axis], shift)
        about = {"scheduler": str(scheduler)}
        means = ax.plot(
            x,
            cells["mean"],
            color=style.color,
            linestyle=style.dash,
            marker=style.marker,
            linewidth=1.4,
            markersize=4.5,
        )
        points = [
            (
                {axis: cell[axis]},
                f"{scheduler}, {axis} {cell[axis]:g}: mean {cell['mean']:.4g}"
                + ("" if math.isnan(cell["sd"]) else f", sd {cell['sd']:.2g}")
                + f", n = {cell['n']}",
            )
            for cell in cells.to_dict("records")
        ]
        mark(means, about, str(scheduler), points)
        for (value, name), at, mean, sd in zip(
            points, x, cells["mean"], cells["sd"].fillna(0.0), strict=True
        ):
            bar = ax.plot([at, at], [mean - sd, mean + sd], color=style.color, linewidth=1.4)
            mark(bar, {**about, **value}, name)
        # beside the bar, or it would hide them
        beside = moved(own[axis], shift + 0.4 * apart)
        dots = ax.scatter(beside, own[metric], s=5, color=style.color, alpha=0.5, linewidths=0)
        named_runs = [
            (
                {axis: run[axis]},
                f"{scheduler}, {axis} {run[axis]:g}, seed {run['seed']}: {run[metric]:.4g}",
            )
            for run in own.to_dict("records")
        ]
        mark([dots], about, str(scheduler), named_runs)
    if log:
        ax.set_xscale("log")
        ax.minorticks_off()
    ax.set_xticks(values)
    ax.margins(x=0.08)
    ax.xaxis.set_major_formatter(FuncFormatter(plain))
    ax.set(xlabel="base learning rate" if log else axis, ylabel=ylabel)
    return finish(ax, used, legend)


def _limits(curves: pd.DataFrame, metric: str, scale: float) -> tuple[float, float]:
    """Fit the axis to the means, not to the bands, whose lower edge may come near zero; and to the
    accuracies after the first epochs, beside whose rise no difference could be seen."""
    means = scale * curves["mean"]
    if metric == "loss":
        return 0.8 * float(means.min()), 1.25 * float(means.max())
    late = means[curves["epoch"] > EARLY * curves["epoch"].max()]
    low, high = float(late.min()), float(means.max())
    pad = max(0.1 * (high - low), 0.1)
    return low - pad, min(high + pad, scale)


def _one_of(what: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise InputError(f"unknown {what} {value!r}; choose one of {', '.join(choices)}")


def _one_value(runs: pd.DataFrame, axes: Iterable[str]) -> None:
    """Refuse to average over what is not a repetition."""
    for axis in axes:
        values = axis_values(runs, axis)
        if len(values) > 1:
            raise InputError(
                f"a figure shows one {axis} and the table has {', '.join(map(str, values))}: "
                f"filter first, e.g. runs[runs[{axis!r}] == {values[0]!r}]"
            )
