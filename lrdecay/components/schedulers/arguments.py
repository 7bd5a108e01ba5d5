"""What a sweep file may say of a scheduler: checked against signatures, words made numbers."""

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic_core import InitErrorDetails
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrdecay.components.schedulers.classes import (
    CLASSES,
    LENGTHS,
    NESTED,
    SETS_OUTRIGHT,
    UNITS,
    Monitor,
    find_interval,
    is_plateau,
    list_children,
    list_needs,
    read_node,
    walk_tree,
)
from lrdecay.components.schedulers.curve import simulate_schedule
from lrdecay.components.schedulers.horizon import Horizon, Interval
from lrdecay.components.schedulers.lengths import is_word, read_length, read_rate
from lrdecay.components.schedulers.limits import check_values
from lrdecay.components.schedulers.nesting import split_horizon
from lrdecay.components.schedulers.spec import SchedulerSpec
from lrdecay.components.schedulers.stepper import Stepper
from lrdecay.core.text import join_words, quote
from lrdecay.core.yaml import Path

_NOT_GIVEN = ("optimizer", "last_epoch", "verbose")


@cache
def argument_model(name: str, holder: str | None = None) -> type[BaseModel]:
    """Return a pydantic model of the arguments of scheduler `name`, after its signature.

    Beside them stand `monitor`, for one that is steered by validation, and `interval`, but for one
    that `holder` steps.
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
    if is_plateau(name):
        fields["monitor"] = (Monitor, "val_loss")
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
    reason = None
    if name == "WarmupLR":
        reason = "WarmupLR cannot be held by another; let it hold the others"
    elif holder == "SequentialLR" and name in ("ChainedScheduler", "SequentialLR"):
        reason = (
            f"SequentialLR cannot hold {name}, which torch starts at the wrong rate; WarmupLR can"
        )
    elif holder != "WarmupLR" and is_plateau(name):
        reason = f"{holder} cannot hold {name}, which is steered by validation; WarmupLR can"
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

    Words become the horizon's numbers (see `lengths`). Within a scheduler that another holds they
    stand for its own part of the run.

    Raises pydantic's `ValidationError` for arguments that the class does not take, and
    `ValueError` for values that torch refuses or that cannot work here.
    """
    values = {"interval": find_interval(name, given), **_resolve_words(name, given, horizon)}
    resolved = _to_canonical(name, argument_model(name).model_validate(values).model_dump())
    for each, values in walk_tree(name, resolved):
        check_values(each, values)
    simulate_schedule(name, resolved, Horizon.of(1, 1), count=2)
    return resolved


def has_fixed_arguments(name: str, given: Mapping[str, Any]) -> bool:
    """Return whether the arguments are the same for every length of run and base rate."""
    return not any(
        hasattr(CLASSES[each], "whole") or any(map(is_word, _flatten(values.values())))
        for each, values in walk_tree(name, given)
    )


def takes_length(name: str, key: str) -> bool:
    """Return whether an argument of a class is a length, which words of a sweep file may give."""
    return _find_unit(name, key, "epoch") is not None


def _flatten(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from value if isinstance(value, list | tuple) else [value]


def _find_unit(name: str, key: str, every: Interval) -> Interval | None:
    """Return the unit of an argument that is a length, `every` being what the class is stepped by;
    None for any other argument.

    A plug-in does not say which of its arguments are lengths: those that are whole numbers are.
    """
    if (name, key) in UNITS:
        return UNITS[name, key]
    if name in LENGTHS:
        return every if key in LENGTHS[name] else None
    field = argument_model(name).model_fields.get(key)
    return every if field is not None and _is_whole(field.annotation) else None


def _is_whole(hint: Any) -> bool:
    """Return whether a type is that of a whole number, or of a list of them."""
    return hint is int or any(map(_is_whole, typing.get_args(hint)))


def _resolve_words(
    name: str, given: Mapping[str, Any], horizon: Horizon, every: Interval | None = None
) -> dict[str, Any]:
    """Return the arguments with numbers for words; `every` is the interval of what holds it."""
    every = every or find_interval(name, given)
    held = NESTED.get(name)
    values = {
        key: value if key in (held, "interval") else _read_words(name, key, value, horizon, every)
        for key, value in given.items()
    }
    rises = is_plateau(name) and values.get("monitor") == "val_accuracy"
    if rises and "mode" in argument_model(name).model_fields:
        values.setdefault("mode", "max")
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


def _read_words(name: str, key: str, value: Any, horizon: Horizon, every: Interval) -> Any:
    """Return the value of an argument, or each item of a list, with a number for a word."""
    if isinstance(value, list | tuple):
        return [_read_words(name, key, item, horizon, every) for item in value]
    unit = _find_unit(name, key, every)
    try:
        length = value if unit is None else read_length(value, horizon, unit)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    return read_rate(length, horizon)


def _resolve_within(value: Any, horizon: Horizon, every: Interval | None) -> Any:
    node = read_node(value)
    if node is None:
        return value  # the model of the arguments says what is wrong
    return {"class": node[0], **_resolve_words(*node, horizon, every)}


def _to_canonical(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return equal values for what means the same, or one run would have two identities."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key == "monitor" and is_plateau(name) and value == "val_loss":
            continue  # as it was before there was another, so that such runs keep their identity
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
