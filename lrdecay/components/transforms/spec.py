"""What a sweep file does to training images."""

from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from lrdecay.components import registry
from lrdecay.components.transforms.augmentation import BUILT_IN
from lrdecay.components.transforms.signature import read_argument
from lrdecay.core.fields import Axis, Strict, make_axis
from lrdecay.core.run import to_canonical_json
from lrdecay.core.text import quote

_PREFIX = "augment."


def _refuse_words(takes: str, value: Any) -> Any:
    if value != "none" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"must be {takes}, or none, not {quote(value)}")
    return value


def _count_pixels(value: Any) -> int:
    return 0 if value == "none" else value


def _to_share(value: Any) -> float:
    return 0.0 if value == "none" else value + 0.0


_Pixels = Annotated[
    Annotated[int, Field(ge=0, le=1024)] | Literal["none"],
    BeforeValidator(partial(_refuse_words, "a whole number of pixels")),
    AfterValidator(_count_pixels),
]
_Probability = Annotated[
    Annotated[float, Field(ge=0, le=1)] | Literal["none"],
    BeforeValidator(partial(_refuse_words, "a probability from 0 to 1")),
    AfterValidator(_to_share),
]


class AugmentSpec(Strict):
    """What training images go through, each time anew, before the network sees them: in the order
    of these keys, then the transforms of plug-ins in the alphabetical order of their names. Images
    of evaluations (`train_eval`, `val` and `test`) are as they are. 0 and `none` are as if the key
    were not there."""

    random_crop: Axis[_Pixels] = (0,)
    """Pixels of black that are put on all sides, before as much as the image had is cut out
    anywhere: torchvision's `RandomCrop(size, padding)`."""
    horizontal_flip: Axis[_Probability] = (0.0,)
    """The probability that left and right are exchanged."""
    cutout: Axis[_Pixels] = (0,)
    """The side in pixels of a square that is set to the training set's mean, around a pixel
    anywhere, cut off at the border (DeVries and Taylor, "Improved Regularization of Convolutional
    Neural Networks with Cutout", 2017)."""

    def axes(self) -> dict[str, list[Any]]:
        """Return the transforms that do anything, as axes, each with its values."""
        given = {
            field.alias or name: getattr(self, name)
            for name, field in type(self).model_fields.items()
        }
        return {
            f"{_PREFIX}{name}": list(values)
            for name, values in given.items()
            if values and not all(_does_nothing(name, value) for value in values)
        }


def build_augment_spec() -> type[AugmentSpec]:
    """Return the model of what is done to images, with the transforms that plug-ins gave."""
    names = registry.list_plugins("transform")
    if not names:
        return AugmentSpec
    # under names of their own: a transform may be called what a model has already
    fields: dict[str, Any] = {
        f"own_{place}": (_takes(name), Field(None, alias=name)) for place, name in enumerate(names)
    }
    return create_model("AugmentSpec", __base__=AugmentSpec, **fields)


def pop_augment(cell: MutableMapping[str, Any]) -> str:
    """Take the axes of `AugmentSpec.axes` from a cell, and return what a run of it has."""
    names = [axis for axis in cell if axis.startswith(_PREFIX)]
    given = {axis.removeprefix(_PREFIX): cell.pop(axis) for axis in names}
    return to_canonical_json(
        {name: value for name, value in given.items() if not _does_nothing(name, value)}
    )


def _does_nothing(name: str, value: Any) -> bool:
    if name in BUILT_IN:
        return bool(value == 0)
    return value == "none" or (value is False and read_argument(name) is None)


def _takes(name: str) -> Any:
    hint = read_argument(name)
    return make_axis(bool if hint is None else hint | Literal["none"])


def list_named(given: Any) -> list[str]:
    """Return the transforms that a file names, whatever else is wrong with it."""
    return [key for key in given if isinstance(key, str)] if isinstance(given, Mapping) else []
