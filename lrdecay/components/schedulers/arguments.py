"""What a sweep file may say of a scheduler: checked against signatures, words made numbers."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic_core import InitErrorDetails
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lrdecay.components.schedulers.classes import (
    CLASSES,
    LENGTHS,
    NESTED,
    SETS_OUTRIGHT,
    find_interval,
    list_children,
    list_needs,
    read_node,
    walk_tree,
)
from lrdecay.components.schedulers.curve import simulate_schedule
from lrdecay.components.schedulers.horizon import Horizon, Interval, replace_words
from lrdecay.components.schedulers.nesting import split_horizon
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.components.schedulers.stepper import Stepper
from lrdecay.core.text import join_words, quote
from lrdecay.core.yaml import Path

_WAITS = {"ReduceLROnPlateau": ("patience", "cooldown")}
_NOT_GIVEN = ("optimizer", "last_epoch", "verbose")


@cache
def argument_model(name: str, holder: str | None = None) -> type[BaseModel]:
    """Return a pydantic model of the arguments of scheduler `name`, after its signature.

    Beside them stands `interval`, but for one that `holder` steps.
    """
    known = CLASSES[name]
    initialiser = known.__init__ if inspect.isclass(known) else known
    hints = typing.get_type_hints(
        initialiser,
        localns={
            "Callable": Callable,
            "Iterable": Sequence,  # torch goes through `milestones` more than once
            "Literal": Literal,
            "LRScheduler": LRScheduler,
            "Optimizer": Optimizer,
            "Sequence": Sequence,
            "Stepper": Stepper,
        },
    )
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(initialiser).parameters.values():
        hint = hints.get(parameter.name)
        if parameter.name in ("self", *_NOT_GIVEN) or "Callable" in str(hint):
            continue
        if parameter.name == NESTED.get(name):
            held = Annotated[dict[str, Any], BeforeValidator(partial(_check_held, name))]
            hint = held if name == "WarmupLR" else list[held]
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (hint, default)
    if holder not in ("ChainedScheduler", "SequentialLR"):
        fields["interval"] = (Literal["epoch", "step"], find_interval(name))
    return create_model(
        name,
        __config__=ConfigDict(
            extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
        ),
        **fields,
    )


def argument_models(
    name: str, given: Mapping[str, Any], path: Path = (), holder: str | None = None
) -> dict[Path, type[BaseModel]]:
    """Return, by path, the models of the arguments of a scheduler at `path` and of all it holds."""
    found = {path: argument_model(name, holder)}
    for index, child in enumerate(list_children(name, given)):
        place = (*path, NESTED[name], *(() if name == "WarmupLR" else (index,)))
        if node := read_node(child):
            found |= argument_models(*node, place, name)
        else:
            found[place] = SchedulerSpec
    return found


def _check_held(holder: str, value: Any) -> dict[str, Any]:
    """Check a scheduler that another holds."""
    if not isinstance(value, Mapping):
        example = "{class: StepLR, step_size: 5}"
        raise ValueError(f"must be a scheduler, such as {example}, not {quote(value)}")
    spec = SchedulerSpec.model_validate(value)
    name = spec.class_
    cls = CLASSES[name]
    reason = None
    if name == "WarmupLR":
        reason = "WarmupLR cannot be held by another; let it hold the others"
    elif holder == "SequentialLR" and name in ("ChainedScheduler", "SequentialLR"):
        reason = (
            f"SequentialLR cannot hold {name}, which torch starts at the wrong rate; WarmupLR can"
        )
    elif holder != "WarmupLR" and inspect.isclass(cls) and issubclass(cls, ReduceLROnPlateau):
        reason = f"{holder} cannot hold {name}, which is steered by the loss; WarmupLR can"
    elif holder != "WarmupLR" and (needs := list_needs(name)):
        reason = f"{holder} cannot hold {name}, which needs the {join_words(needs)}; WarmupLR can"
    elif holder == "ChainedScheduler" and name in SETS_OUTRIGHT:
        other = "WarmupLR" if name == "SequentialLR" else "SequentialLR"
        reason = f"{name} sets the rate outright, which undoes the others; {other} can hold it"
    if reason is not None:
        detail = InitErrorDetails(
            type="value_error", loc=("class",), input=name, ctx={"error": ValueError(reason)}
        )
        raise ValidationError.from_exception_data("scheduler", [detail])
    rest = spec.arguments
    if holder == "WarmupLR":
        rest.setdefault("interval", find_interval(name, rest))
    return {"class": name, **argument_model(name, holder).model_validate(rest).model_dump()}


def resolve_arguments(name: str, given: Mapping[str, Any], horizon: Horizon) -> dict[str, Any]:
    """Return all arguments of scheduler `name` as plain values, defaults filled in.

    The words `epochs`, `steps` and `lr`, and parts or multiples of them, become the horizon's
    numbers. Within a scheduler that another holds they stand for its own part of the run.

    Raises pydantic's `ValidationError` for arguments that the class does not take, and
    `ValueError` for values that torch refuses or that cannot work here.
    """
    values = {"interval": find_interval(name, given), **_resolve_words(name, given, horizon)}
    resolved = _to_canonical(name, argument_model(name).model_validate(values).model_dump())
    for each, values in walk_tree(name, resolved):
        _check_resolved(each, values)
    simulate_schedule(name, resolved, Horizon.of(1, 1), count=2)
    return resolved


def has_fixed_arguments(name: str, given: Mapping[str, Any]) -> bool:
    """Return whether the arguments are the same for every length of run and base rate."""
    whole = any(hasattr(CLASSES[each], "whole") for each, _ in walk_tree(name, given))
    return not (whole or any(word in repr(given) for word in ("epochs", "steps", "lr'")))


def _resolve_words(
    name: str, given: Mapping[str, Any], horizon: Horizon, every: Interval | None = None
) -> dict[str, Any]:
    """Return the arguments with numbers for words; `every` is the interval of what holds it."""
    every = every or find_interval(name, given)
    held = NESTED.get(name)
    values = {
        key: value if key in (held, "interval") else replace_words(value, horizon)
        for key, value in given.items()
    }
    whole = getattr(CLASSES[name], "whole", None)
    if whole is not None:
        values.setdefault(whole, horizon.length(every))
    if held is not None and values.get(held) is not None:
        own = every if name != "WarmupLR" else None
        within = [
            _resolve_within(child, part, own)
            for child, part in zip(
                list_children(name, values),
                split_horizon(name, values, horizon, every),
                strict=True,
            )
        ]
        one = not isinstance(values[held], list | tuple)
        values[held] = within[0] if one else within
    return values


def _resolve_within(value: Any, horizon: Horizon, every: Interval | None) -> Any:
    node = read_node(value)
    if node is None:
        return value  # the model of the arguments says what is wrong
    return {"class": node[0], **_resolve_words(*node, horizon, every)}


def _to_canonical(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return equal values for what means the same, or one run would have two identities."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key == NESTED.get(name):
            nodes = filter(None, map(read_node, list_children(name, values)))
            within = [{"class": node[0], **_to_canonical(*node)} for node in nodes]
            found[key] = within[0] if name == "WarmupLR" else within
        elif key == "milestones":
            # MultiStepLR counts them, in whatever order
            found[key] = sorted(value) if name == "MultiStepLR" else list(value)
        elif isinstance(value, list) and len(value) == 1:
            found[key] = _drop_sign(value[0])  # one per parameter group, of which there is one
        else:
            found[key] = _drop_sign(value)
    return found


def _drop_sign(value: Any) -> Any:
    return value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0


def _check_resolved(name: str, resolved: Mapping[str, Any]) -> None:
    """Refuse values that torch takes and that cannot work here."""
    for key in ("base_momentum", "max_momentum"):
        value = resolved.get(key)
        if isinstance(value, float) and resolved.get("cycle_momentum") and not 0 <= value < 1:
            raise ValueError(f"{key}: must be at least 0 and below 1, not {value}")
    if name == "ReduceLROnPlateau":
        if resolved["mode"] == "max":
            raise ValueError(
                "mode: it is given the validation loss, which falls, so mode must be min"
            )
        if resolved["interval"] == "step":
            raise ValueError("interval: the validation loss is measured after every epoch")
    if name == "SequentialLR":
        milestones = resolved["milestones"]
        if any(after <= before for before, after in pairwise([0, *milestones])):
            raise ValueError(f"milestones: must rise from 1 on, not {milestones}")
    if not hasattr(lr_scheduler, name):
        return  # ours see to it themselves
    for key in (*LENGTHS.get(name, ()), *_WAITS.get(name, ())):
        value = resolved[key]
        for each in value if isinstance(value, list) else [value]:
            if each is not None and each < 0:
                raise ValueError(f"{key}: must not be negative, as {each} is")
