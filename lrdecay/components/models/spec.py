"""The network of a sweep file."""

from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator

from lrdecay.components.models.build import has_own_dropout, takes_batch_norm
from lrdecay.components.registry import registered
from lrdecay.core.fields import Axis, Strict


class ModelSpec(Strict):
    """The network. `cnn` takes the sweep's dropout. `mnist_example` (PyTorch's example for MNIST),
    `fmnist_2c2d` and `cifar10_3c3d` (those of DeepOBS) are networks of published problems with
    dropout rates of their own: a file with one of these gives no `dropout`."""

    name: Axis[Annotated[str, registered("model")]] = ("cnn",)
    """The network."""
    batch_norm: Axis[bool] = (False,)
    """Whether batch normalisation follows each convolution, in a network that can have it."""

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
