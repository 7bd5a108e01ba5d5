"""`lrdecay plot`: one figure in a file."""

from pathlib import Path
from typing import Annotated

import typer

from lrdecay.cli import options
from lrdecay.cli.console import out
from lrdecay.cli.exits import report_errors
from lrdecay.plots.figure_file import KINDS, write_figure

commands = typer.Typer()


@commands.command(
    epilog="Example:  lrdecay plot results/digits curves --where dropout=0.3 --output curves.pdf"
    "\n\nKinds:\n\n" + "\n\n".join(f"{name}: {says}." for name, (_, says) in KINDS.items())
)
@report_errors()
def plot(
    folder: options.ResultsFolder,
    kind: Annotated[str, typer.Argument(help=f"What to draw: {', '.join(KINDS)}.", metavar="KIND")],
    output: Annotated[
        Path,
        typer.Option("--output", metavar="FILE", help="File to write: .svg, .png or .pdf."),
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="AXIS=VALUE",
            help="Only runs that have this value, such as dropout=0.3; repeat it.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", help="accuracy or loss, where a kind can show either."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="train, train_eval, val or test, where a kind shows one."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="The scheduler that others are compared with, where a kind does. "
            "[default: constant, else the first]",
        ),
    ] = None,
) -> None:
    """Draw one figure of a sweep into a file, as for a paper."""
    shown = {"metric": metric, "split": split, "reference": reference}
    out.say(str(write_figure(folder, kind, output, where or (), shown)))
