"""One process at a time writes to a results folder, and others can see which."""

import fcntl
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
from lrdecay.store.layout import refuse_link

_LOCK, _HOLDER = ".lock", ".holder"
_LONGEST = 2**20
"""Bytes of the note that are read."""
_PATIENCE = 0.5
"""Seconds; a look at who holds a folder locks it for an instant."""


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

    Raises `InputError` that names the holder where there is one, and where a merge reads it.
    """
    lock = FileLock(_find_lock(folder))
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        if find_holder(folder) is None:
            raise InputError(f"{folder}: a merge reads this folder; wait for its end") from None
        who = _read_note(folder) or "a process that has just started"
        raise InputError(f"{folder}: another sweep is writing to this folder ({who})") from None
    with lock:
        hold = Hold(folder)
        try:
            yield hold
        finally:
            (folder / _HOLDER).unlink(missing_ok=True)


def find_holder(folder: Path) -> Holder | None:
    """Return who writes to a folder at the moment; None if nobody does. Looking takes no right to
    write."""
    with share_folder(folder) as holder:
        return holder


@contextmanager
def share_folder(folder: Path) -> Iterator[Holder | None]:
    """Keep others from writing to a folder as long as it is read; give who writes there already,
    None if nobody does.

    A folder that nobody has written to, or whose lock this user may not look at, is not held.
    """
    lock = _find_lock(folder)
    handle: int | None = None
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if handle is None:
        yield None
        return
    try:
        holder: Holder | None = None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = _read_note(folder) or Holder("unknown", 0, "now")
        except OSError:  # of a file system that has no locks
            pass
        yield holder
    finally:
        os.close(handle)


def _find_lock(folder: Path) -> Path:
    refuse_link(folder, _LOCK)  # whoever locks it would open what it leads to
    return folder / _LOCK


def _read_note(folder: Path) -> Holder | None:
    """Return who the note names; None where there is none, or one that no sweep has written."""
    path = folder / _HOLDER
    with suppress(OSError, ValueError):
        if path.is_file():
            with path.open("rb") as file:
                return TypeAdapter(Holder).validate_json(file.read(_LONGEST))
    return None
