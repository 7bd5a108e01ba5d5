"""`lrdecay export`: the tables for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import exit_with_line, report_errors
from lrdecay.store.export import FORMATS, export_results

commands = typer.Typer()


class To(StrEnum):
    """What `export_results` writes."""

    csv = "csv"
    tensorboard = "tensorboard"
    mlflow = "mlflow"


@commands.command(epilog="Example:  lrdecay export results/digits --to csv --output digits-csv")
@report_errors()
def export(
    folder: options.ResultsFolder,
    to: Annotated[
        To, typer.Option("--to", help="tensorboard and mlflow need the extra of that name.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Folder to write; unless given FOLDER/export/FORMAT."
        ),
    ] = None,
) -> None:
    """Write what a sweep recorded for other programs: CSV, TensorBoard, MLflow (sqlite).

    An earlier export in the same folder is replaced; no other files are.
    """
    from lrdecay.cli.progress import show_share

    stopped = exit_with_line(lambda: "Stopped; nothing was exported.")
    with stopped, show_share(err, f"writing {to.value}") as told:
        written = export_results(folder, to.value, output, told)
    out.say(str(written))
    if look := FORMATS[to.value].look:
        out.say(f"Next:  {look.format(folder=written)}")
