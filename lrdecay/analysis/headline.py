"""The answer of a sweep in one sentence."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from lrdecay.analysis.axes import list_strata
from lrdecay.analysis.conclusions import Conclusions
from lrdecay.analysis.intervals import t_radius
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.number_text import format_number, format_signed
from lrdecay.analysis.verdicts import (
    EQUIVALENT,
    HIGHER,
    IDENTICAL,
    LOWER,
    NOT_EVALUATED,
    UNRESOLVED,
    find_spoilt,
)
from lrdecay.core.text import format_named, join_filled, join_words, spell_count

LONGEST = 220
"""Characters of an answer that names schedulers; a longer one counts them."""

BETTER, WORSE, OPEN = "better", "worse", "not resolved"
ORDER = (BETTER, WORSE, HIGHER, LOWER, IDENTICAL, EQUIVALENT, OPEN, NOT_EVALUATED)
YET = " yet"
_MOST_NAMED = 2  # places that are named; of more it is said how many


def write_answer(found: Conclusions) -> str:
    """Return how the primary contrasts came out, in one sentence of about `LONGEST` characters."""
    rows = found.primary
    if rows.empty:
        return f"There is one scheduler, {found.reference}, so nothing to compare it with."
    outcomes = rows["verdict"].map(lambda verdict: name_outcome(verdict, found.metric))
    # more seeds do not help where runs diverged or are missing
    yet = "" if find_spoilt(rows)[outcomes == NOT_EVALUATED].any() else YET
    if (outcomes == NOT_EVALUATED).all():
        return f"No difference from {found.reference} can be judged{yet}."
    if (outcomes == OPEN).all():
        return f"No difference from {found.reference} is resolved."
    clauses = list(_list_clauses(rows, outcomes, found.reference, found.metric, yet))
    text = "; ".join(clauses) + "."
    return text if len(text) <= LONGEST else count_outcomes(outcomes, found.reference, yet)


def write_confidence(found: Conclusions) -> str:
    """Return how sure the primary verdicts are, all together; nothing where there is none."""
    count = int((found.primary["verdict"] != NOT_EVALUATED).sum())
    chance = f"{100 * found.criteria.confidence:.12g}%"
    if not count:
        return ""
    verdicts = "The verdict is right" if count == 1 else f"All {count} verdicts are right together"
    return f"{verdicts} with {chance} confidence."


def describe_largest(found: Conclusions) -> str:
    """Return the largest difference from the reference that was seen, as one that may be chance;
    nothing where there is none."""
    rows = found.primary.dropna(subset=["mean"])
    if rows.empty:
        return ""
    row = rows.iloc[int(rows["mean"].abs().argmax())]
    if row["mean"] == 0:
        return "No difference was seen at any seed."
    amount = found.metric.spell(format_signed(row["mean"]))
    where = _name_place(row, _list_axes(rows))
    place = f" at {where}" if where else ""
    return (
        f"The largest difference seen is that of {row['scheduler']}{place}, {amount} in the mean "
        f"of {spell_count(int(row['n']), 'seed')}, which may be chance."
    )


def describe_resolution(found: Conclusions) -> str:
    """Return from what size on differences are resolved at the seeds so far; nothing where no
    contrast has reached a look."""
    rows = found.primary
    rows = rows[(rows["look"] > 0) & (rows["sd_at_look"] > 0)]
    if rows.empty:
        return ""
    radius = t_radius(*(rows[name].to_numpy(float) for name in ("look", "sd_at_look", "level")))
    least, most = format_number(radius.min()), format_number(radius.max())
    sizes = most if least == most else f"{least} to {most}"
    seeds = sorted(set(rows["look"]))
    counts = spell_count(seeds[-1], "seed")
    if len(seeds) > 1:
        counts = f"{seeds[0]} to {counts}"
    return f"At {counts} a difference is resolved from {found.metric.spell(sizes)} on."


def name_outcome(verdict: str, metric: Metric) -> str:
    """Return a verdict in the words of a headline: whether the first is better or worse, where the
    metric says which is which, and `OPEN` for what is not resolved."""
    if verdict == UNRESOLVED:
        return OPEN
    if verdict not in (HIGHER, LOWER) or metric.higher_is_better is None:
        return verdict
    return BETTER if (verdict == HIGHER) == metric.higher_is_better else WORSE


def _list_clauses(
    rows: pd.DataFrame, outcomes: pd.Series[str], reference: str, metric: Metric, yet: str
) -> Iterator[str]:
    """Yield what is true of which schedulers; what has no verdict comes last, as the rest where it
    takes more than one clause."""
    decided = rows[~outcomes.isin((OPEN, NOT_EVALUATED))]
    for outcome, names, own in _group_alike(decided, outcomes):
        sizes = ""
        if outcome in (BETTER, WORSE, HIGHER, LOWER):
            sizes = _say_sizes(own["mean"], metric)
        whole = rows[rows["scheduler"] == names[0]]
        where = _say_places(own[own["scheduler"] == names[0]], whole)
        yield f"{say_outcome(outcome, names, reference)}{where}{sizes}"
    rest = list(_group_alike(rows.drop(decided.index), outcomes))
    if len(rest) > 1 and len(decided):
        kinds = dict.fromkeys(outcome for outcome, _, _ in rest)
        words = {OPEN: "open", NOT_EVALUATED: f"not judged{yet}"}
        yield f"the rest is {' or '.join(words[kind] for kind in kinds)}"
        return
    for outcome, names, own in rest:
        whole = rows[rows["scheduler"] == names[0]]
        part = own[own["scheduler"] == names[0]]
        where = "" if len(part) == len(whole) else _say_places(part, whole)
        yield f"{say_outcome(outcome, names, reference, yet)}{where}"


def _group_alike(
    rows: pd.DataFrame, outcomes: pd.Series[str]
) -> Iterator[tuple[str, list[str], pd.DataFrame]]:
    """Yield, outcome by outcome, schedulers that have it at the same places, with their rows."""
    axes = _list_axes(rows)
    own = outcomes[rows.index]
    for outcome in ORDER:
        alike: dict[tuple[str, ...], list[str]] = {}
        for scheduler, of_one in rows[own == outcome].groupby("scheduler", sort=False):
            places = tuple(_name_place(row, axes) for row in of_one.to_dict("records"))
            alike.setdefault(places, []).append(str(scheduler))
        for names in alike.values():
            yield outcome, names, rows[(own == outcome) & rows["scheduler"].isin(names)]


def say_outcome(outcome: str, names: Sequence[str], reference: str, yet: str = YET) -> str:
    """Return how schedulers came out against the reference, as a clause; `yet` follows "not
    judged"."""
    listed, one = join_words(names), len(names) == 1
    be = "is" if one else "are"
    said = {
        BETTER: f"{listed} {'beats' if one else 'beat'} {reference}",
        WORSE: f"{reference} beats {listed}",
        HIGHER: f"{listed} {be} higher than {reference}",
        LOWER: f"{listed} {be} lower than {reference}",
        IDENTICAL: f"{listed} {be} identical to {reference}",
        EQUIVALENT: f"{listed} {be} equivalent to {reference}",
        OPEN: f"{listed} {be} open",
        NOT_EVALUATED: f"{listed} {be} not judged{yet}",
    }
    return said[outcome]


