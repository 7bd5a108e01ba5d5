"""The learning rates that an optimizer had in a loop of the user's own, whoever set them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from torch.optim import Optimizer


class AppliedRates:
    """Records the rate of a parameter group as each optimizer step begins."""

    def __init__(self, optimizer: Optimizer, group: int) -> None:
        self.of_steps: list[float] = []
        self._group = group
        self._ends: list[int] = []
        optimizer.register_step_pre_hook(self._record)

    def _record(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        self.of_steps.append(float(optimizer.param_groups[self._group]["lr"]))

    def end_epoch(self) -> None:
        """Let the next step be of another epoch, unless this one has none so far."""
        if len(self.of_steps) > (self._ends[-1] if self._ends else 0):
            self._ends.append(len(self.of_steps))

    def of_epochs(self, count: int) -> list[list[float]]:
        """Return the rates of each of so many epochs; the last has what came after the others."""
        ends = [0, *self._ends[: count - 1]]
        ends += [len(self.of_steps)] * (count + 1 - len(ends))
        return [self.of_steps[a:b] for a, b in pairwise(ends)]

    def count_changes(self) -> int:
        """Return how many steps had another rate than the one before."""
        rates = np.array(self.of_steps)
        return int(np.count_nonzero(rates[1:] != rates[:-1]))

    def find_difference(self, meant: Sequence[float]) -> int | None:
        """Return the first step, from 0, whose rate is not what is `meant`, to the bit; None where
        there is none, and of steps beyond those that are meant."""
        both = min(len(meant), len(self.of_steps))
        (apart,) = np.nonzero(np.asarray(self.of_steps[:both]) != np.asarray(meant[:both]))
        return int(apart[0]) if len(apart) else None
