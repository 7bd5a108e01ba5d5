"""What a comparison planned before it had results: verdicts keep to it, whatever is planned later.

The numbers of seeds at which verdicts are made, and what they may err, rest on it; so it is kept
with the results, and never changes once a run of the comparison has ended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Self

FEWEST_SEEDS = 8
"""No verdict is made of fewer: differences of two values err too often below it."""


@dataclass(frozen=True)
class FirstPlan:
    """A comparison as it was first planned; None and "" where that is not known.

    Attributes:
        first: seeds that were to train at first, 1 or more.
        most: seeds that might be added up to, None where none were.
        family: the most primary contrasts that any plan of it had.
        metric: what was to be compared.
        reference: the label that others were to be compared with.
        margin: what was to count as no difference, in the metric's unit.
        confidence: of all verdicts of a family together.
        seeds: the digest of the first `first` seeds, in order.
    """

    first: int = FEWEST_SEEDS
    most: int | None = None
    family: int = 1
    metric: str = ""
    reference: str = ""
    margin: float | None = None
    confidence: float | None = None
    seeds: str = ""

    def to_json(self) -> str:
        """Return it as one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote.

        Raises `KeyError`, `TypeError` or `ValueError` for text that it cannot have written.
        """
        found = json.loads(text)
        plan = cls(**{field.name: found[field.name] for field in fields(cls)})
        counts = [plan.first, plan.family, *([] if plan.most is None else [plan.most])]
        texts = plan.metric, plan.reference, plan.seeds
        rates = [each for each in (plan.margin, plan.confidence) if each is not None]
        if not all(type(count) is int and count >= 1 for count in counts):
            raise ValueError("its counts are not such")
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("its names are not text")
        if not all(isinstance(rate, float | int) and rate >= 0 for rate in rates):
            raise ValueError("its margin or confidence is none")
        return plan

    def cover(self, family: int) -> Self:
        """Return the same, for a family of at least so many contrasts: taking schedulers out later
        makes what is left no sharper."""
        return replace(self, family=max(self.family, family))


def digest_seeds(seeds: Sequence[int]) -> str:
    """Return what names these seeds in this order."""
    return hashlib.sha256(repr(list(map(int, seeds))).encode()).hexdigest()[:16]


def join_first_plans(plans: Iterable[FirstPlan | None]) -> FirstPlan | None:
    """Return the one plan of results that are merged, in any order: that of the fewest seeds at
    first, and of those at most, for the largest family.

    Results without one count as planned at 8 seeds; of such alone there is none.
    """
    plans = list(plans)
    known = sorted((plan for plan in plans if plan is not None), key=_size_up)
    if not known:
        return None
    least = known[0].cover(max(plan.family for plan in known))
    if None in plans and _size_up(least)[:2] > (FEWEST_SEEDS, FEWEST_SEEDS):
        return replace(least, first=FEWEST_SEEDS, most=None, seeds="")
    return least


def _size_up(plan: FirstPlan) -> tuple[int, int, str]:
    """Return what plans are ordered by; the text tells those of one size apart."""
    return plan.first, plan.most or plan.first, plan.to_json()
