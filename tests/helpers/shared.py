"""Folders that the first test process to ask fills, and that all of them read."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of that name, made by whichever process of xdist's comes first.

    Nothing may be written to it afterwards: another process may be reading.
    """
    own = factory.getbasetemp()
    home = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = home / "shared" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            begun = Path(tempfile.mkdtemp(dir=folder.parent))
            make(begun)
            begun.rename(folder)
    return folder
