"""Results folders to self-contained HTML pages, and the answers that `compare` prints."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.report.compare import compare_folder as compare_folder
    from lrdecay.report.frame_import import from_frame as from_frame
    from lrdecay.report.index import write_index as write_index
    from lrdecay.report.page import write_report as write_report
    from lrdecay.report.side_by_side import write_comparison as write_comparison
    from lrdecay.report.watch import watch_results as watch_results
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "compare": "compare_folder",
            "frame_import": "from_frame",
            "index": "write_index",
            "page": "write_report",
            "side_by_side": "write_comparison",
            "watch": "watch_results",
        },
    )
