"""What decay does: paired curves, jumps at the end of a run, and where runs end."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from lrdecay.analysis import axis_values, extra_axes
from lrdecay.analysis.contrasts import find_reference
from lrdecay.analysis.number_text import format_interval, format_number
from lrdecay.analysis.paired_curves import late_changes, relative_curves
from lrdecay.plots.common import mark_scheduler, require_choice, require_one_value
from lrdecay.plots.curves import BAND_ALPHA, EARLY, MARKERS_PER_LINE
from lrdecay.plots.style import (
    Style,
    finish_axes,
    format_plain,
    prepare_axes,
    select_styles,
    shorten_name,
)
from lrdecay.plots.svg import Readings, mark_places
from lrdecay.store.schema import SPLITS

_UNITS = {"loss": "nats", "accuracy": "points"}


def plot_relative_curves(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    metric: str = "accuracy",
    split: str = "test",
    reference: str | None = None,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Loss or accuracy less the reference's at the same seed, by epoch: mean, and the 95% interval
    of each epoch alone (`lrdecay.analysis.relative_curves`). The reference is `constant`, else the
    first scheduler, unless given.

    Raises:
        InputError: dropout or an extra axis has more than one value in `runs`, or the metric, the
            split or the reference is unknown.
    """
    require_choice("metric", metric, _UNITS)
    require_choice("split", split, SPLITS)
    require_one_value(runs, [*extra_axes(runs), "dropout"])
    styles, ax = prepare_axes(runs, styles, ax)
    reference = find_reference(runs, reference)
    curves = relative_curves(runs, epochs, reference, metric)
    curves = curves[curves["split"] == split]
    return draw_relative_curves(curves, reference, metric, styles, legend, ax)


