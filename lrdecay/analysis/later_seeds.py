"""Seeds after the look of a verdict: where all of them have a mean that its interval leaves out."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

from lrdecay.analysis.verdicts import HIGHER, IDENTICAL, LOWER
from lrdecay.core.text import spell_count


def leaves_interval(row: Mapping[Hashable, Any]) -> bool:
    """Return whether the mean of all pairs of a row of verdicts is outside of its interval, or not
    0 where the pairs of the look are identical."""
    low, high, mean = row["low"], row["high"], row["mean"]
    if row["verdict"] == IDENTICAL:
        return bool(mean != 0)
    return bool(math.isfinite(low) and low <= high and not low <= mean <= high)


def find_deciding_look(row: Mapping[Hashable, Any]) -> int:
    """Return of how many seeds a verdict is: with a side, those of the look that gave it."""
    names = {HIGHER: "low_look", LOWER: "high_look"}
    return int(row[names.get(row["verdict"], "look")])


def add_look(words: str, row: Mapping[Hashable, Any]) -> str:
    """Return a verdict in words, with the number of seeds that it is of where the mean of all that
    stands beside it is not in its interval."""
    if not leaves_interval(row):
        return words
    return f"{words} at {spell_count(find_deciding_look(row), 'seed')}"
