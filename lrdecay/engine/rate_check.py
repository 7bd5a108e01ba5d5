"""Whether the rates that a run was trained with are those that its scheduler means."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from lrdecay.components import schedulers
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.core.run import Run

if TYPE_CHECKING:
    from lrdecay.engine.measured import Epoch

Curve = tuple["array[float]", ...]


def find_rate_difference(run: Run, epochs: Sequence[Epoch]) -> str | None:
    """Say where the recorded rates first differ from the scheduler's, walked through anew.

    One that is steered by the validation loss is walked through with the losses that the run
    recorded. Rates must be equal to the last bit.
    """
    if not epochs:
        return None
    steered = schedulers.needs_validation(run.scheduler_class, json.loads(run.scheduler_args))
    losses = tuple(epoch.metrics["val"].loss if steered else 0.0 for epoch in epochs)
    meant = _meant(
        *(run.scheduler_class, run.scheduler_args),
        *(run.optimizer, run.optimizer_args, run.lr),
        *(losses, len(epochs[0].rates)),
    )
    for epoch, expected in zip(epochs, meant, strict=True):
        for step, (applied, rate) in enumerate(zip(epoch.rates, expected, strict=True)):
            if applied != rate:
                return (
                    f"the learning rate of epoch {epoch.number}, step {step + 1} was {applied!r}, "
                    f"and {run.scheduler_class} means {rate!r}"
                )
    return None


@lru_cache(maxsize=64)
def _meant(
    scheduler: str,
    scheduler_args: str,
    optimizer: str,
    optimizer_args: str,
    lr: float,
    losses: tuple[float, ...],
    steps: int,
) -> Curve:
    """Return the rate of each step of each epoch; there is a validation loss for every epoch."""
    nothing = [torch.nn.Parameter(torch.zeros(1))]
    moved = build_optimizer(optimizer, nothing, lr, json.loads(optimizer_args))
    stepper = schedulers.build_scheduler(scheduler, json.loads(scheduler_args), moved)
    epochs = []
    for loss in losses:
        rates = []
        moved.step()  # torch warns where a scheduler comes first
        for _ in range(steps):
            rates.append(moved.param_groups[0]["lr"])
            stepper.after_step()
        stepper.after_epoch(loss)
        epochs.append(array("d", rates))  # a quarter of a tuple's memory, for there may be many
    return tuple(epochs)
