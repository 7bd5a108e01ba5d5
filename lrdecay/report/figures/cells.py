"""Charts of what came out of each cell."""

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.axes import Axes

from lrdecay import plots
from lrdecay.analysis import (
    axis_values,
    cell_summary,
    noise_floor,
    seed_spread,
    time_to_target,
    train_test_gap,
)
from lrdecay.analysis.axes import has_dropout, select_rows
from lrdecay.core.text import spell_count
from lrdecay.plots.outcomes import SPREADS
from lrdecay.plots.style import Style
from lrdecay.report.figures import panels
from lrdecay.report.figures.panels import Chart, Setting

MAX_ROWS = 60
"""Rows of a map or of a list of cells."""


def heat_map(setting: Setting) -> Chart | None:
    """Scheduler x dropout; None where either has one value, as the table says the same then."""
    schedulers = len(axis_values(setting.runs, "scheduler"))
    dropouts = len(axis_values(setting.runs, "dropout"))
    cells = _completed_cells(setting.runs)
    if cells.empty or not 1 < schedulers <= MAX_ROWS or not 1 < dropouts <= 12:
        return None
    inches = max(5.1, 1.2 + 0.95 * dropouts), 0.8 + 0.5 * schedulers
    ax = plots.plot_heat_map(setting.runs, ax=panels.make_panel(inches))
    name = f"heat-map-{setting.number}"
    caption = (
        "Test accuracy after the last epoch, in percent, the darker the higher: mean "
        f"\N{PLUS-MINUS SIGN} sd over the seeds of a cell, and how many completed "
        f"({panels.format_counts(cells['n'])}). A cell without a completed run is empty."
    )
    return Chart(
        setting,
        panels.make_single(ax, name, "mean test accuracy by scheduler and dropout; see the table"),
        caption,
    )


