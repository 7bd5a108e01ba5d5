"""The coordinator: pending runs -> groups -> executor -> store, until nothing is pending.

What is pending is a function of the sweep and of what the store holds. Where base rates are to be
chosen, the trials come first, and with their results what the sweep asks for grows.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd
import torch

from lrdecay import adding, choosing, executor, foresight, groups, signals, sources
from lrdecay.devices import default_workers, device_name, find_device
from lrdecay.errors import InputError
from lrdecay.groups import ENGINES, Group, Plan
from lrdecay.lock import Hold, holding
from lrdecay.matrix import Matrix
from lrdecay.plugins import load as load_plugins
from lrdecay.plugins import loaded as loaded_plugins
from lrdecay.run import Run
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

    `without_rate` names what is not in the comparison, since no base rate could be chosen for it.
    """

    folder: Path
    total: int
    reused: int
    completed: int
    diverged: int
    failed: int
    seconds: float
    without_rate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What a sweep asks for, as far as the runs that have ended tell.

    `runs` are in the order of the tables, and `pending` those without a result. `whole` counts all
    that there will be: cells whose base rate is still to be chosen stand in it at one of the grid.
    `rates` are those chosen so far, None where none could be.
    """

    runs: list[Run]
    pending: list[Run]
    whole: list[Run]
    rates: dict[choosing.Cell, float | None]
    added: adding.Added | None = None

    @property
    def planned(self) -> int:
        """How many runs the comparison is to have."""
        return sum(run.phase == "compare" for run in self.whole)


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
) -> Summary:
    """Train what a sweep asks for and the results folder does not have yet.

    Results go to ``results/NAME``. Interrupting loses only runs that had not ended; calling again
    goes on from there. `workers` is the number of processes (None: one per core, or one for a
    GPU; 0: this process). `engine` is auto, reference (one run at a time) or stacked (many at once,
    at most `group_size`); auto is the one that is faster for each run.

    A run that fails is tried again, at most twice, alone in a process of its own; with 0 `workers`
    it is tried once. `time_limit` is the longest, in seconds, that runs may take from the end of
    one epoch to the end of the next (None: any time); with 0 `workers` nothing limits it.

    What is probably not meant in the schedules is told to `progress`, or, if `strict`, an error.

    `plugins` are those that the sweep file may use: Python files, or modules.

    Results of another version of torch or another device are not continued, unless `allow_mixed`.

    Raises `InputError` for a sweep, plug-in, data or device that cannot be used, for a folder that
    another process writes to, and for results that would be mixed.
    """
    load_plugins(plugins)
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    if workers is not None and workers < 0:
        raise InputError(f"workers: must be at least 0, not {workers}")
    if engine not in ENGINES:
        raise InputError(f"engine: must be one of {', '.join(ENGINES)}, not {engine}")
    if group_size is not None and group_size < 1:
        raise InputError(f"group_size: must be at least 1, not {group_size}")
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit: must be more than 0 seconds, not {time_limit:g}")
    chosen = find_device(device, sweep.precision)
    dataset = sources.load(sweep.dataset, data_dir)
    matrix = sweep.matrix(dataset)
    validation = matrix.cells[0].validation
    odd = foresight.warnings(foresight.foresee(matrix.cells, dataset.train_count - validation))
    if odd and strict:
        raise InputError("\n".join(odd))
    folder = Path(results) / sweep.name
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder) as hold:
        count = default_workers(chosen) if workers is None else workers
        setup = Setup(
            dataset=sweep.dataset,
            data_dir=None if data_dir is None else str(data_dir),
            dataset_digest=dataset.digest,
            validation=validation,
            device=str(chosen),
            plugins=loaded_plugins(),
        )

        def plan(runs: Sequence[Run]) -> Plan:
            return groups.plan(runs, dataset, chosen, count, engine, group_size)

        def check(asked: Asked) -> None:
            if not allow_mixed:
                _refuse_mixture(store, asked, chosen)

        def train(groups: Sequence[Group], tell: Tell) -> None:
            executor.train(groups, setup, count, tell, time_limit)

        store = Store(folder)
        notes = [f"warning: {text}" for text in odd]
        return _run_locked(sweep, matrix, store, hold, check, plan, train, count, progress, notes)


def ask(
    sweep: Sweep,
    matrix: Matrix,
    outcomes: Callable[[Sequence[Run]], pd.DataFrame],
    done: Collection[str],
) -> Asked:
    """Return what a sweep asks for, given the outcomes of its runs.

    `done` are the ids of runs that are not to train (again); a run that is not among them has not
    ended, whatever its outcome was.
    """

    def ended(runs: Sequence[Run]) -> pd.DataFrame:
        return outcomes([run for run in runs if run.run_id in done])

    trials = matrix.trials()
    rates = choosing.choose(trials, ended(trials))
    rates_of_all = {**choosing.any_rates(matrix.cells), **rates}
    added, counts = None, None
    if sweep.adding is not None:
        added = adding.add(
            matrix.compared(rates),
            matrix.seeds,
            sweep.adding,
            sweep.comparison,
            sweep.reference,
            ended(matrix.comparison(rates)),
        )
        counts = dict.fromkeys(matrix.compared(rates_of_all), sweep.adding.min) | added.counts
    runs = [*trials, *matrix.comparison(rates, counts)]
    whole = [*trials, *matrix.comparison(rates_of_all, counts)]
    return Asked(runs, pending(runs, done), whole, rates, added)


def pending(runs: Sequence[Run], done: Collection[str]) -> list[Run]:
    """Return what is to train next: the runs whose results are not there yet, in order."""
    return [run for run in runs if run.run_id not in done]


def _refuse_mixture(store: Store, asked: Asked, device: torch.device) -> None:
    """Raise `InputError` if the comparison would have runs of several devices or torch versions."""
    waiting = {run.run_id for run in asked.pending}
    made_with = store.made_with([run for run in asked.runs if run.run_id not in waiting])
    ours = (device_name(device), torch.__version__)
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


def _run_locked(
    sweep: Sweep,
    matrix: Matrix,
    store: Store,
    hold: Hold,
    check: Callable[[Asked], None],
    plan: Callable[[Sequence[Run]], Plan],
    train: Callable[[Sequence[Group], Tell], None],
    workers: int,
    progress: Progress | None,
    notes: Sequence[str],
) -> Summary:
    started = time.monotonic()
    tried: set[str] = set()  # in this call: what failed is tried once
    outcomes: Counter[str] = Counter()
    finished: list[Record] = []
    committed = -math.inf

    def commit() -> None:
        nonlocal committed
        if finished:
            store.commit(finished)
            finished.clear()
            committed = time.monotonic()

    def on_record(record: Record) -> None:
        outcomes[str(record.run["status"])] += 1
        finished.append(record)
        # a sweep of very short runs commits them in groups
        if time.monotonic() - committed > _COMMIT_SECONDS:
            commit()
        if progress is not None:
            progress.finished(record)

    def tell(message: Message) -> None:
        match message:
            case Record():
                on_record(message)
            case EpochDone() if progress is not None:
                progress.epoch(message)
            case Note() if progress is not None:
                progress.note(message.text)
            case Training():
                hold.training(message.runs)

    def asked_now() -> Asked:
        return ask(sweep, matrix, store.outcomes, store.done() | tried)

    def write_tables() -> None:
        store.compact(asked.runs, sweep.text, sweep.target, asked.planned)

    asked = asked_now()
    check(asked)
    planned = plan(asked.pending)
    # at once, so that a reader of an unfinished sweep knows what is still to come
    write_tables()
    if progress is not None:
        reused = len(asked.runs) - len(asked.pending)
        progress.start(asked.whole, reused, min(workers, len(planned.groups)))
    if apart := store.apart(asked.whole):
        kept = (
            "run that this sweep does not ask for is"
            if apart == 1
            else ("runs that this sweep does not ask for are")
        )
        tell(Note(f"{apart} {kept} kept in {store.folder / 'earlier'}"))
    for text in notes:
        tell(Note(text))
    announced: set[str] = set()
    while True:
        lines = choosing.announcements(matrix.cells, asked.rates)
        if sweep.adding is not None and asked.added is not None:
            lines += adding.announcements(asked.added, sweep.adding)
        lines += planned.notes
        for text in dict.fromkeys(lines):
            if text not in announced:
                tell(Note(text))
        announced.update(lines)
        if not planned.groups:
            break
        try:
            train(planned.groups, tell)
            tried.update(run.run_id for run in asked.pending)
        finally:
            with signals.held():
                try:
                    commit()
                finally:
                    asked = asked_now()
                    write_tables()
        check(asked)
        planned = plan(asked.pending)
        if progress is not None and asked.pending and sweep.adding is not None:
            progress.grow(asked.whole)
    return Summary(
        folder=store.folder,
        total=len(asked.runs),
        reused=len(asked.runs) - outcomes.total(),
        completed=outcomes["completed"],
        diverged=outcomes["diverged"],
        failed=outcomes["failed"],
        seconds=time.monotonic() - started,
        without_rate=choosing.without_rate(matrix.cells, asked.rates),
    )
