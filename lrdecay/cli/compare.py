"""`lrdecay compare`: which differences are real."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from lrdecay.cli import options
from lrdecay.cli.console import out
from lrdecay.cli.exits import report_errors

if TYPE_CHECKING:
    from lrdecay.report.compare import Answer

commands = typer.Typer()


@commands.command(epilog="Example:  lrdecay compare results/digits")
@report_errors()
def compare(
    folder: options.ResultsOrSweep = None,
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

    Look as often as you like, also while the sweep trains: the error rate stays the same.
    """
    from lrdecay.report.compare import FORMATS, compare_folder

    answer = compare_folder(
        options.find_results(folder, results, plugin),
        reference=reference,
        metric=metric,
        margin=margin,
        confidence=confidence,
        exploratory=pairs == "all",
    )
    if format == "text":
        print_answer(answer)
    else:
        typer.echo(FORMATS[format](answer), nl=False)


def print_answer(answer: Answer) -> None:
    """Print the sentences, family by family with a table under each, and which may be best."""
    from lrdecay.report import compare as words

    found = answer.found
    out.say(words.write_headline(answer))
    for family, rows in found.table.groupby("family", sort=False):
        out.print()
        out.say(f"{words.write_family_title(str(family), rows)}:")
        for sentence in rows["sentence"].head(words.SHOWN):
            out.say(f"- {sentence}")
        if len(rows) > words.SHOWN:
            out.say(f"  ... and {len(rows) - words.SHOWN} more: --format csv")
        table = Table(words.COLUMNS[0], box=None, pad_edge=False)
        for name in words.COLUMNS[1:]:
            table.add_column(name, no_wrap=True)
        for row in rows.head(words.SHOWN).to_dict("records"):
            table.add_row(*words.format_row(row))
        out.print(table)
    if len(found.table):
        out.say(f"\n{words.write_legend(found)}")
    for line in (*words.write_best(found), *words.write_notes(answer)):
        out.say(line)
