"""What a sweep's schedules will do, found by walking through each before anything trains."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lrdecay.components import schedulers
from lrdecay.components.schedulers import Horizon, Part, ScheduleCurve
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.core.text import spell_count
from lrdecay.sweep.argument_lint import ALMOST, lint_floors, lint_part

MOST = 200_000
"""Epochs or steps of a schedule that are walked through; a longer one is not checked."""

_JUMP = 0.1  # of the highest rate, within one epoch or step
_RISES = {"CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"}


@dataclass(frozen=True)
class PlannedCurve:
    """The curve of one scheduler of a sweep over one length of run, for a loss that never improves
    where it is steered by that."""

    run: Run
    curve: ScheduleCurve
    ignores_base_rate: bool = False
    """Whether the rates are the same at another base rate of the sweep."""
    at_lowest: Sequence[Part] = ()
    """The scheduler and all that it holds, at the sweep's lowest base rate."""

    @property
    def label(self) -> str:
        """Its label in the sweep file."""
        return self.run.scheduler


def simulate_schedules(runs: Sequence[Run], train_images: int) -> list[PlannedCurve]:
    """Walk through each scheduler once for each length of run, at the first base rate, and at the
    second, where there are several; those whose rates rest on the training are left out.

    `train_images` is how many a run trains on.
    """
    alike: dict[tuple[str, int, int], dict[float, Run]] = {}
    for run in runs:
        by_rate = alike.setdefault((run.scheduler, run.epochs, run.batch_size), {})
        by_rate.setdefault(run.lr, run)
    found = []
    for by_rate in alike.values():
        chosen = list(by_rate.values())[:2]
        if schedulers.list_needs(*_read(chosen[0])):
            continue
        first, *others = [_simulate(run, train_images) for run in chosen]
        if first is not None:
            same = any(other is not None and other.rates == first.rates for other in others)
            lowest = by_rate[min(by_rate)]
            parts = schedulers.list_parts(*_read(lowest), _find_horizon(lowest, train_images))
            found.append(PlannedCurve(chosen[0], first, same, tuple(parts)))
    return found


def _read(run: Run) -> tuple[str, Mapping[str, Any]]:
    return run.scheduler_class, run.scheduler_arguments


def _find_horizon(run: Run, train_images: int) -> Horizon:
    return Horizon.of(run.epochs, math.ceil(train_images / run.batch_size), run.lr)


def _simulate(run: Run, train_images: int) -> ScheduleCurve | None:
    horizon, scheduler = _find_horizon(run, train_images), _read(run)
    if horizon.length(schedulers.find_clock(*scheduler)) > MOST:
        return None
    try:
        return schedulers.simulate_schedule(*scheduler, horizon)
    except ValueError as error:
        raise InputError(f"schedulers.{run.scheduler}: {error}") from error


def lint_schedules(
    planned: Sequence[PlannedCurve], given: Mapping[str, SchedulerSpec] | None = None
) -> list[str]:
    """Return the warnings, each with its label, what would happen and the fix.

    `given` has the schedulers by label as the sweep file gives them, where it is known.
    """
    lengths = {(each.run.epochs, each.run.batch_size) for each in planned}
    found = []
    for each in planned:
        where = f" (in runs of {spell_count(each.run.epochs, 'epoch')})" if len(lengths) > 1 else ""
        spec = None if given is None else given.get(each.label)
        texts = _lint_one(each, spec)
        found += [f"schedulers.{each.label}: {text}{where}" for text in texts]
    return list(dict.fromkeys([*found, *_find_twins(planned)]))


def _lint_one(each: PlannedCurve, spec: SchedulerSpec | None) -> Iterator[str]:
    curve = each.curve
    if each.ignores_base_rate:
        yield (
            "its rates are the same at every base rate; give the rates that it sets as multiples "
            "of the base rate, such as max_lr: 2 lr"
        )
    if curve.name == "constant":
        return
    if min(curve.rates) < 0:
        yield _describe_negative(curve)
        return
    given = [part.arguments for part in curve.parts]
    if spec is not None:
        given = list(_list_given(spec.class_, spec.arguments))
    of_parts = [
        *(text for pair in zip(curve.parts, given, strict=True) for text in lint_part(*pair)),
        *(text for part in each.at_lowest for text in lint_floors(part)),
    ]
    if of_parts:
        yield from of_parts
    elif _is_level(curve):
        yield (
            f"its rate is {curve.rates[0]:g} in all of "
            f"{spell_count(len(curve.rates), curve.every)}; leave it out, or give arguments that "
            f"change it"
        )
    else:
        yield from _lint_rates(curve)


def _list_given(
    name: str, given: Mapping[str, Any], interval: object = None
) -> Iterator[Mapping[str, Any]]:
    """Yield the arguments of a scheduler and of all that it holds, as the file gives them; one that
    another steps has the interval given there."""
    said = given.get("interval", interval)
    yield {**given, "interval": said}
    for node in filter(None, map(schedulers.read_node, schedulers.list_children(name, given))):
        yield from _list_given(*node, None if name == "WarmupLR" else said)


def _is_level(curve: ScheduleCurve) -> bool:
    return max(curve.rates) - min(curve.rates) <= ALMOST * max(map(abs, curve.rates))


def _describe_negative(curve: ScheduleCurve) -> str:
    index, rate = next((i, rate) for i, rate in enumerate(curve.rates) if rate < 0)
    return (
        f"its rate is negative, {rate:g}, from {curve.every} {index + 1} on, and the loss climbs "
        f"then; give arguments that keep it above 0"
    )


def _lint_rates(curve: ScheduleCurve) -> Iterator[str]:
    """Yield what is odd about the rates themselves."""
    rates, every = curve.rates, curve.every
    top = max(rates)
    used = max(i for i, rate in enumerate(rates, start=1) if rate > ALMOST * top)
    if used < len(rates) - 1:
        yield (
            f"its rate reaches zero early: nothing is learnt in the last "
            f"{spell_count(len(rates) - used, every)} of {len(rates):,}; give it the length of the "
            f"run"
        )
    if _RISES & {part.name for part in curve.parts}:
        return
    highest = rates[0]
    for index, (before, after) in enumerate(pairwise(rates), start=2):
        if after - before > _JUMP * top and highest > before:
            yield (
                f"its rate jumps up from {before:g} to {after:g} at {every} {index}; "
                f"give arguments that let it go on from {before:g}, or leave out what comes before"
            )
            return
        highest = max(highest, after)


def _find_twins(planned: Sequence[PlannedCurve]) -> Iterator[str]:
    """Yield each label whose rates are those of another."""
    seen: dict[object, str] = {}
    for each in planned:
        curve = each.curve
        cycles = any(part.arguments.get("cycle_momentum") for part in curve.parts)
        if cycles or curve.is_steered or (_is_level(curve) and curve.name != "constant"):
            continue  # more than the rates, or rates that are not known, or warned of already
        rates = tuple(f"{rate:.9e}" for rate in curve.step_rates)
        key = (each.run.epochs, each.run.batch_size, rates)
        twin = seen.setdefault(key, each.label)
        if twin != each.label:
            yield (
                f"schedulers.{each.label}: its rates are those of {twin} in every step of "
                f"{each.run.epochs} epochs; leave one of them out, or change its arguments"
            )
