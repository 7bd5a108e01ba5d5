"""A results folder to verdicts, for reading and for machines: what `lrdecay compare` says.

Labels are the user's: they are printed as they are, and mean nothing to rich or to Markdown.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis import EXPLORATORY, PRIMARY, Conclusions
from lrdecay.analysis.class_balance import list_doubts
from lrdecay.analysis.contrasts import describe_family
from lrdecay.analysis.folder_conclusions import conclude_folder
from lrdecay.analysis.headline import name_outcome, write_answer
from lrdecay.analysis.identical_runs import describe_identical_runs
from lrdecay.analysis.metrics import OWN, Metric, with_metrics
from lrdecay.analysis.number_text import format_interval, format_number
from lrdecay.analysis.pairing import count_pairs, describe_pairing
from lrdecay.analysis.sentences import list_best, name_contrast
from lrdecay.analysis.settings import read_criteria
from lrdecay.analysis.verdicts import HIGHER, LOWER
from lrdecay.core.errors import InputError
from lrdecay.core.text import join_some, join_words, spell_count
from lrdecay.report.conclusions import write_engines, write_next_step
from lrdecay.report.html import render_template
from lrdecay.report.latex_tables import write_tables
from lrdecay.report.methods import write_methods
from lrdecay.store import reader
from lrdecay.store.export.csv import disarm_formulas
from lrdecay.store.importing.save import read_origin

_NAMED = 3  # differences that do not hold for new images
SHOWN = 100  # sentences of a family; all of them are in the machines' formats


@dataclass(frozen=True)
class Answer:
    """What the runs of a results folder say, and what to doubt of it; in a notebook it shows what
    `lrdecay compare` prints."""

    folder: str
    found: Conclusions
    doubts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Answer of {self.folder}: {write_answer(self.found)}>"

    def _repr_html_(self) -> str:
        families = [(*each, each[1].head(SHOWN)) for each in list_families(self.found, False)]
        return render_template(
            "answer.html.j2",
            headline=write_answer(self.found),
            criteria=write_criteria(self),
            columns=BRIEF_COLUMNS,
            families=[
                (name, len(rows) - len(shown), list(_list_lines(shown, self.found.metric)))
                for name, rows, shown in families
            ],
            remarks=list(write_remarks(self)),
        )


def add_declared(runs: pd.DataFrame, folder: Path, sweep_text: str) -> pd.DataFrame:
    """Return runs of a results folder with the metrics that its sweep file declares; as they are
    where that cannot be read, which is said elsewhere."""
    try:
        declared = read_criteria(sweep_text).declared
    except InputError:
        declared = ()
    return with_metrics(runs, reader.read_metrics(folder), declared)


def compare_folder(
    folder: str | Path,
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
    folder = Path(folder)
    found = conclude_folder(folder, reference, metric, margin, confidence, exploratory)
    doubts = list_doubts(found.blocks.runs, reader.read_plan(folder).data, found.metric.name)
    return Answer(str(folder), found, tuple(doubts))


def write_remarks(answer: Answer, pairing: bool = True) -> Iterator[str]:
    """Yield what is said after the verdicts: which schedulers may be best, what it would take to
    settle what is open, and what a reader should know."""
    found = answer.found
    yield from write_pairing(found) if pairing else ()
    yield from write_new_images(found)
    yield from write_best(found)
    yield from write_next_step(found)
    yield from write_notes(answer)


def write_notes(answer: Answer) -> Iterator[str]:
    """Yield what a reader of the verdicts should know beside them."""
    found = answer.found
    table, metric = found.table, found.metric
    if found.departures:
        yield (
            f"Not as planned, so exploratory: {'; '.join(found.departures)}. Verdicts that were "
            f"chosen with results at hand err more often than they say."
        )
    yield from (f"{text}." for text in answer.doubts)
    if found.criteria.margin is None:
        unit = metric.unit_name
        yield f"Nothing is called equivalent, since no margin in {unit} is given (--margin)."
    yield from describe_identical_runs(found.blocks)
    yield from write_engines(found)
    if table.empty:
        yield "There is one cell only, so nothing to compare."
    waiting = int(table["n_waiting"].max()) if len(table) else 0
    if waiting:
        still = spell_count(waiting, "seed")
        yield f"Runs of up to {still} are still to come: these do not count yet."
    if found.blocks.is_built_in and metric.name != "test_accuracy":
        yield (
            "Whether it holds for new images is not known: only test accuracy is stored image by "
            "image."
        )


def as_json(answer: Answer) -> str:
    """Return the answer as one JSON object; what is not known or infinite is null."""

    def rows(table: pd.DataFrame | None) -> Any:
        if table is None:
            return None
        return json.loads(table.to_json(orient="records", double_precision=15))

    found = answer.found
    content = {
        "folder": answer.folder,
        "metric": found.metric.name,
        "unit": found.metric.unit,
        "reference": found.reference,
        "margin": found.criteria.margin,
        "confidence": found.criteria.confidence,
        "as_planned": not found.departures,
        "looks": [asdict(look) for look in found.looks],
        "contrasts": rows(found.table),
        "best": rows(found.best),
        "notes": list(write_notes(answer)),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def as_csv(answer: Answer) -> str:
    """Return the contrasts as CSV, every column of `analysis.compare`; text is as
    `disarm_formulas` has it."""
    text: str = disarm_formulas(answer.found.table).to_csv(index=False)
    return text


def as_markdown(answer: Answer) -> str:
    """Return the sentences as lists, with a table under each, in Markdown."""
    found, lines = answer.found, [_inert(write_headline(answer))]
    for family, rows in found.table.groupby("family", sort=False):
        lines += ["", f"### {_inert(write_family_title(str(family), rows))}", ""]
        lines += [f"- {_inert(sentence)}" for sentence in rows["sentence"]]
        lines += ["", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        lines += [
            f"| {' | '.join(map(_inert, format_row(row)))} |" for row in rows.to_dict("records")
        ]
    if len(found.table):
        lines += ["", _inert(write_legend(found))]
    lines += ["", *(f"- {_inert(line)}" for line in (*write_best(found), *write_notes(answer)))]
    return "\n".join(lines) + "\n"


def as_latex(answer: Answer) -> str:
    """Return the means and the primary contrasts as tables for LaTeX, notes as comments."""
    return write_tables(answer.found, answer.folder, list(write_notes(answer)))


def as_methods(answer: Answer) -> str:
    """Return what was done, as paragraphs for a paper."""
    folder = Path(answer.folder)
    plan, runs = reader.read_plan(folder), reader.read_runs(folder)
    trials, origin = runs[runs["phase"] == "choose"], read_origin(plan.sweep_text)
    return "\n\n".join(write_methods(answer.found, trials, plan.data, origin)) + "\n"


FORMATS: dict[str, Callable[[Answer], str]] = {
    "json": as_json,
    "csv": as_csv,
    "markdown": as_markdown,
    "latex": as_latex,
    "methods": as_methods,
}

BRIEF_COLUMNS = ("", "difference", "interval", "seeds", "verdict")
COLUMNS = ("contrast", "n", "mean", "interval", "wins", "d_z", "r", "skew", "verdict")


def format_row(row: dict[Any, Any]) -> tuple[str, ...]:
    """Return what a table shows of a contrast, one text for each of `COLUMNS`."""
    return (
        name_contrast(row, minus="-"),
        count_pairs(row),
        format_number(row["mean"]),
        "" if pd.isna(row["low"]) else format_interval(row["low"], row["high"]),
        *(format_number(row[name]) for name in ("wins", "effect", "correlation", "skew")),
        row["verdict"],
    )


def format_brief(row: dict[Any, Any], metric: Metric) -> tuple[str, ...]:
    """Return what a terminal shows of a contrast, one text for each of `BRIEF_COLUMNS`; its place
    in the matrix is left out."""
    of_reference = row["family"] == PRIMARY
    sign = "+" if row["mean"] > 0 else ""
    return (
        row["a"] if of_reference else f"{row['a']} - {row['b']}",
        f"{sign}{format_number(row['mean'])}",
        "" if not math.isfinite(row["low"]) else format_interval(row["low"], row["high"]),
        count_pairs(row),
        name_outcome(row["verdict"], metric),
    )


def _list_lines(rows: pd.DataFrame, metric: Metric) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each contrast's place in the matrix, empty where the one before is at the same, and
    what `format_brief` returns."""
    before = ""
    for row in rows.to_dict("records"):
        yield "" if row["where"] == before else row["where"], format_brief(row, metric)
        before = row["where"]


