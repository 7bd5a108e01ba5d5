"""What happens over a run: learning rates, loss and accuracy by epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from lrdecay.analysis import extra_axes, learning_curves, learning_rate_curves
from lrdecay.core.text import format_mean
from lrdecay.plots.common import (
    counts_images,
    mark_scheduler,
    require_choice,
    require_one_value,
)
from lrdecay.plots.style import (
    Style,
    finish_axes,
    format_plain,
    prepare_axes,
    select_styles,
    use_log_scale,
)
from lrdecay.plots.svg import Readings
from lrdecay.store.schema import SPLITS

UNITS = {"loss": "loss (nats per image)", "accuracy": "accuracy (%)"}
BAND_ALPHA = 0.18
MARKERS_PER_LINE = 8
EARLY = 0.2  # share of the epochs whose accuracy may lie below the axis


def plot_learning_rates(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """The learning rate as applied, against epochs trained; one line per distinct curve.

    Each epoch adds two points: its first rate at its start, its last rate at its end; or twice its
    one rate, where no more is known. A scheduler with several curves has each drawn thinly, and
    runs whose rates nobody told are left out.

    Raises:
        InputError: an extra axis has more than one value in `runs`.
    """
    require_one_value(runs, extra_axes(runs))
    styles, ax = prepare_axes(runs, styles, ax)
    return draw_rate_curves(learning_rate_curves(runs, epochs), styles, legend, ax)


def draw_rate_curves(
    curves: pd.DataFrame, styles: Mapping[str, Style], legend: bool, ax: Axes
) -> Axes:
    """Draw rows of `lrdecay.analysis.learning_rate_curves` as `plot_learning_rates` does."""
    curves = curves.dropna(subset="learning_rate")
    for scheduler, own in curves.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        thin = own["curve"].nunique() > 1
        for _, curve in own.groupby("curve"):
            ends = [curve[f"learning_rate_{end}"] for end in ("first", "last")]
            rates = np.column_stack([each.fillna(curve["learning_rate"]) for each in ends]).ravel()
            trained = [epoch - before for epoch in curve["epoch"] for before in (1.0, 0.0)]
            width, alpha = (0.8, 0.6) if thin else (1.6, 1.0)
            line = ax.plot(trained, rates, **style.stroke, linewidth=width, alpha=alpha)
            mark_scheduler(line, str(scheduler), readings=_read_rates(curve["epoch"], rates))
    if ax.dataLim.y0 >= 0:
        ax.set_ylim(bottom=0)
    return _finish_rates(ax, select_styles(curves, styles), legend)


def _read_rates(epochs: pd.Series[int], rates: np.ndarray) -> Readings:
    """Say each epoch's first and last rate, in the middle of the epoch."""
    words = {
        int(epoch): f"{first:.3g}" if first == last else f"{first:.3g} to {last:.3g}"
        for epoch, (first, last) in zip(epochs, rates.reshape(-1, 2), strict=True)
    }
    return Readings(words, shift=-0.5)


