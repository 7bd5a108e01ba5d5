"""What is odd about the arguments of one scheduler, for its part of the run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay.components import schedulers
from lrdecay.components.schedulers import Part
from lrdecay.core.text import spell_count

ALMOST = 1e-9
"""Rates are one where they differ by less than this share of the larger one."""

_COUNTED = ("CosineAnnealingWarmRestarts", "MultiStepLR", "StepLR")
"""Classes with lengths that are mostly meant in epochs, also where the file says interval: step."""
_PARTIAL = ("decay_iters", "step_size_down", "step_size_up", "warmup_iters")
"""Lengths of less than the run, counted in steps as often as in epochs."""
_STEPS_FOR_SURE = 100
"""So many are steps: warmups and cycles of as many epochs are not in use."""
_FLOORS = ("base_lr", "eta_min", "min_lr")
"""Arguments, of whatever class, that are the rate below which it does not go."""
_SHARES = {"CosineToFloorLR": "floor", "WarmupStableDecayLR": "final"}
"""Class -> argument that is the same as a share of the base rate."""


def lint_part(part: Part, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is odd about the arguments of one class, for its part of the run.

    `given` are those of the sweep file; of one that another steps, with the interval given there.
    """
    if part.name == "ReduceLROnPlateau":
        # the first epoch is the best so far, the next patience + 1 are worse, then it falls
        patience, most = part.arguments["patience"], part.length - 3
        if patience > most:
            steered_by = "accuracy" if "monitor" in part.arguments else "loss"
            fix = f"a patience of at most {most}" if most >= 0 else "more epochs"
            yield (
                f"ReduceLROnPlateau with patience {patience} can never change the rate within "
                f"{spell_count(part.length, 'epoch')}, whatever the {steered_by}; give {fix}"
            )
        return
    whole = schedulers.find_end_argument(part.name)
    if whole is not None:
        yield from _lint_end(part, whole)
    for key in schedulers.LENGTHS.get(part.name, ()):
        if key != whole:
            yield from _lint_lengths(part, key, given)
    if part.name == "SequentialLR":
        yield from _lint_sequence(part)
    gamma = part.arguments.get("gamma") or 0
    if part.name in ("ExponentialLR", "MultiStepLR", "StepLR") and gamma > 1:
        yield f"gamma {gamma:g} of {part.name} raises the rate every time; give one below 1"
    if part.name == "MultiStepLR":
        yield from _lint_milestones(part, given["milestones"])


def _lint_milestones(part: Part, given: Sequence[Any]) -> Iterator[str]:
    """Yield which milestones of a MultiStepLR come twice, and which are not in the order in which
    they come; a run has them sorted."""
    stones = part.arguments["milestones"]
    for stone in sorted({stone for stone in stones if stones.count(stone) > 1}):
        yield (
            f"milestone {stone} of MultiStepLR is given {stones.count(stone)} times, and the rate "
            f"changes as often there; give it once"
        )
    ordered = sorted(given, key=lambda x: schedulers.read_length(x, part.horizon, part.every))
    if ordered != list(given):
        yield (
            f"milestones {', '.join(map(str, given))} of MultiStepLR do not rise, and come in the "
            f"order {', '.join(map(str, ordered))}; give them so"
        )


def _holds(part: Part) -> bool:
    """Whether it has one rate up to its end, so that no end is too late."""
    given = part.arguments
    match part.name:
        case "ConstantLR":
            return True
        case "LinearLR":
            return bool(given["start_factor"] == given["end_factor"])
        case "MultiStepLR" | "StepLR":
            return bool(given["gamma"] == 1)
        case "PolynomialLR":
            return bool(given["power"] == 0)
    return False


