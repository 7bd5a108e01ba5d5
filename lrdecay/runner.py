"""The coordinator: pending runs -> groups -> executor -> store, until nothing is pending.

What is pending is a function of the sweep and of what the store holds. Where base rates are to be
chosen, the trials come first, and with their results what the sweep asks for grows.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from lrdecay import choosing, foresight, signals, sources
from lrdecay.asking import Asked, Outcomes, announcements, ask
from lrdecay.costs import cost
from lrdecay.errors import InputError
from lrdecay.executor import Executor, Local
from lrdecay.groups import ENGINES, Group, Plan
from lrdecay.lock import Hold, holding
from lrdecay.plugins import load as load_plugins
from lrdecay.plugins import loaded as loaded_plugins
from lrdecay.results import REPEATS
from lrdecay.run import Run
from lrdecay.sharding import Shard, part_of
from lrdecay.store import Store
from lrdecay.sweep import Sweep, load_sweep
from lrdecay.tables import Record
from lrdecay.worker import EpochDone, Message, Note, Setup, Tell, Training

_COMMIT_SECONDS = 1.0


class Progress(Protocol):
    """Is told how a sweep goes."""

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """`done` of all `runs` are in the store already; the others train now.

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


def run_sweep(
    sweep: Sweep | str | Path,
    results: str | Path = "results",
    data_dir: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
    engine: str = "auto",
    group_size: int | None = None,
    strict: bool = False,
    plugins: Sequence[str | Path] = (),
    allow_mixed: bool = False,
    time_limit: float | None = None,
    repeat: int = 0,
    executor: Executor | None = None,
    shard: Shard | None = None,
) -> Summary:
    """Train what a sweep asks for and the results folder does not have yet.

    Results go to ``results/NAME``. Interrupting loses only runs that had not ended; calling again
    goes on from there. `workers` is the number of processes (None: one per core, or one per GPU;
    0: this process). `engine` is auto, reference (one run at a time) or stacked (many at once,
    at most `group_size`); auto is the one that is faster for each run.

    A run that fails is tried again, at most twice, alone in a process of its own; with 0 `workers`
    it is tried once. `time_limit` is the longest, in seconds, that runs may take from the end of
    one epoch to the end of the next (None: any time); with 0 `workers` nothing limits it.

    What is probably not meant in the schedules is told to `progress`, or, if `strict`, an error.

    With `repeat` the runs at so many of the seeds then train once more, into ``repeats`` within the
    folder: `lrdecay.analysis.noise_floor` compares them.

    `plugins` are those that the sweep file may use: Python files, or modules.

    Results of another version of torch or another device are not continued, unless `allow_mixed`.

    An `executor` trains the runs elsewhere than in processes of this machine; `device`, `workers`
    and `time_limit` are then its own. With a `shard` only its part of the runs trains, into a
    folder of its own (`Shard.folder`): `lrdecay.merge_results` joins them.

    Raises `InputError` for a sweep, plug-in, data or device that cannot be used, for a folder that
    another process writes to, and for results that would be mixed.
    """
    load_plugins(plugins)
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    if engine not in ENGINES:
        raise InputError(f"engine: must be one of {', '.join(ENGINES)}, not {engine}")
    if group_size is not None and group_size < 1:
        raise InputError(f"group_size: must be at least 1, not {group_size}")
    if repeat < 0:
        raise InputError(f"repeat: must be at least 0 seeds, not {repeat}")
    if repeat and shard:
        raise InputError("repeat: shards are not repeated; repeat the merged sweep")
    where = Local(device, workers, time_limit) if executor is None else executor
    site = where.site(sweep.precision)
    dataset = sources.load(sweep.dataset, data_dir)
    matrix = sweep.matrix(dataset)
    validation = matrix.cells[0].validation
    odd = foresight.warnings(foresight.foresee(matrix.cells, dataset.train_count - validation))
    if odd and strict:
        raise InputError("\n".join(odd))
    home = Path(results) / sweep.name
    folder = home if shard is None else shard.folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder) as hold:
        setup = Setup(
            dataset=sweep.dataset,
            data_dir=None if data_dir is None else str(data_dir),
            dataset_digest=dataset.digest,
            validation=validation,
            device=site.device,
            plugins=loaded_plugins(),
            data=dataset,
        )

        def plan(runs: Sequence[Run]) -> Plan:
            return where.plan(runs, dataset, engine, group_size) if runs else Plan(())

        def check(store: Store, asked: Asked) -> None:
            if not allow_mixed:
                _refuse_mixture(store, asked, site.made_with)

        def train(groups: Sequence[Group], tell: Tell) -> None:
            where.train(groups, setup, tell)

        mine = None
        if shard is not None:
            fewest = None if sweep.adding is None else sweep.adding.min
            mine = shard.part(matrix, partial(cost, dataset=dataset), fewest)

        def asks(outcomes: Outcomes, done: set[str]) -> Asked:
            asked = ask(sweep, matrix, outcomes, done)
            return asked if mine is None else part_of(asked, mine, done)

        course = _Course(sweep, hold, check, plan, train, site.workers, progress, odd)
        lines = partial(announcements, sweep, matrix)
        store = Store(folder, beside=None if shard is None else home)
        summary, asked = course.run(store, asks, lines, [f"warning: {t}" for t in odd])
        summary = replace(summary, without_rate=choosing.without_rate(matrix.cells, asked.rates))
        if repeat == 0:
            return summary
        again = asked.at_seeds(matrix.seeds[:repeat])
        with holding(folder / REPEATS):
            store = Store(folder / REPEATS)
            repeats, _ = course.run(store, lambda _, done: again.without(done))
        return replace(summary, repeats=repeats)


