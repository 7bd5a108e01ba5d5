"""What a comparison does otherwise than it was first planned: with any of it, it is exploratory."""

from collections.abc import Iterator, Sequence

from lrdecay.analysis.settings import Criteria
from lrdecay.core.first_plan import FirstPlan, digest_seeds


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


def list_departures(
    plan: FirstPlan, criteria: Criteria, reference: str, seeds: Sequence[int]
) -> Iterator[str]:
    """Yield what is not as planned, in words; what is not known to have been planned never is.

    `seeds` are all there are, in order. Fewer than planned are no departure: looks at fewer have
    their share of the error.
    """
    if plan.metric and criteria.metric != plan.metric:
        yield f"the metric was to be {plan.metric}, not {criteria.metric}"
    if plan.reference and reference != plan.reference:
        yield f"the reference was to be {plan.reference}, not {reference}"
    if plan.confidence is not None and criteria.confidence != plan.confidence:
        yield f"the confidence was to be {plan.confidence:g}, not {criteria.confidence:g}"
    # a margin in another unit is another metric's
    of_metric = not plan.metric or criteria.metric == plan.metric
    if plan.margin is not None and of_metric and criteria.margin != plan.margin:
        now = "and none is given" if criteria.margin is None else f"not {criteria.margin:g}"
        yield f"the margin was to be {plan.margin:g}, {now}"
    all_there = len(seeds) >= plan.first
    if plan.seeds and all_there and digest_seeds(seeds[: plan.first]) != plan.seeds:
        yield f"other seeds than the {plan.first} planned ones come first"
