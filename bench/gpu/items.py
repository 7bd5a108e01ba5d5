"""What can be measured, by name, each with the seconds that it may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Found = dict[str, object]
Measure = Callable[["torch.device"], Iterator[Found]]
"""Yields what it has found so far, a key at a time or the same keys with more in them, at last with
whether that is `right`."""


class SkippedError(Exception):
    """Why an item cannot be measured here."""


@dataclass(frozen=True)
class Item:
    """A function that measures, the seconds that it may take, and whether a pretended GPU will do
    for it."""

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
