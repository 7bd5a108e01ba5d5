"""The loop of a sweep: runs are trained and committed until nothing that is asked for is pending.

What is asked for is a function of the sweep and of what the store holds: with results it may grow.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lrdecay.analysis.lr_selection import list_without_rate
from lrdecay.core import signals
from lrdecay.core.data_facts import DataFacts
from lrdecay.core.errors import WorkerError
from lrdecay.core.run import Run
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import spell_count
from lrdecay.execution.executor import Executor, Site
from lrdecay.execution.grouping import Plan
from lrdecay.execution.messages import EpochDone, Message, Note, Training
from lrdecay.execution.own.trainer import plan_trials
from lrdecay.execution.trainer import Setup
from lrdecay.runner.agenda import Agenda, AgendaSource
from lrdecay.runner.lacking_metrics import describe_lacking_metrics
from lrdecay.runner.loop_check import FAILED_ALIKE, LoopCheck
from lrdecay.runner.mixtures import refuse_engines, refuse_mixture
from lrdecay.runner.options import SweepOptions
from lrdecay.runner.planned_rates import PlannedRates
from lrdecay.runner.summary import Summary
from lrdecay.store.lock import Hold
from lrdecay.store.schema import Record
from lrdecay.store.writer import Store

_COMMIT_SECONDS = 1.0


class Progress(Protocol):
    """Is notified of how a sweep goes."""

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """The first `done` of all `runs` are in the store already; the others train now.

        Runs whose base rate is still to be chosen are counted in, at one rate of the grid.
        """

    def grow(self, runs: Sequence[Run]) -> None:
        """There are more runs now than at the start: these."""

    def epoch(self, done: EpochDone) -> None:
        """One more epoch of one run is finished."""

    def note(self, text: str) -> None:
        """Something happened that a user should know."""

    def finished(self, record: Record) -> None:
        """One more run has ended."""


@dataclass
class SweepLoop:
    """Trains into a store what a source asks for, round after round, until nothing is pending.

    The store's folder is held. `warnings` about data and schedules are written with the tables, and
    so are the `facts` of the data.
    """

    source: AgendaSource
    options: SweepOptions
    executor: Executor
    site: Site
    setup: Setup
    store: Store
    hold: Hold
    progress: Progress | None
    warnings: Sequence[str]
    facts: DataFacts | None

    def __post_init__(self) -> None:
        self._finished = _Finished(self.store)
        data = self.setup.data
        self._rates = PlannedRates(0 if data is None else data.train_count - self.setup.validation)
        self._tried: set[str] = set()  # in this call: what failed is tried once
        self._told: set[str] = set()
        self._loop_check = LoopCheck()
        self._plan = Plan(())
        self._lacking: list[str] = []
        self.agenda = Agenda([], [], [], {})
        """What is asked for so far."""

    def run(self, notes: Sequence[str] = ()) -> Summary:
        """Train what is asked for, and what is asked for then.

        Progress gets `notes` first, and each line about what is asked for once.

        Raises:
            WorkerError: nothing can train, or a loop of the user's own fails with one error in run
                after run.
        """
        started = time.monotonic()
        self._build_agenda()
        self._plan_round()
        self._rates.check_store(self.store, self.agenda.runs)
        # at once, so that a reader of an unfinished sweep knows what is still to come
        self._write_tables()
        self._start_progress()
        doubts = self._loop_check.add_earlier(self.store, self.agenda.runs)
        self._tell_notes([*_kept_apart(self.store, self.agenda), *notes, *doubts])
        while self._plan.groups:
            planned_before = len(self.agenda.whole)
            self._train_round()
            self._plan_round()
            if self.progress is not None and len(self.agenda.whole) > planned_before:
                self.progress.grow(self.agenda.here(self.agenda.whole))
            self._tell_notes()
        return self._summarize(time.monotonic() - started)

    def _build_agenda(self) -> None:
        done = self.store.done() | self._tried
        self.agenda = self.source.build(self.store.outcomes, done)

    def _plan_round(self) -> None:
        options, data, pending = self.options, self.setup.data, self.agenda.pending
        self._rates.add(self.agenda.runs)
        self._lacking = [*describe_lacking_metrics(self.store, self.agenda, self.source.sweep)]
        if not options.allow_mixed:
            refuse_mixture(self.store, self.agenda, self.site.made_with)
        self._plan = Plan(())
        if pending:
            if data is None:
                self._plan = plan_trials(pending)
            else:
                plan = self.executor.plan
                self._plan = plan(pending, data, options.engine, options.group_size)
            if not options.allow_mixed:
                refuse_engines(self.store, self.agenda, self._plan)

    def _train_round(self) -> None:
        """Train what is planned; whatever ends it, what has finished is on the disk then, and soon:
        what the results make the sweep ask for is found after that."""
        asked, ended = self.agenda, self._finished.outcomes.total()
        try:
            self.executor.train(self._plan.groups, self.setup, self._tell)
            self._tried.update(run.run_id for run in asked.pending)
        finally:
            with signals.hold_signals():
                try:
                    self._finished.commit()
                finally:
                    if self._finished.outcomes.total() > ended:
                        self._write_tables()
        self._build_agenda()
        if (self.agenda.runs, self.agenda.planned) != (asked.runs, asked.planned):
            self._write_tables()

    def _write_tables(self) -> None:
        agenda, sweep = self.agenda, self.source.sweep
        about = self.warnings, self.facts, self.source.first_plan
        self.store.compact(agenda.runs, sweep.text, sweep.target, agenda.planned, *about)

    def _start_progress(self) -> None:
        if self.progress is None:
            return
        agenda = self.agenda
        waiting = {run.run_id for run in agenda.pending}
        there = {run.run_id for run in agenda.here(agenda.runs)} - waiting
        runs = sorted(agenda.here(agenda.whole), key=lambda run: run.run_id not in there)
        at_once = min(self.site.workers, len(self._plan.groups))
        self.progress.start(runs, len(there), at_once)

    def _tell_notes(self, first: Sequence[str] = ()) -> None:
        """Report what is new about what is asked for and planned."""
        about = self.source.describe(self.agenda)
        for text in (*first, *self._lacking, *about, *self._plan.notes):
            if text not in self._told:
                self._told.add(text)
                self._tell(Note(text))

    def _tell(self, message: Message) -> None:
        if isinstance(message, Record):
            message = self._rates.check(message)
            self._finished.add(message)
        self._finished.commit_if_due()
        match message:
            case Training():
                self.hold.training(message.runs)
            case _ if self.progress is None:
                pass
            case Record():
                self.progress.finished(message)
            case EpochDone():
                self.progress.epoch(message)
            case Note(once=True) if message.text in self._told:
                pass
            case Note():
                self._told.update([message.text] if message.once else ())
                self.progress.note(message.text)
        if isinstance(message, Record):
            self._check_loop(message)

    def _check_loop(self, ended: Record) -> None:
        """Raise `WorkerError` if a loop of the user's own fails whatever it trains; what else it
        does wrong is told."""
        for text in self._loop_check.add(ended):
            self._tell(Note(text))
        error = self._loop_check.find_common_error()
        if error is not None and (left := self._count_untrained()):
            raise WorkerError(
                f"{FAILED_ALIKE} runs failed with the same error and none has completed, so "
                f"{spell_count(left, 'run')} {'was' if left == 1 else 'were'} left untrained; fix "
                f"the loop and start the sweep again. The error: {sanitize_line(error)}"
            )

    def _count_untrained(self) -> int:
        self._finished.commit()
        done = self.store.done()
        waiting = sum(run.run_id not in done for run in self.agenda.here(self.agenda.whole))
        return waiting - self._finished.outcomes["failed"]

    def _summarize(self, seconds: float) -> Summary:
        agenda, outcomes = self.agenda, self._finished.outcomes
        total = len(agenda.here(agenda.runs))
        return Summary(
            folder=self.store.folder,
            sweep_folder=self.options.home(self.source.sweep),
            total=total,
            reused=total - outcomes.total(),
            completed=outcomes["completed"],
            diverged=outcomes["diverged"],
            failed=outcomes["failed"],
            seconds=seconds,
            elsewhere=len(agenda.elsewhere),
            more_to_come=bool(agenda.elsewhere) and agenda.grows,
            without_rate=list_without_rate(self.source.matrix.cells, agenda.rates),
        )


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


def _kept_apart(store: Store, agenda: Agenda) -> list[str]:
    count = store.apart(agenda.whole)
    runs = f"{spell_count(count, 'run')} that this sweep does not ask for"
    kept = f"{'are' if count > 1 else 'is'} kept in {store.folder / 'earlier'}"
    return [f"{runs} {kept}"] if count else []
