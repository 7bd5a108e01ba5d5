"""`lrdecay export`: the tables for other programs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import exit_with_line, report_errors
from lrdecay.store.export import FORMATS, export_results

commands = typer.Typer()

To = Literal["csv", "tensorboard", "mlflow"]
"""The formats that `export_results` writes."""


@commands.command(epilog="Example:  lrdecay export results/digits --to csv --output digits-csv")
@report_errors()
def export(
    folder: options.ResultsFolder,
    to: Annotated[
        To,
        typer.Option("--to", help="tensorboard and mlflow need the extra of that name."),
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

    stop = exit_with_line(lambda: "Stopped; nothing was exported.")
    with stop, show_share(err, f"writing {to}") as show:
        written = export_results(folder, to, output, show)
    out.say(str(written))
    if look := FORMATS[to].write_command(written):
        out.say(f"Next:  {look}")
