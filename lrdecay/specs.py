"""The parts of a sweep file as pydantic models: what each key may hold, and its default."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from lrdecay.problems import suggest
from lrdecay.yamlfile import show

T = TypeVar("T")


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse a value that stands in the list before."""
    first: dict[T, int] = {}
    again = [
        InitErrorDetails(type=_REPEATED, loc=(index,), input=value)
        for index, value in enumerate(values)
        if first.setdefault(value, index) != index
    ]
    if again:
        raise ValidationError.from_exception_data("list", again)
    return values


_REPEATED = PydanticCustomError("repeated", "stands in the list already")


Axis = Annotated[
    tuple[T, ...], BeforeValidator(_as_tuple), Field(min_length=1), AfterValidator(distinct)
]
"""A scalar, or a list of them: then one more axis of the matrix."""


class Strict(BaseModel):
    """Unknown keys, other types and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _unsigned(value: float) -> float:
    return value + 0.0  # -0.0 is 0.0, or one run would have two identities


Fraction = Annotated[float, Field(ge=0, lt=1), AfterValidator(_unsigned)]
Count = Annotated[float, Field(ge=0), AfterValidator(_unsigned)]
Power = Annotated[float, Field(ge=0, le=10), AfterValidator(_unsigned)]


class DatasetSpec(Strict):
    """A dataset by name, or a folder of images of the user's own."""

    name: Literal["digits", "mnist", "fashion_mnist", "kmnist", "cifar10"] | None = None
    folder: str | None = None
    size: Annotated[int, Field(ge=4, le=1024)] | None = None
    channels: Literal[1, 3] = 3

    @field_validator("folder", "size", "channels")
    @classmethod
    def _name_or_folder(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.data.get("name")
        if name is not None and value is not None:
            if info.field_name == "folder":
                raise ValueError(f"{show(value)} stands beside the name {name}; give only one")
            raise ValueError(f"{name} does not take it; only a folder of images does")
        if isinstance(value, str) and not (value and value.isprintable()):
            raise ValueError(f"{show(value)} is no folder; give printable characters")
        return value

    @model_validator(mode="after")
    def _something(self) -> DatasetSpec:
        if self.name is None and self.folder is None:
            names = ", ".join(get_args(get_args(type(self).model_fields["name"].annotation)[0]))
            raise ValueError(f"give a name ({names}) or a folder of images")
        return self


class ModelSpec(Strict):
    """The network."""

    name: Axis[Literal["cnn"]] = ("cnn",)
    batch_norm: Axis[bool] = (False,)


_TAKES = {
    "Adam": ("weight_decay", "eps", "betas"),
    "AdamW": ("weight_decay", "eps", "betas"),
    "SGD": ("weight_decay", "momentum", "nesterov"),
    "RMSprop": ("weight_decay", "eps", "alpha", "momentum", "centered"),
    "AdamWScheduleFree": (
        *("weight_decay", "eps", "betas"),
        *("warmup_steps", "r", "weight_lr_power"),
    ),
}
_ARGUMENTS = tuple(dict.fromkeys(name for names in _TAKES.values() for name in names))


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"must be a list of two numbers, such as [0.9, 0.999], not {show(value)}")
    return tuple(value)


class OptimizerSpec(Strict):
    """The optimizer: the class of that name in torch, or in the package schedulefree, with its own
    argument names."""

    name: Axis[Literal["Adam", "AdamW", "SGD", "RMSprop", "AdamWScheduleFree"]] = ("Adam",)
    lr: Axis[Annotated[float, Field(gt=0)]] = (0.001,)
    weight_decay: Axis[Count] | None = None
    eps: Axis[Annotated[float, Field(gt=0)]] | None = None
    betas: Annotated[tuple[Fraction, Fraction], BeforeValidator(_pair)] | None = None
    momentum: Axis[Fraction] | None = None
    nesterov: Axis[bool] | None = None
    alpha: Axis[Fraction] | None = None
    centered: Axis[bool] | None = None
    warmup_steps: Axis[Annotated[int, Field(ge=0)]] | None = None
    r: Axis[Power] | None = None
    weight_lr_power: Axis[Power] | None = None

    @field_validator(*_ARGUMENTS, mode="before")
    @classmethod
    def _is_argument(cls, value: Any, info: ValidationInfo) -> Any:
        for name in info.data.get("name", ()):
            if info.field_name not in _TAKES[name]:
                raise ValueError(
                    f"{name} does not take it; {name} takes lr, {', '.join(_TAKES[name])}"
                )
        return value

    @field_validator("nesterov")
    @classmethod
    def _has_momentum(cls, value: Any, info: ValidationInfo) -> Any:
        # a momentum that is itself a mistake is not in the data, and says so for itself
        momentum = info.data.get("momentum", ())
        if value and True in value and 0.0 in (momentum if momentum is not None else (0.0,)):
            raise ValueError("true needs a momentum above 0, such as 0.9")
        return value

    @field_validator("betas")
    @classmethod
    def _can_average(cls, value: Any, info: ValidationInfo) -> Any:
        name = "AdamWScheduleFree"
        if value is not None and value[0] == 0 and name in info.data.get("name", ()):
            raise ValueError(f"{name} needs a first number above 0, such as 0.9")
        return value

    def arguments(self) -> dict[str, list[Any]]:
        """Return the arguments beside name and lr that the file gives, each with its values."""
        given = {name: getattr(self, name) for name in _ARGUMENTS}
        return {
            # betas is one value, a pair
            name: [list(values)] if name == "betas" else list(values)
            for name, values in given.items()
            if values is not None
        }

    @staticmethod
    def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all arguments of optimizer `name` beside lr, its class's defaults filled in."""
        from lrdecay.optimizers import CLASSES

        parameters = inspect.signature(CLASSES[name]).parameters
        defaults = {key: parameters[key].default for key in _TAKES[name]}
        return {key: float(x) if type(x) is int else x for key, x in {**defaults, **given}.items()}


def _known_class(value: Any) -> Any:
    from lrdecay.schedulers import CLASSES

    if not isinstance(value, str):
        raise ValueError(f"must be one of {', '.join(CLASSES)}, not {show(value)}")
    if value not in CLASSES:
        raise ValueError(suggest(value, CLASSES))
    return value


class SchedulerSpec(BaseModel):
    """One scheduler of the matrix: a class, and its arguments as given."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    class_: Annotated[str, BeforeValidator(_known_class)] = Field(
        alias="class", description="a class of torch.optim.lr_scheduler, or constant"
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments beside the class, as given."""
        return dict(self.model_extra or {})


class Comparison(Strict):
    """What the sweep is to decide, fixed before it runs. `margin` is in percentage points."""

    reference: str | None = None
    metric: Literal["test_accuracy", "test_loss", "val_accuracy", "val_loss"] = "test_accuracy"
    margin: Count = 0.05
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
