"""What can be measured, by name, each with the seconds that it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

Measure = Callable[[torch.device], dict[str, object]]


class SkippedError(Exception):
    """Why an item cannot be measured here."""


@dataclass(frozen=True)
class Item:
    """A function that measures, what it answers, and whether a pretended GPU will do for it."""

    name: str
    measure: Measure
    limit: float
    pretended: bool

    @property
    def question(self) -> str:
        """The first line of what the function says of itself."""
        return (self.measure.__doc__ or "").strip().splitlines()[0]


ITEMS: dict[str, Item] = {}


def item(limit: float, pretended: bool = False) -> Callable[[Measure], Measure]:
    """Register a function as an item of its own name."""

    def register(measure: Measure) -> Measure:
        name = measure.__name__.replace("_", " ")
        ITEMS[name] = Item(name, measure, limit, pretended)
        return measure

    return register
