"""The optimizers for many runs at once: each parameter has a leading run axis.

What differs between runs and steps (learning rate, momentum, bias correction, weight decay) is
computed ahead in float64 and comes to the device as coefficients, one row of (numbers, runs) a
step; the update itself is a few passes over each parameter. An operation that rounds more than once
is used only where it runs along one run's elements at a time: a run's bits then do not depend on
where in the group it stands.

Formulas: torch.optim's documentation of Adam, AdamW, SGD, RMSprop and Adadelta; for
AdamWScheduleFree the package schedulefree (Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky,
"The Road Less Scheduled", 2024).
"""

from collections.abc import Sequence

from torch import Tensor

from lrdecay.engine.stacked.optimizers.adadelta import Adadelta
from lrdecay.engine.stacked.optimizers.adam import Adam
from lrdecay.engine.stacked.optimizers.base import Arguments, Update
from lrdecay.engine.stacked.optimizers.fused import FusedAdam, FusedSGD
from lrdecay.engine.stacked.optimizers.momentum import SGD, RMSprop
from lrdecay.engine.stacked.optimizers.schedule_free import AdamWScheduleFree

__all__ = ["Arguments", "Update", "build_update"]


def build_update(
    name: str,
    parameters: Sequence[Tensor],
    arguments: Sequence[Arguments],
    kernels: str = "torch",
) -> Update:
    """Return optimizer `name` for stacked parameters, with each run's arguments; with `kernels` of
    `triton` its steps are in those, if there is one for it."""
    fused = kernels == "triton"
    match name:
        case "SGD":
            return (FusedSGD if fused else SGD)(parameters, arguments)
        case "RMSprop":
            return RMSprop(parameters, arguments)
        case "Adadelta":
            return Adadelta(parameters, arguments)
        case "AdamWScheduleFree":
            return AdamWScheduleFree(parameters, arguments)
    return (FusedAdam if fused else Adam)(parameters, arguments, decoupled=name == "AdamW")
