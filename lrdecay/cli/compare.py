"""`lrdecay compare`: which differences are real."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from lrdecay.cli import options
from lrdecay.cli.console import out
from lrdecay.cli.exits import report_errors
from lrdecay.cli.report import find_results

if TYPE_CHECKING:
    from lrdecay.report.compare import Answer

commands = typer.Typer()


@commands.command(epilog="Example:  lrdecay compare results/digits")
@report_errors()
def compare(
    folder: options.ResultsOrSweep,
    reference: options.Reference = None,
    metric: options.Metric = None,
    margin: options.Margin = None,
    confidence: options.Confidence = None,
    pairs: options.Pairs = "reference",
    format: options.Format = "text",
    results: options.ResultsDir = Path("results"),
    plugin: options.Plugin = None,
) -> None:
    """Say which differences are real: one sentence per contrast, and a table.

    Look as often as you like, also while the sweep trains: the error rate holds all the same.
    """
    from lrdecay.report.compare import FORMATS, compare_folder

    folder = find_results(folder, results, plugin)
    answer = compare_folder(
        folder,
        reference=reference,
        metric=metric,
        margin=margin,
        confidence=confidence,
        exploratory=pairs == "all",
    )
    if format == "text":
        print_answer(answer, out)
    else:
        typer.echo(FORMATS[format](answer), nl=False)


def print_answer(answer: Answer, console: Console) -> None:
    """Print the sentences, family by family with a table under each, and which may be best."""
    from lrdecay.report import compare as told

    found = answer.found
    console.print(told.write_headline(answer), soft_wrap=True)
    for family, rows in found.table.groupby("family", sort=False):
        console.print()
        console.print(f"{told.write_family_title(str(family), rows)}:", soft_wrap=True)
        for sentence in rows["sentence"].head(told.SHOWN):
            console.print(f"- {sentence}", soft_wrap=True)
        if len(rows) > told.SHOWN:
            console.print(f"  ... and {len(rows) - told.SHOWN} more: --format csv", soft_wrap=True)
        table = Table(told.COLUMNS[0], box=None, pad_edge=False)
        for name in told.COLUMNS[1:]:
            table.add_column(name, no_wrap=True)
        for row in rows.head(told.SHOWN).to_dict("records"):
            table.add_row(*told.format_row(row))
        console.print(table)
    if len(found.table):
        console.print(f"\n{told.write_legend(found)}", soft_wrap=True)
    for line in (*told.write_best(found), *told.write_notes(found)):
        console.print(line, soft_wrap=True)
