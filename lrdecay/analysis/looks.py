"""Looks: the numbers of seeds at which verdicts are made, and each one's share of the error.

They are a function of the first plan alone, so that neither what came out nor what was planned
later moves them. Four fifths of the error are for the looks that were planned, the rest for those
that nobody planned; by the union bound all of them together err no more often than one may.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice, takewhile
from math import sqrt

from lrdecay.core.first_plan import FEWEST_SEEDS
from lrdecay.core.text import join_words

PLANNED_SHARE = 0.80
"""Of the error, for the planned looks together."""
BEFORE_SHARE = 0.05
"""For those before the first planned one, at its cost, where there are any."""
AFTER_SHARE = 0.05
"""For each of the first two looks after the planned ones; each two that follow have half of it."""


@dataclass(frozen=True)
class Look:
    """Verdicts of the first `n` seeds, which may err with `share` of a contrast's error."""

    n: int
    share: float
    planned: bool


def iterate_looks(first: int = FEWEST_SEEDS, most: int | None = None) -> Iterator[Look]:
    """Yield the looks of a plan of `first` seeds, or of up to `most`, in order, without end.

    The planned ones are at `first` (at least 8), at `most`, and at each number between them of the
    lattice 8, 12, 16, 24, 32, 48, ...; their shares grow as the square root of n. The others are on
    the lattice, before and after them.

    >>> from itertools import islice
    >>> [(look.n, look.share) for look in islice(iterate_looks(), 5)]
    [(8, 0.8), (12, 0.05), (16, 0.05), (24, 0.025), (32, 0.025)]
    """
    first = max(first, FEWEST_SEEDS)
    last = max(most or first, first)
    lattice = list(takewhile(lambda n: n <= last, iterate_lattice()))
    before = [n for n in lattice if n < first]
    planned = sorted({first, last, *(n for n in lattice if n > first)})
    own = PLANNED_SHARE - (BEFORE_SHARE if before else 0.0)
    roots = sum(map(sqrt, planned))
    for n in before:
        yield Look(n, BEFORE_SHARE / len(before), planned=False)
    for n in planned:
        yield Look(n, own * (sqrt(n) / roots), planned=True)
    after = (n for n in iterate_lattice() if n > last)
    for place, n in enumerate(after):
        yield Look(n, AFTER_SHARE * 0.5 ** (place // 2), planned=False)


def list_looks(first: int, most: int | None, there: int) -> list[Look]:
    """Return the looks at up to `there` seeds."""
    return list(takewhile(lambda look: look.n <= there, iterate_looks(first, most)))


def find_next_look(first: int, most: int | None, there: int) -> Look:
    """Return the first look at more than `there` seeds."""
    return next(look for look in iterate_looks(first, most) if look.n > there)


def plans_verdicts(first: int, most: int | None) -> bool:
    """Return whether a plan of `first` seeds, or of up to `most`, has enough for a verdict."""
    return max(first, most or 0) >= FEWEST_SEEDS


def describe_schedule(first: int = FEWEST_SEEDS, most: int | None = None) -> str:
    """Return at how many seeds a comparison makes its verdicts.

    >>> describe_schedule(8)
    'at 8 seeds as first planned, then at 12, 16, 24, ...'
    >>> describe_schedule(10, 24)
    'at 8 seeds, at 10, 12, 16 and 24 as first planned, then at 32, 48, 64, ...'
    >>> describe_schedule(3)
    'at 8 seeds at the earliest, then at 12, 16, 24, ...'
    """
    last = max(most or first, first, FEWEST_SEEDS)
    looks = list_looks(first, most, last)
    before, planned = ([look.n for look in looks if look.planned == kind] for kind in (False, True))
    after = (look.n for look in iterate_looks(first, most) if look.n > last)
    at = (
        f"at {join_words(before)} seeds, at {join_words(planned)}"
        if before
        else (f"at {join_words(planned)} seeds")
    )
    why = "as first planned" if plans_verdicts(first, most) else "at the earliest"
    return f"{at} {why}, then at {', '.join(map(str, islice(after, 3)))}, ..."


def iterate_lattice() -> Iterator[int]:
    """Yield 8, 12, 16, 24, 32, 48, ...: steps of about the square root of 2."""
    for k in count():
        yield from (8 * 2**k, 12 * 2**k)
