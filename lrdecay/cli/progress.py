"""How far one long piece of work is: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 5.0


@contextmanager
def show_share(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much of one long piece of work is done: give a function that is told how much, and
    of how much, and leave nothing on a terminal in the end."""
    if console.is_terminal:
        columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn()
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)
        return
    last = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            line = f"{what}: {done:,} of {of:,}"
            console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)

    yield tell
