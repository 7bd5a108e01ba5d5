"""Numbers and intervals as text, in as many digits as tell them from 0 and from a margin."""

import math
from collections.abc import Sequence

import pandas as pd

DECIMALS = 8
"""Decimals that are kept of numbers that have others before them."""
_MOST = 6  # decimals that are written out; small numbers have an exponent
_ROUNDING = 1e-13  # of numbers up to 100


def format_interval(low: float, high: float, *marks: float) -> str:
    """Return an interval as text: two digits of its half-width, and enough to tell its ends from 0
    and from the `marks`.

    >>> format_interval(-0.2, 0.4), format_interval(0.0004, 0.3), format_interval(-0.001, 0.002)
    ('-0.20 to 0.40', '0.0004 to 0.3000', '-0.0010 to 0.0020')
    >>> format_interval(-0.4996, 0.2, 0.5), format_interval(-math.inf, math.inf)
    ('-0.4996 to 0.2000', 'unbounded')
    >>> format_interval(3.14e-7, 4.25e-7), format_interval(0.5, 0.3)  # which looks exclude
    ('3.14e-07 to 4.25e-07', 'empty')
    """
    if low > high:
        return "empty"
    if math.isinf(low) or math.isinf(high):
        return "unbounded"
    decimals = count_decimals(low, high, marks)
    return f"{format_decimals(low, decimals)} to {format_decimals(high, decimals)}"


def format_decimals(value: float, decimals: int) -> str:
    """Return a number with so many decimals; with as many of its digits and an exponent, where that
    is shorter.

    >>> format_decimals(0.12345, 3), format_decimals(1.2345e-7, 9), format_decimals(1e-12, 9)
    ('0.123', '1.23e-07', '0')
    """
    if decimals <= _MOST:
        return f"{value:.{decimals}f}"
    value = round(value, decimals)
    digits = decimals + math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{digits}e}" if value else "0"


def drop_rounding(value: float) -> float:
    """Return a number without what lies beyond `DECIMALS`; a small one is kept as it is, unless it
    is rounding.

    >>> drop_rounding(0.123456789), drop_rounding(1.234e-9), drop_rounding(-1e-17)
    (0.12345679, 1.234e-09, 0.0)
    """
    if _ROUNDING <= abs(value) < 100 * 10.0**-DECIMALS:
        return value
    return round(value, DECIMALS) + 0.0  # no minus before 0


def format_percent(share: float) -> str:
    """Return a share as percent, in as many digits as it has.

    >>> format_percent(0.95), format_percent(0.9999999)
    ('95%', '99.99999%')
    """
    return f"{100 * share:.12g}%"


def format_number(value: float) -> str:
    """Return a number of a table of verdicts as text; nothing of one that is not known.

    >>> format_number(1.234), format_number(0.01234), format_number(-1e-17), format_number(math.nan)
    ('1.23', '0.012', '0.00', '')
    >>> format_number(1.234e-9)
    '1.2e-09'
    """
    if pd.isna(value):
        return ""
    value = drop_rounding(value)
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
    while decimals < _MOST and any(apart and not round(apart, decimals) for apart in near):
        decimals += 1
    return decimals