def draw_relative_curves(
    curves: pd.DataFrame,
    reference: str,
    metric: str,
    styles: Mapping[str, Style],
    legend: bool,
    ax: Axes,
) -> Axes:
    """Draw rows of `lrdecay.analysis.relative_curves` of one split as `plot_relative_curves`
    does."""
    scale = 100.0 if metric == "accuracy" else 1.0
    zero = ax.axhline(0, color=styles[reference].color, linewidth=1.2, zorder=0)
    mark_scheduler([zero], reference)
    for scheduler, curve in curves.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        epoch = curve["epoch"].to_numpy(float)
        mean, low, high = (scale * curve[name].to_numpy(float) for name in ("mean", "low", "high"))
        every = max(1, len(curve) // MARKERS_PER_LINE)
        line = ax.plot(epoch, mean, **style.stroke, marker=style.marker, linewidth=1.4)
        line[0].set(markersize=3.5, markevery=every)
        words = map(_word_interval, mean, low, high)
        readings = Readings(dict(zip(map(int, epoch), words, strict=True)))
        mark_scheduler(line, str(scheduler), readings=readings)
        if np.isfinite(high).any():
            band = ax.fill_between(
                epoch, low, high, color=style.color, alpha=BAND_ALPHA, linewidth=0
            )
            mark_scheduler([band], str(scheduler), f"{scheduler}, 95% interval of each epoch")
    late = curves[curves["epoch"] > EARLY * curves["epoch"].max()]
    late = late[np.isfinite(late["mean"])]
    if len(late):  # the first epochs may lie beyond the axis, as their differences are the largest
        ends = scale * np.r_[late["mean"], 0.0]
        pad = max(0.25 * (ends.max() - ends.min()), 1e-3)
        ax.set_ylim(ends.min() - pad, ends.max() + pad)
    ax.set(xlabel="epoch", ylabel=f"{metric} difference ({_UNITS[metric]})")
    ax.yaxis.set_major_formatter(FuncFormatter(format_plain))
    drawn = {reference, *curves["scheduler"]}
    used = {scheduler: style for scheduler, style in styles.items() if scheduler in drawn}
    return finish_axes(ax, used, legend)


def _word_interval(mean: float, low: float, high: float) -> str:
    said = format_number(mean)
    return f"{said} ({format_interval(low, high)})" if np.isfinite([low, high]).all() else said


def plot_late_changes(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    metric: str = "accuracy",
    split: str = "test",
    *,
    styles: Mapping[str, Style] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """How much loss or accuracy changes from epoch to epoch in the last half of a run
    (`lrdecay.analysis.late_changes`): a dot for each run, a bar for the scheduler's mean.

    Raises:
        InputError: as `plot_relative_curves`.
    """
    require_choice("metric", metric, _UNITS)
    require_choice("split", split, SPLITS)
    require_one_value(runs, [*extra_axes(runs), "dropout"])
    styles, ax = prepare_axes(runs, styles, ax)
    rows = late_changes(runs, epochs, metric, split).dropna(subset="late_change")
    return draw_changes(rows, metric, styles, ax)


def draw_changes(rows: pd.DataFrame, metric: str, styles: Mapping[str, Style], ax: Axes) -> Axes:
    """Draw rows of `lrdecay.analysis.late_changes` as `plot_late_changes` does."""
    scale = 100.0 if metric == "accuracy" else 1.0
    names = [str(name) for name in axis_values(rows, "scheduler")]
    colors = [styles[name].color for name in names]
    places = rows["scheduler"].map(names.index).to_numpy()
    sns.stripplot(
        x=places,
        y=scale * rows["late_change"].to_numpy(),
        hue=places,
        palette=colors,
        alpha=0.6,
        size=3.5,
        jitter=False,
        native_scale=True,
        legend=False,
        ax=ax,
    )
    for place, (scheduler, dots) in enumerate(zip(names, ax.collections, strict=True)):
        own = scale * rows.loc[rows["scheduler"] == scheduler, "late_change"]
        ends = [place - 0.25, place + 0.25]
        bar = ax.plot(ends, [own.mean()] * 2, color=colors[place], linewidth=2.4)
        words = f"{scheduler}, mean of {len(own)} runs: {own.mean():.3g}"
        mark_scheduler([dots], scheduler)
        mark_scheduler(bar, scheduler, words)
    ax.set_xticks(range(len(names)), list(map(shorten_name, names)))
    for label in ax.get_xticklabels():
        label.set_parse_math(False)
        if len(names) > 3:
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    mark_places(ax.xaxis, [{"scheduler": name} for name in names])
    ax.set_xlim(-0.6, max(len(names), 1) - 0.4)
    ax.set_ylim(bottom=0)
    ax.set(xlabel="scheduler", ylabel=f"change per epoch ({_UNITS[metric]})")
    return finish_axes(ax, {}, legend=False)


def plot_ecdf(
    runs: pd.DataFrame,
    column: str = "test_accuracy",
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """The share of runs (percent) that end at or below an accuracy (percent), a staircase for each
    scheduler: the empirical distribution over seeds.

    Raises:
        InputError: dropout or an extra axis has more than one value in `runs`.
    """
    require_one_value(runs, [*extra_axes(runs), "dropout"])
    styles, ax = prepare_axes(runs, styles, ax)
    rows = runs[runs["status"] == "completed"].dropna(subset=column)
    names = [str(name) for name in axis_values(rows, "scheduler")]
    places = rows["scheduler"].map(names.index).to_numpy()
    before = len(ax.lines)
    sns.ecdfplot(
        x=100 * rows[column].to_numpy(),
        hue=places,
        palette=[styles[name].color for name in names],
        stat="percent",
        legend=False,
        ax=ax,
    )
    counts = rows["scheduler"].value_counts()
    # seaborn draws the last first
    for scheduler, line in zip(reversed(names), ax.lines[before:], strict=True):
        line.set(**styles[scheduler].stroke, linewidth=1.6)
        mark_scheduler([line], scheduler, f"{scheduler}, {counts[scheduler]} runs")
    ax.set(xlabel=f"{column.replace('_', ' ')} (%)", ylabel="runs (%)", ylim=(0, 102))
    return finish_axes(ax, select_styles(rows, styles), legend)
