"""Differences to the reference: with their intervals, seed by seed, and as seeds were added."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lrdecay.analysis import axis_values, extra_axes
from lrdecay.analysis.axes import has_dropout, list_strata
from lrdecay.analysis.metrics import (
    NATS,
    POINTS,
    SECONDS,
    UNIT_TITLES,
    Metric,
    find_metric,
    read_metric,
)
from lrdecay.analysis.number_text import format_interval
from lrdecay.analysis.sentences import name_contrast
from lrdecay.analysis.verdicts import RESOLVED
from lrdecay.core.errors import InputError
from lrdecay.core.text import format_dropout
from lrdecay.plots.common import (
    SPREAD,
    draw_means,
    label_rows,
    mark_scheduler,
    require_one_value,
)
from lrdecay.plots.style import (
    Style,
    finish_axes,
    format_plain,
    prepare_axes,
    select_styles,
    shorten_name,
)
from lrdecay.plots.svg import About, mark_artists, mark_places

MOST_SEEDS = 50
"""Seeds that get a line of their own."""
_SIDE_BY_SIDE = 36  # characters of names that a panel's axis has room for
_VALUE_UNITS = {POINTS: " (%)", NATS: " (nats)", SECONDS: " (s)"}
_ON_ONE_LINE = 12  # characters of the reference that leave room for the unit beside it


def plot_differences(
    table: pd.DataFrame,
    *,
    margin: float | None = None,
    unit: str = "points",
    styles: Mapping[str, Style] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Differences to the reference with their intervals, a row each, grouped by dropout.

    A dot is the mean over seeds, hollow where there is no interval yet; the bar is what the
    intervals of its looks have in common; the grey band is the margin, both ways. What was not
    evaluated says so.

    Args:
        table: rows of one family of `lrdecay.analysis.compare`.
        margin: as for `compare`.
        unit: of the metric, `points` or `nats`.
        styles: of the schedulers.
        ax: where to draw.

    Raises:
        InputError: the table is of several datasets, base rates or the like.
    """
    require_one_value(table, list_strata(table))
    styles, ax = prepare_axes(table, styles, ax)
    if margin:
        ax.axvspan(-margin, margin, color="0.5", alpha=0.18, linewidth=0)
    ax.axvline(0, color="0.5", linewidth=0.9)
    labels: list[tuple[str, About]] = []
    for dropout, rows in table.groupby("dropout", sort=True, dropna=False):
        averaged = (rows["family"] == "average").all()
        group: About = {} if pd.isna(dropout) else {"dropout": dropout}
        if head := "all dropouts" if averaged else format_dropout(dropout):
            labels.append((head, group))
        for row in rows.to_dict("records"):
            about = {"scheduler": row["scheduler"], **group}
            _difference(ax, len(labels), row, about, styles[row["scheduler"]])
            labels.append((shorten_name(row["scheduler"]), about))
    label_rows(ax, labels)
    references = ", ".join(map(shorten_name, table["versus_scheduler"].unique()))
    between = "\n" if len(references) > _ON_ONE_LINE else " "
    ax.set_xlabel(f"difference to {references}{between}({UNIT_TITLES[unit]})", parse_math=False)
    return ax


def _difference(
    ax: Axes, place: int, row: Mapping[Hashable, Any], about: About, style: Style
) -> None:
    mean, low, high = (float(str(row[name])) for name in ("mean", "low", "high"))
    color = style.color
    if math.isnan(mean):
        words = ax.text(0.5, place, "not evaluated", transform=ax.get_yaxis_transform())
        words.set(color="0.5", fontsize=0.8 * rcParams["font.size"], ha="center", va="center")
        mark_artists([words], about, "")
        return
    bounded = math.isfinite(low) and math.isfinite(high) and low <= high
    drawn: list[Artist] = []
    if bounded:
        drawn += ax.plot([low, high], [place, place], color=color, linewidth=2.0)
    dot = ax.plot([mean], [place], color=color, marker=style.marker, markersize=5.5)
    if not bounded:
        dot[0].set_markerfacecolor("none")
    drawn += dot
    mark_artists(drawn, about, _in_words(row))


def _in_words(row: Mapping[Hashable, Any]) -> str:
    bounded = math.isfinite(row["low"]) and math.isfinite(row["high"])
    return f"{name_contrast(row)}: {row['mean']:.2g}" + (
        f", {format_interval(row['low'], row['high'])}" if bounded else ""
    )


