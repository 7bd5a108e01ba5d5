"""Folders in which a test may only read, whoever runs it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that every user may enter, and write to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@contextmanager
def without_root() -> Iterator[None]:
    """Have root be as any other user."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def read_only(*folders: Path) -> Iterator[None]:
    """Let nobody write to folders, nor to anything in them."""
    modes = {
        path: path.stat().st_mode for folder in folders for path in (folder, *folder.rglob("*"))
    }
    for path in modes:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with without_root():
            yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
