"""The commands that leave nothing behind: what a sweep would be, one run, which schedulers.

Whatever is heavy is imported by the commands that need it, as in `cli`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lrdecay.console import print_known, train_and_print
from lrdecay.errors import InputError
from lrdecay.exits import RUN_FAILED, errors_in_one_line
from lrdecay.options import (
    Address,
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
    Strict,
    SweepFile,
    Workers,
    make_executor,
)

commands = typer.Typer()


@commands.command(epilog="Example:  lrdecay plan bench/sweeps/mnist.yaml --data ~/data")
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


@commands.command(
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


@commands.command(epilog="Example:  lrdecay schedulers CosineAnnealingLR")
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
