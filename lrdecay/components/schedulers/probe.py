"""What a scheduler reads of the training: found by having it step beside parameters that notice it.

A schedule that is a function of the step is had from a simulation. One that reads weights,
gradients or losses would find none there, train at rates that it does not mean, and be compared
under its name: so what it needs must be declared.
"""

import inspect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrdecay.components.schedulers.build import build_torch_scheduler
from lrdecay.components.schedulers.classes import NEEDS, list_needs
from lrdecay.core.text import join_words

_STEPS = 60
"""How often it is stepped: more than the patience that schedulers usually have."""
_GRADIENTS = {"grad", "_grad", "register_hook", "register_post_accumulate_grad_hook"}
_HARMLESS = {"device", "dtype", "is_leaf", "requires_grad"}
_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")

_Training = Sequence[tuple[Sequence[float], Sequence[float]]]
"""Weights of parameters, each with its gradients."""
_AT_REST: _Training = [([0.0], [0.0])]
_MOVING: _Training = [([0.5, -0.5], [2.0, 1.0]), ([1.0], [3.0])]


def check_needs(thing: Any) -> None:
    """Raise `ValueError` where what a class or function declares to need is no such declaration, or
    not what its `step` takes."""
    needs = getattr(thing, "needs", ())
    if not isinstance(needs, tuple) or not set(needs) <= set(NEEDS):
        raise ValueError(f"its needs must be a tuple of {join_words(NEEDS)}, not {needs!r}")
    if inspect.isclass(thing) and (problem := _find_step_problem(thing, needs)):
        raise ValueError(problem)


def find_undeclared_need(name: str, resolved: Mapping[str, Any], lr: float) -> str | None:
    """Say what a scheduler, with resolved arguments at a base rate, reads of the training that it
    does not declare. Raises what its code raises."""
    declared, watch = list_needs(name), _Watch()
    built = build_torch_scheduler(name, _copy_arguments(resolved), _make_optimizer(_MOVING, lr))
    if problem := _find_step_problem(type(built), declared):
        return problem
    watched = _step_often(name, resolved, watch.make_optimizer(lr), watch)
    if hidden := [need for need in watch.reads if need not in declared]:
        listed = ", ".join(f'"{need}"' for need in NEEDS if need in {*declared, *hidden})
        comma = "," if len(declared) + len(hidden) == 1 else ""
        return (
            f"{join_words([watch.reads[need] for need in hidden])}: say needs = ({listed}{comma})"
        )
    if set(declared) - {"loss"}:
        return None
    first, second, moving = (
        _step_often(name, resolved, _make_optimizer(training, lr), _Watch())
        for training in (_AT_REST, _AT_REST, _MOVING)
    )
    if first != second:
        return "its rates differ from one time to the next; make them a function of the step"
    if not first == moving == watched:
        return 'its rates depend on weights or gradients: say needs = ("gradients",)'
    return None


def _find_step_problem(cls: type, needs: Sequence[str]) -> str | None:
    """Say how what the `step` of a scheduler's class takes differs from what is declared."""
    _, *taken = inspect.signature(cls.step).parameters.values()  # type: ignore[attr-defined]
    by_place = [each for each in taken if each.kind not in (each.KEYWORD_ONLY, each.VAR_KEYWORD)]
    named = [
        each.name for each in taken if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    others = [each for each in named if each != "epoch"]
    if issubclass(cls, ReduceLROnPlateau):
        if "loss" not in needs:
            return None
        return (
            "a subclass of ReduceLROnPlateau is given the validation loss; leave loss out of its "
            "needs"
        )
    if "loss" not in needs:
        return f'its step() takes {others[0]}: say needs = ("loss",)' if others else None
    if not by_place or by_place[0].name == "epoch":
        return "its needs have loss, and its step() does not take one first"
    return None


@dataclass
class _Watch:
    """What of `NEEDS` is read while it is `active`, and how."""

    active: bool = False
    reads: dict[str, str] = field(default_factory=dict)

    def note(self, need: str, how: str) -> None:
        if self.active:
            self.reads.setdefault(need, how)

    def make_optimizer(self, lr: float) -> Optimizer:
        """Return one whose parameters and state notice that they are read."""
        note = self.note

        class Watched(nn.Parameter):
            @classmethod
            def __torch_function__(
                cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                name = getattr(func, "__name__", str(func))
                if name in ("__get__", "__set__", "__delete__"):  # of a property
                    name = func.__self__.__name__
                if name in _GRADIENTS:
                    note("gradients", "it reads gradients while it steps")
                elif name not in _HARMLESS:
                    note("weights", f"it reads weights while it steps ({name})")
                with torch._C.DisableTorchFunctionSubclass():
                    return func(*args, **(kwargs or {}))

        class State(defaultdict[Any, Any]):
            def __getattribute__(self, name: str) -> Any:
                note("gradients", "it reads the optimizer's state while it steps")
                return super().__getattribute__(name)

            def __getitem__(self, key: Any) -> Any:  # not looked up as an attribute
                note("gradients", "it reads the optimizer's state while it steps")
                return super().__getitem__(key)

        found = _make_optimizer(_MOVING, lr, Watched)
        found.state = State(dict)
        return found


def _step_often(
    name: str, resolved: Mapping[str, Any], optimizer: Optimizer, watch: _Watch
) -> list[float]:
    """Return the rates of a scheduler in a training whose gradients grow."""
    watch.active = True
    scheduler = build_torch_scheduler(name, _copy_arguments(resolved), optimizer)
    watch.active = False
    if any(getattr(optimizer, hooks) for hooks in _HOOKS):
        watch.reads["gradients"] = "it hooks into the optimizer's steps"
    takes_loss = "loss" in list_needs(name) or isinstance(scheduler, ReduceLROnPlateau)
    rates = []
    for number in range(1, _STEPS + 1):
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad.mul_(1.1)
        optimizer.step()
        given: list[Any] = [1.0 / number] if takes_loss else []
        watch.active = True
        scheduler.step(*given)
        watch.active = False
        rates.append(float(optimizer.param_groups[0]["lr"]))
    return rates


def _copy_arguments(resolved: Mapping[str, Any]) -> dict[str, Any]:
    ours = ("interval", "monitor")
    return deepcopy({key: value for key, value in resolved.items() if key not in ours})


def _make_optimizer(
    training: _Training, lr: float, parameter: type[nn.Parameter] = nn.Parameter
) -> Optimizer:
    """Return Adam, whose betas a cycled momentum finds, on parameters that have gradients."""
    parameters = []
    for weights, gradients in training:
        parameters.append(parameter(torch.tensor(weights)))
        parameters[-1].grad = torch.tensor(gradients)
    return torch.optim.Adam(parameters, lr=lr)
