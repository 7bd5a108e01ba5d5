"""Charts of what came out of each cell."""

from collections.abc import Callable

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
from lrdecay.analysis.axes import has_dropout
from lrdecay.core.text import spell_count
from lrdecay.plots.common import counts_images
from lrdecay.plots.outcomes import SPREADS
from lrdecay.report.figures import panels
from lrdecay.report.figures.panels import Chart, Setting

MAX_ROWS = 60
"""Rows of a map or of a list of cells."""


def draw_heat_map(setting: Setting) -> Chart | None:
    """Scheduler x dropout; None where either has one value, as the table says the same then, and
    where a dropout is not known."""
    schedulers = len(axis_values(setting.runs, "scheduler"))
    dropouts = len(axis_values(setting.runs, "dropout"))
    cells = setting.completed
    if cells.empty or not 1 < schedulers <= MAX_ROWS or not 1 < dropouts <= 12:
        return None
    if not has_dropout(setting.runs).all():
        return None
    inches = max(5.1, 1.2 + 0.95 * dropouts), 0.8 + 0.5 * schedulers
    ax = plots.plot_heat_map(setting.runs, ax=panels.make_panel(inches))
    caption = (
        "Test accuracy after the last epoch, in percent, the darker the higher (the colours span "
        "four sd at least, so what differs by less than seeds do looks alike): mean "
        f"\N{PLUS-MINUS SIGN} sd over the seeds of a cell, and how many completed "
        f"({panels.format_counts(cells['n'])}). A cell without a completed run is empty."
    )
    label = "mean test accuracy by scheduler and dropout; see the table"
    return panels.make_single(setting, ax, "heat-map", label, caption)


def draw_accuracy_by_dropout(setting: Setting) -> Chart | None:
    """Test accuracy after the last epoch, against dropout."""
    cells = setting.completed
    if cells.empty or not has_dropout(cells).all():
        return None
    ax = plots.plot_accuracy_by_dropout(setting.runs, ax=panels.make_panel(), **setting.options)
    what = "Test accuracy after the last epoch, in percent"
    return _by_dropout(setting, ax, "by-dropout", what, cells)


def draw_gap_by_dropout(setting: Setting) -> Chart | None:
    """Training minus test accuracy after the last epoch, against dropout."""
    gaps = train_test_gap(setting.runs, setting.epochs)
    cells = cell_summary(gaps, "train_test_gap").query("n > 0")
    if cells.empty or not has_dropout(cells).all():
        return None
    ax = plots.plot_gap_by_dropout(
        setting.runs, setting.epochs, ax=panels.make_panel(), **setting.options
    )
    sample = "a fixed sample of training images (dropout off)"
    what = (
        f"Accuracy on {sample if counts_images(setting.runs) else 'the split train_eval'} minus "
        f"test accuracy, after the last epoch of the same run, in percentage points"
    )
    return _by_dropout(setting, ax, "gap", what, cells)


def _by_dropout(setting: Setting, ax: Axes, name: str, what: str, cells: pd.DataFrame) -> Chart:
    caption = f"{what}: {_means(cells, 'dropout')}"
    label = f"{ax.get_ylabel()} by dropout"
    return panels.make_single(setting, ax, name, label, caption, cells["scheduler"])


def draw_accuracy_by_rate(setting: Setting) -> Chart | None:
    """Test accuracy after the last epoch, against the base rate: a panel per dropout."""
    return _by_factor(setting, plots.plot_accuracy_by_rate, "by-rate", "base learning rate")


def draw_accuracy_by_epochs(setting: Setting) -> Chart | None:
    """Test accuracy after the last epoch, against the length of the run: a panel per dropout."""
    what = "number of epochs trained"
    return _by_factor(setting, plots.plot_accuracy_by_epochs, "by-epochs", what)


def _by_factor(setting: Setting, plot: Callable[..., Axes], name: str, what: str) -> Chart | None:
    cells = setting.completed
    if cells.empty:
        return None
    return panels.draw_by_dropout(
        setting,
        cells,
        lambda runs, ax: plot(runs, ax=ax, **setting.options),
        name,
        f"test accuracy by {what}",
        f"Test accuracy after the last epoch, in percent, by {what} (log scale): "
        f"{_means(cells, 'value')}",
        rows=setting.runs,
    )


