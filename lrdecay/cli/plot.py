"""`lrdecay plot`: one figure in a file."""

from pathlib import Path
from typing import Annotated

import typer

from lrdecay.cli import options
from lrdecay.cli.console import err, out
from lrdecay.cli.exits import report_errors
from lrdecay.plots.figure_file import write_figure
from lrdecay.plots.figure_kinds import ALIASES, KINDS
from lrdecay.plots.figure_size import read_size

commands = typer.Typer()

_ALSO = "".join(f" {alias} is {kind} too." for alias, kind in ALIASES.items())
_LENGTH = "such as 3.25in, 82mm, 8.2cm or 234pt (of TeX)"


@commands.command(
    epilog="Example:  lrdecay plot results/digits differences --width 3.25in --font-size 8 "
    "--output differences.pdf"
    "\n\nKinds:\n\n" + "\n\n".join(f"{name}: {says}." for name, (_, says) in KINDS.items())
)
@report_errors()
def plot(
    folder: options.ResultsFolder,
    kind: Annotated[
        str, typer.Argument(help=f"What to draw: {', '.join(KINDS)}.{_ALSO}", metavar="KIND")
    ],
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
        typer.Option(
            "--metric",
            help="accuracy or loss, where a kind can show either; of differences and the like as "
            "for `lrdecay compare`.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="train, train_eval, val or test, where a kind shows one."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="The scheduler that others are compared with, where a kind does; the sweep "
            "file's, constant or the first unless given.",
        ),
    ] = None,
    margin: options.Margin = None,
    confidence: options.Confidence = None,
    width: Annotated[
        str | None,
        typer.Option("--width", metavar="LENGTH", help=f"Width, {_LENGTH}; 4.8in unless given."),
    ] = None,
    height: Annotated[
        str | None,
        typer.Option(
            "--height", metavar="LENGTH", help="Height; what suits kind and width unless given."
        ),
    ] = None,
    font_size: Annotated[
        float | None,
        typer.Option("--font-size", metavar="POINTS", help="Size of all text; 10 unless given."),
    ] = None,
) -> None:
    """Draw one figure of a sweep into a file, as for a paper: fonts are TrueType in a PDF, and each
    scheduler has the colour of the report."""
    shown = {
        "metric": metric,
        "split": split,
        "reference": reference,
        "margin": margin,
        "confidence": confidence,
    }
    size = read_size(width, height, font_size)
    out.say(str(write_figure(folder, kind, output, where or (), shown, size, err.say)))
