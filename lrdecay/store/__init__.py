"""A results folder: two sealed parquet tables, written, read, checked, merged, exported."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.store.merge import merge_results
    from lrdecay.store.reader import read_epochs, read_plan, read_runs
    from lrdecay.store.writer import Store

__all__ = [
    "Store",
    "merge_results",
    "read_epochs",
    "read_plan",
    "read_runs",
]
__getattr__, __dir__ = make_lazy(
    __name__,
    {
        "merge": ("merge_results",),
        "reader": (
            "read_epochs",
            "read_plan",
            "read_runs",
        ),
        "writer": ("Store",),
    },
)
