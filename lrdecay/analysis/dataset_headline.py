"""The answer of several sweeps in one sentence: on which datasets which scheduler does what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from lrdecay.analysis.dataset_averages import DatasetAverages
from lrdecay.analysis.headline import (
    BETTER,
    LONGEST,
    OPEN,
    ORDER,
    WORSE,
    YET,
    count_outcomes,
    name_outcome,
    say_outcome,
)
from lrdecay.analysis.verdicts import EQUIVALENT, HIGHER, IDENTICAL, LOWER, NOT_EVALUATED
from lrdecay.core.text import join_words, spell_count

_SIDED, _ALIKE = (BETTER, WORSE, HIGHER, LOWER), (IDENTICAL, EQUIVALENT)
_REST = {OPEN: "open", IDENTICAL: IDENTICAL, EQUIVALENT: EQUIVALENT}


def write_dataset_answer(averages: DatasetAverages) -> str:
    """Return how the primary differences of all sweeps came out, each by its own sweep's verdict,
    in one sentence of at most `LONGEST` characters if it names schedulers; a longer one counts
    differences. Nothing where the sweeps cannot be compared."""
    rows, datasets = averages.by_dataset, averages.datasets
    noun = "dataset" if averages.shared.are_datasets else "sweep"
    if rows.empty:
        return ""
    reference = averages.reference
    outcome = rows["verdict"].map(lambda verdict: name_outcome(verdict, averages.metric))
    rows = rows.assign(outcome=outcome)
    # more seeds do not help where runs diverged or are missing
    yet = "" if averages.spoilt[outcome == NOT_EVALUATED].any() else YET
    if (outcome == NOT_EVALUATED).all():
        return f"No difference from {reference} can be judged{yet} in any of the {noun}s."
    if (outcome == OPEN).all():
        return f"No difference from {reference} is resolved in any of the {noun}s."
    text = "; ".join(_list_clauses(rows, reference, datasets, noun, yet)) + "."
    if len(text) <= LONGEST:
        return text
    counts = count_outcomes(outcome, reference, yet).removesuffix(".")
    return f"{counts}, {'on' if noun == 'dataset' else 'in'} {spell_count(len(datasets), noun)}."


def _list_clauses(
    rows: pd.DataFrame, reference: str, datasets: Sequence[str], noun: str, yet: str
) -> Iterator[str]:
    """Yield what is true of which schedulers; after the first that are better, others that are
    need no verb. What has no side comes last, as the rest, unless nothing has one."""
    sided = rows["outcome"].isin(_SIDED).any()
    named = [each for each in ORDER if each in (_SIDED if sided else _ALIKE)]
    counted = False
    for outcome in named:
        alike: dict[str, list[str]] = {}
        for scheduler, own in rows.groupby("scheduler", sort=False):
            if (own["outcome"] == outcome).any():
                where = _say_places(own, outcome, datasets, noun)
                alike.setdefault(where, []).append(str(scheduler))
        # what holds on all datasets first
        listed = sorted(alike.items(), key=lambda each: each[0].startswith("only"))
        for place, (where, names) in enumerate(listed):
            elided = place > 0 and outcome == BETTER
            claim = join_words(names) if elided else say_outcome(outcome, names, reference)
            if where.endswith(")"):
                what = ("" if counted else " differences") + (" each" if len(names) > 1 else "")
                counted, where = True, f"{where[:-1]}{what})"
            yield f"{claim} {where}"
    words = {**_REST, NOT_EVALUATED: f"not judged{yet}"}
    rest = [word for each, word in words.items() if (rows["outcome"] == each).any()]
    rest = [word for word in rest if word not in named]
    if rest:
        yield f"the rest is {join_words(rest, 'or')}"


def _say_places(own: pd.DataFrame, outcome: str, datasets: Sequence[str], noun: str) -> str:
    """Return on which datasets a scheduler has an outcome, and in how many of its differences
    there, if it has several on one."""
    there = own[own["outcome"] == outcome]
    names = [name for name in datasets if name in set(there["dataset"])]
    possible = own[own["dataset"].isin(names)]
    at = "on" if noun == "dataset" else "in"
    where = f"only {at} {join_words(names)}"
    if len(names) == len(datasets):
        where = f"{at} both {noun}s" if len(names) == 2 else f"{at} all {len(names)} {noun}s"
    if len(possible) == len(names):
        return where
    return f"{where} ({len(there)} of {len(possible)})"
