"""What came out of each cell: by dropout, by base rate, by number of epochs, and as a map."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import compress, pairwise, product
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from lrdecay.analysis import axis_values, cell_summary, extra_axes, train_test_gap
from lrdecay.analysis.axes import has_dropout
from lrdecay.core.errors import InputError
from lrdecay.core.text import format_mean
from lrdecay.plots.canvas import POINTS
from lrdecay.plots.common import SPREAD, draw_means, mark_scheduler, require_one_value
from lrdecay.plots.style import (
    Style,
    finish_axes,
    format_plain,
    make_axes,
    prepare_axes,
    select_styles,
    shorten_name,
)
from lrdecay.plots.svg import About, mark_artists, mark_places

MOST_DOTS = 50
"""Runs of a cell, by ascending seed, that get a dot each."""
MOST_TICKS = 10
COLOUR_SDS = 4.0
"""Standard deviations over seeds that the colours of a map span at least."""
_LETTER = 0.6  # of a font's size: the width of a letter, rather too much than too little
_SMALL = 0.85  # of it: the size of small text
LOG_AXES = {"lr": "base learning rate", "epochs": "length of the run (epochs)"}
"""Axes whose values are a row of factors, and what they are called."""


def plot_accuracy_by_dropout(
    runs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Test accuracy (percent) against dropout: mean, +- 1 sd over seeds, and runs as dots,
    `MOST_DOTS` of a cell at most.

    Raises:
        InputError: an extra axis has more than one value in `runs`.
    """
    return _accuracy_by("dropout", runs, styles, legend, ax)


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
    return _accuracy_by("lr", runs, styles, legend, ax)


