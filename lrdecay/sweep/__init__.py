"""A sweep file: read, checked, expanded into runs."""

from lrdecay.sweep.config import Sweep, load_sweep, parse_sweep
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import Matrix, expand_matrix

__all__ = ["Matrix", "Sweep", "SweepFileError", "expand_matrix", "load_sweep", "parse_sweep"]
