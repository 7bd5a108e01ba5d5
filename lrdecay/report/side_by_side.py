"""Several results folders to one page that shows them side by side.

Each sweep keeps its own verdicts: runs of different sweeps are never paired, since they may differ
in more than the page can name. What they share is averaged over their datasets.
"""

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lrdecay.analysis import (
    AXES,
    Conclusions,
    axis_values,
    cell_summary,
    compared,
    conclude,
    extra_axes,
    rates_chosen,
)
from lrdecay.analysis.departures import find_first_plan
from lrdecay.analysis.metrics import OWN, UNIT_TITLES, with_metrics
from lrdecay.analysis.settings import read_criteria
from lrdecay.analysis.uncompared import explain_uncompared
from lrdecay.core.errors import InputError
from lrdecay.core.text import format_mean, format_named, join_filled, join_some
from lrdecay.report import index
from lrdecay.report.dataset_averages import describe_datasets
from lrdecay.report.html import make_link, render_template, write_page
from lrdecay.store import reader
from lrdecay.store.reader import Plan

_LISTED = 8


@dataclass(frozen=True)
class Side:
    """What the page says of one sweep. `runs` are those of the comparison; `found` is what they
    decide, None where that cannot be said."""

    label: str
    link: str | None
    overview: index.Overview
    runs: pd.DataFrame
    sweep_text: str
    found: Conclusions | None
    asked: str
    verdicts: Sequence[str]


def write_comparison(folders: Sequence[Path], output: Path | None = None) -> Path:
    """Write the page of two or more results folders and return its path.

    Args:
        folders: results folders, as `lrdecay sweep` leaves them, finished or not.
        output: the file to write; compared.html beside the first folder unless given.

    Raises:
        InputError: a folder is given twice, is missing or holds no runs of a comparison.
    """
    path = index.find_home(folders[0]) / index.COMPARED if output is None else output
    labels = _labels(folders)
    sweeps = [_read(*each, path.parent) for each in zip(folders, labels, strict=True)]
    return write_page(render_comparison(sweeps), path)


def render_comparison(sweeps: Sequence[Side]) -> str:
    """Return the page as text."""
    together = describe_datasets(
        {sweep.label: sweep.found for sweep in sweeps if sweep.found is not None},
        {sweep.label: sweep.sweep_text for sweep in sweeps},
    )
    return render_template(
        "compared.html.j2",
        sweeps=sweeps,
        together=together,
        without=[sweep.label for sweep in sweeps if sweep.found is None],
        differing=_differing(sweeps),
        rows=_rows(sweeps),
    )


def _labels(folders: Sequence[Path]) -> list[str]:
    """The folders' names; where two have one name, their paths as they were given."""
    places = [folder.resolve() for folder in folders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{folders[number]}: given twice; give each results folder once")
    names = [place.name for place in places]
    return names if len(set(names)) == len(names) else list(map(str, folders))


def _read(folder: Path, label: str, home: Path) -> Side:
    runs = compared(reader.read_runs(folder))
    if runs.empty:
        raise InputError(
            f"no runs of a comparison in {folder}: `lrdecay sweep FILE` trains a sweep into it"
        )
    report = folder / index.REPORT
    link = None
    if report.is_file():
        link = make_link(Path(os.path.relpath(report.resolve(), home.resolve())).parts)
    plan = reader.read_plan(folder)
    found, asked, verdicts = _verdicts(folder, plan, runs)
    overview = index.make_overview(folder.resolve().name, runs, plan)
    return Side(label, link, overview, runs, plan.sweep_text, found, asked, verdicts)


def _verdicts(
    folder: Path, plan: Plan, runs: pd.DataFrame
) -> tuple[Conclusions | None, str, list[str]]:
    """What the sweep decides and asks, and the sentences of its primary family or why there are
    none."""
    try:
        criteria = read_criteria(plan.sweep_text)
        metric = criteria.compared
        epochs = reader.read_epochs(folder) if metric.needs_epochs else None
        found = conclude(
            with_metrics(runs, reader.read_metrics(folder), criteria.declared),
            epochs,
            criteria,
            planned=reader.read_plan_rows(folder),
            first_plan=find_first_plan(plan.first_plan, criteria),
        )
    except InputError as error:
        return None, "", [f"There are no verdicts: {error}."]
    unit = "" if metric.unit == OWN else f" {UNIT_TITLES[metric.unit]}"
    margin = "no margin" if criteria.margin is None else f"margin {criteria.margin:g}{unit}"
    asked = (
        f"{metric.title}, {margin}; all sentences "
        f"hold together with probability {criteria.confidence:.12g}"
        f"{'; not as planned, so exploratory' if found.departures else ''}"
    )
    sentences = found.primary["sentence"].tolist()
    if apart := explain_uncompared(found):
        sentences.append(apart)
    return found, asked, sentences or ["There is one scheduler only, so nothing to compare."]


def _differing(sweeps: Sequence[Side]) -> list[tuple[str, list[str]]]:
    """The axes on which the sweeps are not alike, with each one's values."""
    rows = []
    for axis in AXES:
        texts = [_format_axis(sweep.runs, axis) for sweep in sweeps]
        if len(set(texts)) > 1:
            rows.append((axis, texts))
    return rows


def _format_axis(runs: pd.DataFrame, axis: str) -> str:
    text = join_some(axis_values(runs, axis), _LISTED)
    if axis == "dropout":
        return text or "the network's own"
    return f"{text} (chosen)" if axis == "lr" and rates_chosen(runs) else text


def _rows(sweeps: Sequence[Side]) -> list[tuple[str, list[dict[str, Any] | None]]]:
    """A row for each cell that occurs, and in it a cell for each sweep, None where it has none."""
    columns = [_cells(sweep.runs) for sweep in sweeps]
    names = dict.fromkeys(name for column in columns for name in column)
    return [(name, [column.get(name) for column in columns]) for name in names]


def _cells(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Test accuracy in percent, by what names a cell within its own sweep."""
    others = extra_axes(runs)
    return {
        _name(row, others): {
            "value": "no mean" if pd.isna(row["mean"]) else format_mean(row["mean"], row["sd"]),
            "n": int(row["n"]),
            "out": [
                f"{int(row[f'n_{status}'])} {status}"
                for status in ("diverged", "failed")
                if row[f"n_{status}"]
            ],
        }
        for row in cell_summary(runs, "test_accuracy").to_dict("records")
    }


def _name(row: Mapping[Hashable, Any], others: Sequence[str]) -> str:
    # a dataset is named by the column where it is a sweep's only one
    axes = ("dropout", *others)
    return join_filled(row["scheduler"], *(format_named(axis, row[axis]) for axis in axes))
