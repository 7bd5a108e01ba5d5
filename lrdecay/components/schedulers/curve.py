"""The rates of a schedule, found by stepping it without training."""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch.optim import Optimizer

from lrdecay.components.optimizers.build import StillOptimizer, build_still_optimizer
from lrdecay.components.registry import PluginError
from lrdecay.components.schedulers.build import blame_plugins, build_scheduler
from lrdecay.components.schedulers.classes import CLASSES, needs_validation, walk_tree
from lrdecay.components.schedulers.groups import read_rate
from lrdecay.components.schedulers.horizon import Horizon, Interval
from lrdecay.components.schedulers.nesting import Part, list_parts


@dataclass(frozen=True)
class TrainingLosses:
    """The training losses of a run that may steer a scheduler: of each step, and of each epoch."""

    steps: Sequence[float]
    epochs: Sequence[float]


@dataclass(frozen=True)
class ScheduleCurve:
    """The learning rates of one scheduler, with resolved arguments, over one length of run.

    `rates` has one value for each epoch or step (`every`) from the first on.
    """

    name: str
    arguments: Mapping[str, Any]
    horizon: Horizon
    rates: Sequence[float]

    @property
    def every(self) -> Interval:
        """How finely the rate may change."""
        return find_clock(self.name, self.arguments)

    @property
    def is_steered(self) -> bool:
        """Whether the validation loss has a say, so that other losses give other rates."""
        return needs_validation(self.name, self.arguments)

    @cached_property
    def parts(self) -> list[Part]:
        """The scheduler and all that it holds."""
        return list(list_parts(self.name, self.arguments, self.horizon))

    @property
    def step_rates(self) -> Sequence[float]:
        """The rate of each optimizer step."""
        if self.every == "step":
            return self.rates
        return array("d", np.repeat(self.rates, self.horizon.steps_per_epoch).tobytes())


def find_clock(name: str, resolved: Mapping[str, Any]) -> Interval:
    """Return how finely the rate may change: every step, if any scheduler within goes by steps."""
    intervals = {each.get("interval") for _, each in walk_tree(name, resolved)}
    return "step" if "step" in intervals else "epoch"


def simulate_schedule(
    name: str,
    resolved: Mapping[str, Any],
    horizon: Horizon,
    count: int | None = None,
    losses: Sequence[float] | None = None,
    optimizer: Optimizer | None = None,
    training: TrainingLosses | None = None,
) -> ScheduleCurve:
    """Return the curve of scheduler `name`: `count` epochs or steps of it (see `find_clock`), as
    many as the horizon has unless given.

    A scheduler that is steered by the validation loss sees `losses`, one for each epoch, and one
    that needs the training loss those of `training`; by default losses that never improve.
    `optimizer` is one that is not used otherwise, by default one like Adam at the horizon's base
    rate.

    Raises `ValueError` where torch refuses the arguments, at once or on the way, and where a rate
    is not finite.
    """
    if optimizer is None:
        optimizer = build_still_optimizer(horizon.lr)
    groups = optimizer.param_groups
    if not isinstance(optimizer, StillOptimizer):
        groups = groups[:1]  # a plug-in's may have groups with rates of their own
    every = find_clock(name, resolved)
    length = horizon.length(every) if count is None else count
    per_epoch = horizon.steps_per_epoch if every == "step" else 1
    rates: list[Any] = []
    try:
        with blame_plugins(name, resolved):
            stepper = build_scheduler(name, resolved, optimizer)
            rates.append(read_rate(groups))
            optimizer.step()  # torch warns where a scheduler comes first
            while len(rates) < length:
                taken = len(rates) - 1
                left = min(per_epoch - taken % per_epoch, length - len(rates))
                ahead = stepper.take_steps(left) if training is None else None
                if ahead is None:
                    stepper.after_step(1.0 if training is None else training.steps[taken])
                between = [] if ahead is None else ahead[:-1]
                taken += len(between) + 1
                if taken % per_epoch == 0:
                    epoch = taken // per_epoch - 1
                    stepper.after_epoch(
                        1.0 if losses is None else losses[epoch],
                        1.0 if training is None else training.epochs[epoch],
                    )
                rates += [*between, read_rate(groups)]
    except PluginError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        who = "torch" if CLASSES[name].__module__.startswith("torch.") else name
        raise ValueError(f"{who} refuses these arguments: {error}") from error
    for index, rate in enumerate(rates):
        if isinstance(rate, complex) or not math.isfinite(rate):
            raise ValueError(f"the learning rate is {rate} after {index} {every}s")
    # a quarter of a tuple's memory
    return ScheduleCurve(name, resolved, horizon, array("d", rates))
