"""How runs train: one at a time in torch (reference) or C++ (native), or many at once (stacked)."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.engine.measured import Epoch as Epoch
    from lrdecay.engine.measured import Measured as Measured
    from lrdecay.engine.native.train import train_native as train_native
    from lrdecay.engine.reference import train_one as train_one
    from lrdecay.engine.stacked.train import train_stacked as train_stacked
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "measured": "Epoch Measured",
            "native.train": "train_native",
            "reference": "train_one",
            "stacked.train": "train_stacked",
        },
    )
