"""The schedule of a trial: the scheduler on the loop's optimizer, and whether the rates that this
had were those that the scheduler means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from torch.optim import Optimizer

from lrdecay.components import schedulers
from lrdecay.components.schedulers import Horizon
from lrdecay.core.run import Run
from lrdecay.execution.own.applied_rates import AppliedRates
from lrdecay.execution.own.errors import TrialError
from lrdecay.execution.own.trial_scheduler import TrialScheduler

_ANY_STEPS = 1000  # in an epoch; a schedule that depends on them is another one with 1

Monitored = Callable[[int, str], float | None]
"""Returns the validation loss or accuracy of an epoch, None while it is not known."""

_LEFT_OUT = 0.1
"""Share of a schedule's steps that mixed precision may leave out: a few, until its scale fits."""


class Schedule:
    """One scheduler on one optimizer."""

    def __init__(
        self,
        run: Run,
        optimizer: Optimizer,
        steps_per_epoch: int | None,
        monitored: Monitored,
    ) -> None:
        self._run, self._name = run, run.scheduler_class
        group = _find_group(optimizer, run.lr)
        if steps_per_epoch is not None:
            steps_per_epoch = _read_count(steps_per_epoch)
        self._horizon = Horizon.of(run.epochs, steps_per_epoch or 1, run.lr)
        self._resolved = _resolve(run, self._horizon, steps_per_epoch is not None)
        self._needs = schedulers.list_needs(self._name, self._resolved)
        monitor = schedulers.find_monitor(self._name, self._resolved)
        column = (monitor or "").removeprefix("val_")
        self._monitored: Callable[[int], float | None] | None = None
        if monitor is not None:
            self._monitored = lambda epoch: monitored(epoch, column)
        stepper = schedulers.build_scheduler(self._name, self._resolved, optimizer)
        self.rates = AppliedRates(optimizer, group)
        self.scheduler = TrialScheduler(
            optimizer,
            stepper,
            self.rates,
            name=self._name,
            epochs=run.epochs,
            steps_per_epoch=steps_per_epoch,
            monitored=self._monitored,
            needs_loss="loss" in self._needs,
        )

    def check_steps(self) -> str:
        """Return what to note where rates cannot be compared with the schedule; nothing as a rule.

        Raises:
            TrialError: the optimizer or the scheduler was not stepped as often as it must be.
        """
        taken, stepped = len(self.rates.of_steps), self.scheduler.last_epoch
        if not taken:
            raise TrialError("the optimizer that trial.scheduler was given took no step")
        per_epoch = self.scheduler.steps_per_epoch
        # after the very last one it may be left out
        due = (self._run.epochs if per_epoch is None else taken) - 1
        if not stepped and due:
            every = "epoch" if per_epoch is None else "optimizer step"
            raise TrialError(f"the scheduler was never stepped: call step() after every {every}")
        if stepped < due:
            of = f"in {self._run.epochs} epochs" if per_epoch is None else f"in {taken} steps"
            raise TrialError(f"the scheduler was stepped {stepped} times {of} of the optimizer")
        if per_epoch is not None and stepped > taken:
            return (
                f"the optimizer left out {stepped - taken} of {stepped} steps, as with mixed "
                f"precision, so that its rates were not compared with the schedule"
            )
        return ""

    def check_end(self) -> str:
        """Return what to note where the schedule was left shortly before its end, as where mixed
        precision leaves out its steps too.

        Raises:
            TrialError: it was left long before.
        """
        meant, stepped = self.scheduler.most_steps, self.scheduler.last_epoch
        if meant is None or stepped >= meant - 1:  # after the very last step it may be left out
            return ""
        found = (
            f"the scheduler was stepped {stepped} times in {self._run.epochs} epochs, and "
            f"steps_per_epoch={self.scheduler.steps_per_epoch} means {meant}"
        )
        if stepped < (1 - _LEFT_OUT) * meant:
            raise TrialError(found)
        return found

    def check_rates(self) -> None:
        """Compare the rates that were applied with the schedule, simulated again; those of a
        scheduler that reads the training cannot be had again.

        Raises:
            TrialError: they differ.
        """
        if self._needs:
            return
        meant = self._simulate()
        place = self.rates.find_difference(meant)
        if place is not None:
            raise TrialError(
                f"the rate of optimizer step {place + 1} was {self.rates.of_steps[place]!r}, and "
                f"{self._name} means {float(meant[place])!r}: is step() called once for each, and "
                f"by nobody else?"
            )
        if len(self.rates.of_steps) > len(meant):
            raise TrialError(
                f"the optimizer took {len(self.rates.of_steps)} steps, and steps_per_epoch means "
                f"{len(meant)}"
            )

    def _simulate(self) -> Sequence[float]:
        """Return the rate that is meant in each optimizer step."""
        losses: list[float] | None = None
        if self._monitored is not None:
            found = [self._monitored(epoch) for epoch in range(1, self._run.epochs + 1)]
            if any(value is None for value in found[:-1]):
                return self.rates.of_steps  # it was told otherwise, by step(loss)
            losses = [1.0 if value is None else value for value in found]
        curve = schedulers.simulate_schedule(
            self._name, self._resolved, self._horizon, losses=losses
        )
        if self.scheduler.steps_per_epoch is not None:
            return curve.step_rates
        sizes = map(len, self.rates.of_epochs(self._run.epochs))
        rates: list[float] = np.repeat(curve.step_rates, list(sizes)).tolist()
        return rates


def _find_group(optimizer: Optimizer, lr: float) -> int:
    """Return the first parameter group at the base rate."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    if lr not in rates:
        raise TrialError(
            f"no parameter group of the optimizer is at the base rate: give it lr=trial.lr "
            f"({lr!r}), not {min(rates)!r}"
        )
    return rates.index(lr)


def _read_count(given: Any) -> int:
    """Return a whole number of steps as Python has it; numpy's is one too."""
    if isinstance(given, bool) or not isinstance(given, Integral) or int(given) < 1:
        raise TrialError(f"steps_per_epoch: must be a whole number from 1, not {given!r}")
    return int(given)


def _resolve(run: Run, horizon: Horizon, knows_steps: bool) -> Mapping[str, Any]:
    """Return the scheduler's arguments, words as numbers."""
    name, given = run.scheduler_class, run.scheduler_arguments
    if not knows_steps:
        other = Horizon.of(run.epochs, _ANY_STEPS, run.lr)
        resolved = schedulers.resolve_arguments(name, given, other)
        # those of one step in an epoch may be refused
        by_steps = schedulers.find_clock(name, resolved) == "step"
        if by_steps or resolved != schedulers.resolve_arguments(name, given, horizon):
            raise TrialError(
                f"{name} goes by steps: give trial.scheduler(optimizer, steps_per_epoch=...), and "
                f"call step() after every optimizer step"
            )
    return schedulers.resolve_arguments(name, given, horizon)
