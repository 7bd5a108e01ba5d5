"""How what takes long tells of itself: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from lrdecay.core.sanitize import sanitize
from lrdecay.core.text import format_named, join_filled, spell_count, spell_seconds

if TYPE_CHECKING:
    from lrdecay.core.run import Run
    from lrdecay.execution.messages import EpochDone
    from lrdecay.store.schema import Record

_LINE_SECONDS = 5.0
_BURST_SECONDS = 0.05
_NAMED = ("scheduler", "dropout", "seed")
# given by the others, or no part of what the user wrote as an axis
_UNNAMED = (
    *("dataset_digest", "scheduler_class", "scheduler_args", "plugins"),
    *("phase", "lr_chosen_per"),
)


class SweepProgress:
    """Counts what a sweep has done and what is left, and says so: on a terminal by a bar."""

    def __init__(self, console: Console) -> None:
        self._runs = self._runs_done = self._epochs = self._epochs_done = self._of_all = 0
        self._started = 0.0
        self._first_burst = 0
        self._axes: list[str] = []
        self._console = console
        self._renderer = _Bar(console) if console.is_terminal else _Lines(console)

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """Show how much there is to do."""
        self._runs, self._runs_done = len(runs), done
        self._of_all = sum(run.epochs for run in runs)
        self._epochs, self._epochs_done = sum(run.epochs for run in runs[done:]), 0
        names = [field.name for field in fields(runs[0])] if runs else []
        varying = [name for name in names if len({getattr(run, name) for run in runs}) > 1]
        self._axes = [*_NAMED, *(key for key in varying if key not in (*_NAMED, *_UNNAMED))]
        # all of it, since repeats are started once more
        shown = {"runs": self._count_runs(), "left": "", "now": "starting"}
        self._renderer.update(total=self._epochs, completed=0, **shown)
        line = f"{spell_count(len(runs), 'run')}, {done} of them done already"
        self._renderer.start(f"{line}; {workers} processes" if workers > 1 else line)

    def grow(self, runs: Sequence[Run]) -> None:
        """Count in runs that have been added."""
        of_all = sum(run.epochs for run in runs)
        self._epochs += of_all - self._of_all
        self._runs, self._of_all = len(runs), of_all
        self._renderer.update(total=self._epochs, runs=self._count_runs())

    def epoch(self, done: EpochDone) -> None:
        """Count an epoch."""
        self._epochs_done += 1
        # what came before the first epoch was processes starting up; runs that train together
        # finish their first one together
        if self._epochs_done == 1:
            self._started = time.monotonic()
        if time.monotonic() - self._started < _BURST_SECONDS:
            self._first_burst = self._epochs_done
        name = self._name(asdict(done.run))
        measured = "" if done.accuracy is None else f"{done.accuracy:.1%} {done.split}, "
        now = f"{measured}epoch {done.epoch}: {name}"
        self._renderer.update(advance=1, left=self._left(), now=sanitize(now))

    def note(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        _print_line(self._console, text)

    def finished(self, record: Record) -> None:
        """Count a run."""
        self._runs_done += 1
        self._renderer.update(runs=self._count_runs())
        accuracy, status = record.run["test_accuracy"], record.run["status"]
        shown = f"test accuracy {accuracy:.2%}" if isinstance(accuracy, float) else status
        parts = self._count_runs(), f"{self._name(record.run)}: {shown}", self._left()
        last = self._runs_done == self._runs
        self._renderer.show_run("; ".join(filter(None, parts)), last or status != "completed")

    def stop(self) -> None:
        """Leave what is shown as it stands."""
        self._renderer.stop()

    def _count_runs(self) -> str:
        return f"{self._runs_done}/{self._runs} runs"

    def _left(self) -> str:
        """Return the time left, such as `3 min left`, at the pace since the first epoch."""
        counted = self._epochs_done - self._first_burst
        if counted < 1:
            return ""
        pace = (time.monotonic() - self._started) / counted
        return f"{spell_seconds(pace * max(0, self._epochs - self._epochs_done))} left"

    def _name(self, row: Mapping[str, object]) -> str:
        """Return a run's place on the axes that vary, such as `step, dropout 0.3, seed 0`."""
        scheduler, *others = self._axes
        return join_filled(row[scheduler], *(format_named(axis, row[axis]) for axis in others))


class _Bar:
    """Renders a bar with runs done, the time left, and the last finished epoch."""

    def __init__(self, console: Console) -> None:
        # the last column gives way first where the terminal is narrow
        last = Column(no_wrap=True, overflow="ellipsis", ratio=1)
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
        self._bar.update(self._task, **shown)

    def show_run(self, line: str, at_once: bool) -> None: ...

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

    def stop(self) -> None: ...


def _print_line(console: Console, line: str) -> None:
    console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


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
            _print_line(console, f"{what}: {done:,} of {of:,}")

    yield tell
