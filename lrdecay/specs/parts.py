"""The parts of a sweep file beside its optimizer: what each key may hold, and its default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lrdecay import plugins
from lrdecay.specs.keys import Axis, Count, Strict, registered
from lrdecay.yamlfile import show


class DatasetSpec(Strict):
    """A dataset by name, or a folder of images of the user's own."""

    name: Annotated[str, registered("dataset")] | None = None
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

    name: Axis[Annotated[str, registered("model")]] = ("cnn",)
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


class SchedulerSpec(BaseModel):
    """One scheduler of the matrix: a class, and its arguments as given."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    class_: Annotated[str, registered("scheduler")] = Field(
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
