"""The parts of a sweep file as pydantic models: what each key may hold, and its default."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from lrdecay import plugins
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


def _axis(hint: Any) -> Any:
    return Axis[hint]


class Strict(BaseModel):
    """Unknown keys, other types and numbers that are not finite are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        # a field's docstring is its description: `documents.py` makes docs/sweep-file.md of them
        use_attribute_docstrings=True,
    )


def _unsigned(value: float) -> float:
    return value + 0.0  # -0.0 is 0.0, or one run would have two identities


Fraction = Annotated[float, Field(ge=0, lt=1), AfterValidator(_unsigned)]
Count = Annotated[float, Field(ge=0), AfterValidator(_unsigned)]
Power = Annotated[float, Field(ge=0, le=10), AfterValidator(_unsigned)]


def _known(kind: str, value: Any) -> str:
    """Refuse a name that the registry of a kind does not have; plug-ins add to it."""
    choices = plugins.registry(kind)
    if not isinstance(value, str):
        raise ValueError(f"must be one of {', '.join(choices)}, not {show(value)}")
    if value not in choices:
        raise ValueError(suggest(value, choices))
    return value


class DatasetSpec(Strict):
    """A dataset by name, or a folder of images of the user's own."""

    name: Annotated[str, BeforeValidator(partial(_known, "dataset"))] | None = None
    """The dataset."""
    folder: str | None = None
    """A folder of your own images instead, relative to the sweep file, laid out as `train/CLASS/*`
    and `test/CLASS/*`, or as `CLASS/*`, of which one image in five is then held out for testing."""
    size: Annotated[int, Field(ge=4, le=1024)] | None = None
    """Height and width in pixels to which a folder's images are brought; those of the images, which
    must then be of one size, unless given."""
    channels: Literal[1, 3] = 3
    """Of a folder's images: 1 grey, 3 colour."""

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
            names = ", ".join(plugins.registry("dataset"))
            raise ValueError(f"give a name ({names}) or a folder of images")
        return self


class ModelSpec(Strict):
    """The network. `cnn` takes the sweep's dropout. `mnist_example` (PyTorch's example for MNIST),
    `fmnist_2c2d` and `cifar10_3c3d` (those of DeepOBS) are networks of published problems with
    dropout rates of their own: a file with one of these gives no `dropout`."""

    name: Axis[Annotated[str, BeforeValidator(partial(_known, "model"))]] = ("cnn",)
    """The network."""
    batch_norm: Axis[bool] = (False,)
    """Whether batch normalisation follows each convolution, in a network that can have it."""

    @property
    def own_dropout(self) -> bool:
        """Whether the networks have dropout rates of their own, so that the sweep gives none."""
        from lrdecay.models import has_own_dropout

        return any(has_own_dropout(name) for name in self.name)

    @field_validator("batch_norm")
    @classmethod
    def _has_batch_norm(cls, value: Any, info: ValidationInfo) -> Any:
        from lrdecay.models import takes_batch_norm

        for name in info.data.get("name", ()) if True in value else ():
            if not takes_batch_norm(name):
                raise ValueError(f"true needs a network that can have it; {name} takes none")
        return value


_TAKES = {
    "Adam": ("weight_decay", "eps", "betas"),
    "AdamW": ("weight_decay", "eps", "betas"),
    "SGD": ("weight_decay", "momentum", "nesterov"),
    "RMSprop": ("weight_decay", "eps", "alpha", "momentum", "centered"),
    "Adadelta": ("weight_decay", "eps", "rho"),
    "AdamWScheduleFree": (
        *("weight_decay", "eps", "betas"),
        *("warmup_steps", "r", "weight_lr_power"),
    ),
}


def _takes(name: str) -> tuple[str, ...]:
    """Return the arguments of optimizer `name` beside lr."""
    from lrdecay import optimizers

    taken = _TAKES.get(name)
    return (*taken, optimizers.DECAY_BIASES) if taken else tuple(optimizers.arguments(name))


Rate = Annotated[float, Field(gt=0)]


