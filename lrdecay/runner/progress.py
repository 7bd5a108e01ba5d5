"""How a sweep tells of itself: what is done and what is left, counted as its runs train."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Literal

from lrdecay.core.errors import InputError
from lrdecay.core.text import format_named, join_filled, quote, spell_count, spell_seconds
from lrdecay.runner.loop import Progress
from lrdecay.runner.renderers import Renderer, find_renderer

if TYPE_CHECKING:
    from lrdecay.core.run import Run
    from lrdecay.execution.messages import EpochDone
    from lrdecay.store.schema import Record

_BURST_SECONDS = 0.05
_NAMED = ("scheduler", "dropout", "seed")
# given by the others, or no part of what the user wrote as an axis
_UNNAMED = (
    *("dataset_digest", "scheduler_class", "scheduler_args", "plugins"),
    *("phase", "lr_chosen_per"),
)


@contextmanager
def show_progress(progress: Progress | Literal["auto"] | None) -> Iterator[Progress | None]:
    """Give what is to be notified, and end what was shown; `auto` is as `make_default` has it.

    Raises:
        InputError: it is nothing that can be notified.
    """
    if progress != "auto":
        if progress is not None and not callable(getattr(progress, "start", None)):
            raise InputError(
                f"progress: must be auto, None for none, or an object with the methods of "
                f"lrdecay.runner.Progress, not {quote(progress)}"
            )
        yield progress
        return
    shown = make_default()
    try:
        yield shown
    finally:
        if shown is not None:
            shown.stop()


def make_default() -> SweepProgress | None:
    """Return what shows how it goes where people look; None in a process that was started by
    Python's multiprocessing."""
    return None if parent_process() is not None else SweepProgress(find_renderer())


class SweepProgress:
    """Counts what a sweep has done and what is left, and has it shown."""

    def __init__(self, renderer: Renderer) -> None:
        self._runs = self._runs_done = self._epochs = self._epochs_done = self._of_all = 0
        self._started = 0.0
        self._first_burst = 0
        self._axes: list[str] = []
        self._renderer = renderer

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
        self._renderer.update(advance=1, left=self._left(), now=now)

    def note(self, text: str) -> None:
        """Show a text that stays."""
        self._renderer.note(text)

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
