"""The loss of a sweep file."""

from typing import Literal

from lrdecay.core.fields import Axis, Fraction, Strict


class LossSpec(Strict):
    """The loss that training minimises, which the split `train` shows. Evaluations (`train_eval`,
    `val` and `test`) are the cross entropy without smoothing, whatever it is."""

    name: Literal["cross_entropy"] = "cross_entropy"
    """The loss, a mean over the images of a step."""
    label_smoothing: Axis[Fraction] = (0.0,)
    """The share of each label that goes to all classes alike, as torch's `cross_entropy` has it."""
