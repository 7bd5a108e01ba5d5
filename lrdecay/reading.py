"""The commands that read what sweeps have left: reports, exports, single figures.

Whatever is heavy is imported by the commands that need it, as in `cli`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lrdecay.console import err, out
from lrdecay.errors import InputError
from lrdecay.exits import errors_in_one_line, stopped_with
from lrdecay.export import FORMATS, export
from lrdecay.figures import KINDS, write_figure
from lrdecay.options import (
    Confidence,
    Format,
    FormatOption,
    Margin,
    Metric,
    Pairs,
    PairsOption,
    Plugin,
    Reference,
    ResultsDir,
    ResultsFolder,
    ResultsOrSweep,
)

commands = typer.Typer()


class To(StrEnum):
    """What `export` writes."""

    csv = "csv"
    tensorboard = "tensorboard"
    mlflow = "mlflow"


@commands.command(
    epilog="Example:  lrdecay report results/digits\n\n"
    "Side by side:  lrdecay report results/digits results/mnist"
)
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="A results folder, such as results/digits, or a sweep file; of several, one page "
            "that shows them side by side.",
            metavar="FOLDER",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="File to write; unless given FOLDER/report.html, and of several folders "
            "compared.html beside the first.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Rewrite it as runs land, until the sweep is complete or Ctrl-C."
        ),
    ] = False,
    results: ResultsDir = Path("results"),
    plugin: Plugin = None,
) -> None:
    """Write the report of a sweep: one HTML file that needs no network.

    The index.html beside the results folder lists all reports there.
    """
    with errors_in_one_line():
        places = [_results_of(given, results, plugin) for given in folders]
        if watch:
            if len(places) > 1:
                raise InputError(f"--watch takes one results folder, not {len(places)}")
            _watch(places[0], output)
            return
        if len(places) > 1:
            from lrdecay.side_by_side import write_comparison

            path = write_comparison(places, output)
        else:
            from lrdecay.report import write_report

            path = write_report(places[0], output)
        out.print(str(path), soft_wrap=True)
        if output is None:
            _list_reports(places[0])


@commands.command(epilog="Example:  lrdecay compare results/digits")
def compare(
    folder: ResultsOrSweep,
    reference: Reference = None,
    metric: Metric = None,
    margin: Margin = None,
    confidence: Confidence = None,
    pairs: PairsOption = Pairs.reference,
    format: FormatOption = Format.text,
    results: ResultsDir = Path("results"),
    plugin: Plugin = None,
) -> None:
    """Say which differences are real: one sentence per contrast, and a table.

    Look as often as you like, also while the sweep trains: the error rate holds all the same.
    """
    with errors_in_one_line():
        from lrdecay import answers

        folder = _results_of(folder, results, plugin)
        answer = answers.read_answer(
            folder,
            reference=reference,
            metric=metric,
            margin=margin,
            confidence=confidence,
            exploratory=pairs is Pairs.all,
        )
        if format is Format.text:
            answers.print_answer(answer, out)
        else:
            typer.echo(answers.FORMATS[format.value](answer), nl=False)


@commands.command(
    name="export", epilog="Example:  lrdecay export results/digits --to csv --output digits-csv"
)
def export_command(
    folder: ResultsFolder,
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
    from lrdecay.progress import share_done

    with errors_in_one_line():
        stopped = stopped_with(lambda: "Stopped; nothing was exported.")
        with stopped, share_done(err, f"writing {to.value}") as told:
            written = export(folder, to.value, output, told)
        out.print(str(written), soft_wrap=True)
        if look := FORMATS[to.value].look:
            out.print(f"Next:  {look.format(folder=written)}", soft_wrap=True)


@commands.command(
    epilog="Example:  lrdecay plot results/digits curves --where dropout=0.3 --output curves.pdf"
    "\n\nKinds:\n\n" + "\n\n".join(f"{name}: {says}." for name, (_, says) in KINDS.items())
)
def plot(
    folder: ResultsFolder,
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
) -> None:
    """Draw one figure of a sweep into a file, as for a paper."""
    with errors_in_one_line():
        options = {"metric": metric, "split": split}
        out.print(str(write_figure(folder, kind, output, where or (), options)), soft_wrap=True)


def _results_of(given: Path, results: Path, plugin: list[str] | None) -> Path:
    """Return a results folder; that of a sweep file is named in it."""
    if given.suffix not in (".yaml", ".yml") or given.is_dir():
        return given
    from lrdecay import plugins
    from lrdecay.sweep import load_sweep

    plugins.load(plugin or ())
    return results / load_sweep(given).name


def _watch(folder: Path, output: Path | None) -> None:
    from lrdecay.index import REPORT
    from lrdecay.watch import watch

    def say(line: str) -> None:
        out.print(line, soft_wrap=True)

    path = folder / REPORT if output is None else output
    with stopped_with(lambda: "Stopped watching; the page stays as it is."):
        try:
            watch(folder, path, say)
        finally:
            if output is None and path.is_file():
                _list_reports(folder)


def _list_reports(folder: Path) -> None:
    """Keep the list of the reports beside a results folder true."""
    from lrdecay.index import INDEX, beside, write_index

    home = beside(folder)
    if write_index(home) is None:
        err.print(
            f"{home / INDEX} was not written by lrdecay and stays; it does not list the reports",
            soft_wrap=True,
        )
