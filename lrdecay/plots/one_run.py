"""One run as a figure: loss and accuracy of each split by epoch, and the learning rate beneath."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrdecay.core.errors import InputError
from lrdecay.core.text import format_named, join_filled
from lrdecay.plots.common import require_choice
from lrdecay.plots.curves import MARKERS_PER_LINE, UNITS, draw_rate_curves
from lrdecay.plots.style import (
    COLORS,
    DASHES,
    FIGURE_INCHES,
    MARKERS,
    Style,
    TextFigure,
    finish_axes,
    make_axes,
    shorten_name,
    style_schedulers,
    use_log_scale,
)

SPLITS = {"train": "training", "val": "validation", "test": "test"}
"""The splits that a figure of one run shows, and what it calls them."""

_STYLES = {
    word: Style(color, dash, marker)
    for word, color, dash, marker in zip(SPLITS.values(), COLORS, DASHES, MARKERS, strict=False)
}


def plot_splits(
    epochs: pd.DataFrame, metric: str, *, legend: bool = True, ax: Axes | None = None
) -> Axes:
    """Loss (log scale) or accuracy (percent) of one run by epoch: one line per split. Training's is
    the mean while it trains, dropout on.

    Args:
        epochs: the rows of one run in the table of epochs.
        metric: `loss` or `accuracy`.

    Raises:
        InputError: the rows are of several runs, or the metric is unknown.
    """
    require_choice("metric", metric, UNITS)
    _require_one_run(epochs)
    ax = ax or make_axes()
    scale = 100.0 if metric == "accuracy" else 1.0
    used: dict[str, Style] = {}
    for split, word in SPLITS.items():
        own = epochs[epochs["split"] == split].sort_values("epoch")
        if own.empty:  # where none is held out
            continue
        used[word] = style = _STYLES[word]
        ax.plot(
            own["epoch"],
            scale * own[metric],
            **style.stroke,
            marker=style.marker,
            markersize=3.5,
            markevery=max(1, len(own) // MARKERS_PER_LINE),
            linewidth=1.4,
        )
    ax.set(xlabel="epoch", ylabel=UNITS[metric])
    if metric == "loss":
        use_log_scale(ax)
    return finish_axes(ax, used, legend)


def draw_run(run: Mapping[str, object], epochs: pd.DataFrame) -> Figure:
    """Return a figure of one run: loss, accuracy, and the learning rate as applied, by epoch.

    Args:
        run: its row of the table of runs, by column.
        epochs: its rows of the table of epochs.

    Raises:
        InputError: the rows are of several runs, or there are none.
    """
    if epochs.empty:
        raise InputError("nothing to draw: the run has finished no epoch")
    width, height = FIGURE_INCHES
    figure = TextFigure(figsize=(width, 2.2 * height), layout="constrained")
    losses, accuracies, rates = figure.subplots(3, sharex=True, height_ratios=(2, 2, 1.2))
    plot_splits(epochs, "loss", ax=losses)
    plot_splits(epochs, "accuracy", legend=False, ax=accuracies)
    of_run = epochs.drop_duplicates("epoch").sort_values("epoch").assign(curve=0)
    draw_rate_curves(of_run, style_schedulers(of_run), False, rates)
    for ax in (losses, accuracies):
        ax.set_xlabel("")
    named = [format_named(name, run[name]) for name in ("dropout", "seed")]
    title = join_filled(f"{run['dataset']}: {shorten_name(run['scheduler'])}", *named)
    figure.suptitle(title, fontsize="medium", parse_math=False)
    return figure


def _require_one_run(epochs: pd.DataFrame) -> None:
    if (count := epochs["run_id"].nunique()) > 1:
        raise InputError(f"a figure of splits shows one run, and the table has {count}")
