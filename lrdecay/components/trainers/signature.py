"""What a loop of the user's own takes beside its trial: read from its signature."""

import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

from lrdecay.components.registry import REGISTRIES

SCRIPT = "script"
"""A loop that asks for its trials itself, with `lrdecay.trials`: it is no function of a plug-in."""

COMMAND = "command"
"""A program, which `lrdecay sweep --command` starts for each run."""

TRAINERS: dict[str, Callable[..., None] | None] = REGISTRIES["trainer"]
"""Name in a sweep file -> function; None where a loop is none."""

TRAINERS |= {SCRIPT: None, COMMAND: None}

RESERVED = ("name", "trial", "seed", "lr", "epochs", "scheduler", "dropout")
"""What no value of a loop may be called: keys of `trainer`, axes, and what a trial has already."""

_PLAIN = (bool, int, float, str, type(None))


def read_parameters(name: str) -> dict[str, tuple[Any, Any]]:
    """Return what a sweep file may give a loop: type and default, `...` where it must be given."""
    function = TRAINERS[name]
    assert function is not None
    hints = typing.get_type_hints(function, include_extras=True)
    _, *parameters = inspect.signature(function).parameters.values()
    return {
        each.name: (hints[each.name], ... if each.default is each.empty else each.default)
        for each in parameters
    }


def is_list(hint: Any) -> bool:
    """Return whether a value of a type is a list, which then is one value and no axis."""
    if typing.get_origin(hint) is Annotated:
        return is_list(typing.get_args(hint)[0])
    return hint is list or typing.get_origin(hint) is list


def is_plain(hint: Any) -> bool:
    """Return whether all values of a type are what a sweep file can give and a table can hold.

    >>> is_plain(int | None), is_plain(list[float]), is_plain(tuple[int, int])
    (True, True, False)
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return is_plain(arguments[0])
    if origin in (Union, types.UnionType, list):
        return all(map(is_plain, arguments))
    return origin is Literal or hint in _PLAIN
