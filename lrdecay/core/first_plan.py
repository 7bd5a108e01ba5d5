"""What a comparison planned before it had results: verdicts keep to it, whatever is planned later.

The numbers of seeds at which verdicts are made, and what they may err, rest on it; so it is kept
with the results, and never changes once a run of the comparison has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

FEWEST_SEEDS = 8
"""No verdict is made of fewer: differences of two values err too often below it."""

LOST = "what was planned first was in a plan.parquet that was damaged"
"""Why no verdict counts as planned any more, where that is so."""


@dataclass(frozen=True)
class FirstPlan:
    """A comparison as it was first planned; None, "" and () where that is not known.

    Attributes:
        first: seeds that were to train at first, 1 or more.
        most: seeds that might be added up to, None where none were.
        family: the most primary contrasts that any plan of it had.
        metric: what was to be compared.
        reference: the label that others were to be compared with.
        schedules: what that label stood for: each class with its arguments.
        margin: what was to count as no difference, in the metric's unit.
        confidence: of all verdicts of a family together.
        seeds: all that were ever asked for, in order, whether or not they trained.
        differing: which of these differed among results that were merged; they are not known then.
        lost: whether the plan was in a file that was damaged.
    """

    first: int = FEWEST_SEEDS
    most: int | None = None
    family: int = 1
    metric: str = ""
    reference: str = ""
    schedules: tuple[str, ...] = ()
    margin: float | None = None
    confidence: float | None = None
    seeds: tuple[int, ...] = ()
    differing: tuple[str, ...] = ()
    lost: bool = False

    @property
    def adds_seeds(self) -> bool:
        """Whether more seeds might follow those that were to train at first."""
        return self.most is not None and self.most > self.first

    def to_json(self) -> str:
        """Return it as one JSON object, with seeds as ranges: 5 to 7 and 9 are [[5, 7], [9, 9]]."""
        return json.dumps(asdict(self) | {"seeds": _to_ranges(self.seeds)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote.

        Raises `KeyError`, `TypeError` or `ValueError` for text that it cannot have written.
        """
        found = json.loads(text)
        values = {field.name: found[field.name] for field in fields(cls)}
        values["seeds"] = _from_ranges(values["seeds"])
        values |= {name: tuple(values[name]) for name in ("schedules", "differing")}
        plan = cls(**values)
        counts = [plan.first, plan.family, *([] if plan.most is None else [plan.most])]
        texts = plan.metric, plan.reference, *plan.schedules, *plan.differing
        rates = [each for each in (plan.margin, plan.confidence) if each is not None]
        if not all(type(count) is int and count >= 1 for count in counts):
            raise ValueError("its counts are not such")
        if not all(isinstance(text, str) for text in texts) or type(plan.lost) is not bool:
            raise TypeError("its names are not text")
        if not all(isinstance(rate, float | int) and rate >= 0 for rate in rates):
            raise ValueError("its margin or confidence is none")
        if not set(plan.differing) <= set(_COMPARED):
            raise ValueError("it differs in what it does not have")
        return plan

    def cover(self, family: int) -> Self:
        """Return the same, for a family of at least so many contrasts: taking schedulers out later
        makes what is left no sharper."""
        return replace(self, family=max(self.family, family))

    def extend(self, seeds: Sequence[int]) -> Self:
        """Return the same with the seeds that are asked for now, if they go on where these end: to
        leave some out, once they have been seen, changes nothing here."""
        agree = self.seeds == tuple(seeds[: len(self.seeds)]) and "seeds" not in self.differing
        return replace(self, seeds=tuple(seeds)) if agree else self

    def allows(self, seeds: Sequence[int]) -> bool:
        """Return whether seeds, in order, are the first of those that were asked for, or go on
        where these end."""
        both = min(len(self.seeds), len(seeds))
        return self.seeds[:both] == tuple(seeds[:both])


UNPLANNED = FirstPlan(first=1)
"""That of results of which nothing says that a number of seeds was planned before there were any.
"""

_COMPARED = ("metric", "reference", "schedules", "margin", "confidence", "seeds")
_UNKNOWN = FirstPlan()
_MOST_SEEDS = 10_000_000  # ten times as many as a sweep file may ask for


def join_first_plans(plans: Iterable[FirstPlan | None]) -> FirstPlan | None:
    """Return the one plan of results that are merged, in any order: that of the fewest seeds at
    first, and of those at most, for the largest family. What differs among them is `differing`.

    Results without one count as planned at 8 seeds; of such alone there is none.
    """
    plans = list(plans)
    known = sorted((plan for plan in plans if plan is not None), key=_size_up)
    if not known:
        return None
    found = {name: _find_agreed(known, name) for name in _COMPARED}
    differing = tuple(name for name, values in found.items() if not values)
    agreed: dict[str, Any] = {name: values[0] for name, values in found.items() if values}
    first, most = known[0].first, known[0].most
    if None in plans and _size_up(known[0]) > (FEWEST_SEEDS, FEWEST_SEEDS):
        first, most = FEWEST_SEEDS, None
    family, lost = max(plan.family for plan in known), any(plan.lost for plan in known)
    return FirstPlan(first, most, family, **agreed, differing=differing, lost=lost)


def _find_agreed(plans: Sequence[FirstPlan], name: str) -> list[Any]:
    """Return the value that all plans have, or all of those that know it, alone in a list; nothing
    where they differ. Of seeds that is the longest list, if the others begin it."""
    if any(name in plan.differing for plan in plans):
        return []
    values = [getattr(plan, name) for plan in plans]
    if name == "seeds":
        longest = max(plans, key=lambda plan: len(plan.seeds))
        return [longest.seeds] if all(map(longest.allows, values)) else []
    unknown = getattr(_UNKNOWN, name)
    known = {value for value in values if value != unknown} or {unknown}
    return list(known) if len(known) == 1 else []


def _size_up(plan: FirstPlan) -> tuple[int, int]:
    return plan.first, plan.most or plan.first


def _to_ranges(seeds: Sequence[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ranges


def _from_ranges(ranges: Sequence[Sequence[int]]) -> tuple[int, ...]:
    if not all(type(end) is int and end >= 0 for low, high in ranges for end in (low, high)):
        raise ValueError("its seeds are not such")
    if sum(high - low + 1 for low, high in ranges) > _MOST_SEEDS:
        raise ValueError("its seeds are too many")
    return tuple(seed for low, high in ranges for seed in range(low, high + 1))