def plot_accuracy_by_epochs(
    runs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Test accuracy (percent) against the number of epochs trained (log scale), drawn likewise.

    Raises:
        InputError: dropout or an extra axis beside epochs has more than one value in `runs`.
    """
    return _accuracy_by("epochs", runs, styles, legend, ax)


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
    ax = _draw_by_axis("dropout", gaps, "train_test_gap", ylabel, styles, legend, ax)
    ax.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    return ax


def _accuracy_by(
    axis: str,
    runs: pd.DataFrame,
    styles: Mapping[str, Style] | None,
    legend: bool,
    ax: Axes | None,
) -> Axes:
    percent = runs.assign(percent=100.0 * runs["test_accuracy"])
    return _draw_by_axis(axis, percent, "percent", "test accuracy (%)", styles, legend, ax)


def _require_dropouts(runs: pd.DataFrame) -> None:
    own = runs[~has_dropout(runs)]
    if own.empty:
        return
    networks = ", ".join(sorted(own["model"].dropna().unique())) if "model" in own else ""
    why = f"{networks} has rates of its own" if networks else "that of the runs is not known"
    raise InputError(f"no axis dropout to draw against: {why}; choose another kind")


def _draw_by_axis(
    axis: str,
    runs: pd.DataFrame,
    metric: str,
    ylabel: str,
    styles: Mapping[str, Style] | None,
    legend: bool,
    ax: Axes | None,
) -> Axes:
    varied = [*extra_axes(runs), "dropout"]
    if axis not in varied:
        raise InputError(f"no axis {axis} to draw against: the runs have one, or each its own")
    if axis == "dropout":
        _require_dropouts(runs)
    require_one_value(runs, [name for name in varied if name != axis])
    styles, ax = prepare_axes(runs, styles, ax)
    log = axis in LOG_AXES

    def moved(values: pd.Series[float], shift: float) -> pd.Series[float]:
        return values * 10**shift if log else values + shift

    present = cell_summary(runs, metric).query("n > 0")
    used = select_styles(present, styles)
    rows = runs[runs["status"] == "completed"].dropna(subset=[metric])
    values = sorted({float(str(value)) for value in axis_values(runs, axis)})
    steps = [math.log10(b / a) if log else b - a for a, b in pairwise(values)]
    apart = SPREAD * min(steps, default=0.1) / max(1, len(used))
    for place, (scheduler, style) in enumerate(used.items()):
        cells = present[present["scheduler"] == scheduler].sort_values(axis)
        sd = cells["sd"].fillna(0.0)
        cells = cells.assign(low=cells["mean"] - sd, high=cells["mean"] + sd)
        own = rows[rows["scheduler"] == scheduler].sort_values("seed", kind="stable")
        own = own.groupby(axis, sort=False).head(MOST_DOTS)
        shift = apart * (place - (len(used) - 1) / 2)
        points: list[tuple[About, str]] = [
            ({axis: cell[axis]}, f"{scheduler}, {axis} {cell[axis]:g}: {_in_words(cell)}")
            for cell in cells.to_dict("records")
        ]
        draw_means(ax, moved(cells[axis], shift), cells, style, points, linewidth=1.4)
        # beside the bar, or it would hide them
        beside = moved(own[axis], shift + 0.4 * apart)
        dots = ax.scatter(beside, own[metric], s=5, color=style.color, alpha=0.5, linewidths=0)
        seeds: list[tuple[About, str]] = [
            (
                {axis: run[axis]},
                f"{scheduler}, {axis} {run[axis]:g}, seed {run['seed']}: {run[metric]:.4g}",
            )
            for run in own.to_dict("records")
        ]
        mark_scheduler([dots], scheduler, points=seeds)
    if log:
        ax.set_xscale("log")
        ax.minorticks_off()
    ax.set_xticks(values[:: -(-len(values) // MOST_TICKS)])
    ax.margins(x=0.08)
    if len(values) == 1:
        only = pd.Series(values)
        ax.set_xlim(*moved(only, -SPREAD / 4), *moved(only, SPREAD / 4))
    ax.xaxis.set_major_formatter(FuncFormatter(format_plain))
    ax.set(xlabel=LOG_AXES.get(axis, axis), ylabel=ylabel)
    return finish_axes(ax, used, legend)


def plot_heat_map(runs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Mean test accuracy (percent) of each cell as a colour, with mean, sd and n written on it.

    The colours span the means, and four times the median sd of a cell at least (`COLOUR_SDS`), so
    that means which differ by less than seeds do look alike.

    A row per scheduler, a column per dropout; a cell without a completed run stays empty.

    Raises:
        InputError: an extra axis has more than one value in `runs`, or a network has dropout rates
            of its own.
    """
    require_one_value(runs, extra_axes(runs))
    _require_dropouts(runs)
    ax = ax or make_axes()
    cells = cell_summary(runs, "test_accuracy")
    order = axis_values(runs, "scheduler"), axis_values(runs, "dropout")
    names = list(map(shorten_name, order[0]))
    words = [_words(cell) for cell in cells.to_dict("records")]
    if not _has_room(ax, words, names, len(order[1])):
        words = [each.replace(" \N{PLUS-MINUS SIGN}", "\n\N{PLUS-MINUS SIGN}") for each in words]
    cells = cells.assign(words=words)

    def spread(column: str) -> pd.DataFrame:
        table = cells.pivot(index="scheduler", columns="dropout", values=column)
        return table.reindex(index=order[0], columns=order[1])

    means = 100.0 * spread("mean")
    low, high = _find_colour_range(cells)
    sns.heatmap(
        means,
        vmin=low,
        vmax=high,
        annot=spread("words").fillna(""),
        fmt="",
        cmap="crest",
        cbar=False,
        linewidths=1.5,
        linecolor="none",
        annot_kws={"fontsize": _SMALL * rcParams["font.size"]},
        xticklabels=[format_plain(float(str(dropout))) for dropout in order[1]],
        yticklabels=names,
        ax=ax,
    )
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
        label.set_rotation(0)
    ax.tick_params(length=0)
    places: list[About] = [{"scheduler": s, "dropout": d} for s, d in product(*order)]
    mark_artists(ax.collections, {}, "", [(place, "") for place in places])
    known = means.notna().to_numpy().ravel()
    for text, place in zip(ax.texts, compress(places, known), strict=True):
        mark_artists([text], place, "")
    mark_places(ax.yaxis, [{"scheduler": scheduler} for scheduler in order[0]])
    mark_places(ax.xaxis, [{"dropout": dropout} for dropout in order[1]])
    ax.set(xlabel="dropout", ylabel="")
    return ax


def _find_colour_range(cells: pd.DataFrame) -> tuple[float, float]:
    """Return the percentages at which the colours of a map end: `COLOUR_SDS` of a cell apart at
    least, or noise would look like a difference."""
    means = 100.0 * cells["mean"]
    middle = (means.min() + means.max()) / 2
    sd = 100.0 * cells["sd"].median()
    half = max((means.max() - means.min()) / 2, COLOUR_SDS / 2 * (0.0 if math.isnan(sd) else sd))
    return middle - half, middle + half


def _has_room(ax: Axes, words: Sequence[str], names: Sequence[str], columns: int) -> bool:
    """Return whether a map's cells are about as wide as their longest line, beside the names."""
    letter = _LETTER * rcParams["font.size"]
    width = POINTS * ax.bbox.width / ax.figure.dpi
    longest = max((len(line) for each in words for line in each.splitlines()), default=0)
    return bool((width - letter * max(map(len, names))) / columns > _SMALL * letter * longest)


def _in_words(cell: Mapping[Hashable, Any]) -> str:
    sd = "" if math.isnan(cell["sd"]) else f", sd {cell['sd']:.2g}"
    return f"mean {cell['mean']:.4g}{sd}, n = {cell['n']}"


def _words(cell: Mapping[Hashable, Any]) -> str:
    if not cell["n"]:
        return ""
    return f"{format_mean(cell['mean'], cell['sd'])}\nn = {cell['n']}"
