"""Files that are written completely or not at all.

A file appears under its name by one rename, after its bytes are on the disk. Until then they are in
scratch beside it, under a name that no other process has, whatever machine or container that is in.
It is locked while it is in use: what killed processes left of it is removed by the next one.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_YOUNG = 60.0
"""Seconds: what is younger may not be locked yet."""


def write_text(text: str, path: Path) -> None:
    """Write text to a file: all of it, or nothing."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write bytes to a file: all of them, or nothing."""
    with replace_file(path) as file:
        file.write(content)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write, which replaces `path` once it is complete and on the disk."""
    remove_scratch(path)
    scratch = name_scratch(path)
    try:
        with scratch.open("x+b") as file, lock_scratch(scratch):  # never through a link
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        # a write that did not fit does not say of which file
        if error.filename in (None, str(scratch)):
            error.filename = str(path)
        raise
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(path.parent)


def name_scratch(path: Path, ending: str = "tmp") -> Path:
    """Return a name beside `path` that nothing has and nobody else will choose."""
    return path.with_name(f".{path.name}.{os.urandom(6).hex()}.{ending}")


@contextmanager
def lock_scratch(scratch: Path) -> Iterator[None]:
    """Have others see that a scratch file or folder is in use, until the block or process ends."""
    handle = os.open(scratch, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def remove_scratch(path: Path, ending: str = "tmp") -> None:
    """Remove the scratch of `path` that nobody uses any more."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]+\.{ending}")
    with suppress(OSError):  # tidying up must not keep anything from being written
        for scratch in [each for each in path.parent.iterdir() if name.fullmatch(each.name)]:
            with suppress(OSError):  # in use, a link, or gone
                _remove_unused(scratch)


def _remove_unused(scratch: Path) -> None:
    handle = os.open(scratch, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(handle).st_ctime <= _YOUNG:
            return
        if scratch.is_dir():
            shutil.rmtree(scratch)
        else:
            scratch.unlink()
    finally:
        os.close(handle)
