"""How what takes long tells of itself: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from lrdecay.core.sanitize import sanitize
from lrdecay.core.text import spell_count, spell_seconds, to_text

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


class _State:
    """What has been done, what is left, and how to call a run."""

    def __init__(self) -> None:
        self.runs = self.runs_done = self.epochs = self.epochs_done = self.of_all = 0
        self.started = 0.0
        self.first_burst = 0
        self.axes: list[str] = []

    def begin(self, runs: Sequence[Run], done: int) -> None:
        self.runs, self.runs_done = len(runs), done
        self.of_all = sum(run.epochs for run in runs)
        self.epochs, self.epochs_done = sum(run.epochs for run in runs[done:]), 0
        values = [asdict(run) for run in runs]
        varying = [
            key for key in (values[0] if values else ()) if len({v[key] for v in values}) > 1
        ]
        others = [key for key in varying if key not in (*_NAMED, *_UNNAMED)]
        self.axes = [*_NAMED, *others]

    def grow(self, runs: Sequence[Run]) -> None:
        """Count the epochs of runs that have been added."""
        of_all = sum(run.epochs for run in runs)
        self.epochs += of_all - self.of_all
        self.runs, self.of_all = len(runs), of_all

    def count_epoch(self) -> None:
        self.epochs_done += 1
        # what came before the first epoch was processes starting up; runs that train together
        # finish their first one together
        if self.epochs_done == 1:
            self.started = time.monotonic()
        if time.monotonic() - self.started < _BURST_SECONDS:
            self.first_burst = self.epochs_done

    def left(self) -> str:
        """Return the time left, such as `3 min left`, at the pace since the first epoch."""
        counted = self.epochs_done - self.first_burst
        if counted < 1:
            return ""
        pace = (time.monotonic() - self.started) / counted
        return f"{spell_seconds(pace * max(0, self.epochs - self.epochs_done))} left"

    def name(self, row: Mapping[str, object]) -> str:
        """Return a run's place on the axes that vary, such as `step, dropout 0.3, seed 0`."""
        scheduler, *others = self.axes
        known = [axis for axis in others if row[axis] is not None]
        return ", ".join([f"{row[scheduler]}", *(f"{axis} {to_text(row[axis])}" for axis in known)])


class Bar:
    """A bar with runs done, the time left, and the last finished epoch."""

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
        self._state = _State()
        self._task = self._bar.add_task("", total=None, runs="", left="", now="starting")

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """Show the bar."""
        self._state.begin(runs, done)
        self._bar.reset(
            self._task, total=self._state.epochs, runs=self._runs(), left="", now="starting"
        )
        self._bar.start()

    def grow(self, runs: Sequence[Run]) -> None:
        """Make the bar longer."""
        self._state.grow(runs)
        self._bar.update(self._task, total=self._state.epochs, runs=self._runs())

    def epoch(self, done: EpochDone) -> None:
        """Move the bar by one epoch."""
        self._state.count_epoch()
        name = self._state.name(asdict(done.run))
        now = f"{done.accuracy:.1%} {done.split}, epoch {done.epoch}: {name}"
        self._bar.update(self._task, advance=1, left=self._state.left(), now=sanitize(now))

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def finished(self, record: Record) -> None:
        """Count a run."""
        self._state.runs_done += 1
        self._bar.update(self._task, runs=self._runs())

    def stop(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()

    def _runs(self) -> str:
        return f"{self._state.runs_done}/{self._state.runs} runs"


class Lines:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = _State()
        self._last = 0.0

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """Say how much there is to do."""
        self._state.begin(runs, done)
        parts = [f"{spell_count(len(runs), 'run')}, {done} of them done already"]
        if workers > 1:
            parts.append(f"{workers} processes")
        self._print("; ".join(parts))

    def grow(self, runs: Sequence[Run]) -> None:
        """Count what has been added."""
        self._state.grow(runs)

    def epoch(self, done: EpochDone) -> None:
        """Count an epoch."""
        self._state.count_epoch()

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def finished(self, record: Record) -> None:
        """Tell of a run, if the last line is some seconds old or it is the last run."""
        state, row = self._state, record.run
        state.runs_done += 1
        now = time.monotonic()
        last = state.runs_done == state.runs
        if now - self._last < _LINE_SECONDS and row["status"] == "completed" and not last:
            return
        self._last = now
        accuracy = row["test_accuracy"]
        shown = f"test accuracy {accuracy:.2%}" if isinstance(accuracy, float) else row["status"]
        parts = [f"{state.runs_done}/{state.runs} runs", f"{state.name(row)}: {shown}"]
        self._print("; ".join([*parts, *filter(None, [state.left()])]))

    def stop(self) -> None:
        """Nothing to put away."""

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


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
