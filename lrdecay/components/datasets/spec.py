"""The dataset of a sweep file: a name, or a folder of images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from lrdecay.components.registry import list_names, registered
from lrdecay.core.fields import Strict
from lrdecay.core.text import quote


class DatasetSpec(Strict):
    """A dataset by name, or a folder of images of the user's own."""

    name: Annotated[str, registered("dataset")] | None = None
    """The dataset."""
    folder: str | None = None
    """A folder of your own images instead, relative to the sweep file, laid out as `train/CLASS/*`
    and `test/CLASS/*`, with `val/CLASS/*` if you like, or as `CLASS/*`. Without a test split one
    image in five of each class is held out for testing."""
    size: Annotated[int, Field(ge=4, le=1024)] | None = None
    """Height and width in pixels to which a folder's images are brought; those of the images, which
    must then be of one size, unless given."""
    channels: Literal[1, 3] = 3
    """Of a folder's images: 1 grey, 3 colour."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a folder's files that are no readable images do: `stop` names them all and trains
    nothing, `skip` goes on without them."""

    @field_validator("folder", "size", "channels", "on_error")
    @classmethod
    def _name_or_folder(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.data.get("name")
        if name is not None and value is not None:
            if info.field_name == "folder":
                raise ValueError(f"{quote(value)} stands beside the name {name}; give only one")
            raise ValueError(f"{name} does not take it; only a folder of images does")
        if isinstance(value, str) and not (value and value.isprintable()):
            raise ValueError(f"{quote(value)} is no folder; give printable characters")
        return value

    @model_validator(mode="after")
    def _something(self) -> DatasetSpec:
        if self.name is None and self.folder is None:
            names = ", ".join(list_names("dataset"))
            raise ValueError(f"give a name ({names}) or a folder of images")
        return self
