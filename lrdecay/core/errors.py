"""The errors that end a command: it exits 2 on bad input, 1 if nothing can train."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class InputError(ValueError):
    """Bad input: a sweep file, an option, data that are not there.

    The message says what is wrong, where, and what would be valid.
    """


class DamagedError(InputError):
    """A file of a results folder that is not as it was written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: damaged, or not a table of lrdecay ({reason}); "
            f"`lrdecay verify FOLDER` moves it away and lists what trains again"
        )
        self.path = path
        self.reason = reason


class WorkerError(RuntimeError):
    """A training process could not start, so that no run can train."""


class DeviceLostError(WorkerError):
    """A GPU refused to compute: its context may be broken, and a process that has one goes on with
    nothing. The message is what the GPU said."""
