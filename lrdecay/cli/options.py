"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lrdecay.cli.console import err
from lrdecay.core.errors import InputError
from lrdecay.sweep.sweep_file import (
    DEFAULT_FILE,
    DEFAULT_NAME,
    SUFFIXES,
    find_by_name,
    find_sweep_file,
)

if TYPE_CHECKING:
    from lrdecay.execution.executor import Executor
    from lrdecay.sweep.config import Sweep

SweepFile = Annotated[
    Path | None,
    typer.Argument(
        help="A sweep file, or the name of one: NAME.yaml here goes first, then those that come "
        "with lrdecay, such as digits (`lrdecay sweep --list`); unless given sweep.yaml here, "
        "else digits.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder of the datasets. [default: $LRDECAY_DATA, else data]", metavar="DIR"
    ),
]
ResultsDir = Annotated[Path, typer.Option(help="A sweep's results are in DIR/NAME.", metavar="DIR")]
ResultsFolder = Annotated[
    Path, typer.Argument(help="A results folder, such as results/digits.", metavar="FOLDER")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="auto takes a GPU if there is one."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Processes that train; 0: this one. [default: one per core, or per GPU]",
    ),
]
Engine = Annotated[
    Literal["auto", "reference", "stacked", "native"],
    typer.Option(
        help="reference trains one run at a time, stacked many, native one in C++ on a CPU; "
        "auto: the fastest one."
    ),
]
GroupSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Most runs that a process trains at once. [default: the fastest that fits]",
    ),
]
Plugin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE_OR_MODULE",
        help="Schedulers, models, datasets, optimizers or training loops of your own; repeat it.",
    ),
]
Command = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="The program that trains each run, for trainer: command: such as 'python train.py "
        "--seed {seed} --lr {lr} --out {folder}'.",
    ),
]
On = Annotated[
    Literal["local", "ray"],
    typer.Option(help="local: processes on this machine; ray: a Ray cluster."),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Address of the Ray cluster. [default: the one that this machine is in, else one of "
        "its own]",
    ),
]
Gpus = Annotated[
    float,
    typer.Option(
        "--gpus-per-worker",
        metavar="SHARE",
        help="Share of a GPU that each worker on Ray takes; 0.5: two share one.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Train one of N even parts, into NAME/shards/I-of-N; `lrdecay merge` joins them.",
    ),
]
Price = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="X", help="Price of one worker for an hour, to print what the sweep costs."
    ),
]
AllowMixed = Annotated[
    bool,
    typer.Option("--allow-mixed", help="Go on with results of another device or version of torch."),
]
Repeat = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="SEEDS",
        help="Train the runs of this many seeds again, to measure the noise of the hardware.",
    ),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="Longest that runs may take from one epoch's end to the next's. [default: none]",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Treat warnings about the schedules as errors.")
]
RESULTS_OR_SWEEP = "A results folder, such as results/digits, or a sweep file or its name"
ResultsOrSweep = Annotated[
    Path | None,
    typer.Argument(
        help=f"{RESULTS_OR_SWEEP}; unless given that of `lrdecay sweep`.",
        metavar="FOLDER",
        show_default=False,
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(metavar="LABEL", help="Compare with this scheduler. [default: sweep file's]"),
]
Metric = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="test_accuracy, test_loss, val_accuracy, val_loss, best_test_accuracy or gap (train "
        "minus test accuracy). [default: sweep file's]",
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Less than this is equivalent; percentage points, or nats of a loss. "
        "[default: sweep file's]",
    ),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Confidence that all verdicts of a family hold together. [default: sweep file's]",
    ),
]
Pairs = Annotated[
    Literal["reference", "all"],
    typer.Option(help="all compares every two schedulers too: exploratory."),
]
Format = Annotated[
    Literal["text", "json", "csv", "markdown", "latex", "methods"],
    typer.Option(
        help="json, csv and markdown are for machines and documents; latex: tables for a paper "
        "(booktabs); methods: what was done, as a paragraph for one."
    ),
]


def read_sweep(given: Path | None, plugin: list[str] | None) -> Sweep:
    """Return the sweep that is meant, once the plug-ins that it may use are loaded; say which file
    that is, if it was not given."""
    return _load_sweep(_find_file(given), plugin)


def _find_file(given: Path | None) -> Path:
    file = find_sweep_file(given)
    if given is None and file != Path(DEFAULT_FILE):
        err.say(f"No {DEFAULT_FILE} in {Path.cwd()}, so {DEFAULT_NAME}, which comes with lrdecay")
    if file != given:
        err.say(f"Sweep file: {file}")
    return file


def _load_sweep(file: Path, plugin: list[str] | None) -> Sweep:
    from lrdecay.components.plugins import load_plugins
    from lrdecay.sweep.reading import load_sweep

    load_plugins(plugin or ())
    return load_sweep(file)


def find_results(given: Path | None, results: Path, plugin: list[str] | None) -> Path:
    """Return a results folder; that of a sweep, given by its file or name, is in `results`."""
    if given is not None:
        is_file = given.suffix in SUFFIXES and not given.is_dir()
        if not is_file and (given.exists() or find_by_name(given) is None):
            return given
    file = _find_file(given)
    # to check the whole file imports torch, which who only reads results need not wait for
    from lrdecay.sweep.sweep_name import read_name

    name = None if plugin else read_name(file)
    if name is not None and (results / name).is_dir():
        return results / name
    return results / _load_sweep(file, plugin).name


def make_executor(
    on: str,
    address: str | None,
    device: str,
    workers: int | None,
    gpus: float,
    time_limit: float | None = None,
    allow_mixed: bool = False,
) -> Executor:
    """Return what the options ask for.

    Raises `InputError` for options that do not go together, and where there is no such thing.
    """
    if on == "ray":
        from lrdecay.execution.ray import Cluster

        return Cluster(address, device, workers, gpus, time_limit, allow_mixed)
    from lrdecay.execution.local.executor import Local

    if address is not None or gpus != 1.0:
        raise InputError("--address and --gpus-per-worker go with --executor ray")
    return Local(device, workers, time_limit)