def _say_sizes(means: pd.Series[float], metric: Metric) -> str:
    """Return how large some differences are, as what follows a clause: of several that they are
    means, as two numbers after "by" would be taken for an interval."""
    sizes = means.abs()
    least, most = format_number(sizes.min()), format_number(sizes.max())
    if least == most:
        return f", by {metric.spell(most)}"
    return f" (mean differences {metric.spell(f'{least} to {most}')})"


def _say_places(rows: pd.DataFrame, whole: pd.DataFrame) -> str:
    """Return at which places of a scheduler's `whole` contrasts these are: nothing of a single
    one."""
    axes, count = _list_axes(whole), len(whole)
    if count == 1 or not axes:
        return ""
    what = f"{axes[0]}s" if axes == ["dropout"] else "settings"
    if len(rows) == count:
        return f" at both {what}" if count == 2 else f" at all {count} {what}"
    if len(rows) <= _MOST_NAMED:
        return f" at {join_words([_name_place(row, axes) for row in rows.to_dict('records')])}"
    return f" at {len(rows)} of {count} {what}"


def _list_axes(rows: pd.DataFrame) -> list[str]:
    """Return the axes that contrasts of one scheduler differ in."""
    axes = [*list_strata(rows), "dropout"]
    return [axis for axis in axes if rows[axis].nunique(dropna=False) > 1]


def _name_place(row: Mapping[Hashable, Any] | pd.Series[Any], axes: Sequence[str]) -> str:
    named = join_filled(*(format_named(axis, row[axis]) for axis in axes))
    return named or ("dropout not given" if axes else "")


def count_outcomes(outcomes: pd.Series[str], reference: str, yet: str = YET) -> str:
    """Return how many contrasts came out how, where there are too many to name; `yet` follows "not
    judged"."""
    said = {
        BETTER: "for the better",
        WORSE: "for the worse",
        HIGHER: "upwards",
        LOWER: "downwards",
        IDENTICAL: "none at any seed",
        EQUIVALENT: "equivalent to none",
        OPEN: "open",
        NOT_EVALUATED: f"not judged{yet}",
    }
    counts = outcomes.value_counts()
    parts = [f"{counts[each]} {words}" for each, words in said.items() if each in counts]
    return f"Of {spell_count(len(outcomes), 'difference')} from {reference}: {join_words(parts)}."
