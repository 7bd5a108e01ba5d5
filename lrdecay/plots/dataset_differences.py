"""Differences to the reference on several datasets, and their average: one forest plot."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from lrdecay.analysis import axis_values
from lrdecay.analysis.metrics import UNIT_TITLES
from lrdecay.analysis.number_text import format_interval
from lrdecay.core.text import format_dropout
from lrdecay.plots.common import label_rows, require_one_value
from lrdecay.plots.style import Style, finish_axes, make_axes, shorten_name, style_schedulers
from lrdecay.plots.svg import About, mark_artists

AVERAGE = Style("#000000", "-", "D")
"""How an average is drawn."""
_USED = 0.72  # of a row's height that its marks share
_DIAMOND = 0.42  # half its height, of the height that one mark has


def plot_differences_by_dataset(
    table: pd.DataFrame,
    averages: pd.DataFrame | None = None,
    *,
    unit: str = "points",
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Differences to the reference on each dataset, a row for each scheduler, grouped by dropout.

    In a row each dataset has a mark at its mean and a bar, the interval of its own sweep, hollow
    where there is none yet. The diamond below them is the average over datasets, as wide as its
    interval on these datasets; the thin line through it is the interval for datasets like these,
    where there is one, as far as the axis goes. An average without an interval is hollow.

    Args:
        table: rows of `DatasetAverages.by_dataset` (`lrdecay.analysis.average_datasets`).
        averages: rows of `DatasetAverages.table`; none unless given. One without a mean is left
            out.
        unit: of the metric, `points` or `nats`.
        styles: of the datasets; by their order unless given.
        legend: whether to say which mark is which dataset.
        ax: where to draw.

    Raises:
        InputError: the table has several references.
    """
    require_one_value(table, ["versus_scheduler"])
    datasets = list(dict.fromkeys(table["dataset"].astype(str)))
    styles = styles or style_datasets(datasets)
    ax = ax or make_axes()
    averages = table.iloc[:0] if averages is None else averages.dropna(subset=["mean"])
    step = _USED / (len(datasets) + (1 if len(averages) else 0))
    ax.axvline(0, color="0.5", linewidth=0.9)
    labels: list[tuple[str, About]] = []
    for dropout, rows in table.groupby("dropout", sort=True, dropna=False):
        group: About = {} if pd.isna(dropout) else {"dropout": dropout}
        if head := format_dropout(dropout):
            labels.append((head, group))
        for scheduler, own in rows.groupby("scheduler", sort=False):
            about = {"scheduler": str(scheduler), **group}
            averaged = _select(averages, str(scheduler), dropout)
            # as many as there are, around the middle of the row
            place = len(labels) - step * (len(own) + len(averaged) - 1) / 2
            for row in own.to_dict("records"):
                name = str(row["dataset"])
                _draw_difference(ax, place, row, {**about, "dataset": name}, styles[name])
                place += step
            for row in averaged.to_dict("records"):
                _draw_average(ax, place, step, row, about)
            labels.append((shorten_name(scheduler), about))
    label_rows(ax, labels)
    reference = shorten_name(axis_values(table, "versus_scheduler")[0])
    ax.set_xlabel(f"difference to {reference} ({UNIT_TITLES[unit]})", parse_math=False)
    if not legend:
        return ax
    used = {**styles, "average over datasets": AVERAGE} if len(averages) else dict(styles)
    finish_axes(ax, used, legend=True).grid(visible=False, axis="y")
    return ax


def style_datasets(datasets: list[str]) -> dict[str, Style]:
    """Return a style for each dataset, by their order."""
    return style_schedulers(pd.DataFrame({"scheduler": datasets}))


def _select(averages: pd.DataFrame, scheduler: str, dropout: object) -> pd.DataFrame:
    if averages.empty:
        return averages
    rate = averages["dropout"]
    same = rate.isna() if pd.isna(dropout) else rate == dropout  # type: ignore[call-overload]
    return averages[(averages["scheduler"] == scheduler) & same]


def _draw_difference(
    ax: Axes, place: float, row: Mapping[Any, Any], about: About, style: Style
) -> None:
    mean, low, high = (float(row[name]) for name in ("mean", "low", "high"))
    name = f"{row['dataset']}, {row['a']} \N{MINUS SIGN} {row['b']}"
    if math.isnan(mean):
        words = ax.text(1.0, place, f"{shorten_name(row['dataset'])}: not evaluated")
        words.set(transform=ax.get_yaxis_transform(), parse_math=False)
        words.set(color="0.5", fontsize=7, ha="right", va="center")
        mark_artists([words], about, "")
        return
    drawn: list[Artist] = []
    bounded = math.isfinite(low) and math.isfinite(high)
    if bounded:
        drawn += ax.plot([low, high], [place, place], color=style.color, linewidth=1.8)
    dot = ax.plot([mean], [place], color=style.color, marker=style.marker, markersize=5)
    if not bounded:
        dot[0].set_markerfacecolor("none")
    mark_artists([*drawn, *dot], about, _say_numbers(name, mean, low, high))


def _draw_average(
    ax: Axes, place: float, step: float, row: Mapping[Any, Any], about: About
) -> None:
    """Draw a diamond whose tips are the ends of the interval on these datasets, and through it the
    interval for datasets like these."""
    mean, low, high = (float(row[name]) for name in ("mean", "low", "high"))
    name = f"average, {row['scheduler']} \N{MINUS SIGN} {row['versus_scheduler']}"
    words = _say_numbers(name, mean, low, high)
    if not (math.isfinite(low) and math.isfinite(high)):
        dot = ax.plot([mean], [place], color=AVERAGE.color, marker="D", markersize=5)
        dot[0].set_markerfacecolor("none")
        mark_artists(dot, about, words)
        return
    drawn: list[Artist] = []
    like = float(row["like_low"]), float(row["like_high"])
    if all(map(math.isfinite, like)):
        # as an artist it leaves the limits alone: of few datasets it is so wide that beside it
        # nothing else could be seen
        line = Line2D(like, [place, place], color=AVERAGE.color, linewidth=0.8)
        drawn.append(ax.add_artist(line))
    # looks may have cut the mean of all seeds off, or exclude each other
    low, high = sorted((low, high))
    middle, half = float(np.clip(mean, low, high)), _DIAMOND * step
    tips = [(low, place), (middle, place - half), (high, place), (middle, place + half)]
    drawn.append(ax.add_patch(Polygon(tips, closed=True, color=AVERAGE.color, linewidth=0)))
    mark_artists(drawn, about, words)


def _say_numbers(name: str, mean: float, low: float, high: float) -> str:
    bounded = math.isfinite(low) and math.isfinite(high)
    return f"{name}: {mean:.2g}" + (f", {format_interval(low, high)}" if bounded else "")
