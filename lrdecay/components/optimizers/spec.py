"""The optimizer of a sweep file: its arguments, and a base rate that is given or chosen."""

import functools
import inspect
import operator
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    create_model,
    field_validator,
)

from lrdecay.components import registry
from lrdecay.components.optimizers.build import CLASSES, DECAY_BIASES, read_optimizer_arguments
from lrdecay.components.registry import registered
from lrdecay.core.fields import (
    Axis,
    Count,
    Fraction,
    Power,
    Strict,
    make_axis,
    require_distinct,
    to_tuple,
)
from lrdecay.core.text import quote

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

ARGUMENT_HINTS = {
    **dict.fromkeys(
        ("amsgrad", "capturable", "differentiable", "foreach", "fused", "maximize"),
        "leave it out, since runs train with torch's default of it",
    ),
    "learning_rate": "did you mean lr?",
    "params": "leave it out, since the sweep's networks give them",
}
"""Argument of an optimizer elsewhere -> what to do about it in a sweep file."""


def _takes(name: str) -> tuple[str, ...]:
    """Return the arguments of optimizer `name` beside lr."""
    taken = _TAKES.get(name)
    return (*taken, DECAY_BIASES) if taken else tuple(read_optimizer_arguments(name))


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
        BeforeValidator(to_tuple),
        Field(min_length=2),
        AfterValidator(require_distinct),
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


def pair(value: Any) -> Any:
    """Return a list of two as a tuple."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"must be a list of two numbers, such as [0.9, 0.999], not {quote(value)}")
    return tuple(value)


class OptimizerSpec(Strict):
    """The optimizer: the class of that name in torch, or in the package schedulefree, with its own
    argument names. `AdamWScheduleFree` needs no scheduler; its warmup comes on top of the
    scheduler's rate, which is the one that is recorded."""

    one_value: ClassVar[frozenset[str]] = frozenset({"betas"})
    """Arguments of which a list is one value, and no axis."""

    name: Axis[Annotated[str, registered("optimizer")]] = ("Adam",)
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
    betas: Annotated[tuple[Fraction, Fraction], BeforeValidator(pair)] | None = None
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

    @field_validator("*", mode="wrap")
    @classmethod
    def _is_argument(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        names = info.data.get("name", ())
        for name in names:
            takes = ("lr", *_takes(name))
            if info.field_name not in takes:
                raise ValueError(f"{name} does not take it; {name} takes {', '.join(takes)}")
        if info.field_name == "lr" or not _all_plugged(names):
            return handler(value)
        # what an argument of that name is elsewhere is nothing to a plug-in's optimizer
        return _adapter(names, str(info.field_name)).validate_python(value)

    @field_validator("nesterov")
    @classmethod
    def _has_momentum(cls, value: Any, info: ValidationInfo) -> Any:
        if _all_plugged(info.data.get("name", ())):
            return value
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
        lists = self.one_value
        if _all_plugged(self.name):
            lists = frozenset(name for name in fields if _is_plugged_list(self.name, name))
        return {
            name: [list(values)] if name in lists else list(values)
            for name, values in given.items()
            if values is not None
        }

    @staticmethod
    def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all arguments of optimizer `name` beside lr, its class's defaults filled in."""
        if registry.find_plugin("optimizer", name):
            taken = read_optimizer_arguments(name).items()
            return {key: default for key, (_, default) in taken} | dict(given)
        parameters = inspect.signature(CLASSES[name]).parameters
        defaults = {key: parameters[key].default for key in _TAKES[name]}
        resolved = {**defaults, **given}
        # left out where it is true, as in all runs before there was such an argument
        if resolved.get(DECAY_BIASES):
            del resolved[DECAY_BIASES]
        return {key: float(x) if type(x) is int else x for key, x in resolved.items()}


def _all_plugged(names: Sequence[str]) -> bool:
    return bool(names) and all(registry.find_plugin("optimizer", name) for name in names)


def _adapter(names: Sequence[str], key: str) -> TypeAdapter[Any]:
    """Return what checks an argument that these plug-ins' optimizers all take."""
    hints = [read_optimizer_arguments(name)[key][0] for name in names]
    return TypeAdapter(_field(functools.reduce(operator.or_, hints)), config=Strict.model_config)


def _is_plugged_list(names: Sequence[str], key: str) -> bool:
    return any(_is_list(read_optimizer_arguments(name).get(key, ("",))[0]) for name in names)


def _field(hint: Any) -> Any:
    """Return the type of an argument in a sweep file: a list, or one value or an axis of them."""
    return Annotated[hint, BeforeValidator(to_tuple)] if _is_list(hint) else make_axis(hint)


def _is_list(hint: Any) -> bool:
    return "tuple" in str(hint)


def build_optimizer_spec() -> type[OptimizerSpec]:
    """Return the model of an optimizer, with the arguments of those that plug-ins gave."""
    hints: dict[str, Any] = {}
    for name in registry.list_plugins("optimizer"):
        for key, (hint, _) in read_optimizer_arguments(name).items():
            if key not in OptimizerSpec.model_fields:
                hints[key] = hints[key] | hint if key in hints else hint
    if not hints:
        return OptimizerSpec
    lists = {key for key, hint in hints.items() if _is_list(hint)}
    fields: dict[str, Any] = {key: (_field(hint), None) for key, hint in hints.items()}
    spec = create_model("OptimizerSpec", __base__=OptimizerSpec, **fields)
    spec.one_value = OptimizerSpec.one_value | lists
    return spec
