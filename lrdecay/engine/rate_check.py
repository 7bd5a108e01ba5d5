"""Whether the rates that a run was trained with are those that its scheduler means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lrdecay.components import schedulers
from lrdecay.components.optimizers.build import build_still_optimizer
from lrdecay.core.run import Run, parse_arguments
from lrdecay.engine.measured import read_monitored

if TYPE_CHECKING:
    from lrdecay.engine.measured import Epoch


def find_rate_difference(run: Run, epochs: Sequence[Epoch]) -> str | None:
    """Say where the recorded rates first differ from the scheduler's, simulated again.

    One that is steered by losses, or by a validation accuracy, is simulated with those that the run
    recorded. Rates must be equal to the last bit. Those of a scheduler that reads gradients or
    weights cannot be had again, and are taken as they were.
    """
    scheduler = run.scheduler_class, run.scheduler_arguments
    needs = schedulers.list_needs(*scheduler)
    if not epochs or set(needs) - {"loss"}:
        return None
    monitored = training = None
    if schedulers.needs_validation(*scheduler):
        monitored = tuple(read_monitored(run, epoch.metrics["val"]) for epoch in epochs)
    if needs:
        training = schedulers.TrainingLosses(
            steps=tuple(loss for epoch in epochs for loss in epoch.step_losses),
            epochs=tuple(epoch.metrics["train"].loss for epoch in epochs),
        )
    curve = _simulate_once(run.schedule, len(epochs), len(epochs[0].rates), monitored, training)
    meant, applied = np.asarray(curve.step_rates), np.concatenate([e.rates for e in epochs])
    both = min(len(meant), len(applied))
    (apart,) = np.nonzero(applied[:both] != meant[:both])
    if len(apart):
        place = int(apart[0])
        epoch, step = divmod(place, len(epochs[0].rates))
        return (
            f"the learning rate of epoch {epochs[epoch].number}, step {step + 1} was "
            f"{float(applied[place])!r}, and {run.scheduler_class} means {float(meant[place])!r}"
        )
    if len(meant) != len(applied):
        raise ValueError(f"{len(applied)} rates were applied, and {len(meant)} are meant")
    return None


def simulate_meant(
    schedule: tuple[str, str, str, str, float],
    epochs: int,
    steps_per_epoch: int,
    losses: tuple[float, ...] | None = None,
    training: schedulers.TrainingLosses | None = None,
) -> schedulers.ScheduleCurve:
    """Return the rates that a run's `schedule` means, as they are in this process now; the losses
    are as for `simulate_schedule`."""
    scheduler, scheduler_args, optimizer, optimizer_args, lr = schedule
    return schedulers.simulate_schedule(
        *(scheduler, parse_arguments(scheduler_args)),
        schedulers.Horizon.of(epochs, steps_per_epoch, lr),
        losses=losses,
        training=training,
        optimizer=build_still_optimizer(lr, optimizer, parse_arguments(optimizer_args)),
    )


_simulate_once = lru_cache(maxsize=64)(simulate_meant)
