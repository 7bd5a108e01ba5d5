"""Numbers, names and values in words, wherever they are shown."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any


def to_text(value: object) -> str:
    """Return a value of an axis as text; nothing of one that is null.

    >>> to_text(0.30), text_of(64), text_of("step"), text_of(math.nan), text_of(None)
    ('0.3', '64', 'step', '', '')
    """
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_dropout(value: object) -> str:
    """Return what is said of a dropout rate; nothing of a network's own ones, which are null.

    >>> format_dropout(0.3), at_dropout(None), at_dropout(math.nan)
    ('dropout 0.3', '', '')
    """
    return format_named("dropout", value)


def format_named(axis: str, value: object) -> str:
    """Return an axis with its value; nothing of one that is null.

    >>> format_named("lr", 0.1), named_value("lr", None)
    ('lr 0.1', '')
    """
    text = to_text(value)
    return f"{axis} {text}" if text else ""


def join_filled(*parts: object) -> str:
    """Return what is not empty, with commas.

    >>> join_filled("step", "", "seed 0")
    'step, seed 0'
    """
    return ", ".join(str(part) for part in parts if part != "")


def format_mean(mean: float, sd: float) -> str:
    """Return shares in percent; an sd that is not known is left out.

    >>> format_mean(0.97, 0.0123), mean_and_sd(0.97, math.nan)
    ('97.00 ± 1.23', '97.00')
    """
    spread = "" if math.isnan(sd) else f" \N{PLUS-MINUS SIGN} {100 * sd:.2f}"
    return f"{100 * mean:.2f}{spread}"


def spell_count(count: int, what: str) -> str:
    """Return a number and its noun.

    >>> spell_count(1, "run"), counted(96, "run"), counted(2, "process")
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


def quote(value: Any, quoted: bool = True) -> str:
    """Return a value as the file might have it, short enough for one line.

    >>> quote("on"), quote(None), quote(True), quote([1, 2])
    ("'on'", 'nothing', 'true', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str) and not quoted and value.isprintable():
        text = value
    else:
        text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def suggest_name(given: str, choices: Iterable[str]) -> str:
    """Say that `given` is none of `choices`, with the nearest one first.

    >>> suggest_name("StepLr", ["StepLR", "constant"])
    "'StepLr' is unknown; did you mean StepLR? (choices: StepLR, constant)"
    """
    choices = list(choices)
    if not choices:
        return f"{quote(given)} is unknown; nothing is valid here"
    listed = ", ".join(choices[:_LISTED]) + (", ..." if len(choices) > _LISTED else "")
    near = find_nearest(given, choices)
    if near is not None:
        return f"{quote(given)} is unknown; did you mean {near}? (choices: {listed})"
    return f"{quote(given)} is unknown; choices: {listed}"


def find_nearest(given: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `given` is probably a misspelling of, if any.

    >>> find_nearest("cosine", ["StepLR", "CosineAnnealingLR"])
    'CosineAnnealingLR'
    """
    folded = {choice.lower(): choice for choice in choices}
    word = given[:_LONGEST].lower()
    near = difflib.get_close_matches(word, folded, n=1, cutoff=0.6)
    if not near and len(word) >= 4:
        near = [choice for choice in folded if choice.startswith(word)]
    return folded[near[0]] if near else None


_LISTED = 30
_LONGEST = 64


def join_words(names: Sequence[object]) -> str:
    """Return names as text.

    >>> join_words(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last
