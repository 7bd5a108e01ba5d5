"""Scheduler names a sweep file may use, their arguments, and how to build them.

Every class of `torch.optim.lr_scheduler` whose arguments can be written in YAML is here under its
own name and with its own argument names, read from torch's signatures as installed, and beside
them the constant rate.
"""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, create_model
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

Interval = Literal["epoch", "step"]


class ConstantRate(LRScheduler):
    """The base rate in every epoch: what the others are compared with."""

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return each parameter group's rate, unchanged."""
        return [group["lr"] for group in self.optimizer.param_groups]


# Torch's schedulers that need Python functions or other schedulers as arguments.
_NOT_IN_YAML = {"LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"}
_PER_STEP = {"CyclicLR", "OneCycleLR"}


def _torch_classes() -> dict[str, type[LRScheduler]]:
    found = {
        name: value
        for name, value in vars(lr_scheduler).items()
        if inspect.isclass(value) and issubclass(value, LRScheduler) and not name.startswith("_")
    }
    del found["LRScheduler"]
    return {name: found[name] for name in sorted(found) if name not in _NOT_IN_YAML}


CLASSES: dict[str, type[LRScheduler]] = {"constant": ConstantRate, **_torch_classes()}
"""Class name in a sweep file -> class."""


@dataclass(frozen=True)
class Horizon:
    """The length of a run, which the words `epochs` and `steps` stand for in a sweep file."""

    epochs: int
    steps: int


def interval(name: str) -> Interval:
    """Return whether the scheduler `name` is stepped after every epoch or every optimizer step."""
    return "step" if name in _PER_STEP else "epoch"


@cache
def arguments(name: str) -> type[BaseModel]:
    """Return a pydantic model of the arguments of scheduler `name`, after its signature."""
    scheduler_class = CLASSES[name]
    initialiser = scheduler_class.__init__
    hints = typing.get_type_hints(
        initialiser,
        localns={
            "Callable": Callable,
            "Iterable": Sequence,  # torch goes through `milestones` more than once
            "Literal": Literal,
            "Optimizer": Optimizer,
            "Sequence": Sequence,
        },
    )
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(initialiser).parameters.values())[1:]:
        hint = hints[parameter.name]
        if parameter.name in ("optimizer", "last_epoch", "verbose") or "Callable" in str(hint):
            continue
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (hint, default)
    return create_model(
        name,
        __config__=ConfigDict(
            extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
        ),
        **fields,
    )


def resolve(name: str, given: Mapping[str, Any], horizon: Horizon) -> dict[str, Any]:
    """Return all arguments of scheduler `name` as plain values, defaults filled in.

    The words `epochs` and `steps` become the horizon's numbers.

    Raises pydantic's `ValidationError` for arguments that the class does not take, and
    `ValueError` for values that torch refuses or that cannot work here.
    """
    words = {"epochs": horizon.epochs, "steps": horizon.steps}
    values = {
        key: words.get(value, value) if isinstance(value, str) else value
        for key, value in given.items()
    }
    resolved = arguments(name).model_validate(values).model_dump()
    resolved = {key: _canonical(key, value) for key, value in resolved.items()}
    for key in ("base_momentum", "max_momentum"):
        value = resolved.get(key)
        if isinstance(value, float) and resolved["cycle_momentum"] and not 0 <= value < 1:
            raise ValueError(f"{key}: must be at least 0 and below 1, not {value}")
    if resolved.get("mode") == "max" and name == "ReduceLROnPlateau":
        raise ValueError("mode: it is given the validation loss, which falls, so mode must be min")
    walk(name, resolved, count=1)
    return resolved


def _canonical(key: str, value: Any) -> Any:
    """Return equal values for what means the same, or one run would have two identities."""
    if key == "milestones":
        return sorted(value)  # torch counts them, in whatever order
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # one value per parameter group, of which there is one
    return value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0


def build(name: str, given: Mapping[str, Any], optimizer: Optimizer) -> LRScheduler:
    """Return the scheduler `name` on `optimizer`, with resolved arguments."""
    return CLASSES[name](optimizer, **given)


def advance(scheduler: LRScheduler, validation_loss: float | None) -> None:
    """Step the scheduler; only one that is steered by validation sees the loss."""
    if isinstance(scheduler, ReduceLROnPlateau):
        assert validation_loss is not None
        scheduler.step(validation_loss)
    else:
        scheduler.step()


def walk(name: str, resolved: Mapping[str, Any], count: int, lr: float = 1e-3) -> list[float]:
    """Return the rates of `count` epochs or steps and of the one after, without training.

    A scheduler that is steered by the validation loss sees one that never improves.

    Raises `ValueError` where torch refuses the arguments, at once or on the way, and where a rate
    is not finite.
    """
    # Adam, so that a cycled momentum finds its betas
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    rates: list[float] = []
    try:
        scheduler = build(name, resolved, optimizer)
        rates.append(optimizer.param_groups[0]["lr"])
        for _ in range(count):
            optimizer.step()
            advance(scheduler, validation_loss=1.0)
            rates.append(optimizer.param_groups[0]["lr"])
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"torch refuses these arguments: {error}") from error
    for index, rate in enumerate(rates):
        if isinstance(rate, complex) or not math.isfinite(rate):
            raise ValueError(f"the learning rate is {rate} after {index} {interval(name)}s")
    return rates


def needs_validation(name: str) -> bool:
    """Return whether the scheduler is steered by the validation loss."""
    return issubclass(CLASSES[name], ReduceLROnPlateau)
