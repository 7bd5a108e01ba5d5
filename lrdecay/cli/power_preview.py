"""What a sweep can resolve, before anything trains: in sentences, as bars in the terminal, and as a
picture."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from rich.table import Table

from lrdecay.analysis.intervals import POWER
from lrdecay.analysis.metrics import find_metric
from lrdecay.analysis.number_text import format_number
from lrdecay.analysis.power import (
    AIM_MARGINS,
    Design,
    Resolution,
    Spread,
    describe_design,
    describe_shortfall,
    look_up_spread,
    measure_spread,
)
from lrdecay.cli.console import err, out
from lrdecay.core.errors import InputError
from lrdecay.core.text import join_filled
from lrdecay.report.compare import compare_folder
from lrdecay.runner.first_plan import (
    ReadOnlyStore,
    describe_first_plan,
    propose_first_plan,
    settle_first_plan,
)
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import Matrix

WIDEST = 40
MOST_SHOWN = 64
"""Seeds up to which the curve goes, unless more are planned or needed."""


def find_spread(
    sweep: Sweep, folder: Path, sd: float | None = None, like: Path | None = None
) -> Spread | None:
    """Return the sds to plan with: the one that is given, else those of a like sweep's results,
    else those of the sweep's own, in `folder`, else those that are known of its dataset; None where
    there are none.

    Raises:
        InputError: the sd is none, or there is none in the results of the like sweep.
    """
    metric = find_metric(sweep.comparison.metric, sweep.declared)
    if sd is not None:
        if not 0 < sd < math.inf:
            raise InputError(f"--sd {sd:g}: must be a number of {metric.unit_name} above 0")
        return Spread((sd,), sd, "The sd is that of --sd.")
    if like is not None:
        spread = read_spread(like, metric.name)
        if spread is None:
            raise InputError(
                f"--like {like}: its differences from the reference give no sd, which takes two "
                f"seeds and differences that are not all one number; give one with --sd"
            )
        return spread
    own = None
    if ReadOnlyStore(folder).has_compared():
        with suppress(InputError):  # results that cannot be compared now may be so once more
            own = read_spread(folder, metric.name)
    return own or look_up_spread(None if sweep.trainer else sweep.subject, metric.name)


def read_spread(folder: Path, metric: str) -> Spread | None:
    """Return the sds of the primary differences of a results folder, None where it has none."""
    return measure_spread(compare_folder(folder, metric=metric).found.brief, str(folder))


def read_design(
    sweep: Sweep, matrix: Matrix | None, folder: Path
) -> tuple[Design | None, list[str]]:
    """Return what a sweep is to resolve, None where it compares nothing, and a line on when its
    verdicts are made where its results, in `folder`, were planned otherwise."""
    if len(sweep.schedulers) < 2:
        return None, []
    store, comparison = ReadOnlyStore(folder), sweep.comparison
    proposed = propose_first_plan(sweep, matrix)
    plan = settle_first_plan(store, proposed)
    design = Design(
        plan=plan,
        seeds=len(sweep.seeds),
        metric=find_metric(comparison.metric, sweep.declared),
        margin=comparison.margin,
        confidence=comparison.confidence,
        settled=store.has_compared(),
    )
    return design, describe_first_plan(plan, proposed)


def print_design(
    design: Design, spread: Spread | None, costs: Callable[[int], str] | None = None
) -> None:
    """Print what a design resolves, and a warning where that is too little; `costs` says what so
    many seeds take."""
    for text in describe_design(design, spread):
        out.say(text)
    if spread is None or not design.margin or design.resolves_aim(spread.typical):
        return
    enough = design.find_enough(spread.typical)
    warning = describe_shortfall(design, spread, enough)
    if enough is not None and costs is not None:
        warning += f", {costs(enough.n)}"
    err.say(f"warning: {warning}")


def print_curve(design: Design | None, spread: Spread | None, plot: Path | None) -> None:
    """Print the curve of what is resolved, and draw it into a file if one is named."""
    if design is None:
        unwritten = "" if plot is None else f", and {plot} is not written"
        out.say(f"One scheduler is compared with no other, so nothing is resolved{unwritten}.")
        return
    family, curve = design.plan.family, list_curve(design, spread)
    of_all = "" if family == 1 else f", of {family},"
    out.say(
        f"The true difference{of_all} that is resolved with {POWER:.0%} probability, by the number "
        f"of seeds that are planned from the start:"
    )
    table = Table(box=None, pad_edge=False)
    for name in ("seeds", "", "sd", "" if spread is None else design.metric.unit, ""):
        table.add_column(name, justify="right" if name else "left")
    bar = "\N{FULL BLOCK}" if "utf" in out.encoding.lower() else "#"
    for row in draw_rows(design, spread, curve, bar, out.width):
        table.add_row(*row)
    out.print(table)
    if plot is not None:
        save_curve(design, spread, curve, plot)
        out.say(f"The curve is drawn in {plot}.")


def list_curve(design: Design, spread: Spread | None) -> list[Resolution]:
    """Return what each number of seeds resolves, as far as that is of interest."""
    enough = design.find_enough(spread.typical) if spread and design.margin else None
    return design.list_curve(max(MOST_SHOWN, design.seeds, enough.n if enough else 0))


def draw_rows(
    design: Design, spread: Spread | None, curve: Sequence[Resolution], bar: str, width: int = 80
) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each number of seeds, all together at most `width` characters wide: the
    number, a bar, the difference in sds and, at each sd that is known, in the metric's unit, and
    what is to be said of it."""
    sds = () if spread is None else spread.sds
    good = [each for each in curve if spread and each.effect * spread.typical <= design.aim]
    rows = []
    for each in curve:
        planned = "planned" if each in design.resolutions else ""
        aim = f"{AIM_MARGINS} margins" if each in good[:1] else ""
        in_unit = " to ".join(format_number(each.effect * sd) for sd in sds)
        rows.append((str(each.n), f"{each.effect:.2f}", in_unit, join_filled(planned, aim)))
    columns = [max(6, *map(len, column)) for column in zip(*rows, strict=True)]  # with heads
    left = width - sum(columns) - 8  # two spaces between columns
    wide = min(max(left, 10), WIDEST) / max(each.effect for each in curve)
    bars = [bar * max(1, round(wide * each.effect)) for each in curve]
    return [(row[0], drawn, *row[1:]) for row, drawn in zip(rows, bars, strict=True)]


def save_curve(
    design: Design, spread: Spread | None, curve: Sequence[Resolution], path: Path
) -> None:
    """Draw the curve into a file.

    Raises `InputError` where its name is not that of a figure.
    """
    from matplotlib.figure import Figure

    from lrdecay.plots import plot_power, save_figure
    from lrdecay.plots.figure_file import check_figure_name
    from lrdecay.plots.style import FIGURE_INCHES

    check_figure_name(path, "--plot")
    figure = Figure(figsize=FIGURE_INCHES, layout="constrained")
    sds, unit = ((1.0,), "sd") if spread is None else (spread.sds, design.metric.unit)
    plot_power(
        pd.DataFrame(map(asdict, curve)),
        planned=[each.n for each in design.resolutions if each in curve],
        sds=sds,
        unit=unit,
        aim=design.aim if spread is not None and design.margin else None,
        ax=figure.subplots(),
    )
    save_figure(figure, path)
