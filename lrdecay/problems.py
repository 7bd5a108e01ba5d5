"""What is wrong with a sweep file, in words: file:line:column, the bad value, the choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lrdecay.errors import InputError
from lrdecay.yamlfile import Document, Path, Problem, walk


class SweepFileError(InputError):
    """A sweep file that cannot be used. `problems` lists every mistake, in the file's order."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        unique = sorted(set(problems), key=lambda p: (p.line, p.column, p.message))
        lines = [
            f"{source}:{p.line}:{p.column}: {p.message}" if p.line else p.message for p in unique
        ]
        super().__init__("\n".join(lines))
        self.problems = unique


def translate(
    error: ValidationError,
    document: Document,
    models: Mapping[Path, type[BaseModel]],
    prefix: Path = (),
) -> Iterator[Problem]:
    """Yield one problem for each place that pydantic complains about.

    `models` gives, by path, the model whose keys are valid there; `prefix` is the path of the part
    of the document that was validated.
    """
    reported = set()
    for detail in error.errors(include_url=False):
        path = tuple(walk(document.value, (*prefix, *detail["loc"])))
        # the members of a union complain one after the other; the first speaks for all
        if path in reported and detail["type"] != "missing":
            continue
        reported.add(path)
        yield _problem(detail, path, document, models)


def suggest(given: str, choices: Iterable[str]) -> str:
    """Say that `given` is none of `choices`, with the nearest one first.

    >>> suggest("StepLr", ["StepLR", "constant"])
    "'StepLr' is unknown; did you mean StepLR? (choices: StepLR, constant)"
    """
    choices = list(choices)
    near = difflib.get_close_matches(given, choices, n=1, cutoff=0.6) or [
        choice for choice in choices if choice.lower() == given.lower()
    ]
    listed = ", ".join(choices)
    if near:
        return f"{_show(given)} is unknown; did you mean {near[0]}? (choices: {listed})"
    return f"{_show(given)} is unknown; choices: {listed}"


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a word",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "tuple_type": "a list",
    "list_type": "a list",
    "sequence_str": "a list",
    "is_instance_of": "a list",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _problem(
    detail: ErrorDetails, path: Path, document: Document, models: Mapping[Path, type[BaseModel]]
) -> Problem:
    kind, value = detail["type"], detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    name = ".".join(str(part) for part in path if not isinstance(part, int))
    where = f"{name}: " if name else ""
    if kind == "extra_forbidden":
        valid = _keys(models.get(path[:-1]))
        parent = ".".join(str(part) for part in path[:-1])
        what = f"{parent}: the key " if parent else "the key "
        return Problem(*document.place(path, key=True), what + suggest(str(path[-1]), valid))
    if kind == "missing":
        missing = str(detail["loc"][-1])
        valid = ", ".join(_keys(models.get(path))) or missing
        place = document.place(path, key=True)
        return Problem(*place, f"{where}the key {missing} is missing (keys: {valid})")
    if kind == "literal_error":
        choices = [
            part.strip("'") for part in context["expected"].replace(" or ", ", ").split(", ")
        ]
        if isinstance(value, str):
            message = suggest(value, choices)
        else:
            message = f"must be one of {', '.join(choices)}, not {_show(value)}"
    elif kind in _EXPECTED:
        message = f"must be {_EXPECTED[kind]}, not {_show(value)}"
    elif kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        message = f"must be {word} {context[key]}, not {_show(value)}"
    elif kind == "too_short":
        message = "must not be empty"
    elif kind == "string_pattern_mismatch":
        message = (
            f"{_show(value)} is no name for a folder: use letters, digits, '.', '_' and '-', "
            f"beginning with a letter or digit, 64 at most"
        )
    elif kind == "value_error":
        message = str(context["error"])
    else:
        message = f"{detail['msg']}, not {_show(value)}"
    return Problem(*document.place(path), where + message)


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _show(value: Any) -> str:
    """Return the value as the file might have it, short enough for one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list | tuple):
        return "a list" if isinstance(value, list | tuple) else "keys and values"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