def plot_schedules(
    curves: pd.DataFrame,
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Learning rates as planned, against epochs trained: one staircase per scheduler.

    `curves` has the columns `scheduler`, `trained` (epochs done where a rate begins) and
    `learning_rate`, for runs of one length.
    """
    styles, ax = prepare_axes(curves, styles, ax)
    for scheduler, curve in curves.groupby("scheduler", sort=False):
        steps = curve["trained"], curve["learning_rate"]
        stroke = styles[str(scheduler)].stroke
        ax.plot(*steps, **stroke, drawstyle="steps-post", linewidth=1.6)
    ax.set_ylim(bottom=min(0.0, float(curves["learning_rate"].min())))
    return _finish_rates(ax, select_styles(curves, styles), legend)


def _finish_rates(ax: Axes, used: Mapping[str, Style], legend: bool) -> Axes:
    ax.set(xlabel="epochs trained", ylabel="learning rate")
    ax.yaxis.set_major_formatter(FuncFormatter(format_plain))
    return finish_axes(ax, used, legend)


def plot_curves(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    metric: str = "accuracy",
    split: str = "test",
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Loss (log scale) or accuracy (percent) by epoch: mean over seeds, band mean +- 1 sd.

    Raises:
        InputError: dropout or an extra axis has more than one value in `runs`, or the metric or
            the split is unknown.
    """
    require_choice("metric", metric, UNITS)
    require_choice("split", split, SPLITS)
    require_one_value(runs, [*extra_axes(runs), "dropout"])
    styles, ax = prepare_axes(runs, styles, ax)
    curves = learning_curves(runs, epochs, metric)
    curves = curves[curves["split"] == split]
    ylabel = name_values(metric, split, counts_images(runs))
    return draw_mean_curves(curves, metric, ylabel, styles, legend, ax)


def plot_late_curves(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    metric: str = "accuracy",
    split: str = "test",
    *,
    styles: Mapping[str, Style] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """The last half of what `plot_curves` draws, on the range of its own means: where schedulers
    part that lie on each other on the range of a whole run.

    Raises:
        InputError: as `plot_curves`.
    """
    late = epochs[epochs["epoch"] >= find_late(epochs)]
    return plot_curves(runs, late, metric, split, styles=styles, legend=legend, ax=ax)


def find_late(epochs: pd.DataFrame) -> float:
    """Return the epoch at which the last half of a run begins, in a table that has `epoch`."""
    return 0.5 * float(epochs["epoch"].max())


def name_values(metric: str, split: str, of_images: bool) -> str:
    """Return what an axis of a metric of a split is called; an accuracy is one in any case."""
    return f"{split} {UNITS[metric] if of_images or metric == 'accuracy' else metric}"


def draw_mean_curves(
    curves: pd.DataFrame,
    metric: str,
    ylabel: str,
    styles: Mapping[str, Style],
    legend: bool,
    ax: Axes,
) -> Axes:
    """Draw rows of `lrdecay.analysis.learning_curves` of one split as `plot_curves` does."""
    scale = 100.0 if metric == "accuracy" else 1.0
    for scheduler, curve in curves.groupby("scheduler", sort=False):
        style = styles[str(scheduler)]
        epoch = curve["epoch"].to_numpy(float)
        mean, low, high = (scale * curve[name].to_numpy(float) for name in ("mean", "low", "high"))
        line = ax.plot(
            epoch,
            mean,
            **style.stroke,
            marker=style.marker,
            markersize=3.5,
            markevery=max(1, len(curve) // MARKERS_PER_LINE),
            linewidth=1.4,
        )
        mark_scheduler(line, str(scheduler), readings=_read_means(curve, metric))
        if curve["sd"].notna().any():
            band = ax.fill_between(
                epoch, low, high, color=style.color, alpha=BAND_ALPHA, linewidth=0
            )
            words = f"{scheduler}, mean \N{PLUS-MINUS SIGN} 1 sd"
            mark_scheduler([band], str(scheduler), words)
    ax.set(xlabel="epoch", ylabel=ylabel)
    if curves["mean"].notna().any():
        ax.set_ylim(*_limits(curves, metric, scale))
    if metric == "loss":
        use_log_scale(ax)
    return finish_axes(ax, select_styles(curves, styles), legend)


def _read_means(curve: pd.DataFrame, metric: str) -> Readings:
    known = curve.dropna(subset="mean")
    said = zip(known["epoch"], known["mean"], known["sd"], strict=True)
    if metric == "accuracy":
        return Readings({int(epoch): format_mean(mean, sd) for epoch, mean, sd in said})
    return Readings(
        {
            int(epoch): f"{mean:.3g}" + ("" if np.isnan(sd) else f" \N{PLUS-MINUS SIGN} {sd:.2g}")
            for epoch, mean, sd in said
        }
    )


def _limits(curves: pd.DataFrame, metric: str, scale: float) -> tuple[float, float]:
    """Fit the axis to the means, not to the bands, whose lower edge may come near zero; and to the
    accuracies after the first epochs, beside whose rise no difference could be seen."""
    means = scale * curves["mean"].where(np.isfinite(curves["mean"]))
    if metric == "loss":
        shown = means[means > 0]  # the axis is logarithmic
        return (0.8 * float(shown.min()), 1.25 * float(shown.max())) if len(shown) else (0.1, 1.0)
    late = means[curves["epoch"] > EARLY * curves["epoch"].max()]
    low, high = float(late.min()), float(means.max())
    pad = max(0.1 * (high - low), 0.1)
    return low - pad, min(high + pad, scale)