def accuracy_by_dropout(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Test accuracy after the last epoch, against dropout."""
    cells = _completed_cells(setting.runs)
    if not has_dropout(cells).any():
        return None
    ax = plots.plot_accuracy_by_dropout(
        setting.runs,
        styles=styles,
        legend=False,
        ax=panels.make_panel(panels.SINGLE_INCHES),
    )
    what = "Test accuracy after the last epoch, in percent"
    return _by_dropout_chart(setting, ax, "by-dropout", what, cells, styles)


def gap_by_dropout(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Training minus test accuracy after the last epoch, against dropout."""
    gaps = train_test_gap(setting.runs, setting.epochs)
    cells = cell_summary(gaps, "train_test_gap").query("n > 0")
    if not has_dropout(cells).any():
        return None
    ax = plots.plot_gap_by_dropout(
        setting.runs,
        setting.epochs,
        styles=styles,
        legend=False,
        ax=panels.make_panel(panels.SINGLE_INCHES),
    )
    what = (
        "Accuracy on a fixed sample of training images (dropout off) minus test accuracy, "
        "after the last epoch of the same run, in percentage points"
    )
    return _by_dropout_chart(setting, ax, "gap", what, cells, styles)


def _by_dropout_chart(
    setting: Setting,
    ax: Axes,
    name: str,
    what: str,
    cells: pd.DataFrame,
    styles: Mapping[str, Style],
) -> Chart:
    rows = panels.make_single(ax, f"{name}-{setting.number}", f"{ax.get_ylabel()} by dropout")
    caption = f"{what}: mean over seeds{panels.describe_band(cells['n'], 'bar')}. "
    caption += panels.describe_dots(cells["n"])
    caption += panels.describe_shift(cells, "dropout")
    return Chart(setting, rows, caption, panels.list_keys(cells["scheduler"], styles))


def accuracy_by_rate(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Test accuracy after the last epoch, against the base rate: a panel per dropout."""
    return _by_factor(setting, plots.plot_accuracy_by_rate, "by-rate", "base learning rate", styles)


def accuracy_by_epochs(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """Test accuracy after the last epoch, against the length of the run: a panel per dropout."""
    return _by_factor(
        setting, plots.plot_accuracy_by_epochs, "by-epochs", "number of epochs trained", styles
    )


def _by_factor(
    setting: Setting,
    plot: Callable[..., Axes],
    name: str,
    what: str,
    styles: Mapping[str, Style],
) -> Chart | None:
    cells = _completed_cells(setting.runs)
    if cells.empty:
        return None
    dropouts = axis_values(cells, "dropout")
    row = panels.draw_row(
        dropouts,
        lambda d, ax: plot(setting.at(d).runs, styles=styles, legend=False, ax=ax),
        f"{name}-{setting.number}",
        f"test accuracy by {what}",
    )
    caption = (
        f"Test accuracy after the last epoch, in percent, by {what} (log scale): mean "
        f"over seeds{panels.describe_band(cells['n'], 'bar')}. "
        f"{panels.describe_dots(cells['n'])}"
        f"{panels.describe_shift(cells, 'value')}{panels.describe_left_out(dropouts)}"
    )
    keys = panels.list_keys(cells["scheduler"], styles)
    return Chart(setting, [row], caption, keys)


def spread(
    repeats: pd.DataFrame | None, setting: Setting, styles: Mapping[str, Style]
) -> Chart | None:
    """How far seeds lie apart, beside what chance alone would do, and what the hardware does if
    runs were repeated."""
    cells = seed_spread(setting.runs)
    groups = len(axis_values(cells, "dropout"))
    if cells[list(SPREADS)].isna().all(axis=None) or len(cells) > MAX_ROWS:
        return None
    inches = panels.SINGLE_INCHES[0], 0.8 + 0.2 * (len(cells) + groups)
    hardware, noise = _noise(setting.runs, repeats)
    ax = plots.plot_spread(
        setting.runs, styles=styles, hardware_sd=hardware, ax=panels.make_panel(inches)
    )
    images = setting.runs["test_images"].dropna()
    of_images = "that size" if images.empty else f"{int(images.max()):,} images"
    caption = (
        "Standard deviations of test accuracy, a row per cell. Coloured: between seeds. Bar: what "
        "it would be if each run erred on each image independently, at that image's own rate "
        "(after Jordan, 2023). Cross: of one run's accuracy over test sets of "
        f"{of_images}, which more seeds do not shrink. "
        f"{panels.format_counts(cells['n'])} runs per cell.{noise}"
    )
    name = f"spread-{setting.number}"
    return Chart(setting, panels.make_single(ax, name, "standard deviations by cell"), caption)


def _noise(runs: pd.DataFrame, repeats: pd.DataFrame | None) -> tuple[float | None, str]:
    """Return the sd that hardware alone gives a run, and what it is in words; None and nothing
    where none of the runs was repeated."""
    if repeats is None:
        return None, ""
    floor = noise_floor(runs, repeats)
    (accuracy,) = floor.query("metric == 'test_accuracy'").to_dict("records")
    n, same, sd = int(accuracy["n"]), int(accuracy["identical"]), float(accuracy["sd"])
    if n == 0:
        return None, ""
    again = f"{spell_count(n, 'run')} trained once more"
    if (floor["identical"] == n).all():
        return sd, (
            f" Dotted: of the hardware, which is 0: {again} came out the same to the bit, so "
            "nothing here is noise of the machine."
        )
    if same == n:
        return sd, (
            f" Dotted: of the hardware, which is 0: {again} came out with the same test accuracy, "
            "though not with the same losses."
        )
    return sd, (
        f" Dotted: of the hardware alone, {sd:.2g} points: {again}, {same} of them the same to the "
        f"bit, at most {accuracy['largest']:.2g} points apart."
    )


def expected_best(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """The best validation accuracy to expect of so many base rates tried: a panel per dropout.

    `setting` is of trials; those of schedulers that have no style are left out.
    """
    trials = setting.runs[setting.runs["scheduler"].isin(list(styles))]
    if trials["val_accuracy"].isna().all():
        return None
    dropouts = axis_values(trials, "dropout")
    row = panels.draw_row(
        dropouts,
        lambda d, ax: plots.plot_expected_best(
            select_rows(trials, "dropout", d), styles=styles, legend=False, ax=ax
        ),
        f"tried-{setting.number}",
        "best accuracy by rates tried",
    )
    seeds = trials.groupby(["scheduler", "dropout", "lr"], dropna=False)["seed"].nunique()
    caption = (
        "Validation accuracy after the last epoch, in percent, to expect of the best of so many "
        "base rates of the grid, drawn at random without replacement (after Dodge and others, "
        "2019): level means that further rates of this grid bring nothing. A rate at which a trial "
        "diverged or failed counts as the worst of all, so a line begins where one that did not "
        f"must be among those drawn. {panels.format_counts(seeds)} trials per rate."
        f"{panels.describe_left_out(dropouts)}"
    )
    keys = panels.list_keys(trials["scheduler"], styles)
    return Chart(setting, [row], caption, keys)


def target(setting: Setting, styles: Mapping[str, Style]) -> Chart | None:
    """By which epoch what share of the runs reached the target: a panel per dropout."""
    runs = setting.runs[setting.runs["target"].notna()]
    runs = runs[runs["status"] != "failed"]
    if runs.empty:
        return None
    dropouts = axis_values(runs, "dropout")
    row = panels.draw_row(
        dropouts,
        lambda d, ax: plots.plot_time_to_target(
            select_rows(runs, "dropout", d), styles=styles, legend=False, ax=ax
        ),
        f"target-{setting.number}",
        "share of runs at the target by epoch",
    )
    table = time_to_target(runs)
    cells = table.drop_duplicates(["scheduler", "dropout"])
    caption = (
        f"Share of the runs whose validation accuracy had reached {100 * runs['target'].max():g}%, "
        "by epochs trained; band: its pointwise 95% interval (log-log). "
        f"{int(cells['n_reached'].sum())} of {spell_count(int(cells['n'].sum()), 'run')} got "
        "there; one that did not, diverged ones among them, counts as not there by its last epoch. "
        f"{panels.format_counts(cells['n'])} runs per cell."
        f"{panels.describe_left_out(dropouts)}"
    )
    return Chart(setting, [row], caption, panels.list_keys(runs["scheduler"], styles))


def _completed_cells(runs: pd.DataFrame) -> pd.DataFrame:
    return cell_summary(runs, "test_accuracy").query("n > 0")
