"""The course of a sweep: runs are trained and committed until nothing that is asked for is pending.

What is asked for is a function of the sweep and of what the store holds: with results it may grow.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lrdecay.core import signals
from lrdecay.core.run import Run
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.messages import Beat, EpochDone, Message, Note, Tell, Training
from lrdecay.runner.agenda import Agenda, Outcomes
from lrdecay.store.lock import Hold
from lrdecay.store.schema import Record
from lrdecay.store.writer import Store
from lrdecay.sweep.config import Sweep

_COMMIT_SECONDS = 1.0


class Progress(Protocol):
    """Is told how a sweep goes."""

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """The first `done` of all `runs` are in the store already; the others train now.

        Runs whose base rate is still to be chosen are counted in, at one rate of the grid.
        """

    def grow(self, runs: Sequence[Run]) -> None:
        """There are more runs now than were told of at the start: these."""

    def epoch(self, done: EpochDone) -> None:
        """One more epoch of one run is finished."""

    def note(self, text: str) -> None:
        """Something happened that a user should know."""

    def finished(self, record: Record) -> None:
        """One more run has ended."""


@dataclass(frozen=True)
class Summary:
    """How a sweep ended: where its results are, and how many runs of each outcome it trained.

    `without_rate` names what is not in the comparison, since no base rate could be chosen for it;
    `repeats` is how the runs that were to train once more ended; `elsewhere` counts those left to
    other shards, and with `more_to_come` what is asked for after them depends on their results.
    """

    folder: Path
    total: int
    reused: int
    completed: int
    diverged: int
    failed: int
    seconds: float
    elsewhere: int = 0
    more_to_come: bool = False
    without_rate: tuple[str, ...] = ()
    repeats: Summary | None = None


@dataclass(frozen=True)
class SweepLoop:
    """How runs are planned, trained and committed, and who is told."""

    sweep: Sweep
    hold: Hold
    check: Callable[[Store, Agenda], None]
    plan: Callable[[Sequence[Run]], Plan]
    train: Callable[[Sequence[Group], Tell], None]
    workers: int
    progress: Progress | None
    warnings: Sequence[str] = ()

    def run(
        self,
        store: Store,
        asks: Callable[[Outcomes, set[str]], Agenda],
        lines: Callable[[Agenda], list[str]] = lambda _: [],
        notes: Sequence[str] = (),
    ) -> tuple[Summary, Agenda]:
        """Train into a store what is asked for, and what is asked for then; tell of `notes` first,
        and of each of the `lines` once."""
        started = time.monotonic()
        finished = _Finished(store)
        tried: set[str] = set()  # in this call: what failed is tried once

        def asked_now() -> Agenda:
            return asks(store.outcomes, store.done() | tried)

        def write_tables() -> None:
            store.compact(
                asked.runs, self.sweep.text, self.sweep.target, asked.planned, self.warnings
            )

        def tell(message: Message) -> None:
            if isinstance(message, Record):
                finished.add(message)
            finished.commit_if_due()
            self._tell(message)

        asked = asked_now()
        self.check(store, asked)
        planned = self.plan(asked.pending)
        # at once, so that a reader of an unfinished sweep knows what is still to come
        write_tables()
        if self.progress is not None:
            at_once = min(self.workers, len(planned.groups))
            waiting = {run.run_id for run in asked.pending}
            there = {run.run_id for run in asked.here(asked.runs)} - waiting
            runs = sorted(asked.here(asked.whole), key=lambda run: run.run_id not in there)
            self.progress.start(runs, len(there), at_once)
        told: set[str] = set()
        fresh = [*_kept_apart(store, asked), *notes]
        while True:
            fresh += [*lines(asked), *planned.notes]
            for text in dict.fromkeys(fresh):
                if text not in told:
                    tell(Note(text))
            told.update(fresh)
            if not planned.groups:
                break
            try:
                self.train(planned.groups, tell)
                tried.update(run.run_id for run in asked.pending)
            finally:
                with signals.hold_signals():
                    try:
                        finished.commit()
                    finally:
                        before, asked = asked, asked_now()
                        write_tables()
            self.check(store, asked)
            planned = self.plan(asked.pending)
            if self.progress is not None and len(asked.whole) > len(before.whole):
                self.progress.grow(asked.here(asked.whole))
        total = len(asked.here(asked.runs))
        summary = Summary(
            folder=store.folder,
            total=total,
            reused=total - finished.outcomes.total(),
            completed=finished.outcomes["completed"],
            diverged=finished.outcomes["diverged"],
            failed=finished.outcomes["failed"],
            seconds=time.monotonic() - started,
            elsewhere=len(asked.elsewhere),
            more_to_come=bool(asked.elsewhere) and asked.grows,
        )
        return summary, asked

    def _tell(self, message: Message) -> None:
        match message:
            case Training():
                self.hold.training(message.runs)
            case _ if self.progress is None:
                pass
            case Beat():
                pass
            case Record():
                self.progress.finished(message)
            case EpochDone():
                self.progress.epoch(message)
            case Note():
                self.progress.note(message.text)


class _Finished:
    """The runs that have ended: counted, and committed as they come."""

    def __init__(self, store: Store) -> None:
        self.outcomes: Counter[str] = Counter()
        self._store = store
        self._waiting: list[Record] = []
        self._committed = -math.inf

    def add(self, record: Record) -> None:
        """Take a run."""
        self.outcomes[str(record.run["status"])] += 1
        self._waiting.append(record)

    def commit_if_due(self) -> None:
        """Commit what has ended, but not too often: a sweep may be of very short runs."""
        if time.monotonic() - self._committed > _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Put all that have ended on the disk."""
        if self._waiting:
            self._store.commit(self._waiting)
            self._waiting.clear()
            self._committed = time.monotonic()


def _kept_apart(store: Store, asked: Agenda) -> list[str]:
    count = store.apart(asked.whole)
    if count == 0:
        return []
    runs = (
        "run that this sweep does not ask for is"
        if count == 1
        else "runs that this sweep does not ask for are"
    )
    return [f"{count} {runs} kept in {store.folder / 'earlier'}"]
