"""What figures refuse, and what several kinds of them do alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from lrdecay.analysis import axis_values
from lrdecay.analysis.axes import list_strata
from lrdecay.core.errors import InputError
from lrdecay.plots.style import format_plain
from lrdecay.plots.svg import About, mark_artists

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


def require_one_stratum(table: pd.DataFrame) -> None:
    """Refuse verdicts that differ in more than schedulers and dropouts."""
    require_one_value(table, list_strata(table))


def mark_scheduler(
    artists: Iterable[Artist],
    scheduler: str,
    name: str = "",
    points: Sequence[tuple[About, str]] = (),
    about: About | None = None,
) -> None:
    """Say what these marks are of, for whoever reads the figure as SVG; see `marks.mark`."""
    mark_artists(artists, {"scheduler": scheduler, **(about or {})}, name or scheduler, points)


def label_rows(ax: Axes, labels: Sequence[str], heads: Collection[int]) -> None:
    """Give each row of marks, from the top, its label; those at the places `heads` head a group."""
    ax.set_yticks(range(len(labels)), labels)
    for place, label in enumerate(ax.get_yticklabels()):
        label.set_parse_math(False)
        if place in heads:
            label.set_fontweight("bold")
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.5", alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_formatter(FuncFormatter(format_plain))
    sns.despine(ax=ax, left=True)
