"""The schedules that torch lacks, each a pure function of the step.

`t` is the number of steps (or epochs: the scheduler's interval) that are done, from 0, and a
schedule's value at `t` is the share of the base rate in step `t`. Past its end a schedule stays at
its last value. As in torch, each is a class that takes the optimizer first.
"""

import math
from abc import abstractmethod
from typing import Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrdecay.components.schedulers.horizon import Interval


class ConstantRate(LRScheduler):
    """The base rate in every epoch: what the others are compared with."""

    def get_lr(self) -> list[float | Tensor]:
        """Return each parameter group's rate, unchanged."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[float | Tensor]:
        # SequentialLR calls this where its turn comes, at whatever rate the one before it left
        return list(self.base_lrs)


class Schedule(LRScheduler):
    """The base rate times a function of the step alone."""

    interval: Interval = "step"
    """Whether it is stepped after every optimizer step or every epoch, unless the file says."""

    whole: str
    """The argument that is the whole run unless given, where there is one."""

    @abstractmethod
    def share(self, t: int) -> float:
        """Return the share of the base rate in step `t`."""

    def get_lr(self) -> list[float | Tensor]:
        """Return each parameter group's rate."""
        return [base * self.share(self.last_epoch) for base in self.base_lrs]


class _OverRun(Schedule):
    """A schedule that ends after `total_iters`."""

    whole = "total_iters"

    def __init__(self, optimizer: Optimizer, total_iters: int) -> None:
        self.total_iters = _positive("total_iters", total_iters)
        super().__init__(optimizer)


class LinearToZeroLR(_OverRun):
    """share(t) = 1 - t / total_iters: in a straight line to zero.

    Argued for by Bergsma et al., "Straight to Zero", ICLR 2025. `total_iters` is the whole run
    unless given.

    >>> evaluate_schedule(LinearToZeroLR, 4, total_iters=4)
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    def share(self, t: int) -> float:
        """Return the share of the base rate in step `t`."""
        return 1 - _done(t, self.total_iters)


class CosineToFloorLR(_OverRun):
    """share(t) = floor + (1 - floor) (1 + cos(pi t / total_iters)) / 2.

    The cosine of Loshchilov and Hutter, "SGDR", 2017, that ends at a share of the base rate and
    stays there, where torch's CosineAnnealingLR takes a rate and goes up again. `total_iters` is
    the whole run unless given.

    >>> evaluate_schedule(CosineToFloorLR, 5, total_iters=4, floor=0.1)
    [1.0, 0.8682, 0.55, 0.2318, 0.1, 0.1]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int, floor: float = 0.1) -> None:
        self.floor = _share("floor", floor)
        super().__init__(optimizer, total_iters)

    def share(self, t: int) -> float:
        """Return the share of the base rate in step `t`."""
        return self.floor + (1 - self.floor) * _cosine(_done(t, self.total_iters))


class RexLR(_OverRun):
    """share(t) = (1 - z) / (1 - z / 2) with z = t / total_iters.

    Chen, Wolfe and Kyrillidis, "REX: Revisiting Budgeted Training with an Improved Schedule", 2021.
    `total_iters` is the whole run unless given.

    >>> evaluate_schedule(RexLR, 4, total_iters=4)
    [1.0, 0.8571, 0.6667, 0.4, 0.0]
    """

    def share(self, t: int) -> float:
        """Return the share of the base rate in step `t`."""
        z = _done(t, self.total_iters)
        return (1 - z) / (1 - z / 2)


class InverseSquareRootLR(Schedule):
    """share(t) = min((t + 1) / warmup_iters, sqrt(warmup_iters / (t + 1))).

    Vaswani et al., "Attention Is All You Need", 2017, scaled so that the peak is the base rate.

    >>> evaluate_schedule(InverseSquareRootLR, 7, warmup_iters=2)
    [0.5, 1.0, 0.8165, 0.7071, 0.6325, 0.5774, 0.5345, 0.5]
    """

    def __init__(self, optimizer: Optimizer, warmup_iters: int = 1) -> None:
        self.warmup_iters = _positive("warmup_iters", warmup_iters)
        super().__init__(optimizer)

    def share(self, t: int) -> float:
        """Return the share of the base rate in step `t`."""
        return min((t + 1) / self.warmup_iters, math.sqrt(self.warmup_iters / (t + 1)))


class WarmupStableDecayLR(Schedule):
    """Up in a straight line, level, and down within the last `decay_iters`.

    With z from 0 to 1 over the decay, its share goes from 1 to `final` as 1 - z (linear),
    (1 + cos(pi z)) / 2 (cosine) or 1 - sqrt(z) (1-sqrt). Hu et al., "MiniCPM", 2024; the shapes:
    Haegele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations",
    2024. `total_iters` is the whole run unless given.

    >>> evaluate_schedule(WarmupStableDecayLR, 8, total_iters=8, warmup_iters=2, decay_iters=4)
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    whole = "total_iters"

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int,
        decay_iters: int,
        warmup_iters: int = 0,
        shape: Literal["linear", "cosine", "1-sqrt"] = "linear",
        final: float = 0.0,
    ) -> None:
        self.total_iters = _positive("total_iters", total_iters)
        self.decay_iters = _positive("decay_iters", decay_iters)
        if warmup_iters < 0 or warmup_iters + decay_iters > total_iters:
            raise ValueError(
                f"warmup_iters {warmup_iters} and decay_iters {decay_iters} must fit into "
                f"total_iters {total_iters}"
            )
        self.warmup_iters = warmup_iters
        self.shape = shape
        self.final = _share("final", final)
        super().__init__(optimizer)

    def share(self, t: int) -> float:
        """Return the share of the base rate in step `t`."""
        if t < self.warmup_iters:
            return (t + 1) / self.warmup_iters
        z = _done(t - (self.total_iters - self.decay_iters), self.decay_iters)
        left = {"linear": 1 - z, "cosine": _cosine(z), "1-sqrt": 1 - math.sqrt(z)}[self.shape]
        return self.final + (1 - self.final) * left


CLASSES: dict[str, type[LRScheduler]] = {
    "constant": ConstantRate,
    "CosineToFloorLR": CosineToFloorLR,
    "InverseSquareRootLR": InverseSquareRootLR,
    "LinearToZeroLR": LinearToZeroLR,
    "RexLR": RexLR,
    "WarmupStableDecayLR": WarmupStableDecayLR,
}


def evaluate_schedule(schedule: type[Schedule], last: int, **arguments: object) -> list[float]:
    """Return the shares of steps 0 to `last`, to four places."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    built = schedule(optimizer, **arguments)  # type: ignore[arg-type]
    return [round(built.share(t), 4) for t in range(last + 1)]


def _done(t: int, total: int) -> float:
    return min(max(t / total, 0.0), 1.0)


def _cosine(z: float) -> float:
    return (1 + math.cos(math.pi * z)) / 2


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name}: must be at least 1, not {value}")
    return value


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: must be from 0 to 1, not {value}")
    return value
