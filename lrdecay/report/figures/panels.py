"""What every chart is made of: settings, panels, a legend, and the words of its caption."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrdecay import plots
from lrdecay.analysis import axis_values, cell_summary, extra_axes, learning_rate_curves
from lrdecay.analysis.axes import list_strata, select_rows
from lrdecay.core.text import format_dropout, format_named, join_filled, to_text
from lrdecay.plots.canvas import make_canvas
from lrdecay.plots.style import Style
from lrdecay.plots.svg import figure_to_svg

MAX_DROPOUTS = 6
"""Dropouts that get a panel each."""
PANEL_INCHES = (3.8, 2.6)
SINGLE_INCHES = (5.1, 3.3)


@dataclass(frozen=True)
class Panel:
    """One picture, and the dropout that it is about if it is about one."""

    title: str
    svg: Markup
    dropout: str = ""


@dataclass(frozen=True)
class Row:
    """Panels that belong side by side."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Setting:
    """One combination of the extra axes' values, its part of the tables, and the page's styles."""

    number: int
    values: Mapping[str, str]
    runs: pd.DataFrame
    epochs: pd.DataFrame
    styles: Mapping[str, Style]

    @property
    def title(self) -> str:
        """The values in words; empty where there is one combination only."""
        return join_filled(*(format_named(axis, value) for axis, value in self.values.items()))

    def own(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a table of verdicts that are about this combination."""
        first = self.runs.iloc[0]
        for axis in list_strata(table):
            table = table[table[axis] == first[axis]]
        return table

    @property
    def options(self) -> dict[str, Any]:
        """How figures of a page are drawn: in its styles, and without a legend of their own."""
        return {"styles": self.styles, "legend": False}

    @cached_property
    def completed(self) -> pd.DataFrame:
        """The cells with a completed run, and their test accuracy."""
        return cell_summary(self.runs, "test_accuracy").query("n > 0")

    @cached_property
    def rates_by_dropout(self) -> pd.DataFrame:
        """The curves of the learning rate at each dropout."""
        return learning_rate_curves(self.runs, self.epochs, by_dropout=True)

    def list_keys(self, schedulers: Iterable[Any]) -> list[tuple[str, str]]:
        """The legend of these schedulers: the id of each one's picture, and its name."""
        present = set(schedulers)
        return [(f"key-{i}", name) for i, name in enumerate(self.styles) if name in present]


@dataclass(frozen=True)
class Chart:
    """A figure of the page: rows of panels, one legend, one caption."""

    setting: Setting
    rows: Sequence[Row]
    caption: str
    keys: Sequence[tuple[str, str]] = field(default_factory=tuple)

    @property
    def panels(self) -> int:
        """How many pictures it has."""
        return sum(len(row.panels) for row in self.rows)


def split_settings(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    styles: Mapping[str, Style],
    but: Collection[str] = (),
) -> list[Setting]:
    """Return the tables by combination of the values of the extra axes except for `but`, in their
    own order."""
    by = [axis for axis in extra_axes(runs) if axis not in but]
    if not by:
        return [Setting(0, {}, runs, epochs, styles)]
    order = [axis_values(runs, axis) for axis in by]
    groups = dict(list(runs.groupby(by, dropna=False)))
    keys = sorted(groups, key=lambda key: [o.index(v) for o, v in zip(order, key, strict=True)])
    place = {run: i for i, key in enumerate(keys) for run in groups[key]["run_id"]}
    parts = dict(list(epochs.groupby(epochs["run_id"].map(place), sort=False)))
    return [
        Setting(
            i,
            {axis: to_text(value) for axis, value in zip(by, key, strict=True)},
            groups[key],
            parts.get(i, epochs.iloc[:0]),
            styles,
        )
        for i, key in enumerate(keys)
    ]


def make_panel(inches: tuple[float, float] = SINGLE_INCHES) -> Axes:
    """Return axes for one picture."""
    return make_canvas(inches)


def draw_row(
    dropouts: Sequence[object],
    draw: Callable[[object, Axes], Axes],
    name: str,
    what: str,
    title: str = "",
    inches: tuple[float, float] = PANEL_INCHES,
) -> Row:
    """Return a row of panels by dropout, all on one scale: `draw` is given a dropout and axes to
    draw on; `what` they show is the label for readers who cannot see them."""
    axes = {to_text(d): draw(d, make_panel(inches)) for d in dropouts[:MAX_DROPOUTS]}
    limits = [ax.get_ylim() for ax in axes.values()]
    panels = []
    for number, (dropout, ax) in enumerate(axes.items()):
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        label = f"{what} at dropout {dropout}" if dropout else what
        svg = Markup(figure_to_svg(ax, f"{name}-{number}", label))
        panels.append(Panel(format_dropout(dropout), svg, dropout))
    return Row(title, panels)


def make_single(
    setting: Setting, ax: Axes, name: str, label: str, caption: str, schedulers: Iterable[Any] = ()
) -> Chart:
    """Return a chart of one picture, with a legend of some schedulers."""
    svg = Markup(figure_to_svg(ax, f"{name}-{setting.number}", label))
    return Chart(setting, [Row("", [Panel("", svg)])], caption, setting.list_keys(schedulers))


def draw_by_dropout(
    setting: Setting,
    shown: pd.DataFrame,
    draw: Callable[[pd.DataFrame, Axes], Axes],
    name: str,
    what: str,
    caption: str,
    rows: pd.DataFrame | None = None,
) -> Chart:
    """Return a chart with a panel for each dropout of `shown`, and a legend of its schedulers;
    `draw` is given the rows at one dropout, of `shown` unless others are given."""
    rows = shown if rows is None else rows
    dropouts = axis_values(shown, "dropout")
    row = draw_row(
        dropouts,
        lambda dropout, ax: draw(select_rows(rows, "dropout", dropout), ax),
        f"{name}-{setting.number}",
        what,
    )
    caption += describe_left_out(dropouts)
    return Chart(setting, [row], caption, setting.list_keys(shown["scheduler"]))


def describe_left_out(dropouts: Sequence[object]) -> str:
    """Return which dropouts are left out of a row of panels, as a sentence."""
    left_out = [to_text(dropout) for dropout in dropouts[MAX_DROPOUTS:]]
    return f" Without a panel here: dropout {', '.join(left_out)}." if left_out else ""


def describe_shift(cells: pd.DataFrame, around: str) -> str:
    """Say that schedulers stand beside each other, where there are several."""
    if cells["scheduler"].nunique() < 2:
        return ""
    return f" Schedulers are shifted sideways around each {around} to keep them apart."


def format_counts(counts: pd.Series[int]) -> str:
    """Return how many there are, as text.

    >>> format_counts(pd.Series([8, 8])), format_counts(pd.Series([3, 8]))
    ('n = 8', 'n = 3 to 8')
    """
    least, most = int(counts.min()), int(counts.max())
    return f"n = {most}" if least == most else f"n = {least} to {most}"


def describe_band(counts: pd.Series[int], what: str = "band") -> str:
    """What the band or bar is and over how many seeds, to follow "mean over seeds"."""
    if int(counts.max()) < 2:
        return f" ({format_counts(counts)}: one run each, so no {what})"
    return f" ({what}: mean \N{PLUS-MINUS SIGN} 1 sd, {format_counts(counts)} runs per cell)"


def describe_dots(counts: pd.Series[int]) -> str:
    """Return what the dots are, as a sentence."""
    most = plots.MOST_DOTS
    return "Each dot beside it is one run" + (
        f", of the first {most} seeds." if counts.max() > most else "."
    )


def draw_legend_key(style: Style, number: int) -> Markup:
    """The legend's picture of one scheduler, drawn once and referred to by its id."""
    figure = Figure(figsize=(0.5, 0.17))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    line = style.line()
    line.set(xdata=[0.05, 0.5, 0.95], ydata=[0.5] * 3, markevery=[1], markersize=5.0, clip_on=False)
    ax.add_line(line)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    return Markup(figure_to_svg(ax, f"key-{number}", ""))
