"""How far seeds spread, how soon runs reached a target, and what trying base rates is worth."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lrdecay.analysis import axis_values, expected_best, extra_axes, seed_spread, time_to_target
from lrdecay.analysis.axes import select_rows
from lrdecay.core.text import format_dropout, join_filled
from lrdecay.plots.common import label_rows, mark_scheduler, require_one_value
from lrdecay.plots.style import (
    Style,
    finish_axes,
    prepare_axes,
    select_styles,
    shorten_name,
)
from lrdecay.plots.svg import About, mark_artists

SPREADS = {
    "seed_sd": ("between seeds", None),
    "independent_sd": ("if each image erred independently", "|"),
    "sampling_sd": ("one run, over test sets of this size", "x"),
}
"""Columns of `seed_spread`, what they are called, and a marker; None for the scheduler's own."""


def plot_spread(
    runs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    hardware_sd: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Standard deviations of test accuracy (percentage points), a row per cell: between seeds, and
    the two yardsticks of `lrdecay.analysis.seed_spread`; and, as a dotted line, that of a run on
    one piece of hardware (`lrdecay.analysis.noise_floor`), if it is known.

    Raises:
        InputError: an extra axis has more than one value in `runs`.
    """
    require_one_value(runs, extra_axes(runs))
    styles, ax = prepare_axes(runs, styles, ax)
    cells = seed_spread(runs)
    known = {name: of for name, of in SPREADS.items() if cells[name].notna().any()}
    labels: list[tuple[str, About]] = []
    for dropout in axis_values(cells, "dropout"):
        group: About = {"dropout": dropout} if (head := format_dropout(dropout)) else {}
        if head:
            labels.append((head, group))
        for cell in select_rows(cells, "dropout", dropout).to_dict("records"):
            style = styles[cell["scheduler"]]
            about = {"scheduler": cell["scheduler"], **group}
            for name, (what, marker) in known.items():
                if pd.isna(cell[name]):
                    continue
                mark = ax.plot(
                    [cell[name]],
                    [len(labels)],
                    color=style.color if marker is None else "0.5",
                    marker=marker or style.marker,
                    markersize=6,
                    linestyle="none",
                )
                words = join_filled(cell["scheduler"], head, f"{what}: {cell[name]:.2g}")
                mark_artists(mark, about, words)
            labels.append((shorten_name(cell["scheduler"]), about))
    label_rows(ax, labels)
    if hardware_sd is not None:
        ax.axvline(hardware_sd, color="0.5", linestyle=":", linewidth=1.6, clip_on=False)
    ax.set_xlim(left=0)
    ax.set_xlabel("sd of test accuracy (percentage points)")
    return ax


def plot_expected_best(
    trials: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Best validation accuracy (percent) to expect of so many base rates tried, a line per
    scheduler: `lrdecay.analysis.expected_best` of the trials, or of runs at several rates.

    Raises:
        InputError: dropout or an axis other than the base rate has more than one value.
    """
    axes = [axis for axis in extra_axes(trials) if axis != "lr"]
    require_one_value(trials, [*axes, "dropout"])
    styles, ax = prepare_axes(trials, styles, ax)
    table = expected_best(trials).dropna(subset="expected_best")
    for scheduler, own in table.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        line = style.line()
        line.set(xdata=own["trials"], ydata=own["expected_best"], markersize=5.0)
        ax.add_line(line)
        points = [
            ({"scheduler": scheduler}, f"{scheduler}, best of {k}: {best:.4g}")
            for k, best in zip(own["trials"], own["expected_best"], strict=True)
        ]
        mark_scheduler([line], str(scheduler), points=points)
    ax.autoscale_view()
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="base rates tried", ylabel="expected best val accuracy (%)")
    return finish_axes(ax, select_styles(table, styles), legend)


def plot_time_to_target(
    runs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Share of the runs (percent) that had reached the target accuracy, against epochs trained.

    Steps, with the pointwise interval of `lrdecay.analysis.time_to_target` as a band. A run that
    never gets there counts as one that had not by its last epoch.

    Raises:
        InputError: no target is set, or dropout or an extra axis has more than one value.
    """
    require_one_value(runs, [*extra_axes(runs), "dropout"])
    styles, ax = prepare_axes(runs, styles, ax)
    table = time_to_target(runs)
    last = int(runs["epochs"].max())
    for scheduler, own in table.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        # level on to the end of the run
        ends = pd.concat([own, own.tail(1).assign(epoch=last)])
        epoch, low, high = ends["epoch"], 100 * ends["low"], 100 * ends["high"]
        share = 100 * ends["share"]
        line = ax.plot(epoch, share, **style.stroke, drawstyle="steps-post", linewidth=1.6)
        band = ax.fill_between(
            epoch, low, high, step="post", color=style.color, alpha=0.12, linewidth=0
        )
        mark_scheduler([*line, band], str(scheduler))
    ax.set(xlabel="epochs trained", ylabel="runs at the target (%)", ylim=(-2, 102))
    return finish_axes(ax, select_styles(table, styles), legend)
