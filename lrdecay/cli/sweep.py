"""`lrdecay sweep`: train what has no result yet, and say how it ended."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lrdecay.cli import options
from lrdecay.cli.console import err, out, program_name
from lrdecay.cli.exits import RUN_FAILED, exit_on_signal, report_errors
from lrdecay.core.text import join_some, spell_count

if TYPE_CHECKING:
    from lrdecay.runner import Summary

commands = typer.Typer()


@commands.command(epilog="Example:  lrdecay sweep mnist --data ~/data --workers 4")
@report_errors()
def sweep(
    file: options.SweepFile = None,
    results: options.ResultsDir = Path("results"),
    data: options.DataDir = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    engine: options.Engine = "auto",
    group_size: options.GroupSize = None,
    strict: options.Strict = False,
    plugin: options.Plugin = None,
    command: options.Command = None,
    allow_mixed: options.AllowMixed = False,
    time_limit: options.TimeLimit = None,
    repeat: options.Repeat = 0,
    executor: options.On = "local",
    address: options.Address = None,
    gpus: options.Gpus = 1.0,
    shard: options.Shard = None,
    list_sweeps: Annotated[
        bool, typer.Option("--list", help="List the sweeps that come with lrdecay; nothing trains.")
    ] = False,
) -> None:
    """Train every run of a sweep file that has no result yet.

    Interrupt it whenever you like: the same command continues from there.
    """
    if list_sweeps:
        print_shipped()
        return
    with exit_on_signal() as place:
        from lrdecay.runner import Shard, SweepOptions, run_sweep
        from lrdecay.runner.progress import SweepProgress
        from lrdecay.runner.renderers import find_renderer

        loaded = options.read_sweep(file, plugin)
        chosen = SweepOptions(
            results=results,
            data_dir=data,
            engine=engine,
            group_size=group_size,
            strict=strict,
            command=command,
            allow_mixed=allow_mixed,
            repeat=repeat,
            shard=None if shard is None else Shard.parse(shard),
        )
        place.folder = chosen.folder(loaded)
        where = options.make_executor(
            executor, address, device, workers, gpus, time_limit, allow_mixed
        )
        progress = SweepProgress(find_renderer(out))
        try:
            summary = run_sweep(loaded, chosen, progress=progress, executor=where)
        finally:
            progress.stop()
        print_summary(summary)
        if not print_outcome(summary):
            raise typer.Exit(RUN_FAILED)


def print_shipped() -> None:
    """Print the sweeps that come with lrdecay, what each compares, and how many runs that takes."""
    from lrdecay.sweep.reading import load_sweep
    from lrdecay.sweep.sweep_file import SHIPPED, list_shipped

    table = Table("name", "dataset", "schedulers", box=None, pad_edge=False)
    table.add_column("runs", justify="right")
    for name, path in list_shipped().items():
        each = load_sweep(path)
        runs = each.cells * len(each.seeds) + each.trials
        table.add_row(name, each.subject, join_some(each.schedulers, most=4), f"{runs:,}")
    out.print(table)
    out.say(f"The files are in {SHIPPED}")
    out.say(f"Next:  {program_name()} plan NAME, or {program_name()} new FILE for one of your own")


def print_summary(summary: Summary) -> None:
    """Print how a sweep ended, and what to do next."""
    out.say(f"{summary.folder}: {summary.spell_runs()}")
    if summary.folder == summary.sweep_folder:
        out.say(f"Next:  {program_name()} report {quote(str(summary.folder))}")
        return
    shards, into = quote(str(summary.folder.parent)), quote(str(summary.sweep_folder))
    out.say(f"When all shards have ended:  {program_name()} merge {shards}/* --into {into}")
    if summary.more_to_come:
        out.print("Then run the shards again: what comes next depends on all results so far.")


def print_outcome(summary: Summary) -> bool:
    """Print what is missing and how noisy the hardware is; say whether nothing is missing."""
    for name in summary.without_rate:
        err.say(
            f"no base rate for {name}: a trial diverged or failed at every rate of the grid, "
            f"so it is not in the comparison; give smaller rates"
        )
    if summary.repeats is not None:
        print_noise(summary.folder, summary.repeats.folder)
    with_failures = [each for each in (summary, summary.repeats) if each and each.failed]
    for each in with_failures:
        print_failures(each.folder)
    return not (with_failures or summary.without_rate)


def print_failures(folder: Path) -> None:
    """Print the runs of a results folder that an error ended, and the errors."""
    from lrdecay.runner.run_names import describe_failure
    from lrdecay.store.reader import read_runs

    runs = read_runs(folder)
    for row in runs[runs.status == "failed"].to_dict("records"):
        err.say(describe_failure(row))


def print_noise(folder: Path, repeats: Path) -> None:
    """Print how far runs that were trained twice lie apart."""
    from lrdecay.analysis import METRICS_COMPARED, noise_floor
    from lrdecay.store.reader import read_runs

    for row in noise_floor(read_runs(folder), read_runs(repeats)).to_dict("records"):
        metric = METRICS_COMPARED[row["metric"]]
        if row["n"]:
            out.say(
                f"Trained twice: {spell_count(row['n'], 'run')}; {metric.title} the same to the "
                f"bit in {row['identical']}, at most {row['largest']:.3g} {metric.unit} apart"
            )