def list_families(found: Conclusions, everything: bool) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the families of contrasts, each with its rows, place by place: the primary one and
    pairs that were asked for, or all."""
    for family, rows in found.table.groupby("family", sort=False):
        if everything or family in (PRIMARY, EXPLORATORY):
            places = pd.factorize(rows["where"])[0]
            yield str(family), rows.iloc[np.argsort(places, kind="stable")]


def write_criteria(answer: Answer) -> str:
    """Return what is compared with what, by what rule and in which folder, in a line."""
    found, margin = answer.found, answer.found.criteria.margin
    unit = "" if found.metric.unit == OWN else f" in {found.metric.unit}"
    within = "" if margin is None else f", margin {margin:g}"
    planned = "; not as planned: exploratory" if found.departures else ""
    return (
        f"{answer.folder}: {found.metric.title}{unit}, against {found.reference}; confidence "
        f"{found.criteria.confidence:g} for all together{within}{planned}"
    )


def write_headline(answer: Answer) -> str:
    """Return the question and its criteria, in a line."""
    found, margin = answer.found, answer.found.criteria.margin
    within = "" if margin is None else f", margin {found.spell_margin()}"
    planned = "" if not found.departures else ", not as planned: exploratory"
    return (
        f"{answer.folder}: {found.metric.title}, reference {found.reference}{within}, "
        f"confidence {found.criteria.confidence:g} for each family as a whole"
        f"{planned}"
    )


def write_family_title(family: str, rows: pd.DataFrame) -> str:
    """Return what a family of contrasts is called, of what kind it is, and its size."""
    primary = "primary" if rows["as_planned"].all() else "primary, but not as planned: exploratory"
    kind = {PRIMARY: primary, EXPLORATORY: "exploratory"}
    what = describe_family(family, rows)
    size = spell_count(int(rows["family_size"].iloc[0]), "contrast")
    return f"{what[0].upper()}{what[1:]} ({kind.get(family, 'secondary')}, {size})"


def write_legend(found: Conclusions) -> str:
    """Return what the columns of the tables mean."""
    return (
        f"Differences are first minus second, in {found.metric.unit_name}; wins is the share of "
        f"seeds at which the first is better, ties half; r the correlation of the pairs, which is "
        f"what pairing gains; d_z the mean difference over its sd; skew that of the differences: "
        f"at 8 seeds a family of nine meant to err in 5% of the cases errs in 8.5% at skew 1, and "
        f"in 22% at skew 2."
    )


def write_pairing(found: Conclusions) -> Iterator[str]:
    """Yield how runs were paired, where that is not by digests that were verified."""
    described = map(describe_pairing, found.primary.to_dict("records"))
    if told := list(dict.fromkeys(filter(None, described))):
        yield f"{join_some(told, 3)}."


def write_new_images(found: Conclusions) -> Iterator[str]:
    """Yield how many of the primary differences that are resolved hold for new images too, where
    that is known."""
    rows = found.primary
    rows = rows[rows["verdict"].isin((HIGHER, LOWER)) & np.isfinite(rows["images_low"])]
    holds = rows["new_images"].fillna(False).astype(bool)
    held = int(holds.sum())
    if len(rows) == 1:
        yield "It holds for new images too." if held else "For new images it is not resolved."
    elif len(rows):
        every = "Both" if len(rows) == 2 else f"All {len(rows)}"
        some = f"{held or 'None'} of the {len(rows)}"
        count = every if held == len(rows) else some
        others = [
            row["a"] + (f" at {row['where']}" if row["where"] else "")
            for row in rows[~holds].to_dict("records")
        ]
        but = f", but not {join_words(others)}" if held and 0 < len(others) <= _NAMED else ""
        yield f"{count} differences that are resolved hold for new images too{but}."


def write_best(found: Conclusions) -> Iterator[str]:
    """Yield which schedulers may be best, a line for each dropout."""
    for best in list_best(found.best):
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
