"""The chart of several sweeps: differences on each dataset, and their average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from lrdecay import plots
from lrdecay.analysis import DatasetAverages
from lrdecay.plots.dataset_differences import AVERAGE, style_datasets
from lrdecay.plots.svg import figure_to_svg
from lrdecay.report.figures import panels

MAX_ROWS = 60
"""Pairs of scheduler and dropout that get a row."""
_MARK_INCHES = 0.15  # of height that each mark of a row has


@dataclass(frozen=True)
class DatasetChart:
    """The picture, its legend (pictures and names), and its caption."""

    svg: Markup
    keys: Sequence[tuple[Markup, str]]
    caption: str


def draw_dataset_differences(averages: DatasetAverages) -> DatasetChart | None:
    """Draw the forest plot of all datasets; nothing where there is no difference to show."""
    table = averages.by_dataset
    places = table[["scheduler", "dropout"]].drop_duplicates()
    shown = places.sort_values("dropout", kind="stable").head(MAX_ROWS)
    rows = table.merge(shown, on=["scheduler", "dropout"])
    if rows["mean"].isna().all():
        return None
    styles = style_datasets(averages.datasets)
    averaged = averages.table.dropna(subset=["mean"])
    if len(averaged):
        averaged = averaged.merge(shown, on=["scheduler", "dropout"])
    drawn = {**styles, "average over datasets": AVERAGE} if len(averaged) else styles
    height = (
        0.9 + len(shown) * max(0.3, _MARK_INCHES * len(drawn)) + 0.25 * shown["dropout"].nunique()
    )
    ax = plots.plot_differences_by_dataset(
        rows,
        averaged,
        unit=averages.metric.unit,
        styles=styles,
        legend=False,
        ax=panels.make_panel((panels.SINGLE_INCHES[0], height)),
    )
    label = f"differences to {averages.reference} on each dataset with their intervals"
    keys = [
        (panels.draw_legend_key(style, number), name)
        for number, (name, style) in enumerate(drawn.items())
    ]
    caption = _write_caption(averages, rows, averaged)
    if left_out := len(places) - len(shown):
        caption += f" {left_out} more are in the reports of the sweeps."
    return DatasetChart(Markup(figure_to_svg(ax, "datasets-forest", label)), keys, caption)


def _write_caption(averages: DatasetAverages, rows: pd.DataFrame, averaged: pd.DataFrame) -> str:
    """Return what is drawn: of these differences on each dataset, and of these averages."""
    noun = "dataset" if averages.shared.are_datasets else "sweep"
    text = (
        f"Difference to {averages.reference} in {averages.metric.title}: mean over pairs of runs "
        f"with the same seed, and the interval that its own sweep gives it."
    )
    wide = _are_bounded(averaged)
    if (rows["mean"].notna() & ~_are_bounded(rows)).any() or not wide.all():
        text += " Hollow: no interval, as seeds are too few or all differences are one number."
    if len(averaged):
        text += f" Diamond: the average over {noun}s"
        text += f", as wide as its interval on these {noun}s." if wide.any() else "."
    if (wide & _are_bounded(averaged, "like_")).any():
        text += (
            " The thin line through it: the interval for datasets like these, which may go on "
            "beyond the axis."
        )
    return text


def _are_bounded(table: pd.DataFrame, prefix: str = "") -> pd.Series[bool]:
    low, high = (table[f"{prefix}{name}"].astype(float) for name in ("low", "high"))
    return (low.abs() < np.inf) & (high.abs() < np.inf)  # NaN is not
