"""Words of a sweep file that stand for numbers: lengths, and multiples of the base rate."""

import re
from fractions import Fraction
from typing import Any

from lrdecay.components.schedulers.horizon import Horizon, Interval

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})"
_SHARE = re.compile(rf"{_NUMBER}\s*%")
_TIME = re.compile(rf"{_NUMBER}\s+(epoch|step)s?")
_RATE = re.compile(r"(?:([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s+)?lr")


def read_length(value: Any, horizon: Horizon, unit: Interval) -> Any:
    """Return a length of a sweep file as a number of units.

    `epochs` and `steps` alone stand for the horizon's number of them, `50%` for a share of its
    length (rounded, halves up, to at least 1), `2 epochs` and `30 steps` for so much time. Anything
    else is returned as it is, to be refused: a time that is no whole number in its own unit too,
    and `0.5 epochs`, which once was half of the run.

    >>> horizon = Horizon.of(10, 19)
    >>> [read_length(x, horizon, "step") for x in ("steps", "50%", "2 epochs", "30 steps", 3)]
    [190, 95, 38, 30, 3]
    >>> [read_length(x, horizon, "epoch") for x in ("epochs", "25%", "38 steps", "0.5 epochs")]
    [10, 3, 2, '0.5 epochs']

    Raises:
        ValueError: the time is no whole number of units, as many steps as an epoch has.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in ("epochs", "steps"):
        return horizon.epochs if text == "epochs" else horizon.steps
    if share := _SHARE.fullmatch(text):
        percent = float(share[1])
        rounded = int(percent / 100 * horizon.length(unit) + 0.5)
        return max(1, rounded) if 0 < percent <= 100 else value
    time = _TIME.fullmatch(text)
    if time is None:
        return value
    count, given = Fraction(time[1]), time[2]
    may_be_broken = given == "epoch" and unit == "step"
    if 0 < count < 1 or (count.denominator > 1 and not may_be_broken):
        return value
    return int(count) if given == unit else _convert(text, count, horizon, unit)


def _convert(text: str, count: Fraction, horizon: Horizon, unit: Interval) -> int:
    """Return so many epochs as steps, or steps as epochs."""
    each = horizon.steps_per_epoch
    if not horizon.knows_steps:
        return round(count * each)  # any number will do that no other length has
    steps = count * each if unit == "step" else count
    per_unit = 1 if unit == "step" else each
    whole, rest = divmod(steps, per_unit)
    if rest == 0:
        return int(whole)
    near = [n * per_unit for n in (whole, whole + 1) if n > 0]
    valid = " or ".join("1 step" if n == 1 else f"{n} steps" for n in near)
    parts = f"steps, of which an epoch has {each}" if unit == "step" else f"epochs of {each} steps"
    raise ValueError(f"{text} is no whole number of {parts}; give {valid}")


def explain_length(text: str) -> str:
    """Return what a length must be, for a text that is none.

    >>> explain_length("0.25 steps")
    'a share of the run is written 25%'
    >>> explain_length("1.5 epochs"), explain_length("150%")
    ('must be a whole number of epochs', 'a share must be above 0% and at most 100%')
    """
    if _SHARE.fullmatch(text):
        return "a share must be above 0% and at most 100%"
    if time := _TIME.fullmatch(text):
        count = float(time[1])
        if not 0 < count < 1:
            return f"must be a whole number of {time[2]}s"
        steps = ", a part of an epoch as a number of steps" if time[2] == "epoch" else ""
        return f"a share of the run is written {100 * count:g}%{steps}"
    return "must be a whole number, or a length such as epochs, steps, 50%, 2 epochs or 30 steps"


def read_rate(value: Any, horizon: Horizon) -> Any:
    """Return a rate of a sweep file as a number: `lr` is the base rate, `2 lr` twice as much.

    Anything else is returned as it is.

    >>> [read_rate(x, Horizon.of(10, 19, lr=0.01)) for x in ("lr", "0.5 lr", 3, "high")]
    [0.01, 0.005, 3, 'high']
    """
    word = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    return value if word is None else float(word[1] or 1) * horizon.lr


def is_word(value: Any) -> bool:
    """Return whether a value of a sweep file stands for a number that depends on the run.

    >>> [is_word(x) for x in ("epochs", "50%", "1 epoch", "2 lr", "linear", 3)]
    [True, True, True, True, False, False]
    """
    if not isinstance(value, str):
        return False
    text = value.strip()
    return text in ("epochs", "steps") or any(
        pattern.fullmatch(text) for pattern in (_SHARE, _TIME, _RATE)
    )
