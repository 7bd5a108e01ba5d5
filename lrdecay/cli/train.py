"""`lrdecay train`: one run, printed as it goes; nothing is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import RUN_FAILED, report_errors
from lrdecay.core.errors import InputError
from lrdecay.core.text import join_words
from lrdecay.plots.figure_file import check_figure_name, save_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lrdecay.core.run import Run
    from lrdecay.engine.measured import Epoch
    from lrdecay.store.schema import Record
    from lrdecay.sweep.config import Sweep

commands = typer.Typer()


@commands.command(
    epilog="Example:  lrdecay train --dataset mnist --scheduler StepLR --set step_size=5 "
    "--set gamma=0.5 --dropout 0.3 --epochs 10 --plot curves.svg"
    "\n\nA cell of a sweep file:  lrdecay train digits --cell scheduler=cosine,dropout=0.3"
)
@report_errors()
def train(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A sweep file or its name, of which one cell trains.", show_default=False
        ),
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS=VALUE,...",
            help="The cell of FILE: a value of each axis that has several; repeat it.",
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="digits, mnist, fashion_mnist, ...")] = "digits",
    scheduler: Annotated[
        str, typer.Option(help="A class that `lrdecay schedulers` lists.")
    ] = "StepLR",
    argument: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An argument of the scheduler; repeat it."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="cnn, resnet, a classifier of torchvision, or a network of --plugin."),
    ] = "cnn",
    model_argument: Annotated[
        list[str] | None,
        typer.Option(
            "--model-arg",
            metavar="KEY=VALUE",
            help="An argument of the network, such as depth=20; repeat it.",
        ),
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Dropout rate, from 0 to below 1. [default: 0.3]")
    ] = None,
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
    seed: Annotated[
        int | None,
        typer.Option(help="Of weights, batches and dropout. [default: 0, or FILE's first]"),
    ] = None,
    data: options.DataDir = None,
    device: options.Device = "auto",
    plugin: options.Plugin = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw loss, accuracy and learning rate by epoch into a .svg, .png or .pdf file.",
        ),
    ] = None,
) -> None:
    """Train one run and print how it goes: the tutorial as one command, or one cell of a sweep.

    With FILE that says all but the cell and the seed; without it the options do.

    Without --set, StepLR, CosineAnnealingLR and ReduceLROnPlateau take the tutorial's arguments.
    Nothing is stored but for the figure of --plot.
    """
    from lrdecay.components import plugins, registry
    from lrdecay.components.models.build import has_own_dropout
    from lrdecay.core.yaml import Document
    from lrdecay.sweep.cell import select_cell
    from lrdecay.sweep.reading import check_sweep

    if plot is not None:
        check_figure_name(plot, "--plot")  # before anything trains
    if file is not None:
        _refuse_options(context)
        sweep = _read_sweep(file, plugin, seed)
        chosen = select_cell(sweep.axes(), cell or ())
        if not train_and_print(sweep, data, device, plot, chosen):
            raise typer.Exit(RUN_FAILED)
        return
    if cell:
        raise InputError(
            "--cell names a cell of a sweep file, which goes first: "
            "lrdecay train digits --cell scheduler=cosine,dropout=0.3"
        )
    plugins.load_plugins(plugin or ())
    document: dict[str, Any] = {
        "dataset": dataset,
        **({} if validation is None else {"validation": validation}),
        "model": {
            "name": model,
            "batch_norm": batch_norm,
            **_parse_pairs(model_argument, "--model-arg depth=20"),
        },
        "optimizer": {"name": optimizer, "lr": lr},
        "batch_size": batch_size,
        "epochs": epochs,
        "schedulers": {scheduler: {"class": scheduler, **_parse_arguments(scheduler, argument)}},
        "seeds": [seed or 0],
    }
    plugins.load_named([("model", model)])
    known = registry.is_known("model", model)
    if dropout is not None or not (known and has_own_dropout(model)):
        document["dropout"] = 0.3 if dropout is None else dropout
    if not train_and_print(check_sweep(Document(document), source=""), data, device, plot):
        raise typer.Exit(RUN_FAILED)


_OF_FILE = (
    *("dataset", "scheduler", "argument", "model", "model_argument", "dropout", "epochs", "lr"),
    *("optimizer", "batch_size", "batch_norm", "validation"),
)
"""Parameters that say what a sweep file says."""


def _refuse_options(context: typer.Context) -> None:
    """Refuse options that say what the file says."""
    sources = {name: context.get_parameter_source(name) for name in _OF_FILE}
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if (source := sources.get(parameter.name or "")) and source.name == "COMMANDLINE"
    ]
    if given:
        raise InputError(
            f"{join_words(given)}: the sweep file says that; choose among its values with --cell, "
            f"such as --cell dropout=0.3, or change the file"
        )


def _read_sweep(file: Path, plugin: list[str] | None, seed: int | None) -> Sweep:
    """Return the sweep of a file, with the seed that is given in place of its own."""
    from lrdecay.components.trainers.signature import SCRIPT

    sweep = options.read_sweep(file, plugin)
    if sweep.trainer is not None:
        own = sweep.trainer.name
        instead = "run that script" if own == SCRIPT else f"`lrdecay sweep {file}` trains its runs"
        raise InputError(
            f"{file}: a loop of your own trains this sweep (trainer: {own}), and `lrdecay train` "
            f"only lrdecay's own; {instead}"
        )
    if seed is None:
        return sweep
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed {seed}: give a whole number from 0 to below 2**63")
    return sweep.model_copy(update={"seeds": (seed,)})


_TUTORIAL_ARGUMENTS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 5, "gamma": 0.5},
    "CosineAnnealingLR": {"T_max": "epochs"},
    "ReduceLROnPlateau": {"factor": 0.5, "patience": 1},
}


def _parse_arguments(scheduler: str, given: list[str] | None) -> dict[str, Any]:
    if not given:
        return _TUTORIAL_ARGUMENTS.get(scheduler, {})
    return _parse_pairs(given, "--set gamma=0.5")


def _parse_pairs(given: list[str] | None, example: str) -> dict[str, Any]:
    """Return what KEY=VALUE says, each time that an option is given."""
    from lrdecay.core.yaml import parse_scalar

    arguments = {}
    for pair in given or ():
        key, equals, value = pair.partition("=")
        if not equals:
            option = example.partition(" ")[0]
            raise InputError(f"{option} {pair}: expected KEY=VALUE, such as {example}")
        arguments[key] = parse_scalar(value)
    return arguments


def train_and_print(
    sweep: Sweep,
    data_dir: Path | None,
    device: str,
    plot: Path | None = None,
    cell: Mapping[str, Any] | None = None,
) -> bool:
    """Train one run of a sweep, print its losses as it goes, and say whether it completed.

    Args:
        sweep: its first seed is taken.
        data_dir: the folder of the datasets.
        device: auto, cpu or cuda.
        plot: a file into which the curves of the run are drawn.
        cell: a value of each axis; the only cell there is, unless given.
    """
    from lrdecay.components.datasets import sources
    from lrdecay.engine import reference
    from lrdecay.engine.devices import explain_choice, find_device
    from lrdecay.engine.precision import use_training_settings
    from lrdecay.sweep.cell import select_cell
    from lrdecay.sweep.matrix import make_run

    chosen = find_device(device, sweep.precision, sweep.kernels)
    for note in explain_choice(device):
        out.say(note)
    assert sweep.dataset is not None
    dataset = sources.load_dataset(sweep.dataset, data_dir)
    for text in dataset.warnings:
        err.say(f"warning: {text}")
    run = make_run(sweep, dataset, cell or select_cell(sweep.axes(), ()))
    split = dataset.split(run.validation, chosen)
    out.print(
        f"{run.dataset}: {len(split.train)} training, {run.validation} validation and "
        f"{len(split.test)} test images on {chosen}"
    )
    with use_training_settings():
        told = _print_epoch, _print_batch
        record = reference.train_one(run, split, chosen, *told, sweep.class_metrics)
    if plot is not None:
        _draw_curves(record, plot)
    if record.run["status"] == "diverged":
        err.print(f"lrdecay: the loss was not finite at step {record.run['diverged_at_step']}")
        return False
    if record.run["status"] == "failed":
        err.print(f"lrdecay: {record.run['error']}")
        return False
    out.print(f"test accuracy {record.run['test_accuracy']:.2%}")
    return True


def _draw_curves(record: Record, file: Path) -> None:
    """Draw the epochs that a run has finished."""
    if not record.epochs:
        err.say(f"No epoch was finished, so {file} is not written.")
        return
    import matplotlib.style
    import pandas as pd

    from lrdecay.plots.one_run import draw_run
    from lrdecay.plots.style import MATPLOTLIB_STYLE

    with matplotlib.style.context(MATPLOTLIB_STYLE):
        save_figure(draw_run(record.run, pd.DataFrame(list(record.epochs))), file)
    out.say(f"The curves are drawn in {file}.")


def _print_batch(epoch: int, batches: int, losses: list[Tensor]) -> None:
    # every 100 batches, and after the last of a shorter epoch
    if len(losses) % 100 == 0 or len(losses) == batches < 100:
        recent = losses[-100:]
        mean = sum(loss.item() for loss in recent) / len(recent)
        out.print(f"epoch {epoch}, batch {len(losses)} of {batches}: mean loss {mean:.4f}")


def _print_epoch(run: Run, epoch: Epoch) -> None:
    rates = dict.fromkeys([epoch.rates[0], epoch.rates[-1]])
    parts = [f"learning rate {' to '.join(f'{rate:g}' for rate in rates)}"]
    for split, word in (("val", "validation"), ("test", "test")):
        if split in epoch.metrics:
            metrics = epoch.metrics[split]
            numbers = [f"loss {metrics.loss:.4f}", f"accuracy {metrics.accuracy:.2%}"]
            numbers += [f"{name} {value:.2%}" for name, value in metrics.of_classes.items()]
            parts.append(f"{word} {', '.join(numbers)}")
    out.say(f"epoch {epoch.number} of {run.epochs}: {'; '.join(parts)}")
