"""Schedulers at work: built on an optimizer, stepped after its steps and after epochs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lrdecay.components import registry
from lrdecay.components.schedulers.classes import (
    CLASSES,
    MONITORS,
    NESTED,
    find_monitor,
    list_needs,
    needs_validation,
    walk_tree,
)
from lrdecay.components.schedulers.horizon import Interval
from lrdecay.components.schedulers.stepper import Stepper, WarmupLR


class _Single(Stepper):
    """One of torch's own objects, stepped at one of the two occasions."""

    def __init__(self, scheduler: LRScheduler, interval: Interval, needs_loss: bool) -> None:
        self._scheduler = scheduler
        self._interval = interval
        self._needs_loss = needs_loss

    def after_step(self, loss: float | None = None) -> None:
        if self._interval == "step":
            self._step(loss)

    @property
    def holds_rate(self) -> bool:
        return self._interval == "epoch"

    def after_epoch(self, monitored: float | None, loss: float | None = None) -> None:
        if self._interval == "step":
            return
        if isinstance(self._scheduler, ReduceLROnPlateau):
            assert monitored is not None
            self._scheduler.step(monitored)
        else:
            self._step(loss)

    def _step(self, loss: float | None) -> None:
        if self._needs_loss:
            assert loss is not None
            self._scheduler.step(loss)  # type: ignore[arg-type]  # its own step takes a loss
        else:
            self._scheduler.step()


def build_scheduler(name: str, given: Mapping[str, Any], optimizer: Optimizer) -> Stepper:
    """Return the scheduler `name` on `optimizer`, with resolved arguments, which stay as they are
    whatever its class does with a list."""
    arguments = deepcopy(dict(given))
    interval = arguments.pop("interval")
    if name == "WarmupLR":
        then = arguments.pop("then")
        after = build_scheduler(then.pop("class"), then, optimizer)
        warmup = WarmupLR(optimizer, then=after, **arguments)
        warmup.interval = interval
        return warmup
    if needs_validation(name):
        arguments.pop("monitor", None)
    scheduler = build_torch_scheduler(name, arguments, optimizer)
    if isinstance(scheduler, ReduceLROnPlateau):
        _check_mode(name, given, scheduler)
    return _Single(scheduler, interval, needs_loss="loss" in list_needs(name, given))


def _check_mode(name: str, given: Mapping[str, Any], scheduler: ReduceLROnPlateau) -> None:
    """Refuse a plug-in's plateau that takes a rise for the better where a fall is, or the other
    way round."""
    monitor = find_monitor(name, given)
    better = "max" if monitor == "val_accuracy" else "min"
    if monitor is not None and scheduler.mode != better:
        raise ValueError(
            f"its mode is {scheduler.mode}, and for the {MONITORS[monitor]} it must be {better}"
        )


@contextmanager
def blame_plugins(name: str, given: Mapping[str, Any]) -> Iterator[None]:
    """Raise what goes wrong in a plug-in's scheduler, or one of lrdecay's that holds it, as
    `PluginError`, which names the plug-in and the line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        for each, _ in walk_tree(name, given):
            if own := registry.find_plugin("scheduler", each):  # which may raise anything
                raise registry.PluginError(registry.blame_plugin(own, error)) from error
        raise


def build_torch_scheduler(
    name: str, arguments: dict[str, Any], optimizer: Optimizer
) -> LRScheduler:
    """Return the object of a class, or what a function returns, with resolved arguments."""
    if name in NESTED:
        held = arguments[NESTED[name]]
        arguments[NESTED[name]] = [
            build_torch_scheduler(each.pop("class"), each, optimizer) for each in held
        ]
    if name == "ChainedScheduler":
        arguments["optimizer"] = optimizer
        scheduler: LRScheduler = CLASSES[name](**arguments)
    else:
        scheduler = CLASSES[name](optimizer, **arguments)
    if not isinstance(scheduler, LRScheduler) and not list_needs(name):
        raise TypeError(f"{name} returns a {type(scheduler).__name__}, and no LRScheduler")
    if isinstance(scheduler, ReduceLROnPlateau) and not needs_validation(name):
        raise TypeError(f"{name} returns a ReduceLROnPlateau; make it a subclass of that")
    return scheduler
