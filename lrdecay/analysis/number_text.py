"""Numbers and intervals as text, in as many digits as tell them from 0 and from a margin."""

import math
from collections.abc import Sequence

import pandas as pd

DECIMALS = 8
"""Decimals that are kept; what lies beyond them is rounding."""


def format_interval(low: float, high: float, *marks: float) -> str:
    """Return an interval as text: two digits of its half-width, and enough to tell its ends from 0
    and from the `marks`.

    >>> format_interval(-0.2, 0.4), format_interval(0.0004, 0.3), format_interval(-0.001, 0.002)
    ('-0.20 to 0.40', '0.0004 to 0.3000', '-0.0010 to 0.0020')
    >>> format_interval(-0.4996, 0.2, 0.5), format_interval(-math.inf, math.inf)
    ('-0.4996 to 0.2000', 'unbounded')
    """
    if math.isinf(low) or math.isinf(high):
        return "unbounded"
    decimals = count_decimals(low, high, marks)
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def format_number(value: float) -> str:
    """Return a number of a table of verdicts as text; nothing of one that is not known.

    >>> format_number(1.234), format_number(0.01234), format_number(-1e-17), format_number(math.nan)
    ('1.23', '0.012', '0.00', '')
    """
    if pd.isna(value):
        return ""
    value = round(value, DECIMALS) + 0.0  # no minus before 0
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"


def format_signed(value: float) -> str:
    """Return a difference as `format_number` has it, with its sign where it is above 0.

    >>> format_signed(1.234), format_signed(-0.01234), format_signed(0.0), format_signed(math.nan)
    ('+1.23', '-0.012', '0.00', '')
    """
    return f"{'+' if value > 0 else ''}{format_number(value)}"


def count_decimals(low: float, high: float, marks: Sequence[float] = ()) -> int:
    """Return how many decimals an interval needs, as `format_interval` has it."""
    half = (high - low) / 2
    decimals = 2 if half == 0 else max(2, 1 - math.floor(math.log10(half)))
    near = [abs(abs(end) - abs(mark)) for end in (low, high) for mark in (0.0, *marks)]
    while decimals < 6 and any(apart and not round(apart, decimals) for apart in near):
        decimals += 1
    return min(decimals, 6)
