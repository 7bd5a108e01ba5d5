"""The command line: the only place that knows both the half that trains and the half that reads.

torch, pandas and matplotlib are imported by the commands that need them, so that `--help` answers
at once.
"""

from __future__ import annotations

import io
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from lrdecay import reading
from lrdecay.console import (
    err,
    out,
    print_failures,
    print_known,
    print_noise,
    print_status,
    print_summary,
    print_verification,
    program,
    train_and_print,
)
from lrdecay.errors import InputError
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
    Price,
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
app.add_typer(reading.commands)


@app.command(epilog="Example:  lrdecay plan bench/sweeps/mnist.yaml --data ~/data")
def plan(
    file: SweepFile,
    data: DataDir = None,
    device: DeviceOption = Device.auto,
    workers: Workers = None,
    engine: EngineOption = Engine.auto,
    group_size: GroupSize = None,
    strict: Strict = False,
    plugin: Plugin = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw the schedules into a .pdf, .png or .svg file."
        ),
    ] = None,
    executor: ExecutorOption = On.local,
    address: Address = None,
    gpus: Gpus = 1.0,
    price: Price = None,
) -> None:
    """Print the matrix, the schedules and about how long the runs take. Nothing trains."""
    with errors_in_one_line():
        from lrdecay import plugins
        from lrdecay.planning import print_matrix, print_plan
        from lrdecay.sweep import load_sweep
        from lrdecay.wording import counted

        plugins.load(plugin or ())
        sweep = load_sweep(file)
        print_matrix(sweep)
        where = make_executor(executor, address, device.value, workers, gpus)
        found = print_plan(sweep, data, where, engine.value, group_size, plot, price)
        if found and strict:
            raise InputError(f"--strict: {counted(len(found), 'warning')} about the schedules")


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
        if summary.failed:
            print_failures(summary.folder)
        if summary.failed or summary.without_rate:
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


@app.command(
    epilog="Example:  lrdecay train --dataset mnist --scheduler StepLR --set step_size=5 "
    "--set gamma=0.5 --dropout 0.3 --epochs 10"
)
def train(
    dataset: Annotated[str, typer.Option(help="digits, mnist, fashion_mnist, ...")] = "digits",
    scheduler: Annotated[
        str, typer.Option(help="A class that `lrdecay schedulers` lists.")
    ] = "StepLR",
    argument: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An argument of the scheduler; repeat it."),
    ] = None,
    dropout: Annotated[float, typer.Option(help="Dropout rate, from 0 to below 1.")] = 0.3,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 10,
    lr: Annotated[float, typer.Option(help="Base learning rate.")] = 0.001,
    optimizer: Annotated[
        str, typer.Option(help="Adam, AdamW, SGD, RMSprop, Adadelta, AdamWScheduleFree.")
    ] = "Adam",
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 64,
    batch_norm: Annotated[
        bool, typer.Option("--batch-norm", help="Batch normalisation after each convolution.")
    ] = False,
    validation: Annotated[
        int | None, typer.Option(help="Images held out. [default: 5000, or a sixth]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, batches and dropout.")] = 0,
    data: DataDir = None,
    device: DeviceOption = Device.auto,
    plugin: Plugin = None,
) -> None:
    """Train one run and print how it goes: the tutorial as one command.

    Without --set, StepLR, CosineAnnealingLR and ReduceLROnPlateau take the tutorial's arguments.
    Nothing is stored.
    """
    with errors_in_one_line():
        from lrdecay import plugins
        from lrdecay.sweep import check
        from lrdecay.yamlfile import Document

        plugins.load(plugin or ())
        document = {
            "dataset": dataset,
            **({} if validation is None else {"validation": validation}),
            "model": {"batch_norm": batch_norm},
            "optimizer": {"name": optimizer, "lr": lr},
            "batch_size": batch_size,
            "epochs": epochs,
            "schedulers": {scheduler: {"class": scheduler, **_arguments(scheduler, argument)}},
            "dropout": dropout,
            "seeds": [seed],
        }
        if not train_and_print(check(Document(document), source=""), data, device.value):
            raise typer.Exit(RUN_FAILED)


@app.command(epilog="Example:  lrdecay schedulers CosineAnnealingLR")
def schedulers(
    name: Annotated[str | None, typer.Argument(help="One class, to see it in full.")] = None,
    plugin: Plugin = None,
) -> None:
    """List the schedulers that a sweep file may name, with their arguments."""
    with errors_in_one_line():
        from lrdecay import plugins
        from lrdecay import schedulers as known
        from lrdecay.problems import suggest

        plugins.load(plugin or ())
        if name is not None and name not in known.CLASSES:
            raise InputError(f"scheduler {suggest(name, known.CLASSES)}")
        print_known(name)


_TUTORIAL_ARGUMENTS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 5, "gamma": 0.5},
    "CosineAnnealingLR": {"T_max": "epochs"},
    "ReduceLROnPlateau": {"factor": 0.5, "patience": 1},
}


def _arguments(scheduler: str, given: list[str] | None) -> dict[str, Any]:
    from lrdecay.yamlfile import plain_value

    if not given:
        return _TUTORIAL_ARGUMENTS.get(scheduler, {})
    arguments = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: expected KEY=VALUE, such as --set gamma=0.5")
        arguments[key] = plain_value(value)
    return arguments


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
