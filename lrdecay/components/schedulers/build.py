"""Schedulers at work: built on an optimizer, stepped after its steps and after epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lrdecay.components import registry
from lrdecay.components.schedulers.classes import CLASSES, NESTED, needs_validation, walk_tree
from lrdecay.components.schedulers.horizon import Interval
from lrdecay.components.schedulers.stepper import Stepper, WarmupLR


class _Single(Stepper):
    """One of torch's own objects, stepped at one of the two occasions."""

    def __init__(self, scheduler: LRScheduler, interval: Interval) -> None:
        self._scheduler = scheduler
        self._interval = interval

    def after_step(self) -> None:
        if self._interval == "step":
            self._scheduler.step()

    def after_epoch(self, validation_loss: float | None) -> None:
        if self._interval == "step":
            return
        if isinstance(self._scheduler, ReduceLROnPlateau):
            assert validation_loss is not None
            self._scheduler.step(validation_loss)
        else:
            self._scheduler.step()


def build_scheduler(name: str, given: Mapping[str, Any], optimizer: Optimizer) -> Stepper:
    """Return the scheduler `name` on `optimizer`, with resolved arguments."""
    arguments = dict(given)
    interval = arguments.pop("interval")
    if name == "WarmupLR":
        then = dict(arguments.pop("then"))
        warmup = WarmupLR(
            optimizer, then=build_scheduler(then.pop("class"), then, optimizer), **arguments
        )
        warmup.interval = interval
        return warmup
    return _Single(_of_torch(name, arguments, optimizer), interval)


def _of_torch(name: str, given: Mapping[str, Any], optimizer: Optimizer) -> LRScheduler:
    arguments = dict(given)
    if name in NESTED:
        held = [dict(each) for each in arguments[NESTED[name]]]
        arguments[NESTED[name]] = [_of_torch(each.pop("class"), each, optimizer) for each in held]
    if name == "ChainedScheduler":
        arguments["optimizer"] = optimizer
        scheduler: LRScheduler = CLASSES[name](**arguments)
    else:
        scheduler = CLASSES[name](optimizer, **arguments)
    if not isinstance(scheduler, LRScheduler):
        raise TypeError(f"{name} returns a {type(scheduler).__name__}, and no LRScheduler")
    if isinstance(scheduler, ReduceLROnPlateau) and not needs_validation(name):
        raise TypeError(f"{name} returns a ReduceLROnPlateau; make it a subclass of that")
    return scheduler


def find_clock(name: str, resolved: Mapping[str, Any]) -> Interval:
    """Return how finely the rate may change: every step, if any scheduler within goes by steps."""
    intervals = {each.get("interval") for _, each in walk_tree(name, resolved)}
    return "step" if "step" in intervals else "epoch"


def walk_schedule(
    name: str,
    resolved: Mapping[str, Any],
    count: int,
    lr: float = 1e-3,
    steps_per_epoch: int = 1,
    optimizer: Optimizer | None = None,
) -> list[float]:
    """Return the rates of `count` epochs or steps (see `find_clock`) and of the one after, without
    training.

    A scheduler that is steered by the validation loss sees one that never improves. `optimizer` is
    one that is not used otherwise (by default Adam at rate `lr`).

    Raises `ValueError` where torch refuses the arguments, at once or on the way, and where a rate
    is not finite.
    """
    if optimizer is None:  # Adam, so that a cycled momentum finds its betas
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    every = find_clock(name, resolved)
    rates: list[float] = []
    try:
        stepper = build_scheduler(name, resolved, optimizer)
        rates.append(optimizer.param_groups[0]["lr"])
        for done in range(1, count + 1):
            optimizer.step()
            stepper.after_step()
            if every == "epoch" or done % steps_per_epoch == 0:
                stepper.after_epoch(validation_loss=1.0)
            rates.append(optimizer.param_groups[0]["lr"])
    except Exception as error:
        used = [registry.find_plugin("scheduler", each) for each, _ in walk_tree(name, resolved)]
        for own in filter(None, used):  # which may raise anything
            raise ValueError(registry.blame_plugin(own, error)) from error
        if isinstance(error, TypeError | ValueError | ArithmeticError):
            who = "torch" if CLASSES[name].__module__.startswith("torch.") else name
            raise ValueError(f"{who} refuses these arguments: {error}") from error
        raise
    for index, rate in enumerate(rates):
        if isinstance(rate, complex) or not math.isfinite(rate):
            raise ValueError(f"the learning rate is {rate} after {index} {every}s")
    return rates
