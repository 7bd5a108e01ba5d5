"""What a comparison can resolve, before anything trains.

Its looks and their shares of the error are known beforehand, and so is what each can resolve, in
sds of the paired differences; where an sd is known, in the metric's unit too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from math import sqrt

import pandas as pd

from lrdecay.analysis.intervals import POWER, detectable_effect, t_radius
from lrdecay.analysis.looks import Look, iterate_lattice, iterate_looks, list_looks
from lrdecay.analysis.metrics import Metric
from lrdecay.analysis.number_text import format_number
from lrdecay.analysis.sentences import name_contrast
from lrdecay.analysis.verdicts import DEFAULT_BUDGET
from lrdecay.core.first_plan import FEWEST_SEEDS, FirstPlan
from lrdecay.core.text import spell_count

AIM_MARGINS = 3
"""How many margins a difference has that a comparison should resolve."""

_OWN_SDS = {"digits": (0.33, 1.33), "mnist": (0.06, 0.19), "fashion_mnist": (0.06, 0.30)}
"""By dataset: the least and the largest sd of paired differences in test accuracy, in points, that
sweeps of schedulers with the small CNN and Adam had. Where runs fail now and then, as at large
rates, it is ten times that."""


@dataclass(frozen=True)
class Resolution:
    """What a look resolves, in sds of the paired differences: one beyond `radius`, and a true one
    of `effect` with probability `POWER`."""

    n: int
    radius: float
    effect: float


@dataclass(frozen=True)
class Spread:
    """What sd the paired differences of a sweep may have, in its metric's unit.

    Attributes:
        sds: one, or a lower and an upper one.
        typical: the one to plan with.
        source: a sentence on where they are from.
    """

    sds: tuple[float, ...]
    typical: float
    source: str


@dataclass(frozen=True)
class Design:
    """A comparison, as far as it says what can be resolved.

    Attributes:
        plan: the first plan, on which its looks rest, and whose family shares the error.
        seeds: the most that are planned now.
        metric: what is compared.
        margin: what counts as no difference, in the metric's unit.
        confidence: of all verdicts of the family together.
        settled: whether the looks stay as they are, since runs of the comparison have ended.
    """

    plan: FirstPlan
    seeds: int
    metric: Metric
    margin: float
    confidence: float
    settled: bool = False

    @property
    def aim(self) -> float:
        """The true difference that it should resolve."""
        return AIM_MARGINS * self.margin

    @cached_property
    def resolutions(self) -> tuple[Resolution, ...]:
        """What is resolved at its first planned look, and at its last look if that is another."""
        looks = list_looks(self.plan.first, self.plan.most, max(self.seeds, FEWEST_SEEDS))
        planned = [look for look in looks if look.planned]
        return tuple(map(self._resolve, dict.fromkeys([*planned[:1], looks[-1]])))

    def resolve_plan(self, n: int) -> Resolution:
        """Return what `n` seeds resolve, 8 or more, that are planned from the start."""
        return self._resolve(list_looks(n, None, n)[-1])

    def resolves_aim(self, sd: float) -> bool:
        """Return whether differences of this sd are resolved well enough."""
        return self.seeds >= FEWEST_SEEDS and self.resolutions[-1].effect * sd <= self.aim

    def find_enough(self, sd: float) -> Resolution | None:
        """Return the fewest seeds that resolve the aim: of plans from the start on the lattice of
        looks, or where these are settled, of those to come; None where it takes too many."""
        listed = (
            map(self._resolve, self._iterate_later())
            if self.settled
            else map(self.resolve_plan, iterate_lattice())
        )
        within = takewhile(lambda each: each.n <= DEFAULT_BUDGET, listed)
        return next((each for each in within if each.effect * sd <= self.aim), None)

    def list_curve(self, most: int) -> list[Resolution]:
        """Return what plans from the start resolve: of each number of seeds of the lattice up to
        `most`, and of those that are planned."""
        numbers = {*takewhile(lambda n: n <= most, iterate_lattice())}
        numbers |= {self.seeds} if self.seeds >= FEWEST_SEEDS else set()
        return [self.resolve_plan(n) for n in sorted(numbers)]

    def _iterate_later(self) -> Iterator[Look]:
        looks = iterate_looks(self.plan.first, self.plan.most)
        return (look for look in looks if look.n > self.seeds)

    def _resolve(self, look: Look) -> Resolution:
        level = look.share * (1.0 - self.confidence) / self.plan.family
        radius, effect = float(t_radius(look.n, 1.0, level)), detectable_effect(look.n, level)
        return Resolution(look.n, radius, effect)


def measure_spread(table: pd.DataFrame, folder: str) -> Spread | None:
    """Return the sds of a table of contrasts (`n`, `sd`, `a`, `b`, `where`) that a results folder
    gave: their median and the largest. Those of differences that are one number tell nothing; None
    where there are no others."""
    varying = table[(table["n"] >= 2) & (table["sd"] > 0)]
    if varying.empty:
        return None
    fewest, most = int(varying["n"].min()), int(varying["n"].max())
    over = spell_count(fewest, "seed") if fewest == most else f"{fewest} to {most} seeds"
    median, largest = float(varying["sd"].median()), float(varying["sd"].max())
    widest = name_contrast(varying.nlargest(1, "sd").iloc[0].to_dict(), minus="-")
    if len(varying) == 1:
        return Spread((median,), median, f"The sd is that of {widest} over {over} in {folder}.")
    source = (
        f"The sds are the median and the largest ({widest}) of {len(varying)} differences over "
        f"{over} in {folder}."
    )
    return Spread((median, largest), median, source)


def look_up_spread(dataset: str | None, metric: str) -> Spread | None:
    """Return the sds that lrdecay's own sweeps had; None where there were none."""
    if dataset not in _OWN_SDS or metric != "test_accuracy":
        return None
    low, high = _OWN_SDS[dataset]
    own = f"lrdecay's own sweeps of {dataset} with Adam"
    source = f"The sds are the least and the largest of {own}."
    return Spread((low, high), sqrt(low * high), source)


