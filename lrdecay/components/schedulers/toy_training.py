"""A training of a few numbers that notices what a scheduler reads and changes beside the rate."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lrdecay.components.optimizers.build import StillOptimizer

_GRADIENTS = {"grad", "_grad", "register_hook", "register_post_accumulate_grad_hook"}
_HARMLESS = {"device", "dtype", "is_leaf", "requires_grad"}
_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
# the defaults of Adam's groups, and the momentum of SGD's, which some schedulers cycle
_DEFAULTS: Mapping[str, Any] = {
    "betas": (0.9, 0.999),
    "momentum": 0.9,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "amsgrad": False,
    "maximize": False,
}
_FOLLOWED = {"lr", "initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "momentum"}
"""What of a group either engine follows, or only schedulers read."""


@dataclass(frozen=True)
class Toy:
    """Weights with their gradients, a parameter each, and by how much gradients grow in a step."""

    parameters: Sequence[tuple[Sequence[float], Sequence[float]]]
    growth: float


AT_REST = Toy([([0.0], [0.0])], growth=0.0)
MOVING = Toy([([0.5, -0.5], [2.0, 1.0]), ([1.0], [3.0])], growth=0.1)


@dataclass
class Watch:
    """What of a training is read or changed while a scheduler is at work, and how.

    `reads` has what of `classes.NEEDS`, `changes` the names of what only an optimizer follows, and
    `difference` says how the rates of groups of parameters differed first.
    """

    active: bool = False
    reads: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    difference: str | None = None

    def note(self, need: str, how: str) -> None:
        """Remember that something is read, if the scheduler does it."""
        if self.active:
            self.reads.setdefault(need, how)


class ToyOptimizer(StillOptimizer):
    """An optimizer on a toy's parameters, which stands for any, whose steps only count.

    Of two `groups` the second has the toy's last parameter.
    """

    def __init__(self, toy: Toy, lr: float, watch: Watch | None = None, groups: int = 1) -> None:
        self.watch = watch or Watch()
        make = nn.Parameter if watch is None else _make_watched(watch)
        self._own = [make(torch.tensor(weights)) for weights, _ in toy.parameters]
        for parameter, (_, gradients) in zip(self._own, toy.parameters, strict=True):
            parameter.grad = torch.tensor(gradients)
        self._growth = toy.growth
        self._gradients = [torch.tensor(gradients) for _, gradients in toy.parameters]
        self._weights = [torch.tensor(weights) for weights, _ in toy.parameters]
        shares = [self._own] if groups == 1 else [self._own[:-1], self._own[-1:]]
        defaults = {"lr": lr, **deepcopy(dict(_DEFAULTS))}
        super().__init__([{"params": own} for own in shares], defaults)
        if watch is not None:
            self.state = _make_watched_state(watch)
        self._settings = self._read_settings()
        self._steps = 0

    def train_step(self) -> None:
        """Let gradients come, and step on them."""
        for parameter, expected in zip(self._own, self._gradients, strict=True):
            expected.add_(self._growth)
            parameter.grad.copy_(expected)  # type: ignore[union-attr]
        before = self._steps
        self.step()
        if self._steps != before + 1:
            self.watch.changes.append("the optimizer's steps")

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Take the gradients as they come; any that are not those that came were changed."""
        self._steps += 1
        for place, parameter in enumerate(self._own):
            if not torch.equal(parameter.grad, self._gradients[place]):  # type: ignore[arg-type]
                self.watch.changes.append("gradients")
            state = self.state[parameter]
            state["step"] = torch.tensor(float(self._steps))
            state["exp_avg"] = self._gradients[place].clone()

    def find_changes(self) -> list[str]:
        """Return what was changed beside the rate and the momentum, by name."""
        found = list(self.watch.changes)
        pairs = list(zip(self._read_settings(), self._settings, strict=False))
        found += sorted({key for pair in pairs for key in _find_different(*pair)})
        if len(self.param_groups) != len(self._settings):
            found.append("the number of groups of parameters")
        weights = [parameter.detach() for parameter in self._own]
        if not all(map(torch.equal, weights, self._weights)):
            found.append("weights")
        if any(getattr(self, hooks) for hooks in _HOOKS):
            self.watch.reads.setdefault("gradients", "it hooks into the optimizer's steps")
        return list(dict.fromkeys(found))

    def _read_settings(self) -> list[dict[str, Any]]:
        found = []
        for group in self.param_groups:
            kept = {key: group[key] for key in group if key not in {"params", *_FOLLOWED}}
            kept["betas"] = tuple(kept.get("betas", ()))[1:]  # the first is a momentum
            found.append(deepcopy(kept))
        return found


def _find_different(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    return {key for key in one.keys() & other.keys() if one[key] != other[key]}


def _make_watched(watch: Watch) -> type[nn.Parameter]:
    """Return a class of parameters that notice what is read of them."""

    class Watched(nn.Parameter):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = getattr(func, "__name__", str(func))
            if name in ("__get__", "__set__", "__delete__"):  # of a property
                name = func.__self__.__name__
            if name in _GRADIENTS:
                watch.note("gradients", "it reads gradients while it steps")
            elif name not in _HARMLESS:
                watch.note("weights", f"it reads weights while it steps ({name})")
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))

    return Watched


def _make_watched_state(watch: Watch) -> defaultdict[Tensor, Any]:
    """Return an optimizer's state that notices when it is read."""
    how = "it reads the optimizer's state while it steps"

    class State(defaultdict[Tensor, Any]):
        def __getattribute__(self, name: str) -> Any:
            watch.note("gradients", how)
            return super().__getattribute__(name)

        def __getitem__(self, key: Tensor) -> Any:  # not looked up as an attribute
            watch.note("gradients", how)
            return super().__getitem__(key)

    return State(dict)
