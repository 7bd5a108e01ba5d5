"""Optimizer names a sweep file may use, and the arguments of each."""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

import torch
from pydantic import TypeAdapter
from schedulefree import AdamWScheduleFree
from torch import optim
from torch.nn import Parameter
from torch.optim import Optimizer

from lrdecay.components import registry

CLASSES: dict[str, Callable[..., Optimizer]] = registry.REGISTRIES["optimizer"]
"""Name in a sweep file -> class."""
for _class in (optim.Adam, optim.AdamW, optim.SGD, optim.RMSprop, optim.Adadelta):
    CLASSES[_class.__name__] = _class
CLASSES["AdamWScheduleFree"] = AdamWScheduleFree

DECAY_BIASES = "decay_biases"
"""An argument that every optimizer with weight decay takes here, and none in torch."""


def build_optimizer(
    name: str, parameters: Iterable[Parameter], lr: float, arguments: Mapping[str, Any]
) -> Optimizer:
    """Return the optimizer, ready to train: in its fused form (one kernel for all parameters) where
    it has one and is no plug-in's, and in training mode where it has modes.

    `decay_biases: false` among the arguments keeps weight decay from biases and whatever else has
    one dimension. The arguments stay as they are whatever its class does with a list.
    """
    groups: Any = parameters
    given = deepcopy(dict(arguments))
    if not registry.find_plugin("optimizer", name):
        if not given.pop(DECAY_BIASES, True):
            parameters = list(parameters)
            weights = [each for each in parameters if each.dim() > 1]
            others = [each for each in parameters if each.dim() <= 1]
            groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
        if "fused" in inspect.signature(CLASSES[name]).parameters:
            given["fused"] = True
    optimizer = CLASSES[name](groups, lr=lr, **given)
    if isinstance(optimizer, AdamWScheduleFree):
        optimizer.train()
    return optimizer


def count_groups(arguments: Mapping[str, Any]) -> int:
    """Return in how many groups an optimizer with these arguments has its parameters."""
    return 1 if arguments.get(DECAY_BIASES, True) else 2


class StillOptimizer(Optimizer):
    """The groups of an optimizer that never moves.

    Torch's own import its compiler with their first group and their first step: seconds, in every
    process.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take a group, with the defaults of what it lacks."""
        self.param_groups.append({**self.defaults, **param_group})

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Move nothing."""


def build_still_optimizer(
    lr: float, name: str = "Adam", arguments: Mapping[str, Any] | None = None
) -> Optimizer:
    """Return what a scheduler takes for the optimizer of a run when nothing trains.

    It has the groups of that optimizer, its arguments, and one number that never moves, with a
    gradient of 0. Without `arguments` they are the optimizer's defaults. A plug-in's is the
    plug-in's own.
    """
    if arguments is None:
        _, _, *others = inspect.signature(CLASSES[name]).parameters.values()  # params and lr
        arguments = {each.name: each.default for each in others}
    parameter = Parameter(torch.zeros(1))
    if registry.find_plugin("optimizer", name):
        return build_optimizer(name, [parameter], lr, arguments)
    parameter.grad = torch.zeros(1)
    given = deepcopy(dict(arguments))
    groups: list[dict[str, Any]] = [{"params": [parameter]}]
    if not given.pop(DECAY_BIASES, True):
        groups.insert(0, {"params": []})
    return StillOptimizer(groups, {"lr": lr, **given})


def read_optimizer_arguments(name: str) -> dict[str, tuple[Any, Any]]:
    """Return the arguments beside lr that a file may give a plug-in's optimizer: type and default.

    They are those of its signature, but for functions and tensors.
    """
    known: Any = CLASSES[name]
    hints = typing.get_type_hints(known.__init__)
    _, *parameters = inspect.signature(known).parameters.values()
    return {
        each.name: (hint, TypeAdapter(hint).validate_python(each.default))
        for each in parameters
        if each.name != "lr"
        and not any(word in str(hint := hints[each.name]) for word in ("Callable", "Tensor"))
    }


def check_optimizer(name: str, given: Mapping[str, Any]) -> None:
    """Raise `ValueError` if a plug-in's optimizer cannot take two steps with these arguments, one
    of them without a gradient."""
    own = registry.find_plugin("optimizer", name)
    if own is None:
        return
    weight = Parameter(torch.ones(2))
    try:
        optimizer = build_optimizer(name, [weight], 0.001, given)
        for gradient in (torch.ones(2), None):
            weight.grad = gradient
            optimizer.step()
    except (Exception, SystemExit) as error:  # it may raise anything
        raise ValueError(registry.blame_plugin(own, error)) from error
    if "lr" not in optimizer.param_groups[0]:
        raise ValueError(f"the plug-in optimizer {name} of {own.origin}: has no lr in its groups")
