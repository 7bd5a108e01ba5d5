"""Numbers, names and values in words, wherever they are shown."""

import difflib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from lrdecay.core.sanitize import sanitize_line


def to_text(value: object) -> str:
    """Return a value of an axis as text; nothing for one that is null.

    >>> to_text(0.30), to_text(64), to_text("step"), to_text(math.nan), to_text(None)
    ('0.3', '64', 'step', '', '')
    """
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_dropout(value: object) -> str:
    """Return a dropout rate with its name; nothing for a network's own ones, which are null.

    >>> format_dropout(0.3), format_dropout(None), format_dropout(math.nan)
    ('dropout 0.3', '', '')
    """
    return format_named("dropout", value)


def format_named(axis: str, value: object) -> str:
    """Return an axis with its value; nothing for one that is null. Arguments have their own names,
    unless they are no JSON.

    >>> format_named("lr", 0.1), format_named("lr", None)
    ('lr 0.1', '')
    >>> format_named("trainer_args", '{"data":"wiki","tied":true,"width":16}')
    'data wiki, tied true, width 16'
    >>> format_named("augment", '{"random_crop":4}'), format_named("augment", "{}")
    ('random_crop 4', 'no augment')
    >>> format_named("model_args", "{'depth': 3}")
    "model_args {'depth': 3}"
    """
    text = to_text(value)
    if (axis.endswith("_args") or axis == "augment") and text.startswith("{"):
        try:
            arguments: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError:  # of a table that was made by hand
            return f"{axis} {text}"
        shown = {k: v if isinstance(v, str) else json.dumps(v) for k, v in arguments.items()}
        return ", ".join(f"{name} {each}" for name, each in shown.items()) or f"no {axis}"
    return f"{axis} {text}" if text else ""


def join_filled(*parts: object) -> str:
    """Return what is not empty, with commas.

    >>> join_filled("step", "", "seed 0")
    'step, seed 0'
    """
    return ", ".join(str(part) for part in parts if part != "")


def capitalize(text: str) -> str:
    """Return a text with its first letter as a capital, the others as they are.

    >>> capitalize("at MNIST's rate"), capitalize("")
    ("At MNIST's rate", '')
    """
    return text[:1].upper() + text[1:]


def format_mean(mean: float, sd: float) -> str:
    """Return shares in percent; an sd that is not known is left out.

    >>> format_mean(0.97, 0.0123), format_mean(0.97, math.nan)
    ('97.00 ± 1.23', '97.00')
    """
    spread = "" if math.isnan(sd) else f" \N{PLUS-MINUS SIGN} {100 * sd:.2f}"
    return f"{100 * mean:.2f}{spread}"


def spell_count(count: float, what: str) -> str:
    """Return a whole number and its noun.

    >>> spell_count(1, "run"), spell_count(96, "run"), spell_count(2, "process")
    ('1 run', '96 runs', '2 processes')
    """
    plural = "es" if what.endswith("s") else "s"
    return f"{count:,.0f} {what}{'' if count == 1 else plural}"


def spell_each(count: int, what: str) -> str:
    """Return that all of a number are meant.

    >>> spell_each(1, "seed"), spell_each(8, "seed")
    ('1 seed', 'each of 8 seeds')
    """
    return f"{'each of ' if count > 1 else ''}{spell_count(count, what)}"


