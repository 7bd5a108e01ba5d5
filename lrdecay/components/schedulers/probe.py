"""What a scheduler reads of the training: found by having it step beside parameters that notice it.

A schedule that is a function of the step is had from a simulation. One that reads weights,
gradients or losses would find none there, train at rates that it does not mean, and be compared
under its name: so what it needs must be declared. So must be what it does beside setting the rate
and the momentum, which the reference engine alone would follow.
"""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrdecay.components.schedulers.build import build_torch_scheduler
from lrdecay.components.schedulers.classes import NEEDS, list_needs
from lrdecay.components.schedulers.groups import find_group_difference
from lrdecay.components.schedulers.toy_training import AT_REST, MOVING, ToyOptimizer, Watch
from lrdecay.core.text import join_words


def check_needs(thing: Any) -> None:
    """Raise `ValueError` where what a class or function declares to need is no such declaration, or
    not what its `step` takes."""
    needs = getattr(thing, "needs", ())
    if not isinstance(needs, tuple) or not set(needs) <= set(NEEDS):
        raise ValueError(f"its needs must be a tuple of {join_words(NEEDS)}, not {needs!r}")
    if inspect.isclass(thing) and (problem := _find_step_problem(thing, needs)):
        raise ValueError(problem)


def find_undeclared_need(
    name: str, resolved: Mapping[str, Any], lr: float, steps: int, groups: int = 1
) -> str | None:
    """Say what a scheduler, with resolved arguments at a base rate, reads or changes of the
    training within so many steps that it does not declare, or that no run follows. Raises what its
    code raises.

    `groups` is how many groups of parameters there are, 1 or 2.
    """
    declared = list_needs(name)
    first = ToyOptimizer(MOVING, lr, groups=groups)
    built = build_torch_scheduler(name, _copy_arguments(resolved), first)
    if problem := _find_step_problem(type(built), declared):
        return problem
    watched = ToyOptimizer(MOVING, lr, Watch(), groups)
    rates = _step_often(name, resolved, watched, steps)
    changes = watched.find_changes()
    if hidden := {need: how for need, how in watched.watch.reads.items() if need not in declared}:
        listed = ", ".join(f'"{need}"' for need in NEEDS if need in {*declared, *hidden})
        comma = "," if len(declared) + len(hidden) == 1 else ""
        return f"{join_words(list(hidden.values()))}: say needs = ({listed}{comma})"
    if difference := watched.watch.difference:
        return f"it {difference}"
    if set(declared) - {"loss"}:
        return None
    if changes:
        return (
            f"it changes {join_words(changes)} beside the rate, which takes the true optimizer: "
            'say needs = ("weights",)'
        )
    once, again = (
        _step_often(name, resolved, ToyOptimizer(AT_REST, lr, groups=groups), steps)
        for _ in range(2)
    )
    if once != again:
        return "its rates differ from one time to the next; make them a function of the step"
    if once != rates:
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


def _step_often(
    name: str, resolved: Mapping[str, Any], optimizer: ToyOptimizer, steps: int
) -> list[float]:
    """Return the rates of a scheduler in a toy training, whose watch notes how groups differ."""
    watch = optimizer.watch
    watch.active = True
    scheduler = build_torch_scheduler(name, _copy_arguments(resolved), optimizer)
    watch.active = False
    watch.difference = find_group_difference(optimizer.param_groups)
    takes_loss = "loss" in list_needs(name) or isinstance(scheduler, ReduceLROnPlateau)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a run gives them, where they can be seen
        for number in range(1, steps + 1):
            optimizer.train_step()
            given: list[Any] = [1.0 / number] if takes_loss else []
            watch.active = True
            scheduler.step(*given)
            watch.active = False
            watch.difference = watch.difference or find_group_difference(optimizer.param_groups)
            rates.append(float(optimizer.param_groups[0]["lr"]))
    return rates


def _copy_arguments(resolved: Mapping[str, Any]) -> dict[str, Any]:
    ours = ("interval", "monitor")
    return deepcopy({key: value for key, value in resolved.items() if key not in ours})
