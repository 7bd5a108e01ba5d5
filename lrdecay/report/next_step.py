"""What it would take to settle what is open, in words: the cheapest next step, and an outlook."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from lrdecay.analysis import AXES, Conclusions, SeedsUntil, open_questions
from lrdecay.analysis.headline import describe_resolution
from lrdecay.analysis.pairing import NOT_PAIRED
from lrdecay.analysis.verdicts import DEFAULT_BUDGET, NOT_EVALUATED
from lrdecay.core.first_plan import FEWEST_SEEDS
from lrdecay.core.text import spell_count, spell_seconds
from lrdecay.report.conclusions import spell_seeds

_USUAL_MOST = SeedsUntil().max


def write_next_step(found: Conclusions) -> Iterator[str]:
    """Yield from where on differences are resolved, and the fewest seeds that would settle one
    more; nothing where nothing is open."""
    still_open = open_questions(found.table)
    if still_open.empty:
        return
    if resolved := describe_resolution(found):
        yield resolved
    still_open = _list_extensible(still_open)
    if found.criteria.seeds_fixed or still_open.empty:
        return
    more = still_open["more_seeds"].to_numpy(float)
    if not np.isfinite(more).any():
        yield _say_beyond(found, still_open, "What is open", "is so")
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
    still_open = _list_extensible(open_questions(found.table))
    if still_open.empty:
        return []
    more = still_open["more_seeds"].to_numpy(float)
    within = still_open[np.isfinite(more)]
    lines = [_cost(found, within)] if len(within) else []
    beyond = still_open[~np.isfinite(more)]
    if len(beyond):
        what = spell_count(len(beyond), "difference")
        lines.append(
            _say_beyond(found, beyond, what, "is open" if len(beyond) == 1 else "are open")
        )
    return lines


def _say_beyond(found: Conclusions, rows: pd.DataFrame, what: str, is_open: str) -> str:
    """Return what is said of differences that the budget may not suffice for, or did not."""
    if (rows["n"] < found.criteria.budget).any():
        return f"{what} may not be resolvable within {spell_count(found.criteria.budget, 'seed')}."
    there = f"{what} {is_open} at all {spell_seeds(rows['n'])}"
    if found.criteria.budget == DEFAULT_BUDGET:  # as without a `max`
        return f"{there}."
    return f"{there}; a larger `max` in the sweep file allows more."


def _list_extensible(still_open: pd.DataFrame) -> pd.DataFrame:
    """Return open questions to which seeds may be added: samples have no looks, so theirs is a
    number fixed beforehand, and would not be that any more once its verdict is known."""
    unseen = still_open["verdict"] == NOT_EVALUATED
    return still_open[unseen | (still_open["pairing"] != NOT_PAIRED)]


def _cost(found: Conclusions, within: pd.DataFrame) -> str:
    """Return what contrasts that the budget suffices for take, and how to ask for it."""
    needed = within["more_seeds"].astype(int)
    count = spell_seeds(needed)
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
    if there != list(range(there[0], there[0] + len(there))):  # which `until` counts
        return f"{text}. Add them at the end of `seeds` in the sweep file."
    fewest = max(found.first_plan.first, FEWEST_SEEDS)
    # those that can only begin to be judged will take more than that
    wanted = max(fewest, _USUAL_MOST if begin else int((within["n"] + needed).max()))
    start = f"start: {there[0]}, " if there[0] else ""
    return (
        f"{text}. With seeds: {{min: {fewest}, max: {wanted}, {start}until: resolved}} in the "
        f"sweep file each stops as soon as it is resolved."
    )


def _more_runs(rows: pd.DataFrame) -> int:
    """Return how many runs the contrasts take; those of one cell serve all that it is part of."""
    where = [axis for axis in AXES if axis in rows and axis != "scheduler"]
    sides = [
        rows[[*where, side, "more_seeds"]].rename(columns={side: "label"})
        for side in ("scheduler", "versus_scheduler")
    ]
    return int(pd.concat(sides).groupby([*where, "label"], dropna=False)["more_seeds"].max().sum())
