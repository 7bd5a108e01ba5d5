"""Which learning-rate scheduler, at which dropout, and is the difference real?

>>> import lrdecay
>>> sweep = lrdecay.load_sweep("digits")  # doctest: +SKIP
>>> lrdecay.run_sweep(sweep)  # doctest: +SKIP
>>> lrdecay.compare_folder("results/digits")  # doctest: +SKIP
>>> lrdecay.write_report("results/digits")  # doctest: +SKIP
>>> lrdecay.read_runs("results/digits").groupby("scheduler").test_accuracy.mean()  # doctest: +SKIP
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay import analysis as analysis
    from lrdecay import plots as plots
    from lrdecay.core import InputError as InputError
    from lrdecay.core import WorkerError as WorkerError
    from lrdecay.execution import Trial as Trial
    from lrdecay.execution import TrialError as TrialError
    from lrdecay.report import compare_folder as compare_folder
    from lrdecay.report import from_frame as from_frame
    from lrdecay.report import write_report as write_report
    from lrdecay.runner import SweepOptions as SweepOptions
    from lrdecay.runner import run_sweep as run_sweep
    from lrdecay.runner import trials as trials
    from lrdecay.store import merge_results as merge_results
    from lrdecay.store import read_epochs as read_epochs
    from lrdecay.store import read_metrics as read_metrics
    from lrdecay.store import read_runs as read_runs
    from lrdecay.sweep import load_sweep as load_sweep

    __version__: str
else:
    _get, __dir__, __all__ = make_lazy(
        __name__,
        {
            "analysis": "",
            "core": "InputError WorkerError",
            "execution": "Trial TrialError",
            "plots": "",
            "report": "compare_folder from_frame write_report",
            "runner": "SweepOptions run_sweep trials",
            "store": "merge_results read_epochs read_metrics read_runs",
            "sweep": "load_sweep",
        },
    )

    def __getattr__(name: str) -> Any:
        return version("lrdecay") if name == "__version__" else _get(name)
