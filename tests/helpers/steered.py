"""Schedulers that are steered by the training: a plug-in for tests, and what they mean."""

from collections.abc import Sequence

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class GradNormLR(LRScheduler):
    """The base rate, divided by more as the gradients' norm rises."""

    needs = ("gradients",)
    interval = "step"

    def __init__(self, optimizer: Optimizer, c: float = 0.1) -> None:
        self.c, self.mean = c, 0.0
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norms = [p.grad.norm() for p in parameters if p.grad is not None]
        if norms:
            self.mean = 0.9 * self.mean + 0.1 * float(torch.stack(norms).norm())
        return [rate / (1 + self.c * self.mean) for rate in self.base_lrs]


class UpAndDownLR:
    """Up while the loss falls, else down. No LRScheduler, as some of those in use are none."""

    needs = ("loss",)
    interval = "step"

    def __init__(self, optimizer: Optimizer, factor: float = 0.99) -> None:
        self.optimizer, self.factor, self.last = optimizer, factor, None

    def step(self, loss: float) -> None:
        for group in self.optimizer.param_groups:
            if self.last is not None:
                group["lr"] *= 1 / self.factor if loss < self.last else self.factor
        self.last = loss


class LiarLR(UpAndDownLR):
    """Says that it needs the loss, and on a network of several layers looks at the weights too."""

    def step(self, loss: float) -> None:
        parameters = self.optimizer.param_groups[0]["params"]
        super().step(loss)
        if len(parameters) > 2:
            self.optimizer.param_groups[0]["lr"] *= 1 + float(parameters[0].detach().abs().mean())


class BrokenLR(UpAndDownLR):
    """Fails after some steps, or sets a rate that is none."""

    def __init__(self, optimizer: Optimizer, infinite: bool = False) -> None:
        self.infinite, self.steps = infinite, 0
        super().__init__(optimizer)

    def step(self, loss: float) -> None:
        self.steps += 1
        if self.steps == 70:
            self.optimizer.param_groups[0]["lr"] = float("inf") if self.infinite else {}["rate"]


SCHEDULERS = {
    "GradNormLR": GradNormLR,
    "UpAndDownLR": UpAndDownLR,
    "LiarLR": LiarLR,
    "BrokenLR": BrokenLR,
}


def up_and_down(losses: Sequence[float], lr: float, factor: float) -> list[float]:
    """Return the rate of each step that UpAndDownLR means, from the losses before it."""
    rates = [lr]
    for number in range(len(losses) - 1):
        falls = number > 0 and losses[number] < losses[number - 1]
        change = 1.0 if number == 0 else 1 / factor if falls else factor
        rates.append(rates[-1] * change)
    return rates