def _with_scheduler(per: tuple[str, ...]) -> tuple[str, ...]:
    if "scheduler" not in per:
        raise ValueError("must name scheduler: give scheduler, or [scheduler, dropout]")
    return tuple(name for name in ("scheduler", "dropout") if name in per)


class RateChoice(Strict):
    """A base rate that each scheduler picks for itself, on validation, before the comparison.

    Every scheduler (and every dropout rate, if `per` names it) trains at each rate of the grid
    `choose` on `seeds` seeds of their own.
    """

    choose: Annotated[
        tuple[Rate, ...],
        BeforeValidator(_as_tuple),
        Field(min_length=2),
        AfterValidator(distinct),
    ]
    """The grid of base rates."""
    per: Annotated[Axis[Literal["scheduler", "dropout"]], AfterValidator(_with_scheduler)] = (
        "scheduler",
    )
    """What has a base rate of its own: each scheduler, or each scheduler at each dropout."""
    seeds: Annotated[int, Field(ge=1)] = 3
    """How many seeds each rate is tried on, from 1,000,000 on: the comparison uses others."""


def _rate_kind(value: Any) -> str:
    # in brackets, since a key of the file could be called the same
    return "(choice)" if isinstance(value, dict | RateChoice) else "(axis)"


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"must be a list of two numbers, such as [0.9, 0.999], not {show(value)}")
    return tuple(value)


class OptimizerSpec(Strict):
    """The optimizer: the class of that name in torch, or in the package schedulefree, with its own
    argument names. `AdamWScheduleFree` needs no scheduler; its warmup comes on top of the
    scheduler's rate, which is the one that is recorded."""

    one_value: ClassVar[frozenset[str]] = frozenset({"betas"})
    """Arguments of which a list is one value, and no axis."""

    name: Axis[Annotated[str, BeforeValidator(partial(_known, "optimizer"))]] = ("Adam",)
    """The optimizer."""
    lr: Annotated[
        Annotated[Axis[Rate], Tag("(axis)")] | Annotated[RateChoice, Tag("(choice)")],
        Discriminator(_rate_kind),
    ] = (0.001,)
    """The base rate, which schedulers change; or the grid to choose it from."""
    weight_decay: Axis[Count] | None = None
    """How strongly weights are drawn to 0; AdamW does so apart from the gradient."""
    eps: Axis[Annotated[float, Field(gt=0)]] | None = None
    """Added to the denominator."""
    betas: Annotated[tuple[Fraction, Fraction], BeforeValidator(_pair)] | None = None
    """Decay of the averages of the gradient and of its square. No axis."""
    momentum: Axis[Fraction] | None = None
    """Share of the last step that is taken again."""
    nesterov: Axis[bool] | None = None
    """Whether the momentum is Nesterov's; needs a momentum above 0."""
    alpha: Axis[Fraction] | None = None
    """Decay of the average of the squared gradient."""
    rho: Axis[Fraction] | None = None
    """Decay of the averages of squares."""
    centered: Axis[bool] | None = None
    """Whether the gradient is divided by an estimate of its deviation, not of its size."""
    warmup_steps: Axis[Annotated[int, Field(ge=0)]] | None = None
    """Steps of its own warmup, on top of the scheduler's rate."""
    r: Axis[Power] | None = None
    """The power of the step in the weights of the average."""
    weight_lr_power: Axis[Power] | None = None
    """The power of the rate in the weights of the average."""
    decay_biases: Axis[bool] | None = None
    """Whether weight decay is for all parameters; `false` spares what has one dimension: biases,
    and the weights of batch normalisation."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_argument(cls, value: Any, info: ValidationInfo) -> Any:
        for name in info.data.get("name", ()):
            takes = ("lr", *_takes(name))
            if info.field_name not in takes:
                raise ValueError(f"{name} does not take it; {name} takes {', '.join(takes)}")
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

    @property
    def choice(self) -> RateChoice | None:
        """How each scheduler's base rate is chosen; None where the file gives the rates."""
        return self.lr if isinstance(self.lr, RateChoice) else None

    @property
    def rates(self) -> tuple[float, ...]:
        """The base rates: the axis, or the grid to choose from."""
        return self.lr.choose if isinstance(self.lr, RateChoice) else self.lr

    def arguments(self) -> dict[str, list[Any]]:
        """Return the arguments beside name and lr that the file gives, each with its values."""
        fields = [name for name in type(self).model_fields if name not in ("name", "lr")]
        given = {name: getattr(self, name) for name in fields}
        return {
            name: [list(values)] if name in self.one_value else list(values)
            for name, values in given.items()
            if values is not None
        }

    @staticmethod
    def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all arguments of optimizer `name` beside lr, its class's defaults filled in."""
        from lrdecay import optimizers

        if plugins.find("optimizer", name):
            taken = optimizers.arguments(name).items()
            return {key: default for key, (_, default) in taken} | dict(given)
        parameters = inspect.signature(optimizers.CLASSES[name]).parameters
        defaults = {key: parameters[key].default for key in _TAKES[name]}
        resolved = {**defaults, **given}
        # left out where it is true, as in all runs before there was such an argument
        if resolved.get(optimizers.DECAY_BIASES):
            del resolved[optimizers.DECAY_BIASES]
        return {key: float(x) if type(x) is int else x for key, x in resolved.items()}


