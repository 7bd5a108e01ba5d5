"""The command line: the only place that knows both the half that trains and the half that reads.

torch, pandas and matplotlib are imported by the commands that need them, so that `--help` answers
at once.
"""

from __future__ import annotations

import io
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from lrdecay import reading, trying
from lrdecay.console import (
    err,
    out,
    print_failures,
    print_noise,
    print_status,
    print_summary,
    print_verification,
    program,
)
from lrdecay.exits import RUN_FAILED, errors_in_one_line, stoppable
from lrdecay.options import (
    Address,
    AllowMixed,
    DataDir,
    Device,
    DeviceOption,
    Engine,
    EngineOption,
    ExecutorOption,
    Gpus,
    GroupSize,
    On,
    Plugin,
    Repeat,
    ResultsDir,
    ResultsFolder,
    ShardOption,
    Strict,
    SweepFile,
    TimeLimit,
    Workers,
    make_executor,
)

app = typer.Typer(
    help="Which learning-rate scheduler, at which dropout, and is the difference real?",
    epilog="Start with:  lrdecay sweep bench/sweeps/digits.yaml",
    no_args_is_help=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(trying.commands)
app.add_typer(reading.commands)


@app.command(epilog="Example:  lrdecay sweep bench/sweeps/mnist.yaml --data ~/data --workers 4")
def sweep(
    file: SweepFile,
    results: ResultsDir = Path("results"),
    data: DataDir = None,
    device: DeviceOption = Device.auto,
    workers: Workers = None,
    engine: EngineOption = Engine.auto,
    group_size: GroupSize = None,
    strict: Strict = False,
    plugin: Plugin = None,
    allow_mixed: AllowMixed = False,
    time_limit: TimeLimit = None,
    repeat: Repeat = 0,
    executor: ExecutorOption = On.local,
    address: Address = None,
    gpus: Gpus = 1.0,
    shard: ShardOption = None,
) -> None:
    """Train every run of a sweep file that has no result yet.

    Interrupt it whenever you like: the same command goes on from there.
    """
    with errors_in_one_line(), stoppable() as place:
        from lrdecay import plugins
        from lrdecay.progress import Bar, Lines
        from lrdecay.runner import run_sweep
        from lrdecay.sharding import Shard
        from lrdecay.sweep import load_sweep

        plugins.load(plugin or ())
        loaded = load_sweep(file)
        part = None if shard is None else Shard.parse(shard)
        place.folder = results / loaded.name
        if part is not None:
            place.folder = part.folder(place.folder)
        where = make_executor(
            executor, address, device.value, workers, gpus, time_limit, allow_mixed
        )
        progress = Bar(out) if out.is_terminal else Lines(out)
        try:
            summary = run_sweep(
                loaded,
                results,
                data,
                progress=progress,
                engine=engine.value,
                group_size=group_size,
                strict=strict,
                allow_mixed=allow_mixed,
                repeat=repeat,
                executor=where,
                shard=part,
            )
        finally:
            progress.stop()
        print_summary(summary, results / loaded.name)
        for name in summary.without_rate:
            message = (
                f"no base rate for {name}: a trial diverged or failed at every rate of the grid, "
                f"so it is not in the comparison; give smaller rates"
            )
            err.print(message, soft_wrap=True)
        if summary.repeats is not None:
            print_noise(summary.folder, summary.repeats.folder)
        with_failures = [each for each in (summary, summary.repeats) if each and each.failed]
        for each in with_failures:
            print_failures(each.folder)
        if with_failures or summary.without_rate:
            raise typer.Exit(RUN_FAILED)


@app.command(
    epilog="Example:  lrdecay merge results/digits/shards/* --into results/digits",
)
def merge(
    folders: Annotated[
        list[Path], typer.Argument(help="Results folders of one sweep.", metavar="FOLDER...")
    ],
    into: Annotated[
        Path,
        typer.Option("--into", metavar="FOLDER", help="The folder that is to hold all their runs."),
    ],
    allow_mixed: AllowMixed = False,
) -> None:
    """Join the results of shards, or of one sweep on several machines, into one folder.

    The folders stay as they are. A run that two of them have with different numbers is refused.
    """
    with errors_in_one_line(), stoppable() as place:
        from lrdecay.merging import merge_results
        from lrdecay.wording import counted

        place.folder = into
        merged = merge_results(folders, into, allow_mixed)
        for each in merged.empty:
            err.print(f"{each}: nothing there yet", soft_wrap=True)
        missing = f"; {counted(merged.missing, 'run')} still to train" if merged.missing else ""
        out.print(
            f"{into}: {counted(merged.runs, 'run')}, {merged.added} of them new{missing}",
            soft_wrap=True,
        )
        out.print(f"Next:  {program()} report {into}", soft_wrap=True)


@app.command(epilog="Example:  lrdecay status results/digits")
def status(folder: ResultsFolder) -> None:
    """Say how far a sweep is, also while it trains elsewhere."""
    with errors_in_one_line():
        from lrdecay.status import status

        print_status(*status(folder))


@app.command(epilog="Example:  lrdecay verify results/digits")
def verify(folder: ResultsFolder) -> None:
    """Check every byte, key and count of a results folder; exit with 1 if something is wrong.

    Damaged files are moved to FOLDER/quarantine, never deleted, and their undamaged runs kept.
    """
    with errors_in_one_line():
        from lrdecay.integrity import verify

        found = verify(folder)
        print_verification(folder, found)
        if found.findings:
            raise typer.Exit(RUN_FAILED)


@app.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        out.print(installed("lrdecay"))
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal that cannot show a label shows its code
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception:  # a mistake of ours: shown as Python does, but what it quotes is not obeyed
        err.print(traceback.format_exc(), soft_wrap=True)
        sys.exit(RUN_FAILED)
