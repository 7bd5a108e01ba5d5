"""A results folder: sealed parquet tables, written, read, checked, merged, exported."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.store.export import export_results as export_results
    from lrdecay.store.merge import merge_results as merge_results
    from lrdecay.store.reader import read_epochs as read_epochs
    from lrdecay.store.reader import read_metrics as read_metrics
    from lrdecay.store.reader import read_plan as read_plan
    from lrdecay.store.reader import read_runs as read_runs
    from lrdecay.store.status import read_status as read_status
    from lrdecay.store.verify import verify_results as verify_results
    from lrdecay.store.writer import Store as Store
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "export": "export_results",
            "merge": "merge_results",
            "reader": "read_epochs read_metrics read_plan read_runs",
            "status": "read_status",
            "verify": "verify_results",
            "writer": "Store",
        },
    )
