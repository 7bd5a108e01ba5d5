"""Files that are written completely or not at all.

A file appears under its name by one rename, after its bytes are on the disk.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


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
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        scratch.unlink(missing_ok=True)
        with scratch.open("x+b") as file:  # never through a link that someone put there
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        if error.filename is None:  # a write that did not fit does not say of which file
            error.filename = str(path)
        raise
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(path.parent)
