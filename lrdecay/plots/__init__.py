"""Frames to figures: each function `plot_...` draws on one matplotlib axes and returns it.

Pass `ax` to draw into a figure of your own; without it a new figure is made (`ax.figure`), never
through pyplot, so nothing global changes and no display is needed. A figure shows one value of
every extra axis, and a curve one dropout: filter in pandas first. Labels are drawn as they are
written; a dollar sign starts no formula.

`style_schedulers(runs)` gives each scheduler its colour, dash and marker, the same ones as in the
report and of `lrdecay plot`; pass them as `styles` wherever a figure is drawn of a part of the
runs. Figures that are made here have TrueType fonts in PDF and PostScript, however they are saved;
of your own figures those that `save_figure` writes, or that are saved within
`matplotlib.style.context(MATPLOTLIB_STYLE)`.
"""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.plots.cells import MOST_DOTS as MOST_DOTS
    from lrdecay.plots.cells import plot_accuracy_by_dropout as plot_accuracy_by_dropout
    from lrdecay.plots.cells import plot_accuracy_by_epochs as plot_accuracy_by_epochs
    from lrdecay.plots.cells import plot_accuracy_by_rate as plot_accuracy_by_rate
    from lrdecay.plots.cells import plot_gap_by_dropout as plot_gap_by_dropout
    from lrdecay.plots.cells import plot_heat_map as plot_heat_map
    from lrdecay.plots.curves import plot_curves as plot_curves
    from lrdecay.plots.curves import plot_late_curves as plot_late_curves
    from lrdecay.plots.curves import plot_learning_rates as plot_learning_rates
    from lrdecay.plots.curves import plot_schedules as plot_schedules
    from lrdecay.plots.dataset_differences import (
        plot_differences_by_dataset as plot_differences_by_dataset,
    )
    from lrdecay.plots.decay import plot_ecdf as plot_ecdf
    from lrdecay.plots.decay import plot_late_changes as plot_late_changes
    from lrdecay.plots.decay import plot_relative_curves as plot_relative_curves
    from lrdecay.plots.differences import plot_closing as plot_closing
    from lrdecay.plots.differences import plot_differences as plot_differences
    from lrdecay.plots.differences import plot_gain_by_dropout as plot_gain_by_dropout
    from lrdecay.plots.differences import plot_slopes as plot_slopes
    from lrdecay.plots.figure_file import save_figure as save_figure
    from lrdecay.plots.figure_file import write_figure as write_figure
    from lrdecay.plots.one_run import draw_run as draw_run
    from lrdecay.plots.one_run import plot_splits as plot_splits
    from lrdecay.plots.outcomes import plot_expected_best as plot_expected_best
    from lrdecay.plots.outcomes import plot_spread as plot_spread
    from lrdecay.plots.outcomes import plot_time_to_target as plot_time_to_target
    from lrdecay.plots.power import plot_power as plot_power
    from lrdecay.plots.style import MATPLOTLIB_STYLE as MATPLOTLIB_STYLE
    from lrdecay.plots.style import Style as Style
    from lrdecay.plots.style import style_schedulers as style_schedulers
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "cells": (
                "MOST_DOTS plot_accuracy_by_dropout plot_accuracy_by_epochs plot_accuracy_by_rate "
                "plot_gap_by_dropout plot_heat_map"
            ),
            "curves": "plot_curves plot_late_curves plot_learning_rates plot_schedules",
            "dataset_differences": "plot_differences_by_dataset",
            "decay": "plot_ecdf plot_late_changes plot_relative_curves",
            "differences": "plot_closing plot_differences plot_gain_by_dropout plot_slopes",
            "figure_file": "save_figure write_figure",
            "one_run": "draw_run plot_splits",
            "outcomes": "plot_expected_best plot_spread plot_time_to_target",
            "power": "plot_power",
            "style": "MATPLOTLIB_STYLE Style style_schedulers",
        },
    )
