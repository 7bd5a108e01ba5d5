"""What a key of a sweep file may hold: one value or an axis of them, of a kind."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

T = TypeVar("T")


def to_tuple(value: Any) -> Any:
    """Return a list as a tuple, and a scalar as a tuple of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def require_distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse a value that is in the list before."""
    first: dict[T, int] = {}
    again = [
        InitErrorDetails(type=_REPEATED, loc=(index,), input=value)
        for index, value in enumerate(values)
        if first.setdefault(value, index) != index
    ]
    if again:
        raise ValidationError.from_exception_data("list", again)
    return values


_REPEATED = PydanticCustomError("repeated", "is in the list already")

Axis = Annotated[
    tuple[T, ...], BeforeValidator(to_tuple), Field(min_length=1), AfterValidator(require_distinct)
]
"""A scalar, or a list of them: then one more axis of the matrix."""


def make_axis(hint: Any) -> Any:
    """Return `Axis` of a type that is known only when a plug-in is."""
    return Axis[hint]


class Strict(BaseModel):
    """Unknown keys, other types and numbers that are not finite are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        # a field's docstring is its description: docs/generate.py makes docs/sweep-file.md of them
        use_attribute_docstrings=True,
    )


def _unsigned(value: float) -> float:
    return value + 0.0  # -0.0 is 0.0, or one run would have two identities


Fraction = Annotated[float, Field(ge=0, lt=1), AfterValidator(_unsigned)]
Count = Annotated[float, Field(ge=0), AfterValidator(_unsigned)]
Power = Annotated[float, Field(ge=0, le=10), AfterValidator(_unsigned)]