def _refuse_mixture(store: Store, asked: Asked, ours: tuple[str, ...]) -> None:
    """Raise `InputError` if the comparison would have runs of several devices or torch versions."""
    waiting = {run.run_id for run in asked.pending}
    made_with = store.made_with([run for run in asked.runs if run.run_id not in waiting])
    if len({*made_with, *([ours] if waiting else [])}) > 1:
        there = " and ".join(
            f"{count} with torch {version} on {name}"
            for (name, version), count in made_with.items()
        )
        raise InputError(
            f"{store.folder}: of the runs that this sweep asks for there are {there}; "
            f"here is torch {ours[1]} on {ours[0]}. Such numbers are not compared unless you ask "
            f"for it: --allow-mixed goes on, and the report says so; --results DIR starts anew "
            f"elsewhere"
        )


@dataclass(frozen=True)
class _Course:
    """How runs are trained and committed until nothing that is asked for is pending."""

    sweep: Sweep
    hold: Hold
    check: Callable[[Store, Asked], None]
    plan: Callable[[Sequence[Run]], Plan]
    train: Callable[[Sequence[Group], Tell], None]
    workers: int
    progress: Progress | None
    warnings: Sequence[str] = ()

    def run(
        self,
        store: Store,
        asks: Callable[[Outcomes, set[str]], Asked],
        lines: Callable[[Asked], list[str]] = lambda _: [],
        notes: Sequence[str] = (),
    ) -> tuple[Summary, Asked]:
        """Train into a store what is asked for, and what is asked for then; tell of `notes` first,
        and of each of the `lines` once."""
        started = time.monotonic()
        finished = _Finished(store)
        tried: set[str] = set()  # in this call: what failed is tried once

        def asked_now() -> Asked:
            return asks(store.outcomes, store.done() | tried)

        def write_tables() -> None:
            store.compact(
                asked.runs, self.sweep.text, self.sweep.target, asked.planned, self.warnings
            )

        def tell(message: Message) -> None:
            if isinstance(message, Record):
                finished.add(message)
            self._tell(message)

        asked = asked_now()
        self.check(store, asked)
        planned = self.plan(asked.pending)
        # at once, so that a reader of an unfinished sweep knows what is still to come
        write_tables()
        if self.progress is not None:
            reused = len(asked.here(asked.runs)) - len(asked.pending)
            at_once = min(self.workers, len(planned.groups))
            self.progress.start(asked.here(asked.whole), reused, at_once)
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
                with signals.held():
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
        """Take a run; a sweep of very short ones has them committed in groups."""
        self.outcomes[str(record.run["status"])] += 1
        self._waiting.append(record)
        if time.monotonic() - self._committed > _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Put all that have ended on the disk."""
        if self._waiting:
            self._store.commit(self._waiting)
            self._waiting.clear()
            self._committed = time.monotonic()


def _kept_apart(store: Store, asked: Asked) -> list[str]:
    count = store.apart(asked.whole)
    if count == 0:
        return []
    runs = (
        "run that this sweep does not ask for is"
        if count == 1
        else "runs that this sweep does not ask for are"
    )
    return [f"{count} {runs} kept in {store.folder / 'earlier'}"]
