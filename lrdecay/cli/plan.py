"""`lrdecay plan`: the matrix, the schedules, what training takes, and what its seeds resolve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import report_errors
from lrdecay.core.errors import InputError
from lrdecay.core.text import spell_count, spell_seconds

if TYPE_CHECKING:
    from lrdecay.components.datasets.dataset import Dataset
    from lrdecay.components.trainers.command import CommandTemplate
    from lrdecay.execution.executor import Executor, Site
    from lrdecay.execution.grouping import Plan
    from lrdecay.sweep.config import Sweep
    from lrdecay.sweep.matrix import Matrix
    from lrdecay.sweep.schedule_lint import PlannedCurve

commands = typer.Typer()


@dataclass(frozen=True)
class Forecast:
    """About how many seconds it takes to choose base rates, and to compare at each seed, on so many
    workers."""

    choosing: float
    per_seed: float
    workers: int

    def spell(self, seeds: int, price: float | None) -> str:
        """Return how long so many seeds take in all, and what they cost at this price of a worker
        for an hour."""
        seconds = self.choosing + seeds * self.per_seed
        cost = "" if price is None else f" and for {price * self.workers * seconds / 3600:,.2f}"
        return f"in about {spell_seconds(seconds)}{cost}"


@dataclass(frozen=True)
class Outlook:
    """What is known of a sweep before it trains: warnings about schedules and networks, and where
    the data are there, its matrix and how long it takes."""

    warnings: Sequence[str] = ()
    matrix: Matrix | None = None
    forecast: Forecast | None = None


def print_matrix(sweep: Sweep) -> None:
    """Print the axes of a sweep, its schedulers, and how many runs that makes."""
    table = Table("axis", "values", box=None, pad_edge=False)
    for row in (*sweep.list_matrix(), ("reference", sweep.reference)):
        table.add_row(*row)
    out.print(table)
    for line in sweep.count_runs():
        out.print(line)


def print_plan(
    sweep: Sweep,
    data_dir: Path | None,
    executor: Executor,
    engine: str,
    group_size: int | None,
    plot: Path | None = None,
    price: float | None = None,
    template: CommandTemplate | None = None,
) -> Outlook:
    """Print what the data hold, the schedules, how many runs train at once and about how long a
    sweep takes, from a few measured steps; nothing is downloaded.

    With `plot` the schedules are drawn into that file as well; with the `price` of a worker for an
    hour the costs are printed too. `template` is the command line of a program that trains.
    """
    from lrdecay.analysis import lr_selection
    from lrdecay.components.datasets import sources
    from lrdecay.sweep import data_lint, schedule_lint
    from lrdecay.sweep.matrix import expand_matrix
    from lrdecay.sweep.network_lint import lint_networks

    # first, so that what is not there is said at once
    site = executor.site(sweep.precision, sweep.kernels)
    for note in site.notes:
        out.say(note)
    if sweep.trainer is not None:
        return print_own_plan(sweep, plot, template)
    assert sweep.dataset is not None
    try:
        dataset = sources.load_dataset(sweep.dataset, data_dir, download=False)
    except sources.AbsentError:
        folder = sources.find_data_folder(data_dir)
        out.say(
            f"No schedules and no estimate of time: {sweep.dataset.name} is not in {folder}; "
            f"`lrdecay sweep` would download it there."
        )
        return Outlook()
    matrix = expand_matrix(sweep, dataset)
    validation = matrix.cells[0].validation
    facts = dataset.count_images(validation)
    for text in data_lint.describe_data(dataset, facts):
        out.say(text)
    for text in data_lint.lint_data(dataset, facts, sweep.comparison.metric):
        err.say(f"warning: {text}")
    planned = schedule_lint.simulate_schedules(matrix.cells, dataset.train_count - validation)
    print_schedules(planned, plot)
    warnings = schedule_lint.lint_schedules(planned, sweep.schedulers)
    warnings += lint_networks(matrix.cells, dataset)
    for text in warnings:
        err.say(f"warning: {text}")
    # no choice is made yet, and whichever it will be, the runs take as long
    phases = [matrix.trials(), matrix.comparison(lr_selection.list_first_rates(matrix.cells))]
    plans = [executor.plan(runs, dataset, engine, group_size) for runs in phases if runs]
    for note in dict.fromkeys(note for plan in plans for note in plan.notes):
        out.say(note)
    *choosing, comparing = print_estimate(plans, dataset, site, price)
    per_seed = comparing / len(matrix.seeds)
    return Outlook(warnings, matrix, Forecast(sum(choosing), per_seed, max(1, site.workers)))


def print_own_plan(sweep: Sweep, plot: Path | None, template: CommandTemplate | None) -> Outlook:
    """Print the schedules of a loop of the user's own, as far as they are known."""
    from lrdecay.sweep import schedule_lint
    from lrdecay.sweep.own_matrix import expand_own_matrix, foresee_runs

    matrix = expand_own_matrix(sweep, template)
    out.say("How long a run takes is the loop's own business, so there is no estimate of time.")
    steps = sweep.steps_per_epoch
    if steps is None:
        out.say("With steps_per_epoch in the sweep file the schedules would be shown here.")
        return Outlook(matrix=matrix)
    planned = schedule_lint.simulate_schedules(foresee_runs(sweep, matrix), steps)
    print_schedules(planned, plot)
    warnings = schedule_lint.lint_schedules(planned, sweep.schedulers)
    for text in warnings:
        err.say(f"warning: {text}")
    return Outlook(warnings, matrix)


