"""Results folders to self-contained HTML pages, and the answers that `compare` prints."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.report.index import write_index
    from lrdecay.report.page import write_report
    from lrdecay.report.side_by_side import write_comparison

__all__ = [
    "write_comparison",
    "write_index",
    "write_report",
]
__getattr__, __dir__ = make_lazy(
    __name__,
    {
        "index": ("write_index",),
        "page": ("write_report",),
        "side_by_side": ("write_comparison",),
    },
)
