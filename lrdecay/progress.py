"""How a sweep tells of itself: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from lrdecay.sweep import Run
    from lrdecay.tables import Record
    from lrdecay.worker import EpochDone

_LINE_SECONDS = 5.0


class _Counts:
    """Runs and epochs done so far, and the time that the rest will take at this pace."""

    def __init__(self) -> None:
        self.runs_total = self.runs_done = self.epochs_total = self.epochs_done = 0
        self.started = 0.0

    def begin(self, runs: Sequence[Run], done: int) -> None:
        self.runs_total, self.runs_done = len(runs), done
        mean = sum(run.epochs for run in runs) / len(runs) if runs else 0
        self.epochs_total = round(mean * (len(runs) - done))

    def count_epoch(self) -> None:
        self.epochs_done += 1
        if self.epochs_done == 1:  # what came before was processes starting up
            self.started = time.monotonic()

    def remaining(self) -> str:
        """Return the time left, such as `3 min`, at the pace since the first finished epoch."""
        if self.epochs_done < 2:
            return "unknown time"
        pace = (time.monotonic() - self.started) / (self.epochs_done - 1)
        return spell_seconds(pace * max(0, self.epochs_total - self.epochs_done))


class Bar:
    """A bar with runs done, the last finished epoch's accuracy, elapsed and remaining time."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.fields[runs]} runs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[now]}"),
            console=console,
        )
        self._task = self._bar.add_task("", total=None, runs="", now="")
        self._counts = _Counts()

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """Show the bar."""
        self._counts.begin(runs, done)
        self._bar.start()
        self._bar.update(self._task, total=self._counts.epochs_total, runs=self._runs())

    def epoch(self, done: EpochDone) -> None:
        """Move the bar by one epoch."""
        now = escape(
            f"{done.run.scheduler}, dropout {done.run.dropout:g}, seed {done.run.seed}: "
            f"{done.accuracy:.2%} after {done.epoch}"
        )
        self._bar.update(self._task, advance=1, now=now)

    def finished(self, record: Record) -> None:
        """Count a run."""
        self._counts.runs_done += 1
        self._bar.update(self._task, runs=self._runs())

    def stop(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()

    def _runs(self) -> str:
        return f"{self._counts.runs_done}/{self._counts.runs_total}"


class Lines:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._counts = _Counts()
        self._last = 0.0

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """Say how much there is to do."""
        self._counts.begin(runs, done)
        processes = f"{workers} processes" if workers > 1 else "1 process"
        self._print(f"{len(runs)} runs, {done} of them done already; {processes}")

    def epoch(self, done: EpochDone) -> None:
        """Count an epoch."""
        self._counts.count_epoch()

    def finished(self, record: Record) -> None:
        """Tell of a run, if the last line is some seconds old or it is the last run."""
        counts, row = self._counts, record.run
        counts.runs_done += 1
        now = time.monotonic()
        last = counts.runs_done == counts.runs_total
        if now - self._last < _LINE_SECONDS and row["status"] == "completed" and not last:
            return
        self._last = now
        accuracy = row["test_accuracy"]
        shown = f"test accuracy {accuracy:.2%}" if isinstance(accuracy, float) else row["status"]
        self._print(
            f"{counts.runs_done}/{counts.runs_total} runs; {row['scheduler']}, "
            f"dropout {row['dropout']:g}, seed {row['seed']}: {shown}; "
            f"{counts.remaining()} left"
        )

    def stop(self) -> None:
        """Nothing to put away."""

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def spell_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    >>> [spell_seconds(s) for s in (4.2, 90, 5400, 200000)]
    ['4 s', '90 s', '90 min', '56 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
