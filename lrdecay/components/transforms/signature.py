"""What a plug-in's transform takes beside images and draw: read from its signature."""

import inspect
import types
import typing
from typing import Annotated, Any, Literal, Union

from lrdecay.components.transforms.augmentation import TRANSFORMS


def read_argument(name: str) -> Any:
    """Return the type of what a sweep file gives a plug-in's transform; None where it takes
    nothing, so that the file says `true`."""
    _, _, *others = inspect.signature(TRANSFORMS[name]).parameters.values()
    if not others:
        return None
    return typing.get_type_hints(TRANSFORMS[name], include_extras=True)[others[0].name]


def is_scalar(hint: Any) -> bool:
    """Return whether all values of a type are one number, word or truth value each.

    >>> is_scalar(float), is_scalar(list[float])
    (True, False)
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return is_scalar(arguments[0])
    if origin in (Union, types.UnionType):
        return all(map(is_scalar, arguments))
    return origin is Literal or hint in (bool, int, float, str)
