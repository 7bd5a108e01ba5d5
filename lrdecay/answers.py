"""A results folder to verdicts, for reading and for machines: what `lrdecay compare` says.

Labels are the user's: they are printed as they are, and mean nothing to rich or to Markdown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from lrdecay import analysis, results, yamlfile
from lrdecay.analysis.contrasts import family_title, reference_among
from lrdecay.analysis.metrics import Metric, metric_named
from lrdecay.analysis.sentences import best_by_dropout, interval
from lrdecay.analysis.verdicts import DEFAULT_BUDGET
from lrdecay.errors import InputError
from lrdecay.specs import Comparison, SeedsUntil
from lrdecay.wording import counted

_SHOWN = 100  # sentences of a family; all of them are in the machines' formats


@dataclass(frozen=True)
class Answer:
    """What was asked, and the tables of `analysis.compare` and `analysis.best_set`."""

    folder: str
    metric: Metric
    reference: str
    margin: float | None
    confidence: float
    table: pd.DataFrame
    best: pd.DataFrame | None
    notes: tuple[str, ...]


def asked(folder: Path) -> tuple[Comparison, int]:
    """Return what the sweep file stored with the results asks of the comparison, and how many seeds
    it may take.

    Raises:
        InputError: there are no results, or their sweep file cannot be read.
    """
    try:
        return asked_in(results.read_plan(folder).sweep_text)
    except UnreadableError as error:
        raise InputError(f"{folder}: {error}") from error


class UnreadableError(InputError):
    """The sweep file that is stored with results is not one that this version reads."""


def asked_in(sweep_text: str) -> tuple[Comparison, int]:
    """Return the same of a sweep file's text; the defaults where it says nothing.

    Raises:
        UnreadableError: it cannot be read.
    """
    try:
        value = yamlfile.parse(sweep_text).value if sweep_text.strip() else {}
        given = value if isinstance(value, dict) else {}
        seeds = given.get("seeds")
        budget = SeedsUntil.model_validate(seeds).max if isinstance(seeds, dict) else DEFAULT_BUDGET
        return Comparison.model_validate(given.get("comparison") or {}), budget
    except (yamlfile.YamlError, ValidationError) as error:
        raise UnreadableError(
            f"the sweep file stored with the results has no comparison that this version reads: "
            f"{str(error).splitlines()[0]}"
        ) from error


def read_answer(
    folder: Path,
    reference: str | None = None,
    metric: str | None = None,
    margin: float | None = None,
    confidence: float | None = None,
    exploratory: bool = False,
) -> Answer:
    """Compare the runs of a results folder; what is not given is as its sweep file has it.

    Raises:
        InputError: there are no results, or as `analysis.compare`.
    """
    question, budget = asked(folder)
    chosen = metric_named(metric or question.metric)
    notes = []
    if margin is None and chosen.unit == metric_named(question.metric).unit:
        margin = question.margin
    if margin is None:
        notes.append(
            f"Nothing is called equivalent, since no margin in {chosen.unit} is given (--margin)."
        )
    runs, planned = results.read_runs(folder), results.read_planned(folder)
    epochs = results.read_epochs(folder) if chosen.needs_epochs else None
    confidence = question.confidence if confidence is None else confidence
    table = analysis.compare(
        runs,
        epochs,
        reference=reference or question.reference,
        metric=chosen.name,
        margin=margin,
        confidence=confidence,
        exploratory=exploratory,
        planned=planned,
        budget=budget,
    )
    best = None
    if chosen.higher_is_better is not None:
        best = analysis.best_set(runs, metric=chosen.name, confidence=confidence, planned=planned)
    tables = [runs] if planned is None else [planned, runs]
    return Answer(
        folder=str(folder),
        metric=chosen,
        reference=reference_among(tables, reference or question.reference),
        margin=margin,
        confidence=confidence,
        table=table,
        best=best,
        notes=(*notes, *_notes(table, chosen)),
    )


def _notes(table: pd.DataFrame, metric: Metric) -> Iterator[str]:
    if table.empty:
        yield "There is one cell only, so nothing to compare."
    waiting = int(table["n_waiting"].max()) if len(table) else 0
    if waiting:
        yield f"Runs of up to {counted(waiting, 'seed')} are still to come: these do not count yet."
    if metric.name != "test_accuracy":
        yield (
            "Whether it holds for new images is not known: only test accuracy is stored image by "
            "image."
        )


def print_answer(answer: Answer, console: Console) -> None:
    """Print the sentences, family by family with a table under each, and which may be best."""
    console.print(_headline(answer), soft_wrap=True)
    for family, rows in answer.table.groupby("family", sort=False):
        console.print()
        console.print(f"{_title(str(family), rows)}:", soft_wrap=True)
        for sentence in rows["sentence"].head(_SHOWN):
            console.print(f"- {sentence}", soft_wrap=True)
        if len(rows) > _SHOWN:
            console.print(f"  ... and {len(rows) - _SHOWN} more: --format csv", soft_wrap=True)
        table = Table(_COLUMNS[0], box=None, pad_edge=False)
        for name in _COLUMNS[1:]:
            table.add_column(name, no_wrap=True)
        for row in rows.head(_SHOWN).to_dict("records"):
            table.add_row(*_cells(row))
        console.print(table)
    if len(answer.table):
        console.print(f"\n{_legend(answer)}", soft_wrap=True)
    for line in (*_best_lines(answer), *answer.notes):
        console.print(line, soft_wrap=True)


def as_json(answer: Answer) -> str:
    """Return the answer as one JSON object; what is not known or infinite is null."""

    def rows(table: pd.DataFrame | None) -> Any:
        if table is None:
            return None
        return json.loads(table.to_json(orient="records", double_precision=15))

    whole = {
        "folder": answer.folder,
        "metric": answer.metric.name,
        "unit": answer.metric.unit,
        "reference": answer.reference,
        "margin": answer.margin,
        "confidence": answer.confidence,
        "contrasts": rows(answer.table),
        "best": rows(answer.best),
        "notes": answer.notes,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def as_csv(answer: Answer) -> str:
    """Return the contrasts as CSV, every column of `analysis.compare`."""
    text: str = answer.table.to_csv(index=False)
    return text


def as_markdown(answer: Answer) -> str:
    """Return the sentences as lists, with a table under each, in Markdown."""
    lines = [_inert(_headline(answer))]
    for family, rows in answer.table.groupby("family", sort=False):
        lines += ["", f"### {_inert(_title(str(family), rows))}", ""]
        lines += [f"- {_inert(sentence)}" for sentence in rows["sentence"]]
        lines += ["", f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
        lines += [f"| {' | '.join(map(_inert, _cells(row)))} |" for row in rows.to_dict("records")]
    if len(answer.table):
        lines += ["", _inert(_legend(answer))]
    lines += ["", *(f"- {_inert(line)}" for line in (*_best_lines(answer), *answer.notes))]
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[Answer], str]] = {
    "json": as_json,
    "csv": as_csv,
    "markdown": as_markdown,
}

_COLUMNS = ("contrast", "n", "mean", "interval", "wins", "r", "skew", "verdict")


def _cells(row: dict[Any, Any]) -> tuple[str, ...]:
    return (
        f"{row['where']}: {row['a']} - {row['b']}".removeprefix(": "),
        str(row["n"]),
        _number(row["mean"]),
        "" if pd.isna(row["low"]) else interval(row["low"], row["high"]),
        _number(row["wins"]),
        _number(row["correlation"]),
        _number(row["skew"]),
        row["verdict"],
    )


def _number(value: float) -> str:
    if pd.isna(value):
        return ""
    if abs(value) < 1e-6:
        return "0.00"  # and no minus before it
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _headline(answer: Answer) -> str:
    margin = "" if answer.margin is None else f", margin {answer.margin:g} {answer.metric.unit}"
    return (
        f"{answer.folder}: {answer.metric.title}, reference {answer.reference}{margin}, "
        f"confidence {answer.confidence:g} for each family as a whole"
    )


def _title(family: str, rows: pd.DataFrame) -> str:
    kind = {analysis.PRIMARY: "primary", analysis.EXPLORATORY: "exploratory"}
    what = family_title(family, rows)
    size = counted(int(rows["family_size"].iloc[0]), "contrast")
    return f"{what[0].upper()}{what[1:]} ({kind.get(family, 'secondary')}, {size})"


def _legend(answer: Answer) -> str:
    return (
        f"Differences are first minus second, in {answer.metric.unit}; wins is the share of seeds "
        f"at which the first is better, ties half; r the correlation of the pairs, which is what "
        f"pairing gains; skew that of their differences: at 2, as exponential ones have it, an "
        f"interval meant to err in 5% of the cases errs in 11%."
    )


def _best_lines(answer: Answer) -> Iterator[str]:
    for best in () if answer.best is None else best_by_dropout(answer.best):
        where = f" at {best.where}" if best.where else ""
        if not best.left:
            yield f"Which scheduler may be best{where} is not evaluated yet."
            continue
        others = ", ".join(best.not_evaluated)
        yield f"Not excluded as best{where}: {', '.join(best.left)}" + (
            f"; not evaluated: {others}" if others else ""
        )


def _inert(text: str) -> str:
    """Escape what Markdown would take for markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", text)
