"""A sweep file: found, read, checked, expanded into runs."""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.sweep.config import Sweep as Sweep
    from lrdecay.sweep.diagnostics import SweepFileError as SweepFileError
    from lrdecay.sweep.matrix import Matrix as Matrix
    from lrdecay.sweep.matrix import expand_matrix as expand_matrix
    from lrdecay.sweep.reading import load_sweep as load_sweep
    from lrdecay.sweep.reading import parse_sweep as parse_sweep
    from lrdecay.sweep.sweep_file import find_sweep_file as find_sweep_file
    from lrdecay.sweep.sweep_file import list_shipped as list_shipped
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "config": "Sweep",
            "diagnostics": "SweepFileError",
            "matrix": "Matrix expand_matrix",
            "reading": "load_sweep parse_sweep",
            "sweep_file": "find_sweep_file list_shipped",
        },
    )
