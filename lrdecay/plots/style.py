"""How figures look: one style for each scheduler, and what all axes share."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from lrdecay.analysis import axis_values
from lrdecay.core.sanitize import sanitize_line

# Okabe and Ito's hues, yellow and black left out and the light ones darkened, so that each keeps
# a contrast of about 3:1 on white and on a dark page.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#c774a3", "#b98500", "#3f9bd6", "#808080", "#9467bd")
Dash = tuple[float, tuple[float, ...]] | Literal["-"]
DASHES: tuple[Dash, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (9, 2)),
)
_LONGEST = 28  # characters of a name in a figure
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FIGURE_INCHES = (4.8, 3.4)
FONT_TYPES: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
"""Settings of matplotlib with which text in a file stays text: TrueType fonts in PDF and PostScript
(matplotlib's own default are Type 3 fonts, which many journals refuse), and words in SVG."""
MATPLOTLIB_STYLE: list[str | Path | dict[str, Any]] = [
    "default",
    {"font.size": 10.0, "axes.linewidth": 0.7, **FONT_TYPES},
]
"""The look of all figures of the page and of `lrdecay plot`, for `matplotlib.style.context`: it
holds for what is drawn and saved within that."""


class TextFigure(Figure):
    """A figure that `savefig` writes with `FONT_TYPES`, whatever matplotlib's settings are then."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """Write the figure, as matplotlib does; its text stays text."""
        with rc_context(FONT_TYPES):
            super().savefig(fname, **options)


@dataclass(frozen=True)
class Style:
    """How one scheduler is drawn, in every figure: the colour, dash and marker of its lines, as
    matplotlib has them."""

    color: str
    dash: Dash
    marker: str

    @property
    def stroke(self) -> dict[str, Any]:
        """Colour and dash, as arguments for `Axes.plot`."""
        return {"color": self.color, "linestyle": self.dash}

    def line(self) -> Line2D:
        """An empty line in this style, for a legend."""
        return Line2D([], [], **self.stroke, marker=self.marker)


def style_schedulers(runs: pd.DataFrame) -> dict[str, Style]:
    """A style for each scheduler, by order of first appearance: of the runs that a folder compares
    those of its report and of `lrdecay plot`. Every function that draws schedulers takes them as
    `styles`, so that a scheduler looks the same in all figures, whatever rows each is given.

    In a table of differences the references come first, as `constant` does among runs. Colours,
    dashes and markers are 8, 5 and 7: the same three never meet twice below 280.

    >>> runs = pd.DataFrame({"scheduler": ["constant", "step", "constant"]})
    >>> {name: style.color for name, style in style_schedulers(runs).items()}
    {'constant': '#0072b2', 'step': '#d55e00'}
    """
    columns = [name for name in ("versus_scheduler", "scheduler") if name in runs]
    names = dict.fromkeys(str(label) for name in columns for label in axis_values(runs, name))
    return {
        scheduler: Style(
            COLORS[i % len(COLORS)], DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)]
        )
        for i, scheduler in enumerate(names)
    }


def make_axes() -> Axes:
    """Return the axes of a new figure, made without pyplot."""
    return TextFigure(figsize=FIGURE_INCHES, layout="constrained").subplots()


def prepare_axes(
    table: pd.DataFrame, styles: Mapping[str, Style] | None, ax: Axes | None
) -> tuple[Mapping[str, Style], Axes]:
    """Return the styles and axes of a figure: those that are given, else new ones."""
    return styles or style_schedulers(table), ax or make_axes()


def select_styles(table: pd.DataFrame, styles: Mapping[str, Style]) -> dict[str, Style]:
    """The styles of the schedulers that a table mentions, in the styles' own order."""
    present = set(table["scheduler"])
    return {scheduler: style for scheduler, style in styles.items() if scheduler in present}


def shorten_name(name: object) -> str:
    """Return a name for an axis or a legend: of a long one its two ends, or no room is left for
    the marks.

    >>> shorten_name("cosine"), shorten_name("a long name for a scheduler of mine")
    ('cosine', 'a long name for a…r of mine')
    """
    text = sanitize_line(str(name))
    return text if len(text) <= _LONGEST else f"{text[:18].rstrip()}…{text[-9:].lstrip()}"


def finish_axes(ax: Axes, used: Mapping[str, Style], legend: bool) -> Axes:
    """Give axes the look that all have, and a legend."""
    if ax.get_xlabel().startswith("epoch"):
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.grid(axis="y", color="0.5", alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    sns.despine(ax=ax)
    if legend and used:
        # Handles are given explicitly: a label that starts with "_" would be left out otherwise.
        labels = list(map(shorten_name, used))
        drawn = ax.legend([style.line() for style in used.values()], labels, frameon=False)
        for text in drawn.get_texts():
            text.set_parse_math(False)
    return ax


def use_log_scale(ax: Axes) -> None:
    """A log axis labelled in plain numbers, with enough of them on a short range."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    decades = math.log10(high / low)
    subs = (1.0, 2.0, 3.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 3 else (1.0,)
    ax.yaxis.set_major_locator(LogLocator(subs=subs))
    ax.yaxis.set_major_formatter(FuncFormatter(format_plain))
    ax.yaxis.set_minor_locator(NullLocator())  # dozens of strokes, each of which takes its time


def format_plain(value: float, position: int | None = None) -> str:
    """Return a number as short as it can be written."""
    return f"{value:g}"
