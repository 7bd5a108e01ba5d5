"""Where the progress of a sweep is shown: a live bar in a terminal, in a notebook one line that is
written anew, plain lines elsewhere.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from lrdecay.core.sanitize import sanitize

_LINE_SECONDS = 5.0
_CELL_SECONDS = 0.5


class Renderer(Protocol):
    """Shows what `SweepProgress` counts."""

    def start(self, line: str) -> None:
        """Begin, or begin anew; `line` says how much there is to do."""

    def update(self, **shown: Any) -> None:
        """Take the numbers of epochs `total`, and `completed` or `advance`, or the texts `runs`,
        `left` and `now`, which may hold anything that a terminal obeys."""

    def show_run(self, line: str, at_once: bool) -> None:
        """Take a line about a run that has ended."""

    def note(self, text: str) -> None:
        """Show a text that stays."""

    def stop(self) -> None:
        """Leave what is shown as it stands."""


def find_renderer(console: Console | None = None) -> Renderer:
    """Return what suits a console; unless one is given, the notebook that this runs in, or else
    stderr."""
    if console is None:
        if is_notebook():
            return _CellLine()
        console = Console(stderr=True, force_jupyter=False)
    return _Bar(console) if console.is_terminal else _Lines(console)


def is_notebook() -> bool:
    """Return whether this process is a notebook's; IPython is not imported for that."""
    loaded = sys.modules.get("IPython")
    shell = None if loaded is None else loaded.get_ipython()
    return getattr(shell, "kernel", None) is not None


class _Bar:
    """Renders a bar with runs done, the time left, and the last finished epoch."""

    def __init__(self, console: Console) -> None:
        # the last column gives way first where the terminal is narrow
        last = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self._console = console
        self._bar = Progress(
            TextColumn("{task.fields[runs]}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=16, table_column=Column(no_wrap=True, min_width=8)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[now]}", table_column=last, markup=False),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None)

    def start(self, _: str) -> None:
        self._bar.start()

    def update(self, **shown: Any) -> None:
        inert: dict[str, Any] = {
            name: sanitize(value) if isinstance(value, str) else value
            for name, value in shown.items()
        }
        self._bar.update(self._task, **inert)

    def show_run(self, line: str, at_once: bool) -> None: ...

    def note(self, text: str) -> None:
        _print_line(self._console, text)

    def stop(self) -> None:
        self._bar.stop()


class _Lines:
    """Renders a line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = 0.0

    def start(self, line: str) -> None:
        _print_line(self._console, line)

    def update(self, **shown: Any) -> None: ...

    def show_run(self, line: str, at_once: bool) -> None:
        """Print a line if it is to be `at_once`, or the last one is some seconds old."""
        now = time.monotonic()
        if at_once or now - self._last >= _LINE_SECONDS:
            self._last = now
            _print_line(self._console, line)

    def note(self, text: str) -> None:
        _print_line(self._console, text)

    def stop(self) -> None: ...


class _CellLine:
    """Renders one line under a notebook's cell, written anew in place, below the notes so far.

    Both are one output with an identity, which the notebook replaces: however long the sweep, no
    more than that is stored with the notebook.
    """

    def __init__(self) -> None:
        self._display = import_module("IPython.display").display
        self._handle: Any = None
        self._notes: list[str] = []
        self._texts = {"runs": "", "left": "", "now": ""}
        self._shown = -_CELL_SECONDS

    def start(self, line: str) -> None:
        self._show(line)

    def update(self, **shown: Any) -> None:
        self._texts |= {name: shown[name] for name in self._texts if name in shown}
        if self._handle is not None and time.monotonic() - self._shown >= _CELL_SECONDS:
            self._show("; ".join(filter(None, self._texts.values())))

    def show_run(self, line: str, at_once: bool) -> None: ...

    def note(self, text: str) -> None:
        self._notes.append(text)
        self._show(self._texts["runs"])

    def stop(self) -> None:
        if self._handle is not None:
            self._show(self._texts["runs"])

    def _show(self, line: str) -> None:
        self._shown = time.monotonic()
        content = {"text/plain": sanitize("\n".join(filter(None, [*self._notes, line])))}
        if self._handle is None:
            self._handle = self._display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _print_line(console: Console, line: str) -> None:
    console.print(sanitize(line), markup=False, emoji=False, highlight=False, soft_wrap=True)
