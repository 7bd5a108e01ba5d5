"""The classifiers of torchvision's registry, untrained, by their own names and arguments.

torchvision takes long to import, which it is only as one of its names is looked up. What each
family of networks takes is in `families`.
"""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import Parameter
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lrdecay.components.models.families import (
    DEFAULTS,
    FAMILIES,
    OF_BOTTLENECKS,
    Family,
    Shape,
    Stem,
    find_hint,
)
from lrdecay.core.text import first_line

_POSITIONAL = Parameter.POSITIONAL_OR_KEYWORD
_REFUSALS = (
    *(ArithmeticError, AssertionError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
"""What torchvision raises for arguments and images that a network cannot take."""


@cache
def list_classifiers() -> tuple[str, ...]:
    """Return the names of all of them."""
    return tuple(_import_models().list_models(module=_import_models()))


@cache
def find_classifier(name: str) -> "Classifier | None":
    """Return the classifier of a name, or None where torchvision has none."""
    if name not in list_classifiers():
        return None
    builder = _import_models().get_model_builder(name)
    made = typing.get_type_hints(builder)["return"]
    return Classifier(name, builder, made, FAMILIES.get(made.__name__, Family()))


def _import_models() -> ModuleType:
    import torchvision.models

    return typing.cast(ModuleType, torchvision.models)


@dataclass(frozen=True)
class Classifier:
    """What builds one of them, as `build.MODELS` has it.

    Its signature has the arguments that a sweep file may give. Images of one channel are given to
    the network three times over; other numbers than one and three it does not take.
    """

    name: str
    builder: Callable[..., nn.Module]
    made: type
    family: Family

    @property
    def own_dropout(self) -> bool:
        """Whether its builder takes no rate of dropout."""
        return self.family.dropout is None

    @property
    def __signature__(self) -> inspect.Signature:
        """The images' shape, the classes, dropout where it takes one, and a file's arguments."""
        parameters = [Parameter(each, _POSITIONAL) for each in ("shape", "classes")]
        if not self.own_dropout:
            parameters.append(Parameter("dropout", _POSITIONAL))
        parameters += [
            Parameter(key, _POSITIONAL, default=default, annotation=find_hint(key, default))
            for key, default in self._read_defaults().items()
        ]
        if self.family.shrink is not None:
            stem = Parameter("stem", _POSITIONAL, default="standard", annotation=Stem)
            parameters.append(stem)
        return inspect.Signature(parameters)

    def _read_defaults(self) -> dict[str, Any]:
        """Return the arguments that the builder takes, with torchvision's defaults."""
        of_class = inspect.signature(self.made).parameters
        known = {key: each.default for key, each in of_class.items()}
        found = {
            key: DEFAULTS.get(
                (self.name, key), DEFAULTS.get((self.made.__name__, key), known.get(key))
            )
            for key in self.family.arguments
        }
        bottlenecks = self.name in ("resnet50", "resnet101", "resnet152")
        return found | (OF_BOTTLENECKS if bottlenecks else {})

    def __call__(
        self,
        shape: Shape,
        classes: int,
        dropout: float | None = None,
        stem: Stem = "standard",
        **arguments: Any,
    ) -> nn.Module:
        """Return the network, with initial weights from torch's generator.

        Raises `ValueError` where it cannot be had for such images or arguments.
        """
        channels = shape[0]
        if channels not in (1, 3):
            raise ValueError(f"{self.name} needs images of 1 or 3 channels, not {channels}")
        given = {**arguments, **self.family.fixed}
        if self.family.dropout is not None:
            given[self.family.dropout] = dropout
        try:
            given |= self.family.sized(shape)
            network = self.builder(weights=None, num_classes=classes, **given)
        except _REFUSALS as error:
            raise ValueError(f"{self.name} cannot be built: {first_line(error)}") from error
        if stem == "small" and self.family.shrink is not None:
            self.family.shrink(network)
        if dropout is not None:
            self.family.settle(network, dropout)
        return network if channels == 3 else nn.Sequential(_Colour(), network)

    @torch.no_grad()
    def check_images(self, network: nn.Module, shape: Shape, stem: Stem) -> None:
        """Raise `ValueError` unless the network, of this stem, takes images of this shape."""
        try:
            network.eval()(torch.zeros(2, *shape))
        except _REFUSALS as error:
            size = f"{shape[1]}x{shape[2]}"
            can_shrink = self.family.shrink is not None and stem == "standard"
            smaller = ", or stem: small" if can_shrink else ""
            raise ValueError(
                f"{self.name} cannot take images of {size} pixels: {first_line(error)}; "
                f"take larger images or another network{smaller}"
            ) from error


class _Colour(nn.Module):
    """Images of one channel as images of three, which are equal."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 3, -1, -1)
