"""Where runs train: in this process, or in one process per core with one thread each.

A run ends as completed or diverged, or has failed: an error ended it, or its process. One that
failed is tried again alone in a fresh process, at most twice, before it is recorded. A run that was
interrupted, since its process or the sweep was ended, is not recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

import torch

from lrdecay import signals
from lrdecay.engine import record, stacked
from lrdecay.errors import WorkerError
from lrdecay.groups import Group
from lrdecay.precision import training_settings
from lrdecay.process import LOOK_SECONDS, Clock, Inbox, Worker
from lrdecay.run import Run
from lrdecay.tables import Record
from lrdecay.worker import Message, Note, Ready, Setup, Tell, Trainer, Training

_TRIES = 3


def train(
    groups: Sequence[Group],
    setup: Setup,
    workers: int,
    tell: Tell,
    time_limit: float | None = None,
) -> None:
    """Train every group; `tell` is called in this thread as epochs and runs finish, in any order.

    `workers` processes train at once; 0 trains in this process, which is for debugging: a run is
    tried once then, and without a limit. `time_limit` is the longest that a group may take from one
    finished epoch to the next, in seconds.

    Raises `WorkerError` where no process can train, and `KeyboardInterrupt` once the workers have
    ended and those runs that they had finished are told.
    """
    if workers == 0:
        _train_here(groups, setup, tell)
    else:
        with signals.held():
            _Pool(groups, setup, workers, tell, time_limit).train()


def _train_here(groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
    with training_settings():
        trainer = Trainer(setup)
        for group in groups:
            trainer.train(group, tell)


class _Pool:
    """The processes that train now, and what is still to be trained."""

    def __init__(
        self,
        groups: Sequence[Group],
        setup: Setup,
        workers: int,
        tell: Tell,
        time_limit: float | None,
    ) -> None:
        self._waiting = list(reversed(groups))
        self._again: list[Group] = []  # runs that failed; each needs a fresh process
        self._tries: Counter[str] = Counter()
        self._setup = setup
        self._size = workers
        self._tell = tell
        self._time_limit = time_limit
        self._workers: list[Worker] = []
        self._lost_starts = 0
        self._clock = Clock()
        self._inbox: Inbox = SimpleQueue()

    def train(self) -> None:
        told: tuple[str, ...] = ()
        try:
            while self._fill():
                training = tuple(run.run_id for worker in self._workers for run in worker.runs)
                if training != told:
                    self._tell(Training(told := training))
                self._look()
        except (KeyboardInterrupt, WorkerError):
            self._end()
            self._take_finished()
            raise
        finally:
            self._end()

    def _fill(self) -> bool:
        """Start processes as long as there is work and room for them; say whether any is there."""
        while len(self._workers) < self._size and (queue := self._waiting or self._again):
            worker = Worker.start(self._setup, queue.pop(), self._clock, self._inbox)
            self._workers.append(worker)
        return bool(self._workers)

    def _look(self) -> None:
        """Wait a moment for a message and follow it; end who is overdue."""
        signals.check()
        with suppress(Empty):
            worker, message = self._inbox.get(timeout=LOOK_SECONDS)
            if worker in self._workers:
                self._follow(worker, message)
        self._clock.tick()
        for worker in self._workers:
            if not worker.cause and (cause := worker.overdue(self._time_limit)):
                worker.cause = cause
                worker.end()
                self._inbox.put((worker, None))  # should its pipe have outlived it

    def _follow(self, worker: Worker, message: Ready | Message | None) -> None:
        match message:
            case Ready(error=None):
                worker.ready = True
                self._lost_starts = 0
            case Ready(error=error):
                raise WorkerError(f"a worker process cannot train: {error}")
            case Record() as done:
                run = worker.finished(done)
                if done.run["status"] == "failed":
                    self._failed(run, str(done.run["error"]), worker.engine)
                else:
                    self._tell(done)
                if not worker.runs:
                    self._free(worker)
            case None:
                self._ended(worker)
            case _:
                self._tell(message)

    def _free(self, worker: Worker) -> None:
        if self._waiting:
            worker.take(self._waiting.pop())
        else:
            self._workers.remove(worker)
            worker.end()

    def _ended(self, worker: Worker) -> None:
        """Let another process train what one that ended has not: a group's runs in halves, so that
        one run that kills, or a memory too small for all, costs no other run its result. A run that
        was alone has failed.

        Raises `WorkerError` if none could begin: then no other process would fare better.
        """
        self._workers.remove(worker)
        status = worker.end()
        cause = worker.cause or f"the worker process died (exit status {status})"
        runs, engine = worker.runs, worker.engine
        if not worker.ready:
            self._lost_starts += 1
            if self._lost_starts == _TRIES:
                raise WorkerError(
                    f"a worker process ended before it could train (exit status {status})"
                )
            self._tell(Note(f"{cause} while it started; another one starts"))
            queue = self._again if self._tries[runs[0].run_id] else self._waiting
            queue.append(Group(engine, tuple(runs)))
        elif engine == stacked.NAME and len(runs) > 1:
            half = (len(runs) + 1) // 2
            self._tell(
                Note(f"{cause} with {len(runs)} runs at once; they start anew, {half} at once")
            )
            self._waiting += [Group(engine, tuple(part)) for part in (runs[half:], runs[:half])]
        else:
            self._failed(runs[0], cause, engine)
            if runs[1:]:
                self._waiting.append(Group(engine, tuple(runs[1:])))

    def _failed(self, run: Run, error: str, engine: str) -> None:
        """Have a run tried again, or record that it failed."""
        self._tries[run.run_id] += 1
        tries = self._tries[run.run_id]
        if tries == _TRIES:
            error = f"{error} (tried {tries} times)"
            self._tell(record.failed(run, error, engine, torch.device(self._setup.device)))
            return
        name = f"{run.scheduler}, dropout {run.dropout:g}, seed {run.seed}"
        first_line = error.partition("\n")[0]
        self._tell(Note(f"{name}: {first_line}; trying again, alone ({tries + 1} of {_TRIES})"))
        self._again.insert(0, Group(engine, (run,)))

    def _end(self) -> None:
        while self._workers:
            self._workers.pop().end()

    def _take_finished(self) -> None:
        """Tell of the runs that had finished before their processes were ended."""
        with suppress(Empty):
            while True:
                _, message = self._inbox.get_nowait()
                if isinstance(message, Record) and message.run["status"] != "failed":
                    self._tell(message)
