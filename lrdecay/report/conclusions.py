"""What a sweep decides, in words: its question, the verdicts, and what is still open."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis import (
    AXES,
    Conclusions,
    SeedsUntil,
    axis_values,
    open_questions,
)
from lrdecay.analysis.axes import has_dropout, list_strata
from lrdecay.analysis.headline import describe_resolution
from lrdecay.analysis.looks import find_next_look, plans_verdicts
from lrdecay.analysis.sentences import list_best
from lrdecay.analysis.verdicts import (
    EQUIVALENT,
    IDENTICAL,
    NOT_EVALUATED,
    RESOLVED,
    UNRESOLVED,
)
from lrdecay.core.first_plan import FEWEST_SEEDS
from lrdecay.core.text import join_words, spell_count, spell_seconds, to_text

GROUPS = {
    "Resolved": RESOLVED,
    "Not resolved": (UNRESOLVED,),
    "Not evaluated": (NOT_EVALUATED,),
}
"""What sentences stand under, and their verdicts."""

_USUAL_MOST = SeedsUntil().max


def write_question(found: Conclusions) -> str:
    """Return what is compared with what, and by what rule, in a sentence or two."""
    primary = found.primary
    if primary.empty:
        return f"There is one scheduler, {found.reference}, so none to compare it with."
    others = join_words(axis_values(primary, "scheduler"))
    rates = [to_text(rate) or "not given" for rate in axis_values(primary, "dropout")]
    where = f" at dropout {join_words(rates)}" if has_dropout(primary).any() else ""
    chance = f"{100 * (1 - found.criteria.confidence):.3g}%"
    size = len(primary)
    verdicts = "the verdict" if size == 1 else f"any of the {spell_count(size, 'verdict')}"
    looks = "" if found.criteria.seeds_fixed else ", at all looks together"
    margin = found.spell_margin()
    that = f"Differences below {margin} are to count as none; that" if margin else "That"
    return (
        f"{others} against {found.reference}{where}, by {found.metric.title}. "
        f"{that} {verdicts} is wrong has a probability of at most {chance}{looks}."
    )


def write_summary(found: Conclusions) -> str:
    """Return how many differences have which verdict."""
    primary = found.primary
    if primary.empty:
        return ""
    verdicts, still_open = primary["verdict"], open_questions(found.table)
    if len(still_open) == len(primary) and (verdicts == NOT_EVALUATED).all():
        most = spell_count(still_open["n"].max(), "seed")
        return (
            f"Too few seeds to say whether a difference is real: a pair has {most} at most, and "
            f"verdicts begin at {still_open['next_look'].min()}."
        )
    equivalent, identical = (int((verdicts == each).sum()) for each in (EQUIVALENT, IDENTICAL))
    counts = {
        "shown to differ from 0": int(verdicts.isin(RESOLVED).sum()) - equivalent - identical,
        f"equivalent within {found.spell_margin()}": equivalent,
        "identical at every seed": identical,
        "not resolved": int((verdicts == UNRESOLVED).sum()),
        "not evaluated": int((verdicts == NOT_EVALUATED).sum()),
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    where = ""
    if len(judged := primary.loc[verdicts != NOT_EVALUATED, "look"]):
        where = f" at {_seeds_from(judged)}"
    return f"Of {spell_count(len(primary), 'difference')}{where}: {join_words(parts)}."


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


def write_next_step(found: Conclusions) -> Iterator[str]:
    """Yield from where on differences are resolved, and the fewest seeds that would settle one
    more; nothing where nothing is open."""
    still_open = open_questions(found.table)
    if still_open.empty:
        return
    if resolved := describe_resolution(found):
        yield resolved
    if found.criteria.seeds_fixed:  # more of them would not be what was planned
        return
    more = still_open["more_seeds"].to_numpy(float)
    if not np.isfinite(more).any():
        budget = spell_count(found.criteria.budget, "seed")
        yield f"What is open may not be resolvable within {budget}."
        return
    nearest = still_open[more == more.min()]
    begins = (nearest["verdict"] == NOT_EVALUATED).all()
    verb = "would begin to judge" if begins else "would settle"
    what, as_is = spell_count(len(nearest), "open difference"), "they stay as they are"
    if len(nearest) == 1:
        (row,) = nearest.to_dict("records")
        where = f" at {row['where']}" if row["where"] else ""
        what, as_is = f"{row['scheduler']} against {found.reference}{where}", "it stays as it is"
    per_run, cost = float(found.blocks.runs["seconds"].mean()), ""
    if math.isfinite(per_run) and not found.blocks.imported:
        cost = f" (about {spell_seconds(per_run * _more_runs(nearest))} of training)"
    seeds = f"{int(more.min())} more {'seed' if more.min() == 1 else 'seeds'}"
    last = "" if begins else f", if {as_is}"
    yield f"Cheapest next step: {seeds}{cost} {verb} {what}{last}."


def write_outlook(found: Conclusions) -> list[str]:
    """Return what it would take to settle what is open."""
    still_open = open_questions(found.table)
    if still_open.empty:
        return []
    more = still_open["more_seeds"].to_numpy(float)
    within = still_open[np.isfinite(more)]
    lines = [_cost(found, within)] if len(within) else []
    if beyond := len(still_open) - len(within):
        lines.append(
            f"{spell_count(beyond, 'difference')} may not be resolvable within "
            f"{spell_count(found.criteria.budget, 'seed')}."
        )
    return lines


def _cost(found: Conclusions, within: pd.DataFrame) -> str:
    """Return what contrasts that the budget suffices for take, and how to ask for it."""
    needed = within["more_seeds"].astype(int)
    count = _seeds_from(needed)
    begin = (within["verdict"] == NOT_EVALUATED).all()
    verb = "begin to judge" if begin else "settle"
    text = f"To {verb} {spell_count(len(within), 'open difference')} takes about {count} more"
    text += "" if begin else ", if they stay as they are"
    if found.blocks.imported:
        return f"{text}: train them where these came from."
    # no run that has ended so far says how long one takes if all of them failed
    per_run = float(found.blocks.runs["seconds"].mean())
    if math.isfinite(per_run):
        hours = spell_seconds(per_run * _more_runs(within))
        text += f": some {hours} of training time, at what these runs took"
    if (within["n_waiting"] >= needed).all():
        return f"{text}. The sweep is still to train them."
    there = found.blocks.seeds.tolist()
    if there != list(range(len(there))):  # which `until` counts from 0
        return f"{text}. Add them at the end of `seeds` in the sweep file."
    fewest = max(found.first_plan.first, FEWEST_SEEDS)
    # those that can only begin to be judged will take more than that
    wanted = max(fewest, _USUAL_MOST if begin else int((within["n"] + needed).max()))
    return (
        f"{text}. With seeds: {{min: {fewest}, max: {wanted}, until: resolved}} in the sweep file "
        f"each stops as soon as it is resolved."
    )


def _seeds_from(counts: pd.Series[int]) -> str:
    """Return the least and the most of some numbers of seeds as text, one where they are equal."""
    least, most = int(counts.min()), int(counts.max())
    seeds = spell_count(most, "seed")
    return seeds if least == most else f"{least:,} to {seeds}"


def _more_runs(rows: pd.DataFrame) -> int:
    """Return how many runs the contrasts take; those of one cell serve all that it is part of."""
    where = [axis for axis in AXES if axis in rows and axis != "scheduler"]
    sides = [
        rows[[*where, side, "more_seeds"]].rename(columns={side: "label"})
        for side in ("scheduler", "versus_scheduler")
    ]
    return int(pd.concat(sides).groupby([*where, "label"], dropna=False)["more_seeds"].max().sum())


def list_shares(found: Conclusions) -> list[str]:
    """Return the looks so far and the next one, with each one's share of the error."""
    plan = found.first_plan
    if found.criteria.seeds_fixed:
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