def print_estimate(
    plans: Sequence[Plan], dataset: Dataset, site: Site, price: float | None
) -> list[float]:
    """Print in how many groups runs train, the memory that takes, how long, and what it costs;
    return the seconds that each plan takes."""
    import torch

    from lrdecay.engine.devices import find_device
    from lrdecay.execution.estimate import estimate_bytes, estimate_seconds, schedule_groups

    here = torch.device(site.device)
    if here.type == "cuda" and not torch.cuda.is_available():
        # a cluster's GPUs may be out of reach from here
        here = find_device("cpu")
        out.print("No GPU here: the time is that of this machine's processor, one core per worker.")
    count = max(1, site.workers)
    groups = [group for plan in plans for group in plan.groups]
    seconds = [schedule_groups(estimate_seconds(plan, dataset, here), count) for plan in plans]
    shown = " to choose base rates and ".join(map(spell_seconds, seconds))
    if len(seconds) > 1:
        shown += " to compare,"
    together = max(len(group.runs) for group in groups)
    memory = max(estimate_bytes(plan, dataset, here) for plan in plans)
    out.say(
        f"{spell_count(len(groups), 'group')}; a worker trains at most "
        f"{spell_count(together, 'run')} at once, in about {memory / 2**20:,.0f} MiB "
        "beside torch itself."
    )
    out.say(
        f"About {shown} on {site.device} with {spell_count(count, 'worker')}, and some seconds for "
        f"them to start."
    )
    if price is not None:
        hours = count * sum(seconds) / 3600
        out.say(f"About {price * hours:,.2f}: {hours:,.2f} hours of a worker at {price:g} an hour.")
    return seconds


def print_schedules(planned: list[PlannedCurve], plot: Path | None) -> None:
    """Print each schedule as a line, and draw them into a file if one is named."""
    from lrdecay.cli import schedule_preview

    if not planned:
        if plot is not None:
            out.say(f"No schedule is known before it trains, so {plot} is not written.")
        return
    levels = schedule_preview.BLOCKS if "utf" in out.encoding.lower() else schedule_preview.ASCII
    table = Table("scheduler", "learning rate", "first, highest, last", box=None, pad_edge=False)
    for row in schedule_preview.draw_lines(planned, out.width, levels):
        table.add_row(*row)
    out.print(table)
    if plot is not None:
        schedule_preview.save_curves(planned, plot)
        out.say(f"The schedules are drawn in {plot}.")


@commands.command(epilog="Example:  lrdecay plan mnist --data ~/data")
@report_errors()
def plan(
    file: options.SweepFile = None,
    results: options.ResultsDir = Path("results"),
    data: options.DataDir = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    engine: options.Engine = "auto",
    group_size: options.GroupSize = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Treat warnings about the schedules as errors; not that about what seeds resolve.",
        ),
    ] = False,
    plugin: options.Plugin = None,
    command: options.Command = None,
    sd: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Sd of the paired differences, in percentage points, or nats of a loss. [default: "
            "that of --like]",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Results of a like sweep, whose sds are taken. [default: this sweep's own, else "
            "what lrdecay knows of digits, mnist and fashion_mnist]",
        ),
    ] = None,
    power: Annotated[
        bool,
        typer.Option(
            "--power", help="Draw which difference is resolved, by the number of seeds planned."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw the schedules into a .pdf, .png or .svg file; with --power that curve.",
        ),
    ] = None,
    executor: options.On = "local",
    address: options.Address = None,
    gpus: options.Gpus = 1.0,
    price: options.Price = None,
) -> None:
    """Print the matrix, the schedules, about how long the runs take, and what the seeds resolve.

    Nothing trains.
    """
    from lrdecay.cli import power_preview
    from lrdecay.sweep.command import read_command

    sweep = options.read_sweep(file, plugin)
    template = read_command(sweep, command)
    print_matrix(sweep)
    where = options.make_executor(executor, address, device, workers, gpus)
    folder = results / sweep.name
    spread = power_preview.find_spread(sweep, folder, sd, like)
    schedules = None if power else plot
    found = print_plan(sweep, data, where, engine, group_size, schedules, price, template)
    design, notes = power_preview.read_design(sweep, found.matrix, folder)
    for text in notes:
        out.say(text)
    if design is not None:
        costs = None if found.forecast is None else partial(found.forecast.spell, price=price)
        power_preview.print_design(design, spread, costs)
    if power:
        power_preview.print_curve(design, spread, plot)
    if found.warnings and strict:
        raise InputError(f"--strict: {spell_count(len(found.warnings), 'warning')}")
