"""Numbers and names as they are worded wherever they are shown."""

from __future__ import annotations

import math


def text_of(value: object) -> str:
    """Return a value of an axis as text; nothing of one that is null.

    >>> text_of(0.30), text_of(64), text_of("step"), text_of(math.nan), text_of(None)
    ('0.3', '64', 'step', '', '')
    """
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def at_dropout(value: object) -> str:
    """Return what is said of a dropout rate; nothing of a network's own ones, which are null.

    >>> at_dropout(0.3), at_dropout(None), at_dropout(math.nan)
    ('dropout 0.3', '', '')
    """
    return named_value("dropout", value)


def named_value(axis: str, value: object) -> str:
    """Return an axis with its value; nothing of one that is null.

    >>> named_value("lr", 0.1), named_value("lr", None)
    ('lr 0.1', '')
    """
    text = text_of(value)
    return f"{axis} {text}" if text else ""


def joined(*parts: object) -> str:
    """Return what is not empty, with commas.

    >>> joined("step", "", "seed 0")
    'step, seed 0'
    """
    return ", ".join(str(part) for part in parts if part != "")


def mean_and_sd(mean: float, sd: float) -> str:
    """Return shares in percent; an sd that is not known is left out.

    >>> mean_and_sd(0.97, 0.0123), mean_and_sd(0.97, math.nan)
    ('97.00 ± 1.23', '97.00')
    """
    spread = "" if math.isnan(sd) else f" \N{PLUS-MINUS SIGN} {100 * sd:.2f}"
    return f"{100 * mean:.2f}{spread}"


def counted(count: int, what: str) -> str:
    """Return a number and its noun.

    >>> counted(1, "run"), counted(96, "run"), counted(2, "process")
    ('1 run', '96 runs', '2 processes')
    """
    plural = "es" if what.endswith("s") else "s"
    return f"{count:,} {what}{'' if count == 1 else plural}"


def spell_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    >>> [spell_seconds(s) for s in (4.2, 90, 5400, 200000)]
    ['4 s', '90 s', '90 min', '56 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
