"""What a network takes beside images, classes and dropout: read from its signature."""

import inspect
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from pydantic import TypeAdapter

from lrdecay.components import registry
from lrdecay.components.trainers.signature import is_list, is_plain
from lrdecay.core.fields import make_axis

BATCH_NORM = "batch_norm"
"""An argument that is a key of its own, whatever network has it."""


def read_model_arguments(name: str) -> dict[str, tuple[Any, Any]]:
    """Return the arguments that a file may give the network `name`: type and default."""
    return read_arguments(registry.find_thing("model", name))


def read_arguments(known: Any) -> dict[str, tuple[Any, Any]]:
    """Return the arguments that a file may give a network's class or function.

    They are those of its signature after shape, classes and dropout that have a default and a type
    of which a file can give a value; what else a plug-in's may take keeps its default.
    """
    first = 2 if getattr(known, "own_dropout", False) else 3
    others = list(inspect.signature(known).parameters.values())[first:]
    if all(_is_fixed(each) for each in others):
        return {}  # whose types nobody has to understand
    hints = inspect.signature(known, eval_str=True).parameters
    return {
        each.name: (hint, TypeAdapter(hint).validate_python(each.default))
        for each in others
        if not _is_fixed(each) and is_plain(hint := hints[each.name].annotation)
    }


def _is_fixed(parameter: inspect.Parameter) -> bool:
    is_typed = parameter.annotation is not parameter.empty
    return parameter.name == BATCH_NORM or parameter.default is parameter.empty or not is_typed


def resolve_model_arguments(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of the network `name` as plain values, defaults filled in."""
    defaults = {key: default for key, (_, default) in read_model_arguments(name).items()}
    # -0.0 is 0.0, or one run would have two identities
    return {k: x + 0.0 if isinstance(x, float) else x for k, x in (defaults | dict(given)).items()}


def list_fields(names: Iterable[str]) -> dict[str, Any]:
    """Return the fields that a sweep file's model has for the arguments of these networks."""
    hints: dict[str, list[Any]] = {}
    for name in names:
        for key, (hint, _) in read_model_arguments(name).items():
            hints.setdefault(key, []).append(hint)
    return {key: (_make_field(reduce(or_, of_key)), None) for key, of_key in hints.items()}


def _make_field(hint: Any) -> Any:
    return hint if is_list(hint) else make_axis(hint)
