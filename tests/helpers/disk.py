"""Each change that a process makes to the disk, one by one: it can be the last, or find it full."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_active: Changes | None = None


class Killed(BaseException):
    """What a kill is to the rest of a test: nothing more reaches the disk."""


class Changes:
    """Names each change to a folder that is about to be made, and may make one go wrong.

    Before the change `at` (from 0) the process is killed. Without `kill` there is an exception in
    its place, at that change and at all later ones: `Killed`, or, if it is `full`, that of a disk
    on which nothing new fits any more, while it still can be tidied up.
    """

    def __init__(
        self, folder: Path, at: int | None = None, kill: bool = False, full: bool = False
    ) -> None:
        self.names: list[str] = []
        self._folder = str(folder)
        self._at = at
        self._kill = kill
        self._full = full

    def __enter__(self) -> Changes:
        global _active
        _watch()
        assert _active is None
        _active = self
        return self

    def __exit__(self, *_: object) -> None:
        global _active
        _active = None

    def meet(self, what: str, *paths: str) -> None:
        """Take note of a change, and let it go wrong if it is to."""
        if not paths[0].startswith(self._folder):
            return
        number = len(self.names)
        self.names.append(" ".join([what, *(self._shown(path) for path in paths)]))
        if self._at is None or number < self._at:
            return
        if self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if not self._full:
            raise Killed(self.names[-1])
        if what in ("write", "mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), paths[0])

    def _shown(self, path: str) -> str:
        """Without what differs from call to call: digests, and what scratch is named by."""
        inside = path.removeprefix(self._folder).lstrip("/")
        return re.sub(r"\b[0-9a-f]{16}\b", "ID", re.sub(r"\.[0-9a-f]+\.tmp", ".tmp", inside)) or "."


def _watch() -> None:
    global _watch
    sys.addaudithook(_on_event)  # there to stay
    _watch = _nothing


def _nothing() -> None:
    """The hook is in place."""


def _on_event(event: str, args: tuple[object, ...]) -> None:
    if _active is not None and event in _EVENTS:
        _EVENTS[event](_active, *args)


def _opened(changes: Changes, path: object, mode: object, flags: int) -> None:
    if flags & _WRITING and isinstance(path, str | os.PathLike):
        changes.meet("write", os.fspath(path))


def _path(path: object, folder: object = -1) -> str:
    """The whole path of what a call names, which may be in a folder that is open."""
    found = os.fspath(path)  # type: ignore[call-overload]
    if isinstance(folder, int) and folder >= 0:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), found)
    return found


_EVENTS: dict[str, Callable[..., None]] = {
    "open": _opened,
    "os.mkdir": lambda changes, path, mode, at: changes.meet("mkdir", _path(path, at)),
    "os.rmdir": lambda changes, path, at: changes.meet("rmdir", _path(path, at)),
    "os.remove": lambda changes, path, at: changes.meet("remove", _path(path, at)),
    "os.rename": lambda changes, old, new, at, to: changes.meet(
        "rename", _path(old, at), _path(new, to)
    ),
}