def _means(cells: pd.DataFrame, around: str) -> str:
    """What lines, bars and dots are, as the end of a caption."""
    band = panels.describe_band(cells["n"], "bar")
    dots, shift = panels.describe_dots(cells["n"]), panels.describe_shift(cells, around)
    return f"mean over seeds{band}. {dots}{shift}"


def draw_spread(repeats: pd.DataFrame | None, setting: Setting) -> Chart | None:
    """How far seeds lie apart, beside what chance alone would do, and what the hardware does if
    runs were repeated."""
    cells = seed_spread(setting.runs)
    groups = len(axis_values(cells, "dropout"))
    if cells[list(SPREADS)].isna().all(axis=None) or len(cells) > MAX_ROWS:
        return None
    ax = panels.make_panel((panels.SINGLE_INCHES[0], 0.8 + 0.2 * (len(cells) + groups)))
    hardware, noise = _noise(setting.runs, repeats)
    ax = plots.plot_spread(setting.runs, styles=setting.styles, hardware_sd=hardware, ax=ax)
    caption = (
        f"Standard deviations of test accuracy, a row per cell. Coloured: between seeds. "
        f"{_describe_yardsticks(setting.runs, cells)}"
        f"{panels.format_counts(cells['n'])} runs per cell.{noise}"
    )
    return panels.make_single(setting, ax, "spread", "standard deviations by cell", caption)


def _describe_yardsticks(runs: pd.DataFrame, cells: pd.DataFrame) -> str:
    """Return what else is drawn beside the spread between seeds, if anything is."""
    if cells[["independent_sd", "sampling_sd"]].isna().all(axis=None) and not counts_images(runs):
        return ""
    images = runs["test_images"].dropna()
    of_images = "that size" if images.empty else f"{int(images.max()):,} images"
    return (
        f"Bar: what it would be if each run erred on each image independently, at that image's own "
        f"rate (after Jordan, 2023). Cross: of one run's accuracy over test sets of {of_images}, "
        f"which more seeds do not shrink. "
    )


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


def draw_expected_best(setting: Setting) -> Chart | None:
    """The best validation accuracy to expect of so many base rates tried: a panel per dropout.

    `setting` is of trials; those of schedulers that have no style are left out.
    """
    trials = setting.runs[setting.runs["scheduler"].isin(list(setting.styles))]
    if trials["val_accuracy"].isna().all():
        return None
    seeds = trials.groupby(["scheduler", "dropout", "lr"], dropna=False)["seed"].nunique()
    caption = (
        "Validation accuracy after the last epoch, in percent, to expect of the best of so many "
        "base rates of the grid, drawn at random without replacement (after Dodge and others, "
        "2019): level means that further rates of this grid bring nothing. A rate at which a trial "
        "diverged or failed counts as the worst of all, so a line begins where one that did not "
        f"must be among those drawn. {panels.format_counts(seeds)} trials per rate."
    )
    return panels.draw_by_dropout(
        setting,
        trials,
        lambda own, ax: plots.plot_expected_best(own, ax=ax, **setting.options),
        "tried",
        "best accuracy by rates tried",
        caption,
    )


def draw_target(setting: Setting) -> Chart | None:
    """By which epoch what share of the runs reached the target: a panel per dropout."""
    runs = setting.runs[setting.runs["target"].notna() & (setting.runs["status"] != "failed")]
    if runs.empty:
        return None
    cells = time_to_target(runs).drop_duplicates(["scheduler", "dropout"])
    caption = (
        f"Share of the runs whose validation accuracy had reached {100 * runs['target'].max():g}%, "
        "by epochs trained; band: its pointwise 95% interval (log-log). "
        f"{int(cells['n_reached'].sum())} of {spell_count(int(cells['n'].sum()), 'run')} got "
        "there; one that did not, diverged ones among them, counts as not there by its last epoch. "
        f"{panels.format_counts(cells['n'])} runs per cell."
    )
    return panels.draw_by_dropout(
        setting,
        runs,
        lambda own, ax: plots.plot_time_to_target(own, ax=ax, **setting.options),
        "target",
        "share of runs at the target by epoch",
        caption,
    )
