"""What a comparison does otherwise than it was first planned: with any of it, it is exploratory."""

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from lrdecay.analysis.settings import Criteria
from lrdecay.core.first_plan import LOST, FirstPlan
from lrdecay.core.text import format_call, join_words


def find_first_plan(kept: FirstPlan | None, stated: Criteria) -> FirstPlan:
    """Return the first plan of a results folder: the one that is kept there, else what an older
    lrdecay is taken to have planned, 8 seeds and what the sweep file states."""
    if kept is not None:
        return kept
    return FirstPlan(
        metric=stated.metric,
        reference=stated.reference or "",
        margin=stated.margin,
        confidence=stated.confidence,
    )


def list_schedules(rows: pd.DataFrame, scheduler: str) -> tuple[str, ...]:
    """Return what a label stands for in rows of runs or of a plan, each class with its arguments;
    nothing where the rows do not say."""
    if not {"scheduler_class", "scheduler_args"} <= set(rows):
        return ()
    names = ["scheduler_class", "scheduler_args"]
    own = rows.loc[rows["scheduler"] == scheduler, names].drop_duplicates()
    return tuple(sorted(own["scheduler_class"] + " " + own["scheduler_args"]))


def list_departures(
    plan: FirstPlan,
    criteria: Criteria,
    reference: str,
    schedules: Sequence[str],
    seeds: Sequence[int],
) -> Iterator[str]:
    """Yield what is not as planned, in words; what is not known to have been planned never is.

    `schedules` are what the reference stands for, and `seeds` all there are, in order. Fewer than
    were asked for are no departure if they are the first of these: looks at fewer have their share
    of the error. To leave out any other, when all have been seen, would be to choose.
    """
    if plan.lost:
        yield LOST
    if plan.differing:
        names = ["what the reference is" if n == "schedules" else n for n in plan.differing]
        yield f"results were merged that were planned with another {join_words(names, 'or')}"
    if plan.metric and criteria.metric != plan.metric:
        yield f"the metric was to be {plan.metric}, not {criteria.metric}"
    if plan.reference and reference != plan.reference:
        yield f"the reference was to be {plan.reference}, not {reference}"
    if plan.confidence is not None and criteria.confidence != plan.confidence:
        yield f"the confidence was to be {plan.confidence:.12g}, not {criteria.confidence:.12g}"
    # a margin in another unit is another metric's
    of_metric = not plan.metric or criteria.metric == plan.metric
    if plan.margin is not None and of_metric and criteria.margin != plan.margin:
        now = "and none is given" if criteria.margin is None else f"not {criteria.margin:g}"
        yield f"the margin was to be {plan.margin:g}, {now}"
    of_reference = not plan.reference or reference == plan.reference
    if plan.schedules and of_reference and not set(schedules) <= set(plan.schedules):
        now, planned = (join_words([*map(_spell, s)], "or") for s in (schedules, plan.schedules))
        yield f"{reference} was to be {planned}, not {now}"
    if not plan.allows(seeds):
        yield "seeds that were asked for before are left out, or are in another order"


def _spell(schedule: str) -> str:
    """Return a class with its arguments as a call."""
    name, text = schedule.split(" ", 1)
    arguments = json.loads(text)
    if arguments.get("interval") == "epoch":  # unless another is asked for
        del arguments["interval"]
    return format_call({"class": name, **arguments})
