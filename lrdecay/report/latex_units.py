"""The power of ten that a table of a paper is in, where its numbers are small."""

from __future__ import annotations

import math

import numpy as np

from lrdecay.analysis import Conclusions
from lrdecay.analysis.metrics import OWN, POINTS, UNIT_TITLES

MOST_DECIMALS = 8
_LARGEST = 0.1  # of larger numbers a power of ten saves no zeros
_LEAST = -300  # less, and its inverse would not be a float
_ROUNDING = 1e-12  # an sd of so small a part of the largest number is none


def find_exponent(found: Conclusions) -> int:
    """Return the power of ten that the tables are in, so that two digits of each sd are among
    `MOST_DECIMALS`: 0 where they are without one. Shares are in percent as they are."""
    values = found.blocks.values
    largest = float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))
    if found.metric.unit == POINTS or not 0 < largest < _LARGEST:
        return 0
    cells = (row[np.isfinite(row)] / largest for row in values)  # squares of tiny numbers are 0
    sds = [float(row.std(ddof=1)) for row in cells if len(row) > 1]
    smallest = min((sd for sd in sds if sd > _ROUNDING), default=1.0)
    needed = 1 - math.floor(math.log10(smallest) + math.log10(largest))
    return max(math.floor(math.log10(largest)), _LEAST) if needed > MOST_DECIMALS else 0


def describe_units(found: Conclusions, what: str) -> list[str]:
    """Return the sentence of a caption that says what power of ten numbers are in, if in any."""
    exponent = find_exponent(found)
    unit = "" if found.metric.unit == OWN else f" {UNIT_TITLES[found.metric.unit]}"
    return [rf"{what} are in units of $10^{{{exponent}}}${unit}."] if exponent else []
