"""Processes that train at the same time, one thread each: one per core, or one on a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from typing import Self, TypeVar
from unittest.mock import patch

Given = TypeVar("Given")
Returned = TypeVar("Returned")


class Crew:
    """So many processes, of which each does everything that the crew is asked to do.

    They are started as `lrdecay sweep` starts its own: with `environment` from their first moment.
    A pool of several would give two tasks to one process and leave another without.
    """

    def __init__(self, size: int, environment: Mapping[str, str]) -> None:
        self._members = [ProcessPoolExecutor(1, get_context("spawn")) for _ in range(size)]
        self._stack = ExitStack()
        for member in self._members:
            self._stack.enter_context(member)
        with patch.dict(os.environ, environment):
            self.do(_nothing, None)

    def do(self, work: Callable[[Given], Returned], given: Given) -> list[Returned]:
        """Return what each process makes of it, when the last one is done."""
        doing = [member.submit(work, given) for member in self._members]
        return [each.result() for each in doing]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _nothing(_: None) -> None:
    """Start the process: its environment is read now."""