def optimizer_spec() -> type[OptimizerSpec]:
    """Return the model of an optimizer, with the arguments of those that plug-ins gave."""
    from lrdecay import optimizers

    hints: dict[str, Any] = {}
    for name in plugins.names("optimizer"):
        for key, (hint, _) in optimizers.arguments(name).items():
            if key not in OptimizerSpec.model_fields:
                hints[key] = hints[key] | hint if key in hints else hint
    if not hints:
        return OptimizerSpec
    lists = {key for key, hint in hints.items() if "tuple" in str(hint)}
    fields: dict[str, Any] = {
        key: (Annotated[hint, BeforeValidator(_as_tuple)] if key in lists else _axis(hint), None)
        for key, hint in hints.items()
    }
    spec = create_model("OptimizerSpec", __base__=OptimizerSpec, **fields)
    spec.one_value = OptimizerSpec.one_value | lists
    return spec


class SchedulerSpec(BaseModel):
    """One scheduler of the matrix: a class, and its arguments as given."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    class_: Annotated[str, BeforeValidator(partial(_known, "scheduler"))] = Field(
        alias="class", description="a class of torch.optim.lr_scheduler, or constant"
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments beside the class, as given."""
        return dict(self.model_extra or {})


class SeedsUntil(Strict):
    """Seeds that are added until the comparison is decided: 0 to at least `min`, at most `max`.

    From 8 on a difference has an interval that may be looked at after every seed.
    """

    min: Annotated[int, Field(ge=8, le=1_000_000)] = 8
    """Seeds that train in any case."""
    max: Annotated[int, Field(ge=8, le=1_000_000)] = 64
    """Seeds that train at most; at least `min`."""
    until: Literal["resolved"] = "resolved"
    """What ends the adding: each difference from the reference has a verdict, or all seeds."""

    @field_validator("max")
    @classmethod
    def _not_less(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get("min")
        if least is not None and value < least:
            raise ValueError(f"must be at least min, {least}, not {value}")
        return value


class Comparison(Strict):
    """What the sweep is to decide, fixed before it runs. `margin` is in percentage points, or in
    nats per image where the metric is a loss."""

    reference: str | None = None
    """The label that the others are compared with; `constant`, else the first, unless given."""
    metric: Literal[
        "test_accuracy", "test_loss", "val_accuracy", "val_loss", "best_test_accuracy", "gap"
    ] = "test_accuracy"
    """What is compared, after the last epoch; `best_test_accuracy` is that of the epoch with the
    lowest validation loss, `gap` is train minus test accuracy."""
    margin: Count = 0.05
    """A difference smaller than this counts as none."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """How sure all verdicts of a family are to be together."""
