"""The figures of the report: panels, a legend and a caption that says what they show and n."""

from lrdecay.report.figures.cells import (
    accuracy_by_dropout,
    accuracy_by_epochs,
    accuracy_by_rate,
    expected_best,
    gap_by_dropout,
    heat_map,
    spread,
    target,
)
from lrdecay.report.figures.curves import curves, rates
from lrdecay.report.figures.differences import closing, differences, gain, slopes
from lrdecay.report.figures.panels import Chart, Setting, draw_legend_key, split_settings

__all__ = [
    "Chart",
    "Setting",
    "accuracy_by_dropout",
    "accuracy_by_epochs",
    "accuracy_by_rate",
    "closing",
    "curves",
    "differences",
    "draw_legend_key",
    "expected_best",
    "gain",
    "gap_by_dropout",
    "heat_map",
    "rates",
    "slopes",
    "split_settings",
    "spread",
    "target",
]