def spell_seconds(seconds: float) -> str:
    """Return an estimated duration in the unit that suits it.

    >>> [spell_seconds(s) for s in (4.2, 90, 5400, 200000)]
    ['4 s', '90 s', '90 min', '56 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def spell_time(seconds: float) -> str:
    """Return a measured duration, to the minute; nothing for one that is unknown.

    >>> [spell_time(s) for s in (4.24, 90, 8100, math.nan)]
    ['4.2 s', '2 min', '2 h 15 min', '']
    """
    if math.isnan(seconds):
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


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


def suggest_name(given: str, choices: Iterable[str], hint: str | None = None) -> str:
    """Say that `given` is none of `choices`, with a `hint` or the nearest one first.

    >>> suggest_name("StepLr", ["StepLR", "constant"])
    "'StepLr' is unknown; did you mean StepLR? (choices: StepLR, constant)"
    >>> suggest_name("verbose", ["gamma"], "leave it out")
    "'verbose' is unknown; leave it out (choices: gamma)"

    Choices may be somebody else's text, as labels are; they are harmless in what is returned.
    """
    choices = list(map(sanitize_line, choices))
    near = find_nearest(given, choices)
    if hint is None and near is not None:
        hint = f"did you mean {near}?"
    if not choices:
        return f"{quote(given)} is unknown; {hint or 'nothing is valid here'}"
    listed = ", ".join(choices[:_LISTED]) + (", ..." if len(choices) > _LISTED else "")
    if hint is not None:
        return f"{quote(given)} is unknown; {hint} (choices: {listed})"
    return f"{quote(given)} is unknown; choices: {listed}"


def find_nearest(given: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `given` is probably a misspelling of, if any.

    Of a name with dots, as Python has it, the last part is looked at too.

    >>> choices = ["StepLR", "CosineAnnealingLR"]
    >>> find_nearest("cosine", choices), find_nearest("torch.optim.lr_scheduler.StepLR", choices)
    ('CosineAnnealingLR', 'StepLR')
    """
    folded = {choice.lower(): choice for choice in choices}
    last = given.rpartition(".")[2].lower()
    if last in folded:
        return folded[last]
    for word in dict.fromkeys((given[:_LONGEST].lower(), last[:_LONGEST])):
        near = difflib.get_close_matches(word, folded, n=1, cutoff=0.6)
        if not near and len(word) >= 4:
            near = [choice for choice in folded if choice.startswith(word)]
        if near:
            return folded[near[0]]
    return None


_LISTED = 30
_LONGEST = 64


def join_words(names: Sequence[object], word: str = "and") -> str:
    """Return names as text.

    >>> join_words(["a"]), join_words(["a", "b"]), join_words(["a", "b", "c"], "or")
    ('a', 'a and b', 'a, b or c')
    """
    *first, last = map(str, names)
    return f"{', '.join(first)} {word} {last}" if first else last


def format_call(value: object) -> str:
    """Return a value of a sweep file as text, a scheduler as its class with its arguments.

    >>> format_call({"class": "StepLR", "step_size": 2}), format_call([1, {"class": "constant"}])
    ('StepLR(step_size=2)', '[1, constant()]')
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_call, value))}]"
    if not isinstance(value, dict):
        return str(value)
    arguments = [f"{key}={format_call(x)}" for key, x in value.items() if key != "class"]
    return f"{value.get('class')}({', '.join(arguments)})"


def join_some(values: Iterable[object], most: int) -> str:
    """Return the first of some values as text, and how many more there are.

    >>> join_some([0.1, 0.2], most=2), join_some([0.1, 0.2, 0.3, 0.4], most=2)
    ('0.1, 0.2', '0.1, 0.2 and 2 more')
    """
    texts = list(map(to_text, values))
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more:,} more" if more > 0 else "")


def format_values(values: Sequence[Any]) -> str:
    """Return values of an axis with commas between, or "0 to 63" for a long row of whole numbers.

    >>> format_values([0.1, 0.2]), format_values([0, 1, 2, 3, 4])
    ('0.1, 0.2', '0 to 4')
    """
    if len(values) > 4 and values == list(range(len(values))):
        return f"0 to {values[-1]}"
    return ", ".join(map(to_text, values))


def describe_error(error: BaseException) -> str:
    """Return an error's class and message.

    >>> describe_error(ValueError("too large")), describe_error(MemoryError())
    ('ValueError: too large', 'MemoryError')
    """
    message = str(error).strip()
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def first_line(error: BaseException) -> str:
    """Return what an error says before it goes into detail.

    >>> first_line(ValueError("too large\\nby 3")), first_line(MemoryError())
    ('too large', 'MemoryError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]
