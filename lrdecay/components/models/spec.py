"""The network of a sweep file, and its arguments."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ValidationInfo, ValidatorFunctionWrapHandler, create_model, field_validator

from lrdecay.components.models.arguments import list_fields, read_model_arguments
from lrdecay.components.models.build import has_own_dropout, takes_batch_norm
from lrdecay.components.registry import is_known, registered
from lrdecay.core.fields import Axis, Strict

ARGUMENT_HINTS = {
    "depth": "the network resnet takes it",
    "dropout": "it is a key of the file itself",
    "num_classes": "leave it out, since the data say it",
    "pretrained": "leave it out, since networks start untrained",
    "shortcut": "the network resnet takes it",
    "stem": "no network that is named here has another stem",
    "weights": "leave it out, since networks start untrained",
}
"""Argument of a network elsewhere -> what to do about it in a sweep file."""


class ModelSpec(Strict):
    """The network, with arguments of its own. `cnn` takes the sweep's dropout. `mnist_example`
    (PyTorch's example for MNIST), `fmnist_2c2d` and `cifar10_3c3d` (those of DeepOBS) are networks
    of published problems with dropout rates of their own: a file with one of these gives no
    `dropout`. `resnet` is that of He et al. for small images, without dropout. Any classifier of
    torchvision goes by its own name, such as `mobilenet_v2`, untrained; a file gives a `dropout`
    only where torchvision's takes one."""

    name: Axis[Annotated[str, registered("model")]] = ("cnn",)
    """The network."""
    batch_norm: Axis[bool] = (False,)
    """Whether batch normalisation follows each convolution, in a network that can be had with it
    and without."""

    @property
    def own_dropout(self) -> bool:
        """Whether the networks have dropout rates of their own, so that the sweep gives none."""
        return any(has_own_dropout(name) for name in self.name)

    @property
    def takes_batch_norm(self) -> bool:
        """Whether any of the networks can be had with batch normalisation, or without."""
        return any(takes_batch_norm(name) for name in self.name)

    @field_validator("batch_norm")
    @classmethod
    def _has_batch_norm(cls, value: Any, info: ValidationInfo) -> Any:
        for name in info.data.get("name", ()) if True in value else ():
            if not takes_batch_norm(name):
                raise ValueError(f"true needs a network that can have it; {name} takes none")
        return value

    @field_validator("*", mode="wrap")
    @classmethod
    def _is_argument(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        names = () if info.field_name in ModelSpec.model_fields else info.data.get("name", ())
        for name in names:
            takes = read_model_arguments(name)
            if info.field_name not in takes:
                listed = ", ".join(takes) or "no arguments of its own"
                raise ValueError(f"{name} does not take it; {name} takes {listed}")
        return handler(value)

    def arguments(self) -> dict[str, list[Any]]:
        """Return the arguments of the networks that the file gives, each with its values."""
        own = [name for name in type(self).model_fields if name not in ModelSpec.model_fields]
        given = {name: getattr(self, name) for name in own if name in self.model_fields_set}
        # a list here is one value; those of an axis are a tuple
        return {key: [x] if isinstance(x, list) else list(x) for key, x in given.items()}


def build_model_spec(value: Mapping[str, Any]) -> type[ModelSpec]:
    """Return the model of a network as a file gives it, with the arguments of those it names."""
    given = value.get("name", "cnn")
    names = given if isinstance(given, list | tuple) else [given]
    known = [name for name in names if isinstance(name, str) and is_known("model", name)]
    fields = list_fields(known)
    return create_model("ModelSpec", __base__=ModelSpec, **fields) if fields else ModelSpec
