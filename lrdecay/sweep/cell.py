"""One cell of a sweep by its values, as a command line names it: `scheduler=cosine,dropout=0.3`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import find_nearest, join_words, quote, spell_count, suggest_name
from lrdecay.core.yaml import parse_scalar

_LISTED = 12  # values of an axis in an error

Axes = Mapping[str, Sequence[Any]]


def select_cell(axes: Axes, texts: Sequence[str]) -> dict[str, Any]:
    """Return a value of each axis: the one that is named, or the only one there is.

    Args:
        axes: name -> values, as `Sweep.axes` has them.
        texts: each one or more AXIS=VALUE, with commas; a value is one of its axis as the sweep
            file writes it, or another form of the same number.

    Raises:
        InputError: an axis or a value is unknown, an axis is named twice, or one with several
            values is not named. Says all of it at once, and what would be valid.
    """
    named = {name: values for name, values in axes.items() if list(values) != [None]}
    chosen: dict[str, Any] = {}
    problems: list[str] = []
    for name, text in (pair for each in texts for pair in _split_pairs(each, named)):
        if text is None:
            problems.append(f"{quote(name)}: expected AXIS=VALUE, such as dropout=0.3")
        elif name not in named:
            problems.append(f"the axis {suggest_name(name, named)}")
        elif name in chosen:
            problems.append(f"{name} is given twice")
        else:
            found = [value for value in named[name] if _is_written(value, text)]
            # where one is a number and one a label, each is what is written so
            chosen[name] = min(found, key=lambda value: _write(value) != text, default=None)
            if not found:
                words = [_write(value) for value in named[name] if isinstance(value, str)]
                near = find_nearest(text, words)
                hint = "" if near is None else f"; did you mean {near}?"
                problems.append(f"{name} has no value {quote(text)}{hint}")
    open_axes = [name for name, values in named.items() if len(values) > 1]
    missing = [name for name in open_axes if name not in chosen]
    if missing and not problems:
        problems.append(f"name a value of {join_words(missing)}")
    if problems:
        raise InputError(f"--cell: {'; '.join(problems)}\n{_list_choices(named, open_axes)}")
    return {name: chosen.get(name, values[0]) for name, values in axes.items()}


def _split_pairs(text: str, axes: Axes) -> Iterator[tuple[str, str | None]]:
    """Yield each axis with what is said to be its value; None where there is no "=". A value of the
    axis may have commas itself, so the longest one that fits goes first."""
    while text:
        name, equals, rest = text.partition("=")
        if not equals or "," in name:
            name, _, text = text.partition(",")
            yield name.strip(), None
            continue
        name = name.strip()
        written = {form for value in axes.get(name, ()) for form in _write_forms(value)}
        fits = [form for form in written if f"{rest},".startswith(f"{form},")]
        value = max(fits, key=len) if fits else rest.partition(",")[0]
        text = rest[len(value) + 1 :]
        yield name, value.strip()


def _is_written(value: Any, text: str) -> bool:
    """Return whether a text is how a value is written, or the same number otherwise."""
    if text in _write_forms(value):
        return True
    parsed = parse_scalar(text)
    return isinstance(parsed, bool) == isinstance(value, bool) and bool(parsed == value)


def _write_forms(value: Any) -> tuple[str, ...]:
    written = _write(value)
    return (written, written.replace(" ", "")) if isinstance(value, list | tuple) else (written,)


def _write(value: Any) -> str:
    """Return a value as a sweep file writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_write, value))}]"
    if value is None:
        return "null"
    if value == math.inf:  # of `clip_grad_norm`
        return "none"
    return sanitize_line(value) if isinstance(value, str) else quote(value)


def _list_choices(axes: Axes, open_axes: Sequence[str]) -> str:
    """Return the axes that a cell must name, a line each, and those that have one value."""
    lines = []
    for name in open_axes:
        values = list(map(_write, axes[name]))
        more = f" and {spell_count(len(values) - _LISTED, 'other')}" if values[_LISTED:] else ""
        lines.append(f"  {name}: {', '.join(values[:_LISTED])}{more}")
    single = [f"{name}={_write(values[0])}" for name, values in axes.items() if len(values) == 1]
    if single:
        lines.append(f"  of one value: {', '.join(single)}")
    return "\n".join(["The axes of the file:", *lines])