def describe_design(design: Design, spread: Spread | None) -> Iterator[str]:
    """Yield what a design resolves, in sds and as far as an sd is known in the metric's unit, and
    where the sd is from."""
    unit, family = design.metric.unit_name, design.plan.family
    head = f"{spell_count(family, 'difference')} at"
    if design.seeds < FEWEST_SEEDS:
        few = spell_count(design.seeds, "seed")
        yield f"{head} {few}: no verdict is made of fewer than {FEWEST_SEEDS}."
        head = "At"
    for found in design.resolutions:
        text = (
            f"{head} {spell_count(found.n, 'seed')}: {'one' if family > 1 else 'it'} is resolved "
            f"if it exceeds {found.radius:.2f} sd of the paired differences; a true "
            f"{found.effect:.2f} sd is resolved with {POWER:.0%} probability."
        )
        if design.margin:
            needed = format_number(design.margin / found.radius)
            within = design.metric.spell(f"{design.margin:g}")
            text += f" Equivalence within {within} needs an sd below {needed}."
        yield text
        if spread is not None:
            at = "; ".join(_describe_at(found, sd) for sd in spread.sds)
            yield f"In {unit}: {at}."
        head = "At"
    if spread is None:
        yield (
            f"What that is in {unit} depends on the sd: give it with --sd, or with --like the "
            f"results of a like sweep."
        )
    else:
        yield spread.source


def describe_shortfall(design: Design, spread: Spread, enough: Resolution | None) -> str:
    """Return that a design does not resolve its aim, and which seeds would be `enough`."""
    does = "does" if design.seeds == 1 else "do"
    text = (
        f"{spell_count(design.seeds, 'seed')} {does} not resolve a true difference of "
        f"{design.metric.spell(f'{design.aim:g}')}, {AIM_MARGINS} times the margin, with "
        f"{POWER:.0%} probability where the sd is {format_number(spread.typical)}"
    )
    if enough is None:
        return f"{text}, nor would up to {DEFAULT_BUDGET:,}"
    if design.settled:
        return f"{text}; the look at {enough.n} would"
    if enough.n <= design.seeds:
        return f"{text}; seeds: {enough.n}, without looks before, would"
    return f"{text}; {enough.n} that are planned from the start would"


def _describe_at(found: Resolution, sd: float) -> str:
    radius, effect = format_number(found.radius * sd), format_number(found.effect * sd)
    return f"{radius} and {effect} at an sd of {format_number(sd)}"
