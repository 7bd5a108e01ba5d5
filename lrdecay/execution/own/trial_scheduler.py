"""The scheduler that a loop of the user's own steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrdecay.components.schedulers import Stepper
from lrdecay.execution.own.applied_rates import AppliedRates
from lrdecay.execution.own.errors import TrialError


class TrialScheduler(LRScheduler):
    """What `Trial.scheduler` gives: one of torch's schedulers to whoever steps it.

    Call `step()` once after each optimizer step, or once an epoch where there is no
    `steps_per_epoch`. One that is steered by validation takes what was logged of the epoch.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        stepper: Stepper,
        rates: AppliedRates,
        *,
        name: str,
        epochs: int,
        steps_per_epoch: int | None,
        monitored: Callable[[int], float | None] | None,
        needs_loss: bool,
    ) -> None:
        # not super().__init__: `stepper` has a scheduler that has prepared the optimizer
        self.optimizer = optimizer
        self.base_lrs = self.get_last_lr()
        self.last_epoch = 0
        """How often it was stepped."""
        self.epochs_ended = 0
        self.steps_per_epoch = steps_per_epoch
        self.most_steps = None if steps_per_epoch is None else steps_per_epoch * epochs
        """Those of the whole schedule; None where it goes by epochs."""
        self._stepper, self._rates, self._name = stepper, rates, name
        self._monitored, self._needs_loss = monitored, needs_loss
        self._losses: list[float] = []
        self._waits = False
        """Whether an epoch has ended whose validation is still to come."""
        self._last_lr = self.base_lrs

    def step(self, loss: Any = None) -> None:
        """Set the rate for what comes next.

        Args:
            loss: the training loss of the step, for a scheduler that needs it; by epochs, what one
                is steered by that is steered by validation, unless it was logged.

        Raises:
            TrialError: a loss is missing that has a say, or it was stepped to its end already.
        """
        if self.most_steps is not None and self.last_epoch == self.most_steps:
            raise TrialError(
                f"the scheduler is stepped more than {self.most_steps} times, which is what "
                f"steps_per_epoch={self.steps_per_epoch} means: give the number of optimizer steps "
                f"in an epoch"
            )
        if self._waits:
            raise TrialError(
                f"{self._name} is steered by validation: trial.log(epoch, 'val', loss=...) must "
                f"come before the first step() of the next epoch"
            )
        if self._needs_loss and loss is None:
            raise TrialError(f"{self._name} needs the loss: call step(loss)")
        self.last_epoch += 1
        if self._needs_loss:
            self._losses.append(float(loss))
        self._stepper.after_step(self._losses[-1] if self._needs_loss else None)
        if self.steps_per_epoch is None or self.last_epoch % self.steps_per_epoch == 0:
            by_epochs = self.steps_per_epoch is None
            self._end_epoch(float(loss) if by_epochs and loss is not None else None)
        self._last_lr = self.get_last_lr()

    def _end_epoch(self, given: float | None) -> None:
        self.epochs_ended += 1
        self._rates.end_epoch()
        if self._monitored is None:
            self._after_epoch(None)
            return
        value = given if given is not None else self._monitored(self.epochs_ended)
        self._waits = value is None
        if value is not None:
            self._after_epoch(value)

    def _after_epoch(self, monitored: float | None) -> None:
        mean = math.fsum(self._losses) / len(self._losses) if self._losses else None
        self._losses = []
        self._stepper.after_epoch(monitored, mean)
        self._last_lr = self.get_last_lr()

    def take_validation(self) -> None:
        """Go on where an epoch has ended whose validation has come now."""
        if self._waits and self._monitored is not None:
            value = self._monitored(self.epochs_ended)
            if value is not None:
                self._waits = False
                self._after_epoch(value)

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rate of each parameter group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return how often it was stepped, for a checkpoint to look at."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuse to go on in the middle.

        Raises:
            TrialError: always.
        """
        raise TrialError(
            "a trial trains from its first step to its last: it is not continued from a checkpoint"
        )
