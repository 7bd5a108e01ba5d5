"""The length of a run, or of a part of it, in epochs and in steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

Interval = Literal["epoch", "step"]


@dataclass(frozen=True)
class Horizon:
    """The length of a run, or of the part of it that a nested scheduler has, and the base rate."""

    epochs: int
    steps: int
    steps_per_epoch: int
    lr: float = 0.001
    knows_steps: bool = field(default=True, repr=False)
    """Whether `steps_per_epoch` is that of the data; else it stands for any number."""

    @classmethod
    def of(
        cls, epochs: int, steps_per_epoch: int, lr: float = 0.001, knows_steps: bool = True
    ) -> Horizon:
        """Return the horizon of a whole run."""
        return cls(epochs, epochs * steps_per_epoch, steps_per_epoch, lr, knows_steps)

    def length(self, interval: Interval) -> int:
        """Return how many epochs or steps it has."""
        return self.epochs if interval == "epoch" else self.steps

    def first(self, count: int, interval: Interval) -> Horizon:
        """Return the first so many epochs or steps. An epoch begun counts as one.

        >>> Horizon.of(10, 19).first(2, "epoch"), Horizon.of(10, 19).first(20, "step").epochs
        (Horizon(epochs=2, steps=38, steps_per_epoch=19, lr=0.001), 2)
        """
        steps = count * self.steps_per_epoch if interval == "epoch" else count
        return replace(self, epochs=-(-steps // self.steps_per_epoch), steps=steps)

    def after(self, count: int, interval: Interval) -> Horizon:
        """Return what is left after so many epochs or steps; at least one of each.

        An epoch of which a part is left counts as one.

        >>> left = Horizon.of(10, 19).after(2, "epoch"), Horizon.of(10, 19).after(20, "step")
        >>> [(horizon.epochs, horizon.steps) for horizon in left]
        [(8, 152), (9, 170)]
        """
        steps = count * self.steps_per_epoch if interval == "epoch" else count
        epochs = self.epochs - steps // self.steps_per_epoch
        return replace(self, epochs=max(1, epochs), steps=max(1, self.steps - steps))