def lint_floors(part: Part) -> Iterator[str]:
    """Yield which floor lies where the rate begins, or above, so that it does not fall to it."""
    base, name = part.horizon.lr, part.name
    happens = {"CyclicLR": "all of its rates do", "ReduceLROnPlateau": "it never falls"}
    for key in _FLOORS:
        for floor in _list_numbers(part.arguments.get(key)):
            if floor > base:
                yield (
                    f"{key} {floor:g} of {name} lies above the base rate, {base:g}, so "
                    f"{happens.get(name, 'the rate rises to it')}; give one below, such as "
                    f"{key}: 0.1 lr"
                )
            elif floor == base and key != "base_lr":  # a cycle goes up from it
                yield (
                    f"{key} {floor:g} of {name} is the base rate itself, so the rate never falls; "
                    f"give one below, such as {key}: 0.1 lr"
                )
    share = _SHARES.get(name)
    if share is not None and part.arguments[share] == 1:
        yield (
            f"{share} 1 of {name} is the base rate itself, so the rate never falls; give one below"
        )
    if name == "CyclicLR":
        ends = (_list_numbers(part.arguments[key]) for key in ("base_lr", "max_lr"))
        for low, high in zip(*ends, strict=False):
            if high < low:
                yield f"max_lr {high:g} of CyclicLR lies below its base_lr, {low:g}; exchange them"


def _list_numbers(given: Any) -> list[float]:
    """Return what an argument gives, as one number or one for each parameter group."""
    return [value for value in _listed(given) if isinstance(value, int | float)]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


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
        if not math.isclose(rate, own, rel_tol=ALMOST):
            yield (
                f"{each['class']} within SequentialLR starts at {rate:g} and not at {own:g}, since "
                f"torch has it start from a rate of {culprits[0]}; let WarmupLR hold that, or give "
                f"it a label of its own"
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


def _lint_lengths(part: Part, key: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield which of the lengths lie past the end, or look like epochs and are steps."""
    name, length = part.name, part.length
    word = key.removesuffix("s") if key == "milestones" else key
    fix = f"give a {word} below {length}, such as 50%"
    if length == 1 and part.every == "epoch":  # no whole number is below that
        fix = f"give the run more epochs, or interval: step and a {word} in steps"
    # a decay may take the whole of it
    most = length if key in ("decay_iters", "total_iters") else length - 1
    past = [x for x in _listed(part.arguments[key]) if x is not None and x > most]
    if past and not _holds(part):
        yield (
            f"{word} {', '.join(map(str, past))} of {name} lies past its end, after "
            f"{spell_count(length, part.every)}{_name_other_unit(max(past), part)}; {fix}"
        )
    elif count := _find_doubtful_steps(part, key, given):
        yield (
            f"{word} {count} of {name} counts steps, of which an epoch has "
            f"{part.horizon.steps_per_epoch}; give {count} epochs or {count} steps, whichever is "
            f"meant"
        )


def _find_doubtful_steps(part: Part, key: str, given: Mapping[str, Any]) -> int | None:
    """Return a bare number of steps that is as plausible as a number of epochs.

    That is one of less than an epoch, if as many epochs fit into its part of the run: for a warmup,
    a decay or half of a cycle, into half of it.
    """
    bare = [x for x in _listed(given.get(key)) if type(x) is int]  # a word names its unit
    if part.every == "epoch" or not bare or max(bare) >= part.horizon.steps_per_epoch:
        return None
    count, epochs = max(bare), part.horizon.epochs
    after_each = key == "step_size" and count == 1
    if after_each or (given.get("interval") == "step" and part.name not in _COUNTED):
        return None
    if key in _PARTIAL:
        return count if 0 < count < _STEPS_FOR_SURE and 2 * count <= epochs else None
    return count if count <= epochs else None


def _name_other_unit(value: int, part: Part) -> str:
    """Return a hint where a length looks like one in the other unit."""
    horizon = part.horizon
    if part.every == "step" and value == horizon.epochs != horizon.steps:
        return f" ({value} is its number of epochs; it is stepped after every step)"
    if part.every == "epoch" and value == horizon.steps != horizon.epochs:
        return f" ({value} is its number of steps; it is stepped after every epoch)"
    return ""
