"""The length of a run, and the words of a sweep file that stand for it or for a part of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

Interval = Literal["epoch", "step"]

_WORD = re.compile(r"(?:(\d*\.?\d+)\s+)?(epochs|steps)")


@dataclass(frozen=True)
class Horizon:
    """The length of a run, or of the part of it that a nested scheduler has."""

    epochs: int
    steps: int

    def __post_init__(self) -> None:
        assert self.epochs > 0
        assert self.steps > 0

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return max(1, self.steps // self.epochs)

    def length(self, interval: Interval) -> int:
        """Return how many epochs or steps it has."""
        return self.epochs if interval == "epoch" else self.steps

    def after(self, count: int, interval: Interval) -> Horizon:
        """Return what is left after so many epochs or steps; at least one of each.

        An epoch of which a part is left counts as one.

        >>> Horizon(10, 190).after(2, "epoch"), Horizon(10, 190).after(20, "step")
        (Horizon(epochs=8, steps=152), Horizon(epochs=9, steps=170))
        """
        steps = count * self.steps_per_epoch if interval == "epoch" else count
        epochs = steps // self.steps_per_epoch
        return Horizon(max(1, self.epochs - epochs), max(1, self.steps - steps))


def in_numbers(value: Any, horizon: Horizon) -> Any:
    """Return a value of a sweep file with `epochs`, `steps` and fractions of them as numbers.

    A fraction is rounded, halves up, to at least 1. A list is gone through. Anything else is
    returned as it is.

    Raises `ValueError` for what is no fraction: `2 epochs` might mean twice the run or two epochs.

    >>> in_numbers(["epochs", "0.25 epochs", "0.5 steps", 3], Horizon(10, 190))
    [10, 3, 95, 3]
    """
    if isinstance(value, list | tuple):
        return [in_numbers(item, horizon) for item in value]
    word = _WORD.fullmatch(value.strip()) if isinstance(value, str) else None
    if word is None:
        return value
    fraction, unit = word.groups()
    whole = horizon.epochs if unit == "epochs" else horizon.steps
    if fraction is None:
        return whole
    if not 0 < float(fraction) < 1:
        raise ValueError(
            f"{value!r} is no part of a run; give a fraction between 0 and 1, such as 0.5 {unit}, "
            f"or a whole number alone"
        )
    return max(1, int(float(fraction) * whole + 0.5))
