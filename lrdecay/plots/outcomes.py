"""How far seeds spread, and how soon runs reached a target."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from lrdecay.analysis import axis_values, extra_axes, seed_spread, time_to_target
from lrdecay.analysis.axes import rows_at
from lrdecay.inert import one_line
from lrdecay.plots.shared import label_rows, of_scheduler, one_value
from lrdecay.styles import Style, finish, new_axes, scheduler_styles, used_styles
from lrdecay.wording import at_dropout, joined

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
    ax: Axes | None = None,
) -> Axes:
    """Standard deviations of test accuracy (percentage points), a row per cell: between seeds, and
    the two yardsticks of `lrdecay.analysis.seed_spread`.

    Raises:
        InputError: an extra axis has more than one value in `runs`.
    """
    one_value(runs, extra_axes(runs))
    styles = styles or scheduler_styles(runs)
    ax = ax or new_axes()
    cells = seed_spread(runs)
    labels: list[str] = []
    heads = []
    for dropout in axis_values(cells, "dropout"):
        if head := at_dropout(dropout):
            heads.append(len(labels))
            labels.append(head)
        for cell in rows_at(cells, "dropout", dropout).to_dict("records"):
            style = styles[cell["scheduler"]]
            for name, (what, marker) in SPREADS.items():
                (mark,) = ax.plot(
                    [cell[name]],
                    [len(labels)],
                    color=style.color if marker is None else "0.5",
                    marker=marker or style.marker,
                    markersize=6,
                    linestyle="none",
                )
                words = joined(cell["scheduler"], head, f"{what}: {cell[name]:.2g}")
                about = {"dropout": dropout} if head else {}
                of_scheduler([mark], cell["scheduler"], words, about=about)
            labels.append(one_line(cell["scheduler"]))
    label_rows(ax, labels, heads)
    ax.set_xlim(left=0)
    ax.set_xlabel("sd of test accuracy (percentage points)")
    return ax


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
    one_value(runs, [*extra_axes(runs), "dropout"])
    styles = styles or scheduler_styles(runs)
    ax = ax or new_axes()
    table = time_to_target(runs)
    last = int(runs["epochs"].max())
    for scheduler, own in table.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        # level on to the end of the run
        ends = pd.concat([own, own.tail(1).assign(epoch=last)])
        line = ax.plot(
            ends["epoch"],
            100 * ends["share"],
            drawstyle="steps-post",
            color=style.color,
            linestyle=style.dash,
            linewidth=1.6,
        )
        band = ax.fill_between(
            ends["epoch"],
            100 * ends["low"],
            100 * ends["high"],
            step="post",
            color=style.color,
            alpha=0.12,
            linewidth=0,
        )
        of_scheduler([*line, band], str(scheduler))
    ax.set(xlabel="epochs trained", ylabel="runs at the target (%)", ylim=(-2, 102))
    return finish(ax, used_styles(table, styles), legend)
