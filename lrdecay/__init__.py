"""Which learning-rate scheduler, at which dropout, and is the difference real?

>>> import lrdecay
>>> sweep = lrdecay.load_sweep("bench/sweeps/digits.yaml")  # doctest: +SKIP
>>> lrdecay.run_sweep(sweep)  # doctest: +SKIP
>>> lrdecay.write_report("results/digits")  # doctest: +SKIP
>>> lrdecay.read_runs("results/digits").groupby("scheduler").test_accuracy.mean()  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrdecay import analysis, plots
    from lrdecay.errors import InputError, WorkerError
    from lrdecay.merging import merge_results
    from lrdecay.report import write_report
    from lrdecay.results import read_epochs, read_runs
    from lrdecay.runner import run_sweep
    from lrdecay.sweep import load_sweep

__all__ = [
    "InputError",
    "WorkerError",
    "analysis",
    "load_sweep",
    "merge_results",
    "plots",
    "read_epochs",
    "read_runs",
    "run_sweep",
    "write_report",
]

_MODULES = ("analysis", "plots")
_HOMES = {
    "InputError": "errors",
    "WorkerError": "errors",
    "load_sweep": "sweep",
    "merge_results": "merging",
    "read_epochs": "results",
    "read_runs": "results",
    "run_sweep": "runner",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: most of them need torch or pandas."""
    if name == "__version__":
        from importlib.metadata import version

        return version("lrdecay")
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"lrdecay.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'lrdecay' has no attribute {name!r}")
    return getattr(import_module(f"lrdecay.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Name what the package offers, imported or not."""
    return sorted({*globals(), *__all__})
