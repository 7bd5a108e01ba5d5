"""What every package may know: a run's identity, errors, text, YAML."""

from lrdecay.core.errors import DamagedError, InputError, WorkerError
from lrdecay.core.run import Run

__all__ = ["DamagedError", "InputError", "Run", "WorkerError"]