def plot_gain_by_dropout(
    table: pd.DataFrame,
    *,
    unit: str = "points",
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """What each scheduler gains on the reference, against dropout, with the same intervals.

    Were there no interaction, each line would be level. Arguments are those of `plot_differences`.

    Raises:
        InputError: as `plot_differences`, or there is a difference at no dropout that is known.
    """
    require_one_value(table, list_strata(table))
    if not has_dropout(table).all():
        raise InputError(
            "no axis dropout to draw against: there are differences at none that is known; choose "
            "another kind"
        )
    styles, ax = prepare_axes(table, styles, ax)
    rows = table.dropna(subset=["mean"])
    used = select_styles(rows, styles)
    dropouts = [float(str(value)) for value in axis_values(table, "dropout")]
    step = min(np.diff(dropouts), default=0.1)
    apart = SPREAD * step / max(1, len(used))
    ax.axhline(0, color="0.5", linewidth=0.9, zorder=0)
    for place, (scheduler, style) in enumerate(used.items()):
        own = rows[rows["scheduler"] == scheduler].sort_values("dropout")
        x = own["dropout"].to_numpy() + apart * (place - (len(used) - 1) / 2)
        points: list[tuple[About, str]] = [
            ({"dropout": row["dropout"]}, _in_words(row)) for row in own.to_dict("records")
        ]
        draw_means(ax, x, own, style, points, linewidth=1.2)
    ax.set_xticks(dropouts)
    ax.xaxis.set_major_formatter(FuncFormatter(format_plain))
    ax.margins(x=0.08)
    ax.set(xlabel="dropout", ylabel=f"difference ({UNIT_TITLES[unit]})")
    return finish_axes(ax, used, legend)


def plot_slopes(
    runs: pd.DataFrame,
    reference: str,
    metric: str | Metric = "test_accuracy",
    *,
    epochs: pd.DataFrame | None = None,
    styles: Mapping[str, Style] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Each scheduler beside the reference: a thin line per seed, from the reference's run to the
    scheduler's, and a thick one between the means of those pairs.

    Seeds are taken in ascending order, `MOST_SEEDS` at most get a line; means are of all.

    Raises:
        InputError: dropout or an extra axis has more than one value in `runs`, or the metric is
            unknown.
    """
    require_one_value(runs, [*extra_axes(runs), "dropout"])
    compared = find_metric(metric) if isinstance(metric, str) else metric
    styles, ax = prepare_axes(runs, styles, ax)
    values = runs.assign(value=read_metric(runs, compared, epochs))
    wide = values.pivot(index="seed", columns="scheduler", values="value").sort_index()
    others = [str(s) for s in axis_values(runs, "scheduler") if s != reference]
    others = [s for s in others if reference in wide]
    for place, scheduler in enumerate(others):
        pairs = wide[[reference, scheduler]].dropna()
        if pairs.empty:
            continue
        ends = (place - 0.3, place + 0.3)
        shown = pairs.head(MOST_SEEDS).to_numpy().tolist()
        lines = [[(ends[0], a), (ends[1], b)] for a, b in shown]
        color = styles[scheduler].color
        thin = LineCollection(lines, colors=color, linewidths=0.7, alpha=0.5)
        ax.add_collection(thin)
        means = pairs.to_numpy().mean(axis=0)
        thick = ax.plot(ends, means, color=color, linewidth=2.4, marker="o", markersize=4)
        named: list[tuple[About, str]] = [
            ({}, f"seed {seed}: {reference} {a:.4g}, {scheduler} {b:.4g}")
            for seed, (a, b) in zip(pairs.index, shown, strict=False)
        ]
        mark_scheduler([thin], scheduler, points=named)
        mark_scheduler(thick, scheduler, f"{scheduler}, mean of {len(pairs)} seeds")
    names = list(map(shorten_name, others))
    ax.set_xticks(range(len(others)), names)
    turned = len(others) > 3 or len(names) * max(map(len, names), default=0) > _SIDE_BY_SIDE
    for label in ax.get_xticklabels():
        label.set_parse_math(False)
        if turned:  # and each ends below its mark
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    mark_places(ax.xaxis, [{"scheduler": scheduler} for scheduler in others])
    ax.set_xlim(-0.6, max(len(others), 1) - 0.4)
    ax.autoscale_view(scalex=False)
    unit = _VALUE_UNITS.get(compared.unit, "") if compared.name != "gap" else " (pp)"
    ax.set_ylabel(f"{compared.name.replace('_', ' ')}{unit}")
    return finish_axes(ax, {}, legend=False)


def plot_closing(
    steps: pd.DataFrame,
    *,
    margin: float | None = None,
    unit: str = "points",
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """How each difference's interval closed from look to look; a ring where a verdict first came.

    Args:
        steps: rows of `lrdecay.analysis.verdicts_by_look` at one dropout.
        margin: as for `plot_differences`, as is the rest.

    Raises:
        InputError: the rows are of several dropouts, datasets, base rates or the like.
    """
    require_one_value(steps, [*list_strata(steps), "dropout"])
    styles, ax = prepare_axes(steps, styles, ax)
    if margin:
        ax.axhspan(-margin, margin, color="0.5", alpha=0.18, linewidth=0)
    ax.axhline(0, color="0.5", linewidth=0.9, zorder=0)
    for scheduler, own in steps.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        drawn = ax.plot(own["n"], own["mean"], color=style.color, linewidth=0.8, alpha=0.7)
        bounded = own[np.isfinite(own["high"])]
        for end in ("low", "high"):
            # of one look alone there would be no line
            drawn += ax.plot(bounded["n"], bounded[end], marker="_", **style.stroke, linewidth=1.5)
        if len(first := own[own["verdict"].isin(RESOLVED)].head(1)):
            ring = ax.plot(first["n"], first["mean"], color=style.color, marker="o", markersize=8)
            ring[0].set_markerfacecolor("none")
            drawn += ring
        mark_scheduler(drawn, str(scheduler))
    # the first intervals are so wide that beside them nothing else could be seen
    late = steps[steps["n"] >= steps["n"].max() / 2]
    ends = late.loc[np.isfinite(late["high"]), ["low", "high"]].to_numpy()
    if ends.size:
        shown = [*ends.ravel(), 0.0, *([-margin, margin] if margin else [])]
        pad = 0.08 * (max(shown) - min(shown))
        ax.set_ylim(min(shown) - pad, max(shown) + pad)
    ax.set(xlabel="seeds", ylabel=f"difference ({UNIT_TITLES[unit]})")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return finish_axes(ax, select_styles(steps, styles), legend)
