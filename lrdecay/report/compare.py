"""A results folder to verdicts, for reading and for machines: what `lrdecay compare` says.

Labels are the user's: they are printed as they are, and mean nothing to rich or to Markdown.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lrdecay.analysis import Conclusions
from lrdecay.analysis.class_balance import list_doubts
from lrdecay.analysis.folder_conclusions import conclude_folder
from lrdecay.analysis.headline import write_answer
from lrdecay.analysis.metrics import OWN, with_metrics
from lrdecay.analysis.settings import read_criteria
from lrdecay.core.errors import InputError
from lrdecay.report.contrast_lines import (
    BRIEF_COLUMNS,
    COLUMNS,
    SHOWN,
    format_row,
    list_families,
    list_lines,
    write_family_title,
    write_legend,
)
from lrdecay.report.html import render_template
from lrdecay.report.latex_tables import write_tables
from lrdecay.report.methods import write_methods
from lrdecay.report.remarks import write_best, write_notes, write_remarks
from lrdecay.store import reader
from lrdecay.store.export.csv import disarm_formulas
from lrdecay.store.importing.save import read_origin


@dataclass(frozen=True)
class Answer:
    """What the runs of a results folder say, and what to doubt of it; in a notebook it shows what
    `lrdecay compare` prints."""

    folder: str
    found: Conclusions
    doubts: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a reader of the verdicts should know beside them."""
        return list(write_notes(self.found, self.doubts))

    def list_remarks(self, pairing: bool = True) -> list[str]:
        """Return what is said after the verdicts; see `report.remarks`."""
        return list(write_remarks(self.found, self.doubts, pairing))

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
                (name, len(rows) - len(shown), list(list_lines(shown, self.found.metric)))
                for name, rows, shown in families
            ],
            remarks=self.list_remarks(),
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


def write_criteria(answer: Answer) -> str:
    """Return what is compared with what, by what rule and in which folder, in a line."""
    found, margin = answer.found, answer.found.criteria.margin
    unit = "" if found.metric.unit == OWN else f" in {found.metric.unit}"
    within = "" if margin is None else f", margin {margin:g}"
    planned = "; not as planned: exploratory" if found.departures else ""
    return (
        f"{answer.folder}: {found.metric.title}{unit}, against {found.reference}; confidence "
        f"{found.criteria.confidence:.12g} for all together{within}{planned}"
    )


def write_headline(answer: Answer) -> str:
    """Return the question and its criteria, in a line."""
    found, margin = answer.found, answer.found.spell_margin()
    within = f", margin {margin}" if margin else ""
    planned = "" if not found.departures else ", not as planned: exploratory"
    return (
        f"{answer.folder}: {found.metric.title}, reference {found.reference}{within}, "
        f"confidence {found.criteria.confidence:.12g} for each family as a whole"
        f"{planned}"
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
        "notes": answer.notes,
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
    lines += ["", *(f"- {_inert(line)}" for line in (*write_best(found), *answer.notes))]
    return "\n".join(lines) + "\n"


def as_latex(answer: Answer) -> str:
    """Return the means and the primary contrasts as tables for LaTeX, notes as comments."""
    return write_tables(answer.found, answer.folder, answer.notes)


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


def _inert(text: str) -> str:
    """Escape what Markdown would take for markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", text)
