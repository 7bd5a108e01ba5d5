"""The part of a run that each scheduler within another has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lrdecay.components.schedulers.classes import list_children, read_child
from lrdecay.components.schedulers.horizon import Horizon, Interval


@dataclass(frozen=True)
class Part:
    """A scheduler, alone or within another, with its resolved arguments and its part of the run."""

    name: str
    arguments: Mapping[str, Any]
    horizon: Horizon
    every: Interval

    @property
    def length(self) -> int:
        """How many epochs or steps it has."""
        return self.horizon.length(self.every)


def list_parts(
    name: str, resolved: Mapping[str, Any], horizon: Horizon, every: Interval | None = None
) -> Iterator[Part]:
    """Yield a scheduler and all that it holds, `every` being the interval of what holds it."""
    every = every or resolved["interval"]
    yield Part(name, resolved, horizon, every)
    own = None if name == "WarmupLR" else every
    children = filter(None, map(read_child, list_children(name, resolved)))
    for child, part in zip(children, split_horizon(name, resolved, horizon, every), strict=True):
        yield from list_parts(*child, part, own)


def split_horizon(
    name: str, values: Mapping[str, Any], horizon: Horizon, every: Interval
) -> list[Horizon]:
    """Return the part of the horizon that each scheduler within `name` has.

    It is the whole where the values, which may be those of a file not yet checked, do not say.
    """
    whole = [horizon] * len(list_children(name, values))
    if name == "WarmupLR" and _is_count(values.get("warmup_iters")):
        return [horizon.after(values["warmup_iters"], every) for _ in whole]
    milestones = values.get("milestones")
    if name != "SequentialLR" or not isinstance(milestones, list | tuple):
        return whole
    if len(milestones) != len(whole) - 1 or not all(map(_is_count, milestones)):
        return whole
    lengths = [end - start for start, end in pairwise([0, *milestones])]
    if any(length < 1 for length in lengths):
        return whole
    last = horizon.after(milestones[-1], every) if milestones else horizon
    return [*(horizon.first(length, every) for length in lengths), last]


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0
