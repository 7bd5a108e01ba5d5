"""The length of a run, and the words of a sweep file that stand for it or for a part of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

Interval = Literal["epoch", "step"]

_WORD = re.compile(r"(?:([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s+)?(epochs|steps|lr)")


@dataclass(frozen=True)
class Horizon:
    """The length of a run, or of the part of it that a nested scheduler has, and the base rate."""

    epochs: int
    steps: int
    steps_per_epoch: int
    lr: float = 0.001

    @classmethod
    def of(cls, epochs: int, steps_per_epoch: int, lr: float = 0.001) -> Horizon:
        """Return the horizon of a whole run."""
        return cls(epochs, epochs * steps_per_epoch, steps_per_epoch, lr)

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


def replace_words(value: Any, horizon: Horizon) -> Any:
    """Return a value of a sweep file with words as numbers: `epochs`, `steps` and parts of them,
    and `lr` (the base rate) and multiples of it.

    A part is rounded, halves up, to at least 1. In a list each is replaced. Anything else is
    returned as it is, so `2 epochs` too, which might mean twice the run or two epochs.

    >>> replace_words(["epochs", "0.25 epochs", "0.5 steps", "10 lr", 3], Horizon.of(10, 19))
    [10, 3, 95, 0.01, 3]
    """
    if isinstance(value, list | tuple):
        return [replace_words(item, horizon) for item in value]
    word = _WORD.fullmatch(value.strip()) if isinstance(value, str) else None
    if word is None:
        return value
    given, unit = word.groups()
    factor = float(given or 1)
    if unit == "lr":
        return factor * horizon.lr
    whole = horizon.epochs if unit == "epochs" else horizon.steps
    if given is None:
        return whole
    return max(1, int(factor * whole + 0.5)) if 0 < factor < 1 else value
