"""What figures refuse, and what several kinds of them do alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from lrdecay.analysis import axis_values
from lrdecay.core.errors import InputError
from lrdecay.plots.style import Style, format_plain
from lrdecay.plots.svg import About, Readings, mark_artists, mark_places
from lrdecay.store.columns import FOREIGN

SPREAD = 0.4  # of the smallest step on the axis: how far the schedulers of a value are spread out


def require_choice(what: str, value: str, choices: Iterable[str]) -> None:
    """Refuse what is not among the choices."""
    if value not in choices:
        raise InputError(f"unknown {what} {value!r}; choose one of {', '.join(choices)}")


def require_one_value(runs: pd.DataFrame, axes: Iterable[str]) -> None:
    """Refuse to average over what is not a repetition."""
    for axis in axes:
        values = axis_values(runs, axis)
        if len(values) > 1:
            raise InputError(
                f"a figure shows one {axis} and the table has {', '.join(map(str, values))}: "
                f"filter first, e.g. runs[runs[{axis!r}] == {values[0]!r}], "
                f"or --where {axis}={values[0]}"
            )


def counts_images(runs: pd.DataFrame) -> bool:
    """Return whether lrdecay's own loop trained all runs: then data are images, and a loss is a
    mean over these, in nats. Of another loop nobody knows."""
    return "engine" not in runs or not runs["engine"].isin(FOREIGN).any()


def mark_scheduler(
    artists: Iterable[Artist],
    scheduler: str,
    name: str = "",
    points: Sequence[tuple[About, str]] = (),
    about: About | None = None,
    readings: Readings | None = None,
) -> None:
    """Mark artists as showing a scheduler, for readers of the SVG; see `svg.mark_artists`."""
    about = {"scheduler": scheduler, **(about or {})}
    mark_artists(artists, about, name or scheduler, points, readings)


def draw_means(
    ax: Axes,
    x: pd.Series[float] | np.ndarray,
    rows: pd.DataFrame,
    style: Style,
    points: Sequence[tuple[About, str]],
    linewidth: float,
) -> None:
    """Draw the `mean` of each row of one scheduler at its place `x` as a line, and a bar from `low`
    to `high` where both are finite; `points` say what each row is about, and its numbers."""
    line = ax.plot(
        x, rows["mean"], **style.stroke, marker=style.marker, linewidth=linewidth, markersize=4.5
    )
    scheduler = str(rows["scheduler"].iloc[0])
    mark_scheduler(line, scheduler, points=points)
    for (about, words), at, low, high in zip(points, x, rows["low"], rows["high"], strict=True):
        if math.isfinite(low) and math.isfinite(high):
            bar = ax.plot([at, at], [low, high], color=style.color, linewidth=1.4)
            mark_scheduler(bar, scheduler, words, about=about)


def label_rows(ax: Axes, rows: Sequence[tuple[str, About]]) -> None:
    """Give each row of marks, from the top, its label, and say what it is about; one that is about
    no scheduler heads a group."""
    ax.set_yticks(range(len(rows)), [words for words, _ in rows])
    for label, (_, about) in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_parse_math(False)
        if "scheduler" not in about:
            label.set_fontweight("bold")
    mark_places(ax.yaxis, [about for _, about in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.5", alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_formatter(FuncFormatter(format_plain))
    sns.despine(ax=ax, left=True)
