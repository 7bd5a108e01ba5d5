"""How runs train: one at a time (reference) or many at once (stacked)."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.engine.measured import Epoch, Measured

__all__ = [
    "Epoch",
    "Measured",
]
__getattr__, __dir__ = make_lazy(
    __name__,
    {
        "measured": (
            "Epoch",
            "Measured",
        ),
    },
)
