"""The loss of a sweep file."""

from typing import Annotated, Any

from pydantic import ValidationInfo, field_validator

from lrdecay.components.losses.functions import CROSS_ENTROPY
from lrdecay.components.registry import registered
from lrdecay.core.fields import Axis, Fraction, Strict


class LossSpec(Strict):
    """The loss that training minimises, which the split `train` shows. Evaluations (`train_eval`,
    `val` and `test`) are the cross entropy without smoothing, whatever it is."""

    name: Axis[Annotated[str, registered("loss")]] = (CROSS_ENTROPY,)
    """The loss, a mean over the images of a step."""
    label_smoothing: Axis[Fraction] = (0.0,)
    """The share of each label that goes to all classes alike, as torch's `cross_entropy` has it; no
    other loss has any."""

    @field_validator("label_smoothing")
    @classmethod
    def _has_smoothing(cls, value: Any, info: ValidationInfo) -> Any:
        others = [name for name in info.data.get("name", ()) if name != CROSS_ENTROPY]
        if others and any(value):
            raise ValueError(f"is of {CROSS_ENTROPY} alone; {others[0]} has none")
        return value
