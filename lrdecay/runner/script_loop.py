"""Trials one after the other, for a loop of the user's own in a script or a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from lrdecay.components import plugins as own_plugins
from lrdecay.components.trainers.signature import COMMAND
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.core.sanitize import sanitize_line
from lrdecay.engine.devices import describe_device, find_device
from lrdecay.execution.messages import Message, Note, Tell
from lrdecay.execution.own import Trial, TrialError
from lrdecay.execution.own.generators import keep_generators
from lrdecay.runner.agenda import Agenda, AgendaSource
from lrdecay.runner.first_plan import propose_first_plan, settle_first_plan
from lrdecay.runner.loop_check import LoopCheck
from lrdecay.runner.mixtures import refuse_mixture
from lrdecay.runner.run_names import describe_failure
from lrdecay.runner.workload import find_terms, lint_own_schedules
from lrdecay.store.lock import hold_folder
from lrdecay.store.schema import Record
from lrdecay.store.writer import Store
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import Matrix
from lrdecay.sweep.own_matrix import expand_own_matrix
from lrdecay.sweep.reading import load_sweep

_open: WeakValueDictionary[Path, Generator[Trial]] = WeakValueDictionary()
"""By folder, the trials that this process was asked for last. A notebook keeps what an error has
left half done; it is ended when the trials of that folder are asked for anew."""


def trials(
    sweep: Sweep | str | Path,
    results: str | Path = "results",
    device: str = "auto",
    plugins: Sequence[str | Path] = (),
    allow_mixed: bool = False,
) -> Iterator[Trial]:
    """Yield a trial of each run of a sweep that has no result yet, for a loop of your own.

    >>> for trial in trials("sweep.yaml"):  # doctest: +SKIP
    ...     train(trial)

    A trial is committed, whole, when the next one is asked for. A loop that ends before, by `break`
    or by an error, has its trial committed if all epochs were logged; else that run comes first
    next time. `with trial:` around its body records an error as the failure of that run, and goes
    on. What fails is told on stderr. Each trial begins with `seed_everything`; random, numpy and
    torch are afterwards as they were. While trials are asked for, no other process can write to the
    folder.

    Args:
        sweep: a sweep with a `trainer`, or the path or name of its file.
        results: results go to the folder ``results/NAME``.
        device: auto, cpu or cuda; it is `trial.device`.
        plugins: those that the sweep file may use: Python files, or modules.
        allow_mixed: go on with results of another version of torch or another device.

    Raises:
        InputError: a sweep, plug-in or device that cannot be used; as the first trial is asked for,
            a folder that another process writes to, and results that would be mixed.
    """
    own_plugins.load_plugins(plugins)
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    if sweep.trainer is None:
        raise InputError(
            f"{sweep.name}: lrdecay's own loop trains this sweep, for it has a dataset; trials are "
            f"of a sweep file that gives trainer in its place, such as trainer: script"
        )
    if sweep.trainer.name == COMMAND:
        raise InputError(
            f"{sweep.name}: a program trains this sweep, for trainer is command: use `lrdecay "
            f"sweep --command`, or trainer: script"
        )
    chosen = find_device(device)
    matrix = expand_own_matrix(sweep)
    script = _Script(sweep, matrix, lint_own_schedules(sweep, matrix), chosen, allow_mixed)
    return script.iterate(Path(results) / sweep.name)


@dataclass(frozen=True)
class _Script:
    """A sweep whose runs a script trains."""

    sweep: Sweep
    matrix: Matrix
    warnings: Sequence[str]
    device: torch.device
    allow_mixed: bool

    def iterate(self, folder: Path) -> Iterator[Trial]:
        """Yield the trials of the runs that a results folder lacks."""
        found = self._iterate(folder)
        if (left := _open.get(folder.absolute())) is not None:
            left.close()
        _open[folder.absolute()] = found
        return found

    def _iterate(self, folder: Path) -> Generator[Trial]:
        folder.mkdir(parents=True, exist_ok=True)
        terms = find_terms(self.sweep)
        with hold_folder(folder):
            tables, tell = _Tables(self, Store(folder)), _Lines().tell
            make_trial = partial(Trial, device=self.device, tell=tell, terms=terms)
            try:
                yield from iterate_trials(tables.store, tables.find_pending, make_trial, tell)
            finally:
                tables.write()


class _Lines:
    """Lines on stderr: the trials that failed, and what a user should know of the others."""

    def __init__(self) -> None:
        self._check = LoopCheck()
        self._told: set[str] = set()

    def tell(self, message: Message) -> None:
        """Print what a message says, if anything."""
        match message:
            case Record():
                if message.run["status"] == "failed":
                    _print_line(describe_failure(message.run))
                for text in self._check.add(message):
                    _print_line(text)
            case Note(once=True) if message.text in self._told:
                pass
            case Note():
                self._told.add(message.text)
                _print_line(message.text)


def _print_line(text: str) -> None:
    print(sanitize_line(text), file=sys.stderr)


class _Tables:
    """The tables of a script's sweep, as its runs end."""

    def __init__(self, script: _Script, store: Store) -> None:
        self.store = store
        self._script = script
        self._first_plan = settle_first_plan(store, propose_first_plan(script.sweep, script.matrix))
        self._source = AgendaSource(script.sweep, script.matrix, self._first_plan)
        self._agenda: Agenda | None = None

    def find_pending(self, failed: set[str]) -> Sequence[Run]:
        """Return the runs to train, but for those that have failed."""
        before = self._agenda
        self._agenda = self._source.build(self.store.outcomes, self.store.done() | failed)
        if before is None:
            if not self._script.allow_mixed:
                ours = describe_device(self._script.device)
                refuse_mixture(self.store, self._agenda, ours)
            self.write()
        return self._agenda.pending

    def write(self) -> None:
        """Write what has ended into the tables, so that a reader knows what is still to come."""
        agenda, sweep = self._agenda, self._script.sweep
        if agenda is not None:
            about = self._script.warnings, None, self._first_plan
            self.store.compact(agenda.runs, sweep.text, sweep.target, agenda.planned, *about)


def iterate_trials(
    store: Store,
    find_pending: Callable[[set[str]], Sequence[Run]],
    make_trial: Callable[[Run], Trial] = Trial,
    tell: Tell = lambda message: None,
) -> Iterator[Trial]:
    """Yield a trial of each run that has no result yet; it is committed when the next one is asked
    for, or left out where it is not whole.

    Args:
        store: takes the results; the caller holds the folder.
        find_pending: returns the runs to train, in order, given what the store has by then, and the
            ids of those that have failed since.
        make_trial: makes the trial of a run.
        tell: is told of each trial that is committed.
    """

    def commit(record: Record) -> None:
        store.commit([record])
        tell(record)

    failed: set[str] = set()
    while pending := find_pending(failed):
        trial = make_trial(pending[0])
        with keep_generators():
            trial.seed_everything()
            try:
                yield trial
            except GeneratorExit:
                with suppress(TrialError):  # it has not come to its end: no result
                    commit(trial.record or trial.finish())
                raise
        record = end_trial(trial)
        commit(record)
        if record.run["status"] == "failed":
            failed.add(trial.run_id)


def end_trial(trial: Trial) -> Record:
    """Return the outcome of a trial whose loop has ended; a mistake in the loop is its failure."""
    if trial.record is not None:
        return trial.record
    try:
        return trial.finish()
    except TrialError as error:
        return trial.fail(f"TrialError: {error}")
