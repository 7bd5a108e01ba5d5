"""What an engine calls a scheduler by, and the warmup that torch lacks."""

from abc import ABC, abstractmethod

import numpy as np
from torch.optim import Optimizer

from lrdecay.components.schedulers.horizon import Interval


class Stepper(ABC):
    """A scheduler as an engine sees it: it is told of every optimizer step and every epoch."""

    @abstractmethod
    def after_step(self, loss: float | None = None) -> None:
        """Set the rate for the next optimizer step; `loss` is that of the step that was taken, for
        one that needs it."""

    @abstractmethod
    def after_epoch(self, monitored: float | None, loss: float | None = None) -> None:
        """Set the rate for the next epoch; only one that is steered by validation sees that loss,
        and only one that needs it the training loss of the epoch."""

    @property
    def holds_rate(self) -> bool:
        """Whether the rate stays as it is until the epoch ends, whatever steps are taken."""
        return False

    def take_steps(self, count: int) -> list[float] | None:
        """Do what `after_step` does so many times and return the rate after each; or do nothing and
        return None, where it takes one step after the other to know."""
        return None


class WarmupLR(Stepper):
    """Up in a straight line within `warmup_iters` steps, then the scheduler `then` from its start.

    Step t (from 0) has (t + 1) / warmup_iters of the rate with which `then` begins. Any scheduler
    may follow, ReduceLROnPlateau too, which torch's SequentialLR refuses. Goyal et al., "Accurate,
    Large Minibatch SGD", 2017.
    """

    interval: Interval = "step"

    def __init__(self, optimizer: Optimizer, warmup_iters: int, then: Stepper) -> None:
        if warmup_iters < 1:
            raise ValueError(f"warmup_iters: must be at least 1, not {warmup_iters}")
        self._groups = optimizer.param_groups
        self._peaks = [group["lr"] for group in self._groups]
        self._length = warmup_iters
        self._then = then
        self._done = 0
        self._began = False
        """Whether a step was taken at the rate of `then`: only that makes an epoch of it."""
        self._set()

    def after_step(self, loss: float | None = None) -> None:
        """Set the rate for the next optimizer step."""
        if self._done >= self._length:
            self._then.after_step(loss)
            self._began = True
        elif self.interval == "step":
            self._advance()

    @property
    def holds_rate(self) -> bool:
        """Whether the rate stays as it is until the epoch ends."""
        if self._done < self._length:
            return self.interval == "epoch"
        return self._then.holds_rate

    def take_steps(self, count: int) -> list[float] | None:
        """Go up the line, and on at the rate of `then`, where that holds it."""
        rising = self.interval == "step" and self._done < self._length
        peak = self._peaks[0]
        alike = type(peak) is float and all(each == peak for each in self._peaks)
        if not (rising and alike and self._then.holds_rate):
            return None
        up = min(count, self._length - self._done)
        shares = np.arange(self._done + 2, self._done + up + 2) / self._length
        rates: list[float] = (peak * np.minimum(shares, 1.0)).tolist()
        self._done += up
        self._set()
        if up < count:
            self.after_step()  # of `then`, once for all
        return rates + rates[-1:] * (count - up)

    def after_epoch(self, monitored: float | None, loss: float | None = None) -> None:
        """Set the rate for the next epoch."""
        if self._began:
            self._then.after_epoch(monitored, loss)
        elif self.interval == "epoch" and self._done < self._length:
            self._advance()

    def _advance(self) -> None:
        self._done += 1
        self._set()

    def _set(self) -> None:
        # at the end exactly the rate with which the other begins
        share = min((self._done + 1) / self._length, 1.0)
        for group, peak in zip(self._groups, self._peaks, strict=True):
            group["lr"] = peak * share
