"""`lrdecay train`: one run, printed as it goes; nothing is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import RUN_FAILED, report_errors
from lrdecay.core.errors import InputError
from lrdecay.plots.figure_file import check_figure_name, save_figure

if TYPE_CHECKING:
    from torch import Tensor

    from lrdecay.core.run import Run
    from lrdecay.engine.measured import Epoch
    from lrdecay.store.schema import Record
    from lrdecay.sweep.config import Sweep

commands = typer.Typer()


@commands.command(
    epilog="Example:  lrdecay train --dataset mnist --scheduler StepLR --set step_size=5 "
    "--set gamma=0.5 --dropout 0.3 --epochs 10 --plot curves.svg"
)
@report_errors()
def train(
    dataset: Annotated[str, typer.Option(help="digits, mnist, fashion_mnist, ...")] = "digits",
    scheduler: Annotated[
        str, typer.Option(help="A class that `lrdecay schedulers` lists.")
    ] = "StepLR",
    argument: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An argument of the scheduler; repeat it."),
    ] = None,
    model: Annotated[str, typer.Option(help="cnn, or a network of --plugin.")] = "cnn",
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
    seed: Annotated[int, typer.Option(help="Of weights, batches and dropout.")] = 0,
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
    """Train one run and print how it goes: the tutorial as one command.

    Without --set, StepLR, CosineAnnealingLR and ReduceLROnPlateau take the tutorial's arguments.
    Nothing is stored, but for the figure of --plot.
    """
    from lrdecay.components import plugins
    from lrdecay.components.models.build import MODELS, has_own_dropout
    from lrdecay.core.yaml import Document
    from lrdecay.sweep.config import check_sweep

    if plot is not None:
        check_figure_name(plot, "--plot")  # before anything trains
    plugins.load_plugins(plugin or ())
    document: dict[str, Any] = {
        "dataset": dataset,
        **({} if validation is None else {"validation": validation}),
        "model": {"name": model, "batch_norm": batch_norm},
        "optimizer": {"name": optimizer, "lr": lr},
        "batch_size": batch_size,
        "epochs": epochs,
        "schedulers": {scheduler: {"class": scheduler, **_parse_arguments(scheduler, argument)}},
        "seeds": [seed],
    }
    plugins.load_named([("model", model)])
    if dropout is not None or not (model in MODELS and has_own_dropout(model)):
        document["dropout"] = 0.3 if dropout is None else dropout
    if not train_and_print(check_sweep(Document(document), source=""), data, device, plot):
        raise typer.Exit(RUN_FAILED)


_TUTORIAL_ARGUMENTS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 5, "gamma": 0.5},
    "CosineAnnealingLR": {"T_max": "epochs"},
    "ReduceLROnPlateau": {"factor": 0.5, "patience": 1},
}


def _parse_arguments(scheduler: str, given: list[str] | None) -> dict[str, Any]:
    from lrdecay.core.yaml import parse_scalar

    if not given:
        return _TUTORIAL_ARGUMENTS.get(scheduler, {})
    arguments = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: expected KEY=VALUE, such as --set gamma=0.5")
        arguments[key] = parse_scalar(value)
    return arguments


def train_and_print(
    sweep: Sweep, data_dir: Path | None, device: str, plot: Path | None = None
) -> bool:
    """Train the one run of a sweep, print its losses as it goes, draw its curves into a file if one
    is given, and say whether it completed."""
    from lrdecay.components.datasets import sources
    from lrdecay.engine import reference
    from lrdecay.engine.devices import explain_choice, find_device
    from lrdecay.engine.precision import use_training_settings
    from lrdecay.sweep.matrix import list_runs

    chosen = find_device(device)
    for note in explain_choice(device):
        out.say(note)
    assert sweep.dataset is not None
    dataset = sources.load_dataset(sweep.dataset, data_dir)
    for text in dataset.warnings:
        err.say(f"warning: {text}")
    (run,) = list_runs(sweep, dataset)
    split = dataset.split(run.validation, chosen)
    out.print(
        f"{run.dataset}: {len(split.train)} training, {run.validation} validation and "
        f"{len(split.test)} test images on {chosen}"
    )
    with use_training_settings():
        record = reference.train_one(run, split, chosen, _print_epoch, _print_batch)
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
            parts.append(f"{word} loss {metrics.loss:.4f}, accuracy {metrics.accuracy:.2%}")
    out.say(f"epoch {epoch.number} of {run.epochs}: {'; '.join(parts)}")
