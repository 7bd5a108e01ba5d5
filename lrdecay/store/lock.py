"""One process at a time writes to a results folder, and others can see which."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout
from pydantic import Field, TypeAdapter

from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line

_HOLDER = ".holder"
_LONGEST = 2**20
"""Bytes of the note that are read."""
_PATIENCE = 0.5
"""Seconds; reading who holds a folder locks it for an instant."""


_Word = Annotated[str, Field(max_length=255)]


@dataclass(frozen=True)
class Holder:
    """The process that writes to a folder; `since` is in UTC, `training` are ids of runs."""

    host: _Word
    pid: int
    since: _Word
    training: tuple[str, ...] = ()

    def __str__(self) -> str:
        return sanitize_line(f"process {self.pid} on {self.host}, since {self.since} UTC")


class Hold:
    """The right to write to a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _HOLDER
        now = datetime.now(UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        self._holder = Holder(socket.gethostname(), os.getpid(), now)
        self.training(())

    def training(self, runs: Sequence[str]) -> None:
        """Let others know the ids of the runs that train at the moment."""
        holder = asdict(self._holder) | {"training": list(runs)}
        scratch = self._path.with_name(f"{_HOLDER}.tmp")
        scratch.unlink(missing_ok=True)
        with scratch.open("x") as file:  # never through a link that someone put there
            file.write(json.dumps(holder))
        os.replace(scratch, self._path)  # not synced: it is worth nothing after a power cut


@contextmanager
def hold_folder(folder: Path) -> Iterator[Hold]:
    """Hold a folder, which the kernel lets go of when the process ends, however it ends.

    Raises `InputError` that names the holder where there is one.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        who = _read_note(folder) or "a process that has just started"
        raise InputError(f"{folder}: another sweep is writing to this folder ({who})") from None
    with lock:
        hold = Hold(folder)
        try:
            yield hold
        finally:
            (folder / _HOLDER).unlink(missing_ok=True)


def find_holder(folder: Path) -> Holder | None:
    """Return who writes to a folder at the moment; None if nobody does."""
    if not (folder / ".lock").exists():
        return None
    try:
        with FileLock(folder / ".lock", timeout=0):
            return None
    except Timeout:
        return _read_note(folder) or Holder("unknown", 0, "now")


def _read_note(folder: Path) -> Holder | None:
    """Return who the note names; None where there is none, or one that no sweep has written."""
    path = folder / _HOLDER
    with suppress(OSError, ValueError):
        if path.is_file():
            with path.open("rb") as file:
                return TypeAdapter(Holder).validate_json(file.read(_LONGEST))
    return None
