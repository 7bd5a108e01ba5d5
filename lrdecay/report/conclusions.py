"""What a sweep decides, in words: its question, and the verdicts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrdecay.analysis import (
    Conclusions,
    axis_values,
    open_questions,
)
from lrdecay.analysis.axes import has_dropout, list_strata
from lrdecay.analysis.later_seeds import leaves_interval
from lrdecay.analysis.looks import find_next_look, plans_verdicts
from lrdecay.analysis.pairing import NOT_PAIRED
from lrdecay.analysis.sentences import list_best
from lrdecay.analysis.uncompared import explain_uncompared
from lrdecay.analysis.verdicts import (
    EQUIVALENT,
    IDENTICAL,
    NOT_EVALUATED,
    RESOLVED,
    UNRESOLVED,
)
from lrdecay.core.text import join_words, spell_count, to_text

GROUPS = {
    "Resolved": RESOLVED,
    "Not resolved": (UNRESOLVED,),
    "Not evaluated": (NOT_EVALUATED,),
}
"""What sentences stand under, and their verdicts."""


def write_question(found: Conclusions) -> str:
    """Return what is compared with what, and by what rule, in a sentence or two."""
    primary = found.primary
    apart = explain_uncompared(found)
    if primary.empty:
        alone = f"There is one scheduler, {found.reference}, so none to compare it with."
        return apart or alone
    others = join_words(axis_values(primary, "scheduler"))
    rates = [to_text(rate) or "not given" for rate in axis_values(primary, "dropout")]
    where = f" at dropout {join_words(rates)}" if has_dropout(primary).any() else ""
    chance = f"{100 * (1 - found.criteria.confidence):.3g}%"
    size = len(primary)
    verdicts = "the verdict" if size == 1 else f"any of the {spell_count(size, 'verdict')}"
    margin = found.spell_margin()
    that = f"Differences below {margin} are to count as none; that" if margin else "That"
    return (
        f"{others} against {found.reference}{where}, by {found.metric.title}. "
        f"{that} {verdicts} is wrong has a probability of at most {chance}"
        f"{describe_condition(found)}.{f' {apart}' if apart else ''}"
    )


def describe_condition(found: Conclusions) -> str:
    """Return under what condition the primary verdicts are as sure as is said, to follow that."""
    if found.criteria.seeds_fixed:
        return ""
    unpaired = found.primary["pairing"] == NOT_PAIRED
    looks = "" if unpaired.all() else ", at all looks together"
    samples = ", if the numbers of unpaired runs were fixed beforehand" if unpaired.any() else ""
    return f"{looks}{samples}"


def write_summary(found: Conclusions) -> str:
    """Return how many differences have which verdict."""
    primary = found.primary
    if primary.empty:
        return ""
    verdicts, still_open = primary["verdict"], open_questions(found.table)
    if len(still_open) == len(primary) and (verdicts == NOT_EVALUATED).all():
        return _say_too_few(still_open)
    equivalent, identical = (int((verdicts == each).sum()) for each in (EQUIVALENT, IDENTICAL))
    later = any(map(leaves_interval, primary[verdicts == IDENTICAL].to_dict("records")))
    counts = {
        "shown to differ from 0": int(verdicts.isin(RESOLVED).sum()) - equivalent - identical,
        f"equivalent within {found.spell_margin()}": equivalent,
        f"identical at every seed{' up to the look' if later else ''}": identical,
        "not resolved": int((verdicts == UNRESOLVED).sum()),
        "not evaluated": int((verdicts == NOT_EVALUATED).sum()),
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    where = ""
    judged = primary[verdicts != NOT_EVALUATED]
    if len(judged) and (judged["pairing"] != NOT_PAIRED).all():
        where = f" at {spell_seeds(judged['look'])}"
    return f"Of {spell_count(len(primary), 'difference')}{where}: {join_words(parts)}."


def _say_too_few(rows: pd.DataFrame) -> str:
    """Return how far rows without any verdict are from one: those of pairs, if there are any."""
    pairs = rows[rows["pairing"] != NOT_PAIRED]
    most = f"a pair has {spell_count(pairs['n'].max(), 'seed')}"
    if pairs.empty:
        pairs, smaller = rows, rows[["n_a", "n_b"]].min(axis=1)
        most = f"the smaller side has {spell_count(smaller.max(), 'run')}"
    return (
        f"Too few seeds to say whether a difference is real: {most} at most, and verdicts begin at "
        f"{pairs['next_look'].min()}."
    )


@dataclass(frozen=True)
class Sentence:
    """A sentence, and which values of the axes it is about."""

    about: Mapping[str, str]
    text: str


def find_axes(row: Mapping[Hashable, Any], strata: Sequence[str]) -> dict[str, str]:
    """Return which values of the axes a contrast is about; one over all dropouts has none."""
    values = {axis: to_text(row[axis]) for axis in strata}
    values["scheduler"] = row["scheduler"]
    if has_dropout(row):
        values["dropout"] = to_text(row["dropout"])
    return values


def group_sentences(found: Conclusions, most: int) -> list[tuple[str, list[Sentence]]]:
    """Return the sentences of the primary family by how they came out, `most` in all."""
    groups = []
    strata = list_strata(found.primary)
    for title, verdicts in GROUPS.items():
        rows = found.primary[found.primary["verdict"].isin(verdicts)]
        rows = rows.sort_values("dropout", kind="stable").head(most)
        said = [
            Sentence(find_axes(row, strata), row["sentence"]) for row in rows.to_dict("records")
        ]
        if said:
            groups.append((title, said))
        most -= len(said)
    return groups


def list_best_sentences(found: Conclusions) -> Iterator[Sentence]:
    """Yield, for each dropout, which schedulers are not excluded as best."""
    for best in list_best(found.best):
        if best.left:
            others = join_words(best.not_evaluated) if best.not_evaluated else ""
            yield Sentence(
                {axis: to_text(value) for axis, value in best.about.items()},
                f"{best.where}: {join_words(best.left)}".removeprefix(": ")
                + (f"; not evaluated: {others}" if others else ""),
            )


def name_places(found: Conclusions) -> str:
    """Return what the sets of the best are of one value of, in words; nothing of a single set."""
    if found.best is None:
        return ""
    axes = ["dropout", *list_strata(found.best)]
    several = [axis for axis in axes if found.best[axis].nunique() > 1]
    return join_words(several) if several else ""


def spell_seeds(counts: pd.Series[int]) -> str:
    """Return the least and the most of some numbers of seeds as text, one where they are equal."""
    least, most = int(counts.min()), int(counts.max())
    seeds = spell_count(most, "seed")
    return seeds if least == most else f"{least:,} to {seeds}"


def list_shares(found: Conclusions) -> list[str]:
    """Return the looks so far and the next one, with each one's share of the error."""
    plan = found.first_plan
    if found.criteria.seeds_fixed or not (found.has_pairs or found.primary.empty):
        return []
    following = find_next_look(plan.first, plan.most, len(found.blocks.seeds))
    as_planned = " as planned" if plans_verdicts(plan.first, plan.most) else ""
    return [
        f"{look.n} seeds: {100 * look.share:.3g}%{as_planned if look.planned else ''}"
        for look in (*found.looks, following)
    ]


def write_engines(found: Conclusions) -> list[str]:
    """Return which engine trained which schedulers, where there are two."""
    engines = found.blocks.runs.groupby("engine", sort=False)["scheduler"].unique()
    if len(engines) < 2:
        return []
    trained = [f"{join_words(list(names))} on the {each} engine" for each, names in engines.items()]
    return [
        f"Trained {' and '.join(trained)}. The engines agree but for rounding, which training "
        f"magnifies."
    ]
