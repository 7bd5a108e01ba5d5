"""What is wrong with a sweep file, in words: file:line:column, the bad value, the choices."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lrdecay.components import schedulers
from lrdecay.components.models.spec import ARGUMENT_HINTS as MODEL_HINTS
from lrdecay.components.optimizers.spec import ARGUMENT_HINTS as OPTIMIZER_HINTS
from lrdecay.core.errors import InputError
from lrdecay.core.text import find_nearest, quote, suggest_name
from lrdecay.core.yaml import Document, Path, Problem, walk_value


class SweepFileError(InputError):
    """A sweep that cannot be used. `problems` lists every mistake, in the file's order.

    An empty `source` says that there is no file: the messages then name no place.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        if not source.isprintable():
            source = repr(source)
        unique = sorted(set(problems), key=lambda p: (p.line, p.column, p.message))
        lines = [
            f"{source}:{p.line}:{p.column}: {p.message}" if source else p.message for p in unique
        ]
        super().__init__("\n".join(lines))
        self.problems = unique


def translate_errors(
    error: ValidationError,
    document: Document,
    models: Mapping[Path, type[BaseModel]],
    prefix: Path = (),
) -> Iterator[Problem]:
    """Yield one problem for each place that pydantic complains about.

    `models` gives, by path, the model whose keys are valid there; `prefix` is the path of the part
    of the document that was validated.
    """
    details = [
        (tuple(walk_value(document.value, (*prefix, *detail["loc"]))), detail)
        for detail in error.errors(include_url=False)
    ]
    above = {path[:length] for path, _ in details for length in range(len(path))}
    reported = set()
    for path, detail in details:
        kind = detail["type"]
        key = detail["loc"][-1] if kind == "missing" else None
        if isinstance(key, str):
            yield from describe_missing(key, path, document, models.get(path))
            continue
        if isinstance(key, int):
            if path not in reported:
                reported.add(path)
                message = f"the list is too short, its item {key + 1} is missing"
                yield locate_problem(document, path, message)
            continue
        # The members of a union complain one after the other: the first speaks for all, unless
        # the value is a list, and then those that looked into it do.
        if path in reported or (kind in _EXPECTED and path in above):
            continue
        reported.add(path)
        yield _problem(detail, path, document, models)


def locate_problem(document: Document, path: Path, message: str, key: bool = False) -> Problem:
    """Return a mistake in the value (or key) at a path, which its message begins with."""
    where = f"{format_path(path)}: " if path else ""
    return Problem(*document.place(path, key), where + message)


def format_path(path: Path) -> str:
    """Return the keys of a path, joined by dots, as a message names them."""
    return ".".join(quote(part, quoted=False) for part in path if not isinstance(part, int))


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a word",
    "string_unicode": "whole characters",
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
_HINTS = {
    "model": MODEL_HINTS,
    "optimizer": OPTIMIZER_HINTS,
    "schedulers": schedulers.ARGUMENT_HINTS,
}
"""Part of the file -> key that has a meaning elsewhere -> what to do about it."""


def describe_missing(
    key: str, path: Path, document: Document, model: type[BaseModel] | None
) -> Iterator[Problem]:
    """Yield that a key is missing from the part of a document at a path, whose valid keys are those
    of the model; nothing where a misspelt one is there in its place, which is reported as such."""
    valid = _keys(model)
    value: Any = document.value
    for part in path:
        value = value[part]
    others = [other for other in value if other not in valid] if isinstance(value, dict) else []
    misspelt = find_nearest(key, others)
    if misspelt is not None and model is not None and model.model_config.get("extra") == "forbid":
        if find_nearest(misspelt, valid) == key:
            return  # the misspelt key is reported, with this one as what it should be
        misspelt = None
    hint = f"; did you mean it by {quote(misspelt)}?" if misspelt else ""
    fields = model.model_fields.values() if model else ()
    meaning = next((f.description for f in fields if f.alias == key and f.description), None)
    keys = f" ({meaning})" if meaning else f" (keys: {', '.join(valid)})"
    yield locate_problem(document, path, f"the key {key} is missing{hint}{keys}", key=True)


def _problem(
    detail: ErrorDetails, path: Path, document: Document, models: Mapping[Path, type[BaseModel]]
) -> Problem:
    kind, value = detail["type"], detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        where = f"{format_path(path[:-1])}: " if len(path) > 1 else ""
        key, valid = str(path[-1]), _keys(models.get(path[:-1]))
        hint = _HINTS.get(str(path[0]), {}).get(key)
        message = f"{where}the key {suggest_name(key, valid, hint)}"
        return Problem(*document.place(path, key=True), message)
    if kind == "literal_error":
        choices = [part.strip("'") for part in re.split(", | or ", context["expected"])]
        if isinstance(value, str):
            message = suggest_name(value, choices)
        else:
            message = f"must be one of {', '.join(choices)}, not {quote(value)}"
    elif kind == "int_type" and isinstance(value, str) and _takes_length(path, models):
        message = f"{schedulers.explain_length(value)}, not {quote(value)}"
    elif kind in _EXPECTED:
        expected = _EXPECTED[kind]
        if expected == "keys and values" and (keys := _keys(models.get(path))):
            expected += f" (keys: {', '.join(keys)})"
            if keys == ["class"] and isinstance(value, str):
                expected += f", such as {{class: {quote(value, quoted=False)}}}"
        message = f"must be {expected}, not {quote(value)}"
        if kind == "string_type" and isinstance(value, int | float):
            message += "; put it in quotes if it is one"
    elif kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        bound = context[key]
        bound = int(bound) if bound == int(bound) else bound
        message = f"must be {word} {bound}, not {quote(value)}"
    elif kind == "repeated":
        message = f"{quote(value)} is in the list already; leave it out"
    elif kind in ("too_short", "string_too_short"):
        least = context.get("min_length", 1)
        message = "must not be empty; give at least one"
        if least > 1:
            message = f"must hold at least {least} values, not {context['actual_length']}"
    elif kind == "string_pattern_mismatch":
        message = (
            f"{quote(value)} is no name for a folder; use letters, digits, '.', '_' and '-', "
            f"beginning with a letter or digit, 64 at most"
        )
    elif kind == "value_error":
        message = str(context["error"])
    else:
        message = f"{detail['msg']}, not {quote(value)}"
    return locate_problem(document, path, message)


def _takes_length(path: Path, models: Mapping[Path, type[BaseModel]]) -> bool:
    """Return whether a value, or the list that it is in, is a length of a scheduler."""
    model = models.get(path[:-1]) or models.get(path[:-2])
    name = model.__name__ if model else ""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    return name in schedulers.CLASSES and schedulers.takes_length(name, key)


def _keys(model: type[BaseModel] | None) -> list[str]:
    fields = model.model_fields if model else {}
    # two fields may come from one key
    names = [(field.validation_alias or field.alias or name) for name, field in fields.items()]
    return [str(name) for name in dict.fromkeys(names)]
