"""Schedulers that torch lacks and that are steered by the training loss."""

import math
from collections import deque
from typing import ClassVar

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrdecay.components.schedulers.horizon import Interval


class GreedyLR(LRScheduler):
    """Up while the training loss falls, down while it does not.

    After more than `patience` losses in a row that are below all before them the rate is divided by
    `factor`, at most up to `max_lr`; after more than `patience` in a row that are not it is
    multiplied by it, down to `min_lr` at the lowest. With `window` each loss is the mean of the
    last so many. It is given the loss of every step or, with `interval: epoch`, of every epoch.
    Subramanian, Krishnamoorthy and Murthy, "Dynamic Learning Rate Scheduling based on Loss Changes
    Leads to Faster Convergence", 2025, without their pauses after a change and their reset.
    """

    needs: ClassVar[tuple[str, ...]] = ("loss",)
    interval: ClassVar[Interval] = "step"

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.95,
        patience: int = 10,
        min_lr: float = 0.0,
        max_lr: float = 1.0,
        window: int = 1,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor: must be above 0 and below 1, not {factor}")
        if patience < 0:
            raise ValueError(f"patience: must not be negative, as {patience} is")
        if window < 1:
            raise ValueError(f"window: must be at least 1, not {window}")
        lowest, highest = (f(group["lr"] for group in optimizer.param_groups) for f in (min, max))
        if not 0 <= min_lr <= lowest or max_lr < highest:
            raise ValueError(
                f"the base rate, {lowest:g}, must lie within min_lr {min_lr:g} and max_lr "
                f"{max_lr:g}, of which none is negative"
            )
        self.factor, self.patience = factor, patience
        self.min_lr, self.max_lr = min_lr, max_lr
        self._losses: deque[float] = deque(maxlen=window)
        self._best = math.inf
        self._falls = self._stays = 0
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Return each parameter group's rate, unchanged: the loss alone changes it."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self, loss: float | None = None) -> None:
        """Change the rate as the loss asks; without a loss, as torch calls it first, leave it."""
        if loss is not None:
            self._hear(loss)
        super().step()

    def _hear(self, loss: float) -> None:
        self._losses.append(loss)
        mean = math.fsum(self._losses) / len(self._losses)
        if mean < self._best:
            self._best = mean
            self._falls, self._stays = self._falls + 1, 0
        else:
            self._falls, self._stays = 0, self._stays + 1
        if max(self._falls, self._stays) <= self.patience:
            return
        for group in self.optimizer.param_groups:
            if self._falls:
                group["lr"] = min(group["lr"] / self.factor, self.max_lr)
            else:
                group["lr"] = max(group["lr"] * self.factor, self.min_lr)
        self._falls = self._stays = 0


CLASSES: dict[str, type[LRScheduler]] = {"GreedyLR": GreedyLR}
