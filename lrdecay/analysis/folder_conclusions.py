"""What the runs of a results folder say, by the criteria that its sweep file states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lrdecay.analysis.conclusions import Conclusions, conclude
from lrdecay.analysis.departures import find_first_plan
from lrdecay.analysis.metrics import OWN, find_metric, with_metrics
from lrdecay.analysis.settings import read_criteria
from lrdecay.core.errors import InputError
from lrdecay.store import reader


def conclude_folder(
    folder: Path,
    reference: str | None = None,
    metric: str | None = None,
    margin: float | None = None,
    confidence: float | None = None,
    exploratory: bool = False,
) -> Conclusions:
    """Return what the runs of a results folder say; what is not given is as its sweep file has it.

    Raises:
        InputError: there are no results, or as `conclude`.
    """
    plan, runs = reader.read_plan(folder), reader.read_runs(folder)
    try:
        stated = read_criteria(plan.sweep_text)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    chosen = find_metric(metric or stated.metric, stated.declared)
    same_unit = chosen.unit == stated.compared.unit and chosen.unit != OWN
    if margin is None and (same_unit or chosen == stated.compared):
        margin = stated.margin
    criteria = replace(
        stated,
        reference=reference or stated.reference,
        metric=chosen.name,
        margin=margin,
        confidence=stated.confidence if confidence is None else confidence,
    )
    return conclude(
        with_metrics(runs, reader.read_metrics(folder), stated.declared),
        reader.read_epochs(folder) if chosen.needs_epochs else None,
        criteria,
        planned=reader.read_plan_rows(folder),
        first_plan=find_first_plan(plan.first_plan, stated),
        exploratory=exploratory,
    )
