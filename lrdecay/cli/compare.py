"""`lrdecay compare`: which differences are real."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from lrdecay.cli import options
from lrdecay.cli.console import out
from lrdecay.cli.exits import report_errors
from lrdecay.core.sanitize import sanitize_line

if TYPE_CHECKING:
    import pandas as pd

    from lrdecay.analysis import Conclusions
    from lrdecay.report.compare import Answer

commands = typer.Typer()

Family = Annotated[
    Literal["primary", "all"],
    typer.Option(
        help="primary: the contrasts that the sweep is to decide; all: averages over dropouts, "
        "dropouts and interactions too."
    ),
]
Sentences = Annotated[
    bool, typer.Option("--sentences", help="A sentence for each contrast instead of a line.")
]

_STYLES = {
    "better": "bold green",
    "worse": "bold red",
    "higher": "bold",
    "lower": "bold",
    "equivalent": "cyan",
    "identical": "cyan",
    "not resolved": "yellow",
    "not evaluated": "dim",
}


@commands.command(epilog="Example:  lrdecay compare results/digits")
@report_errors()
def compare(
    folder: options.ResultsOrSweep = None,
    reference: options.Reference = None,
    metric: options.Metric = None,
    margin: options.Margin = None,
    confidence: options.Confidence = None,
    pairs: options.Pairs = "reference",
    family: Family = "primary",
    sentences: Sentences = False,
    format: options.Format = "text",
    results: options.ResultsDir = Path("results"),
    plugin: options.Plugin = None,
) -> None:
    """Say which differences are real: the answer in a sentence, and a line for each contrast.

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
        print_answer(answer, everything=family == "all", sentences=sentences)
    else:
        typer.echo(FORMATS[format](answer), nl=False)


def print_answer(answer: Answer, everything: bool = False, sentences: bool = False) -> None:
    """Print the answer, the contrasts of the primary family or of all, and what to know of them."""
    from lrdecay.analysis import headline
    from lrdecay.report import contrast_lines
    from lrdecay.report.compare import write_criteria

    found = answer.found
    out.print(Text(sanitize_line(headline.write_answer(found)), style="bold"))
    out.say(write_criteria(answer))
    for name, rows in contrast_lines.list_families(found, everything):
        out.print()
        if everything or sentences:
            out.say(f"{contrast_lines.write_family_title(name, rows)}:")
        shown = rows.head(contrast_lines.SHOWN)
        if sentences:
            for sentence in shown["sentence"]:
                out.say(f"- {sanitize_line(sentence)}")
        else:
            out.print(_make_table(shown, answer))
        if len(rows) > contrast_lines.SHOWN:
            out.say(f"... and {len(rows) - contrast_lines.SHOWN} more: --format csv")
    out.print()
    for line in answer.list_remarks(pairing=not sentences):
        out.say(line)
    if hints := _list_hints(found, everything, sentences):
        out.say("; ".join(hints))


def _list_hints(found: Conclusions, everything: bool, sentences: bool) -> list[str]:
    """Return which options show more than was shown."""
    hints = []
    if not everything and len(found.table) > len(found.primary):
        hints.append(f"All {len(found.table)} contrasts: --family all")
    if not sentences and len(found.table):
        hints.append("in sentences: --sentences" if hints else "In sentences: --sentences")
    return hints


def _make_table(rows: pd.DataFrame, answer: Answer) -> Table:
    """Return a line for each contrast, under the place in the matrix that it is at."""
    from lrdecay.analysis.headline import name_outcome
    from lrdecay.report import contrast_lines

    table = Table(box=None, pad_edge=False, header_style="")
    for name in contrast_lines.BRIEF_COLUMNS:
        right = name in ("difference", "seeds")
        table.add_column(name, no_wrap=name != "", justify="right" if right else "left")
    indent = ""
    metric = answer.found.metric
    lines = contrast_lines.list_lines(rows, metric)
    for (place, (label, *numbers, said)), verdict in zip(lines, rows["verdict"], strict=True):
        if place:
            table.add_row(f"{sanitize_line(place)}:")
            indent = "  "
        table.add_row(
            f"{indent}{sanitize_line(label)}",
            *numbers,
            Text(said, style=_STYLES[name_outcome(verdict, metric)]),
        )
    return table
