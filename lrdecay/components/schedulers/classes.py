"""Which schedulers there are, which of them hold others, and when each is stepped."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lrdecay.components.registry import REGISTRIES
from lrdecay.components.schedulers import adaptive, closed_form
from lrdecay.components.schedulers.horizon import Interval
from lrdecay.components.schedulers.stepper import WarmupLR

# Torch's schedulers that need Python functions as arguments.
_NOT_IN_YAML = {"LambdaLR", "MultiplicativeLR"}
_PER_STEP = {"CyclicLR", "OneCycleLR"}

NESTED = {"ChainedScheduler": "schedulers", "SequentialLR": "schedulers", "WarmupLR": "then"}
"""Class -> its argument that is another scheduler, or a list of them."""


def _torch_classes() -> dict[str, type[LRScheduler]]:
    found = {
        name: value
        for name, value in vars(lr_scheduler).items()
        if inspect.isclass(value) and issubclass(value, LRScheduler) and not name.startswith("_")
    }
    del found["LRScheduler"]
    return {name: found[name] for name in sorted(found) if name not in _NOT_IN_YAML}


CLASSES: dict[str, Callable[..., Any]] = REGISTRIES["scheduler"]
"""Class name in a sweep file -> class, or a function that takes what a class would."""
CLASSES.update(
    {**closed_form.CLASSES, **adaptive.CLASSES, "WarmupLR": WarmupLR, **_torch_classes()}
)

NEEDS = ("loss", "gradients", "weights")
"""What a scheduler may need beside the number of the step: its attribute `needs` names them."""

LENGTHS: dict[str, tuple[str, ...]] = {
    "ChainedScheduler": (),
    "constant": (),
    "ConstantLR": ("total_iters",),
    "CosineAnnealingLR": ("T_max",),
    "CosineAnnealingWarmRestarts": ("T_0",),
    "CosineToFloorLR": ("total_iters",),
    "CyclicLR": ("step_size_up", "step_size_down"),
    "ExponentialLR": (),
    "GreedyLR": ("patience", "window"),
    "InverseSquareRootLR": ("warmup_iters",),
    "LinearLR": ("total_iters",),
    "LinearToZeroLR": ("total_iters",),
    "MultiStepLR": ("milestones",),
    "OneCycleLR": ("total_steps",),
    "PolynomialLR": ("total_iters",),
    "ReduceLROnPlateau": ("patience", "cooldown"),
    "RexLR": ("total_iters",),
    "SequentialLR": ("milestones",),
    "StepLR": ("step_size",),
    "WarmupLR": ("warmup_iters",),
    "WarmupStableDecayLR": ("total_iters", "decay_iters", "warmup_iters"),
}
"""The arguments of each class that are numbers of what it is stepped by, epochs or steps."""

UNITS: dict[tuple[str, str], Interval] = {
    ("OneCycleLR", "epochs"): "epoch",
    ("OneCycleLR", "steps_per_epoch"): "step",
}
"""Class and argument that is a number of epochs or of steps, whatever it is stepped by -> which."""

Monitor = Literal["val_loss", "val_accuracy"]
MONITORS: dict[Monitor, str] = {
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}
"""What a plateau may be steered by -> its name in a sentence."""

_ENDS = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps"}  # of torch's

SETS_OUTRIGHT = {
    *("CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR", "SequentialLR"),
    *(
        name
        for name, value in closed_form.CLASSES.items()
        if issubclass(value, closed_form.Schedule)
    ),
}
"""Classes that set the rate whatever it was before: chained, the last one would undo the others."""


def list_children(name: str, given: Mapping[str, Any]) -> list[Any]:
    """Return the schedulers that scheduler `name` holds, as they were given."""
    held = given.get(NESTED[name]) if name in NESTED else None
    return list(held) if isinstance(held, list | tuple) else [] if held is None else [held]


def read_node(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Return class and arguments of a scheduler of a sweep file; None for what is none."""
    name = value.get("class") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or name not in CLASSES:
        return None
    return name, {key: x for key, x in value.items() if key != "class"}


def walk_tree(name: str, given: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the class and the arguments of a scheduler, then of all that it holds.

    What is no scheduler is skipped.
    """
    yield name, dict(given)
    for node in filter(None, map(read_node, list_children(name, given))):
        yield from walk_tree(*node)


def find_interval(name: str, given: Mapping[str, Any] | None = None) -> Interval:
    """Return whether a scheduler is stepped after every epoch or every optimizer step.

    Arguments may say so; one that holds others goes by steps by default where any of them does.
    """
    given = given or {}
    chosen: Interval | None = given.get("interval")
    if chosen in ("epoch", "step"):
        return chosen
    if name in ("ChainedScheduler", "SequentialLR"):
        inner = [find_interval(*node) for node in list(walk_tree(name, given))[1:]]
        return "step" if "step" in inner else "epoch"
    own: Interval = "step" if name in _PER_STEP else "epoch"
    return getattr(CLASSES[name], "interval", own)


def find_end_argument(name: str) -> str | None:
    """Return the argument of a class whose end is meant to be the end of the run, if it has one."""
    return _ENDS.get(name) or getattr(CLASSES[name], "whole", None)


def list_needs(name: str, given: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return what a scheduler, and all that it holds, need of the training (see `NEEDS`)."""
    classes = [CLASSES[each] for each, _ in walk_tree(name, given or {})]
    needed = {need for each in classes for need in getattr(each, "needs", ())}
    return tuple(need for need in NEEDS if need in needed)


def is_plateau(name: str) -> bool:
    """Return whether a class is steered by validation, as ReduceLROnPlateau is."""
    known = CLASSES[name]
    return inspect.isclass(known) and issubclass(known, ReduceLROnPlateau)


def find_monitor(name: str, given: Mapping[str, Any] | None = None) -> Monitor | None:
    """Return by what a scheduler, or one that it holds, is steered; None if by nothing."""
    for each, arguments in walk_tree(name, given or {}):
        if is_plateau(each):
            return "val_accuracy" if arguments.get("monitor") == "val_accuracy" else "val_loss"
    return None


def needs_validation(name: str, given: Mapping[str, Any] | None = None) -> bool:
    """Return whether a scheduler, or one that it holds, is steered by validation."""
    return find_monitor(name, given) is not None
