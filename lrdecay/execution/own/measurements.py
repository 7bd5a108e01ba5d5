"""What a loop of the user's own has logged."""

import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch

from lrdecay.execution.own.errors import TrialError
from lrdecay.store.columns import METRIC_NAME, SPLITS

OF_EPOCHS = ("loss", "accuracy")
"""What the table of epochs has columns for; all else is a metric of the user's own."""


class Measurements:
    """The values of one run, by epoch and split; epochs come one after the other."""

    def __init__(self, epochs: int) -> None:
        self.epochs: dict[tuple[int, str], dict[str, float]] = {}
        """Loss and accuracy, as far as there are any, of each epoch and split."""
        self.own: dict[tuple[int | None, str | None, str], float] = {}
        """Metrics of the user's own by epoch, split and name."""
        self._of = epochs

    @property
    def reached(self) -> int:
        """The last epoch of which anything is known; 0 before the first."""
        own = (epoch or 0 for epoch, _, _ in self.own)
        return max(*own, *(epoch for epoch, _ in self.epochs), 0, 0)

    def names(self) -> list[str]:
        """Return the columns that a comparison may name."""
        of_epochs = (f"{split}_{name}" for (_, split), row in self.epochs.items() for name in row)
        own = (name if split is None else f"{split}_{name}" for _, split, name in self.own)
        return list(dict.fromkeys([*of_epochs, *own]))

    def check(self, epoch: object, split: object, given: Mapping[str, Any]) -> dict[str, float]:
        """Return the values that are given, as numbers.

        Raises:
            TrialError: they cannot be logged, at this epoch and split or at all.
        """
        values = {name: _to_number(name, x) for name, x in given.items() if x is not None}
        if not values:
            raise TrialError("trial.log: give loss=, accuracy= or a metric of your own")
        self._check_place(epoch, split, values)
        for name, value in values.items():
            self._check_value(name, value)
            place = f"epoch {epoch}, {split}" if epoch is not None else split or "the whole run"
            if self._is_known(epoch, split, name):
                raise TrialError(f"trial.log: {name} of {place} was logged already")
        return values

    def add(self, epoch: int | None, split: str | None, values: Mapping[str, float]) -> None:
        """Keep values that were checked."""
        for name, value in values.items():
            if name in OF_EPOCHS:
                assert epoch is not None
                assert split is not None
                self.epochs.setdefault((epoch, split), {})[name] = value
            else:
                self.own[epoch, split, name] = value

    def _check_place(self, epoch: object, split: object, values: Mapping[str, float]) -> None:
        if split is not None and split not in SPLITS:
            raise TrialError(f"trial.log: split must be one of {', '.join(SPLITS)}, not {split!r}")
        missing = [name for name in OF_EPOCHS if name in values]
        if missing and (epoch is None or split is None):
            raise TrialError(
                f"trial.log: {missing[0]} is of an epoch and a split: give epoch= and split="
            )
        if epoch is None:
            return
        last = self.reached
        if type(epoch) is not int or not max(last, 1) <= epoch <= min(last + 1, self._of):
            raise TrialError(
                f"trial.log: epoch {epoch!r} after epoch {last} of {self._of}; epochs count from "
                f"1, one after the other"
            )

    def _check_value(self, name: str, value: float) -> None:
        if name == "accuracy" and not 0 <= value <= 1:
            raise TrialError(
                f"trial.log: accuracy is a share from 0 to 1, not {value:g}; divide by 100, or log "
                f"it under another name"
            )
        if name in OF_EPOCHS:
            return
        if not re.match(METRIC_NAME.pattern, name) or name in METRIC_NAME.reserved:
            raise TrialError(f"trial.log: {name!r} is no name for a metric: {METRIC_NAME.valid}")
        if not math.isfinite(value):
            raise TrialError(f"trial.log: {name} is {value}, and must be finite; leave it out")

    def _is_known(self, epoch: Any, split: Any, name: str) -> bool:
        return name in self.epochs.get((epoch, split), {}) or (epoch, split, name) in self.own


def _to_number(name: str, value: Any) -> float:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:  # one of numpy
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TrialError(f"trial.log: {name} must be a number, not {type(value).__name__}")
    return float(value)
