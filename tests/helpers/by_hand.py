"""The rule of verdicts once more, in plain loops for one contrast: what the fast one must be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

Looks = Sequence[tuple[int, float]]
"""Numbers of seeds in order, each with its share of the error."""


@dataclass(frozen=True)
class Verdict:
    """What is said of one contrast after its last look."""

    verdict: str
    look: int = 0
    low: float = math.nan
    high: float = math.nan
    low_look: int = 0
    high_look: int = 0
    p: float = math.nan
    may_differ: float = math.nan


def lattice_by_hand(most: int) -> list[int]:
    """8, 12, 16, 24, ...: each power of two from 8 on, and the middle between it and the next."""
    numbers, power = [], 8
    while power <= most:
        numbers += [power, power + power // 2]
        power *= 2
    return [number for number in numbers if number <= most]


def looks_by_hand(there: int, first: int = 8, most: int | None = None) -> Looks:
    """The looks of a plan at up to `there` seeds."""
    first = max(8, first)
    last = first if most is None else max(first, most)
    lattice = lattice_by_hand(4 * max(there, last))
    before = [n for n in lattice if n < first]
    planned = [first] + [n for n in lattice if first < n < last] + [last] * (last > first)
    roots = sum(n**0.5 for n in planned)
    shares = {}
    for n in before:
        shares[n] = 0.05 / len(before)
    for n in planned:
        shares[n] = (0.75 if before else 0.8) * n**0.5 / roots
    rest, two = 0.2, 0
    for n in lattice:
        if n > last:  # of what is left, a quarter to each of two looks: half remains
            shares[n] = rest / 4
            two += 1
            if two == 2:
                rest, two = rest / 2, 0
    return [(n, share) for n, share in shares.items() if n <= there]


def judge_by_hand(
    differences: Sequence[float],
    looks: Looks,
    error: float,
    margin: float | None = None,
    least: float = 1e-9,
) -> Verdict:
    """The verdict on differences in seed order, of a contrast that may err with `error`; those
    that are apart by less than `least` are one number."""
    low, high, low_look, high_look, look = -math.inf, math.inf, 0, 0, 0
    p, may_differ = math.inf, math.nan
    for n, share in looks:
        if n > len(differences):
            break
        some, look = list(differences[:n]), n
        may_differ = math.nan
        if max(some) - min(some) < least:
            if all(abs(each) < least for each in some):
                may_differ = 1 - (share * error) ** (1 / n)
            continue
        mean, spread = fmean(some), stdev(some) / math.sqrt(n)
        reach = float(stats.t.ppf(1 - share * error / 2, n - 1)) * spread
        if mean - reach > low:
            low, low_look = mean - reach, n
        if mean + reach < high:
            high, high_look = mean + reach, n
        p = min(p, float(stats.ttest_1samp(some, 0.0).pvalue) / share)
    if look == 0:
        return Verdict("not evaluated")
    if not math.isnan(may_differ):
        verdict = "identical"
    elif low > high:
        verdict = "unresolved"
    elif low > 0:
        verdict = "higher"
    elif high < 0:
        verdict = "lower"
    elif margin is not None and -margin < low and high < margin:
        verdict = "equivalent"
    else:
        verdict = "unresolved"
    return Verdict(verdict, look, low, high, low_look, high_look, p, may_differ)
