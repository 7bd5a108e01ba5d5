"""The answer of a sweep in one sentence."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from lrdecay.analysis.axes import list_strata
from lrdecay.analysis.conclusions import Conclusions
from lrdecay.analysis.intervals import t_radius
from lrdecay.analysis.later_seeds import find_deciding_look, leaves_interval
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.number_text import (
    format_interval,
    format_number,
    format_percent,
    format_signed,
)
from lrdecay.analysis.pairing import NOT_PAIRED, count_pairs
from lrdecay.analysis.uncompared import say_nothing_compared, say_uncompared
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
ONE_SCHEDULE = "one schedule"  # of which there is nothing to judge, and no seed would change that
ORDER = (BETTER, WORSE, HIGHER, LOWER, IDENTICAL, EQUIVALENT, ONE_SCHEDULE, OPEN, NOT_EVALUATED)
SIDES = (BETTER, WORSE, HIGHER, LOWER)
YET = " yet"
_MOST_NAMED = 2  # places that are named; of more it is said how many


def write_answer(found: Conclusions) -> str:
    """Return how the primary contrasts came out, in one sentence of about `LONGEST` characters."""
    if found.primary.empty:
        alone = f"There is one scheduler, {found.reference}, so nothing to compare it with."
        return say_nothing_compared(found) or alone
    text, apart = _say_outcomes(found), say_uncompared(found)
    return f"{text.removesuffix('.')}; {apart}." if apart else text


def _say_outcomes(found: Conclusions) -> str:
    rows = found.primary
    outcomes = rows["verdict"].map(lambda verdict: name_outcome(verdict, found.metric))
    outcomes = outcomes.mask(rows["n_one_schedule"] > 0, ONE_SCHEDULE)
    # more seeds do not help where runs diverged or are missing
    yet = "" if find_spoilt(rows)[outcomes == NOT_EVALUATED].any() else YET
    if (outcomes == NOT_EVALUATED).all():
        return f"No difference from {found.reference} can be judged{yet}."
    if (outcomes == OPEN).all():
        return f"No difference from {found.reference} is resolved."
    clauses = list(_list_clauses(rows, outcomes, found.reference, found.metric, yet))
    for listed in (clauses, list(_list_sides(rows, outcomes, found.reference, yet))):
        text = f"{'; '.join(listed)}."
        if listed and len(text) <= LONGEST:
            return text
    return count_outcomes(outcomes, found.reference, yet)


def write_confidence(found: Conclusions) -> str:
    """Return how sure the primary verdicts are, all together; nothing where there is none."""
    count = int((found.primary["verdict"] != NOT_EVALUATED).sum())
    chance = format_percent(found.criteria.confidence)
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
    seen = f"mean of {spell_count(int(row['n']), 'seed')}"
    if row["pairing"] == NOT_PAIRED:
        seen = f"means of {count_pairs(row.to_dict())} runs"
    return (
        f"The largest difference seen is that of {row['scheduler']}{place}, {amount} in the "
        f"{seen}, which may be chance."
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
    undecided = outcomes.isin((OPEN, NOT_EVALUATED))
    for outcome, names, where, own in _group_alike(rows, outcomes, ~undecided):
        sizes = _say_sizes(own, metric) if outcome in SIDES else ""
        yield f"{say_outcome(outcome, names, reference)}{where}{sizes}{_say_look(own)}"
    rest = list(_group_alike(rows, outcomes, undecided))
    if len(rest) > 1 and not undecided.all():
        kinds = dict.fromkeys(outcome for outcome, *_ in rest)
        words = {OPEN: "open", NOT_EVALUATED: f"not judged{yet}"}
        yield f"the rest is {' or '.join(words[kind] for kind in kinds)}"
        return
    for outcome, names, where, _ in rest:
        yield f"{say_outcome(outcome, names, reference, yet)}{where}"


def _list_sides(
    rows: pd.DataFrame, outcomes: pd.Series[str], reference: str, yet: str
) -> Iterator[str]:
    """Yield what is better and worse, without sizes, and last what there is beside that; nothing
    where no side is."""
    sides = outcomes.isin(SIDES)
    for outcome, names, where, own in _group_alike(rows, outcomes, sides):
        yield f"{say_outcome(outcome, names, reference)}{where}{_say_look(own)}"
    words = {NOT_EVALUATED: f"not judged{yet}", ONE_SCHEDULE: "of the same rates", OPEN: "open"}
    kinds = [words.get(each, each) for each in ORDER if each in set(outcomes[~sides])]
    if sides.any() and kinds:
        yield f"the rest is {join_words(kinds, 'or')}"


def _group_alike(
    rows: pd.DataFrame, outcomes: pd.Series[str], shown: pd.Series[bool]
) -> Iterator[tuple[str, list[str], str, pd.DataFrame]]:
    """Yield, outcome by outcome of the rows that are `shown`, schedulers that have it at the same
    places, the words for these, and their rows."""
    axes = _list_axes(rows)
    whole = dict(iter(rows.groupby("scheduler", sort=False)))
    for outcome in ORDER:
        alike: dict[tuple[str, ...], list[str]] = {}
        own = rows[shown & (outcomes == outcome)]
        for scheduler, of_one in own.groupby("scheduler", sort=False):
            where = ""
            if outcome not in (OPEN, NOT_EVALUATED) or len(of_one) < len(whole[scheduler]):
                where = _say_places(of_one, whole[scheduler], rows)
            places = (_name_place(row, axes) for row in of_one.to_dict("records"))
            alike.setdefault((where, *places), []).append(str(scheduler))
        for (where, *_), names in alike.items():
            yield outcome, names, where, own[own["scheduler"].isin(names)]


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
        ONE_SCHEDULE: f"{listed} {'has' if one else 'have'} the same rates as {reference}",
        OPEN: f"{listed} {be} open",
        NOT_EVALUATED: f"{listed} {be} not judged{yet}",
    }
    return said[outcome]


def _say_sizes(rows: pd.DataFrame, metric: Metric) -> str:
    """Return how large some differences are, as what follows a clause: of several that they are
    means, as two numbers after "by" would be taken for an interval; and the intervals where a mean
    of all seeds is outside of its own."""
    if any(map(leaves_interval, rows.to_dict("records"))):
        ends = rows[["low", "high"]].abs().to_numpy(float)
        interval = metric.spell(format_interval(ends.min(), ends.max()))
        return f", by {interval}" if len(rows) == 1 else f" (intervals within {interval})"
    sizes = rows["mean"].abs()
    least, most = format_number(sizes.min()), format_number(sizes.max())
    if least == most:
        return f", by {metric.spell(most)}"
    return f" (mean differences {metric.spell(f'{least} to {most}')})"


def _say_look(rows: pd.DataFrame) -> str:
    """Return of how many seeds verdicts are, where the mean of all of them says otherwise."""
    if not any(map(leaves_interval, rows.to_dict("records"))):
        return ""
    looks = [find_deciding_look(row) for row in rows.to_dict("records")]
    least, most = min(looks), max(looks)
    return f", at {'' if least == most else f'{least} to '}{spell_count(most, 'seed')}"


def _say_places(rows: pd.DataFrame, whole: pd.DataFrame, every: pd.DataFrame) -> str:
    """Return at which places of a scheduler's `whole` contrasts these are: nothing where `every`
    contrast is at one."""
    axes = _list_axes(every)
    if not axes:
        return ""
    total = len(every[axes].drop_duplicates())
    what = f"{axes[0]}s" if axes == ["dropout"] else "settings"
    if len(rows) == total:
        return f" at both {what}" if total == 2 else f" at all {total} {what}"
    if len(rows) <= _MOST_NAMED:
        return f" at {join_words([_name_place(row, axes) for row in rows.to_dict('records')])}"
    return f" at {len(rows)} of {total if len(rows) == len(whole) else len(whole)} {what}"


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
        ONE_SCHEDULE: "of the same rates",
        OPEN: "open",
        NOT_EVALUATED: f"not judged{yet}",
    }
    counts = outcomes.value_counts()
    parts = [f"{counts[each]} {words}" for each, words in said.items() if each in counts]
    return f"Of {spell_count(len(outcomes), 'difference')} from {reference}: {join_words(parts)}."
