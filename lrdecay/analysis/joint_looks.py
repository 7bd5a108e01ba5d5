"""Looks of several sweeps together: each at its own planned number of seeds, and so on in step."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import fmean

from lrdecay.analysis.looks import Look, iterate_lattice, list_looks
from lrdecay.core.first_plan import FEWEST_SEEDS, FirstPlan


@dataclass(frozen=True)
class JointLook:
    """A verdict of the first `n[i]` seeds of each sweep i, which may err with `share` of a
    contrast's error."""

    n: tuple[int, ...]
    share: float
    planned: bool


@dataclass(frozen=True)
class LookSchedule:
    """The looks of one sweep at the seeds there are, and how many of them come before the first
    planned one."""

    looks: Sequence[Look]
    before: int


def schedule_looks(plan: FirstPlan, there: int) -> LookSchedule:
    """Return the looks of a plan at up to `there` seeds."""
    first = max(plan.first, FEWEST_SEEDS)
    before = sum(1 for _ in takewhile(lambda n: n < first, iterate_lattice()))
    return LookSchedule(list_looks(plan.first, plan.most, there), before)


def schedule_fixed(pairs: int) -> LookSchedule:
    """Return the one look of a number of seeds that was fixed beforehand; none for fewer than a
    verdict is made of."""
    looks = [Look(pairs, 1.0, planned=True)] if pairs >= FEWEST_SEEDS else []
    return LookSchedule(looks, 0)


def join_looks(schedules: Sequence[LookSchedule]) -> list[JointLook]:
    """Return the looks that several sweeps have reached together, in order.

    One is at the first planned look of each sweep, the next at the next one of each, and so on;
    those before it are paired backwards, as far as each sweep has some. So each sweep enters with
    a number of seeds that its own first plan fixed, whatever the others planned later. The share
    is the mean of the sweeps' shares: these add up to at most 1 in each sweep, and so do the means.

    >>> [(look.n, look.share) for look in join_looks([schedule_looks(FirstPlan(8), 12)] * 2)]
    [((8, 8), 0.8), ((12, 12), 0.05)]
    >>> plans = FirstPlan(12), FirstPlan(8)
    >>> [(look.n, look.share) for look in join_looks([schedule_looks(p, 16) for p in plans])]
    [((12, 8), 0.775), ((16, 12), 0.05)]
    """
    back = min(schedule.before for schedule in schedules)
    in_step = [schedule.looks[schedule.before - back :] for schedule in schedules]
    return [
        JointLook(
            tuple(look.n for look in looks),
            fmean(look.share for look in looks),
            all(look.planned for look in looks),
        )
        for looks in zip(*in_step, strict=False)
    ]
