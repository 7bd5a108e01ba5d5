"""What a sweep's schedules will do, found by walking through each before anything trains."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lrdecay.components import schedulers
from lrdecay.components.schedulers import Horizon, Part, ScheduleCurve
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.core.text import spell_count

MOST = 200_000
"""Epochs or steps of a schedule that are walked through; a longer one is not checked."""

_JUMP = 0.1  # of the highest rate, within one epoch or step
_ALMOST = 1e-9
_COUNTED = ("CosineAnnealingWarmRestarts", "MultiStepLR", "SequentialLR", "StepLR")
"""Classes with lengths that are mostly meant in epochs, also where they are stepped after steps."""
_RISES = {"CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"}


@dataclass(frozen=True)
class PlannedCurve:
    """The curve of one scheduler of a sweep over one length of run, for a loss that never improves
    where it is steered by that."""

    run: Run
    curve: ScheduleCurve
    ignores_base_rate: bool = False
    """Whether the rates are the same at another base rate of the sweep."""

    @property
    def label(self) -> str:
        """Its label in the sweep file."""
        return self.run.scheduler


def simulate_schedules(runs: Sequence[Run], train_images: int) -> list[PlannedCurve]:
    """Walk through each scheduler once for each length of run, at the first base rate, and at the
    second, where there are several.

    `train_images` is how many a run trains on.
    """
    alike: dict[tuple[str, int, int], dict[float, Run]] = {}
    for run in runs:
        by_rate = alike.setdefault((run.scheduler, run.epochs, run.batch_size), {})
        by_rate.setdefault(run.lr, run)
    found = []
    for by_rate in alike.values():
        chosen = list(by_rate.values())[:2]
        first, *others = [_simulate(run, train_images) for run in chosen]
        if first is not None:
            same = any(other is not None and other.rates == first.rates for other in others)
            found.append(PlannedCurve(chosen[0], first, same))
    return found


def _simulate(run: Run, train_images: int) -> ScheduleCurve | None:
    horizon = Horizon.of(run.epochs, math.ceil(train_images / run.batch_size), run.lr)
    scheduler = run.scheduler_class, run.scheduler_arguments
    if horizon.length(schedulers.find_clock(*scheduler)) > MOST:
        return None
    try:
        return schedulers.simulate_schedule(*scheduler, horizon)
    except ValueError as error:
        raise InputError(f"schedulers.{run.scheduler}: {error}") from error


def lint_schedules(planned: Sequence[PlannedCurve]) -> list[str]:
    """Return the warnings, each with its label, what would happen and the fix."""
    lengths = {(each.run.epochs, each.run.batch_size) for each in planned}
    found = []
    for each in planned:
        where = f" (in runs of {spell_count(each.run.epochs, 'epoch')})" if len(lengths) > 1 else ""
        found += [f"schedulers.{each.label}: {text}{where}" for text in _lint_one(each)]
    return list(dict.fromkeys([*found, *_find_twins(planned)]))


def _lint_one(each: PlannedCurve) -> Iterator[str]:
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
    of_parts = [text for part in curve.parts for text in _lint_part(part)]
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


def _is_level(curve: ScheduleCurve) -> bool:
    return max(curve.rates) - min(curve.rates) <= _ALMOST * max(map(abs, curve.rates))


def _describe_negative(curve: ScheduleCurve) -> str:
    index, rate = next((i, rate) for i, rate in enumerate(curve.rates) if rate < 0)
    return (
        f"its rate is negative, {rate:g}, from {curve.every} {index + 1} on, and the loss climbs "
        f"then; give arguments that keep it above 0"
    )


def _lint_part(part: Part) -> Iterator[str]:
    """Yield what is odd about the arguments of one class, for its part of the run."""
    if part.name == "ReduceLROnPlateau":
        # the first epoch is the best so far, the next patience + 1 are worse, then it falls
        patience, most = part.arguments["patience"], part.length - 3
        if patience > most:
            fix = f"a patience of at most {most}" if most >= 0 else "more epochs"
            yield (
                f"ReduceLROnPlateau with patience {patience} can never change the rate within "
                f"{spell_count(part.length, 'epoch')}, whatever the loss; give {fix}"
            )
    whole = schedulers.find_end_argument(part.name)
    if whole is not None:
        yield from _lint_end(part, whole)
    for key in schedulers.LENGTHS.get(part.name, ()):
        given = part.arguments.get(key)
        if key != whole and given is not None:
            yield from _lint_lengths(part, key, [given] if isinstance(given, int) else given)
    if part.name == "SequentialLR":
        yield from _lint_sequence(part)
    gamma = part.arguments.get("gamma") or 0
    if part.name in ("ExponentialLR", "MultiStepLR", "StepLR") and gamma > 1:
        yield f"gamma {gamma:g} of {part.name} raises the rate every time; give one below 1"


def _lint_sequence(part: Part) -> Iterator[str]:
    """Yield which schedulers of a SequentialLR do not start where they would alone: OneCycleLR and
    CyclicLR change the rate that torch starts the others from."""
    held = part.arguments["schedulers"]
    culprits = [name for each in held if (name := each["class"]) in ("OneCycleLR", "CyclicLR")]
    if not culprits or len(held) == 1:
        return
    simulate, starts = schedulers.simulate_schedule, [0, *part.arguments["milestones"]]
    rates = simulate(part.name, part.arguments, part.horizon, starts[-1] + 1).rates
    for each, start in zip(held, starts, strict=True):
        alone = {**each, "interval": part.every}
        rate, own = rates[start], simulate(alone.pop("class"), alone, part.horizon, 1).rates[0]
        if not math.isclose(rate, own, rel_tol=_ALMOST):
            yield (
                f"{each['class']} within SequentialLR starts at {rate:g} and not at {own:g}, since "
                f"torch has it start from a rate of {culprits[0]}; let WarmupLR hold that, or give "
                f"it a label of its own"
            )


def _counts_steps_unasked(part: Part) -> bool:
    """Whether its lengths, mostly meant in epochs, count steps, and perhaps by mistake."""
    if part.every == "epoch" or part.name not in _COUNTED:
        return False
    if part.name != "SequentialLR":
        return True
    # it goes by steps for one that it holds, or the file says so
    return any(
        schedulers.find_interval(each["class"]) == "step" for each in part.arguments["schedulers"]
    )


def _lint_end(part: Part, key: str) -> Iterator[str]:
    """Yield what becomes of a schedule whose own end is not that of its part of the run."""
    name, length, every = part.name, part.length, part.every
    value = part.arguments[key]
    if value is None:  # OneCycleLR says it in two arguments
        value = part.arguments["epochs"] * part.arguments["steps_per_epoch"]
    if value == length:
        return
    if value > length:
        happens = "stops halfway" if value == 2 * length else "stops on the way"
    elif name == "CosineAnnealingLR":
        happens = "comes to its end and goes up again"
    else:
        happens = "ends early"
    yield (
        f"{name} over {spell_count(value, every)} {happens}, since it has "
        f"{spell_count(length, every)}{_name_other_unit(value, part)}; give {key}: {every}s"
    )


def _lint_lengths(part: Part, key: str, given: Sequence[int]) -> Iterator[str]:
    """Yield which of the lengths lie past the end, or look like epochs and are steps."""
    name, length = part.name, part.length
    word = key.removesuffix("s") if key == "milestones" else key
    fix = f"give a {word} below {length}, such as 0.5 {part.every}s"
    if length == 1 and part.every == "epoch":  # no whole number is below that
        fix = f"give the run more epochs, or interval: step and a {word} in steps"
    # a decay may take the whole of it
    most = length if key in ("decay_iters", "total_iters") else length - 1
    past = [x for x in given if x > most]
    if past:
        yield (
            f"{word} {', '.join(map(str, past))} of {name} lies past its end, after "
            f"{spell_count(length, part.every)}{_name_other_unit(max(past), part)}; {fix}"
        )
    elif given and _counts_steps_unasked(part) and max(given) <= part.horizon.epochs:
        yield (
            f"{word} {max(given)} of {name} counts steps, of which an epoch has "
            f"{part.horizon.steps_per_epoch}; give interval: epoch, or a number of steps"
        )


def _lint_rates(curve: ScheduleCurve) -> Iterator[str]:
    """Yield what is odd about the rates themselves."""
    rates, every = curve.rates, curve.every
    top = max(rates)
    used = max(i for i, rate in enumerate(rates, start=1) if rate > _ALMOST * top)
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


def _name_other_unit(value: int, part: Part) -> str:
    """Return a hint where a length looks like one in the other unit."""
    horizon = part.horizon
    if part.every == "step" and value == horizon.epochs != horizon.steps:
        return f" ({value} is its number of epochs; it is stepped after every step)"
    if part.every == "epoch" and value == horizon.steps != horizon.epochs:
        return f" ({value} is its number of steps; it is stepped after every epoch)"
    return ""
