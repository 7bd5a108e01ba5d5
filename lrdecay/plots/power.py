"""What a comparison can resolve, before anything trains."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lrdecay.plots.style import COLORS, DASHES, finish_axes, format_plain, make_axes

_MOST_TICKS = 12


def plot_power(
    curve: pd.DataFrame,
    *,
    planned: Sequence[int] = (),
    sds: Sequence[float] = (1.0,),
    unit: str = "sd",
    aim: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The true difference that is resolved with 80% probability, against the seeds planned.

    Args:
        curve: `n`, the seeds, and `effect`, the difference in sds of the paired differences.
        planned: numbers of seeds of the curve that are marked.
        sds: of the paired differences: a line for each.
        unit: that of the sds.
        aim: a difference that should be resolved, in that unit.
        ax: to draw on; a new one unless given.
    """
    ax = ax or make_axes()
    marked = curve[curve["n"].isin(planned)]
    for sd, dash in zip(sds, DASHES, strict=False):
        label = f"sd {sd:.3g} {unit}" if unit != "sd" else None
        resolved = curve["n"], sd * curve["effect"]
        ax.plot(*resolved, "o", linestyle=dash, color=COLORS[0], markersize=3.5, label=label)
    points = [(n, sd * effect) for sd in sds for n, effect in marked[["n", "effect"]].to_numpy()]
    if points:
        ax.plot(*zip(*points, strict=True), "D", color=COLORS[1], markersize=6, label="planned")
    if aim is not None:
        ax.axhline(aim, color="0.4", linestyle=":", label=f"3 times the margin: {aim:g} {unit}")
    ax.set_xscale("log")
    apart = 1 + len(curve) // _MOST_TICKS
    ax.xaxis.set_major_locator(FixedLocator(curve["n"].tolist()[::apart]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(format_plain))
    ax.set_ylim(bottom=0)
    ax.set(xlabel="seeds planned", ylabel=f"resolved with 80% probability ({unit})")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return finish_axes(ax, {}, legend=False)
