"""Plug-ins of a test's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.plugged import as_in_a_new_process

from lrdecay.components import plugins


@pytest.fixture
def fresh() -> Iterator[Callable[[], None]]:
    """As in a new process, whose plug-ins are forgotten afterwards; a test may forget them too."""
    with as_in_a_new_process() as forget:
        yield forget


@pytest.fixture
def plug(fresh: Callable[[], None], tmp_path: Path) -> Callable[..., Path]:
    """Load a file of this text."""

    def load(text: str, name: str = "own.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        plugins.load_plugins([path])
        return path

    return load
