"""What an engine measures of a run."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from lrdecay.components import schedulers
from lrdecay.core.run import Run

EVALUATION_BATCH = 250
"""Images that a run is evaluated on at once; one number for all engines, for bits depend on it."""


@dataclass(frozen=True)
class Metrics:
    """Loss (mean per image, nats) and accuracy (0..1) on one split, and by name what else of its
    classes the sweep file asks for (`confusion`)."""

    loss: float
    accuracy: float
    of_classes: Mapping[str, float] = field(default_factory=dict)


def read_monitored(run: Run, validation: Metrics) -> float:
    """Return what steers the scheduler of a run: its validation accuracy where that is monitored,
    else its validation loss."""
    monitor = schedulers.find_monitor(run.scheduler_class, run.scheduler_arguments)
    return validation.accuracy if monitor == "val_accuracy" else validation.loss


def is_finite(metrics: Mapping[str, Metrics]) -> bool:
    """Whether the losses by split are numbers; the test loss, which steers nothing, has no say."""
    return all(math.isfinite(each.loss) for split, each in metrics.items() if split != "test")


@dataclass(frozen=True)
class Epoch:
    """One finished epoch (from 1): the rate of each of its steps, metrics by split, and the loss of
    each step where the run's scheduler needs it."""

    number: int
    rates: Sequence[float]
    metrics: Mapping[str, Metrics]
    step_losses: Sequence[float] = ()


@dataclass(frozen=True)
class Measured:
    """All that an engine knows of a run at its end.

    `diverged_at_step` counts from 0: the first step whose loss is not finite, so the one after the
    step whose gradient was not, or an epoch's last where only its evaluation shows it.
    `seconds` are the run's share where `group_size` runs trained at once.
    """

    epochs: Sequence[Epoch]
    diverged_at_step: int | None
    applied_dropout: float | None
    init_digest: str
    order_digest: str
    test_correct: Tensor | None
    seconds: float
    images_seen: int
    group_size: int


OnEpoch = Callable[[Run, Epoch], None]
