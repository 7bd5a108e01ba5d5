"""Many workers at once: groups of runs in, finished runs out, whatever happens to a worker.

A worker trains one group at a time; it is a process on this machine (`local`) or an actor of a Ray
cluster (`ray`). A run ends as completed or diverged, or has failed: an error ended it, or its
worker. One that failed is tried again alone in a fresh worker, at most twice, before it is
recorded. A run that was interrupted, since its worker or the sweep was ended, is not recorded.

A worker that cannot train, such as one that finds other data than the sweep began with, ends none
that can: no more are started, and these train all that is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

import torch

from lrdecay.core import signals
from lrdecay.core.errors import WorkerError
from lrdecay.core.run import Run
from lrdecay.core.text import format_dropout, join_filled, spell_count
from lrdecay.engine import record
from lrdecay.engine.stacked.train import NAME
from lrdecay.execution.grouping import Group
from lrdecay.execution.messages import Beat, Lost, Message, Note, Ready, Tell, Training
from lrdecay.execution.worker_handle import LOOK_SECONDS, Clock, Inbox, Start, Worker
from lrdecay.store.schema import Record

_TRIES = 3
_GPUS_FAILED = 3  # under runs alone, and none finished between: no other run would do better
_PLACES_LOST = 10  # that the machine under a run may go, before the run is suspected


class Pool:
    """The workers that train now, and what is still to be trained."""

    def __init__(
        self,
        groups: Sequence[Group],
        start: Start,
        room: Callable[[], int],
        device: str,
        tell: Tell,
        time_limit: float | None,
    ) -> None:
        """`start` begins a worker, and `room` says how many there may be at the moment; `device` is
        where they train, and `time_limit` in seconds from one epoch's end to the next."""
        self._waiting = list(reversed(groups))
        self._again: list[Group] = []  # runs that failed; each needs a fresh worker
        self._tries: Counter[str] = Counter()
        self._places_lost: Counter[str] = Counter()
        self._start = start
        self._room = room
        self._device = torch.device(device)
        self._tell = tell
        self._time_limit = time_limit
        self._workers: list[Worker] = []
        self._lost_starts = 0
        self._failed_alone: set[str] = set()  # since a run finished, as their GPU failed
        self._refusal = ""  # why a worker could not train: no other would do better
        self._refusal_told = False
        self._clock = Clock()
        self._inbox: Inbox = SimpleQueue()

    def train(self) -> None:
        """Train every group.

        Raises `WorkerError` where no worker can train, and `KeyboardInterrupt` once the workers
        have ended and those runs that they had finished are told.
        """
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
        """Start workers as long as there is work and room for them; say whether work is left.

        Raises `WorkerError` if there is, and no worker can train it.
        """
        idle = len(self._waiting) + len(self._again)
        starting = sum(not worker.ready for worker in self._workers)
        if self._refusal and idle and not self._workers:
            left = sum(len(group.runs) for group in (*self._waiting, *self._again))
            missing = f"no worker is left for {spell_count(left, 'run')}"
            raise WorkerError(missing if self._refusal_told else self._refusal)
        while not self._refusal and starting < idle and len(self._workers) < self._room():
            if self._workers and self._lost_starts >= _TRIES:
                break  # one more would do no better than the last ones did
            self._workers.append(self._start(self._clock, self._inbox))
            starting += 1
        return idle > 0 or any(worker.runs for worker in self._workers)

    def _look(self) -> None:
        """Wait a moment for a message and follow it; end who is overdue."""
        signals.check_signals()
        try:
            worker, message = self._inbox.get(timeout=LOOK_SECONDS)
        except Empty:
            self._tell(Beat())  # time passes: something may be due
        else:
            if worker in self._workers:
                self._follow(worker, message)
        self._clock.tick()
        for worker in self._workers:
            if not worker.cause and (cause := worker.overdue(self._time_limit)):
                worker.cause = cause
                worker.end()
                self._inbox.put((worker, None))  # should what it was heard through outlive it

    def _follow(self, worker: Worker, message: Ready | Lost | Message | None) -> None:
        match message:
            case Ready(error=None):
                worker.ready = True
                self._lost_starts = 0
                self._tell_refusal()
                self._employ(worker, self._waiting or self._again)
            case Ready(error=error):
                self._refused(worker, f"a {worker.kind} cannot train: {error}")
            case Record() as done:
                run = worker.finished(done)
                self._failed_alone.clear()
                if done.run["status"] == "failed" and not done.is_final:
                    self._failed(run, str(done.run["error"]), worker.engine)
                else:
                    self._tell(done)
                if not worker.runs:
                    # no fresh worker can be had for what failed once another could not train
                    last = self._again if self._refusal else []
                    self._employ(worker, self._waiting or last)
            case Lost(error=error):
                worker.cause = f"the {worker.kind}'s GPU failed ({error})"
                self._count_failure(worker)
                self._ended(worker)
            case None:
                self._ended(worker)
            case _:
                self._tell(message)

    def _refused(self, worker: Worker, reason: str) -> None:
        """Go on without a worker that cannot train."""
        self._workers.remove(worker)
        worker.end()
        self._refusal = self._refusal or reason
        self._tell_refusal()

    def _tell_refusal(self) -> None:
        """Say once that a worker could not train, if others can; else it is the pool's error."""
        at_work = any(worker.ready for worker in self._workers)
        if self._refusal and at_work and not self._refusal_told:
            self._refusal_told = True
            self._tell(Note(f"{self._refusal}. The others go on, and no more are started"))

    def _employ(self, worker: Worker, queue: list[Group]) -> None:
        if queue:
            worker.take(queue.pop())
        else:
            self._workers.remove(worker)
            worker.end()

    def _ended(self, worker: Worker) -> None:
        """Let another worker train what one that ended has not: a group's runs in halves, so that
        one run that kills, or a memory too small for all, costs no other run its result. A run that
        was alone has failed, unless the machine under it went.

        Raises `WorkerError` if none could begin: then no other worker would do better.
        """
        self._workers.remove(worker)
        status = worker.end()
        cause = worker.cause or f"the {worker.kind} died ({status})"
        runs, engine = worker.runs, worker.engine
        if not worker.ready:
            at_work = any(other.ready for other in self._workers)
            if worker.cause and at_work:
                return  # there was no room for it
            self._lost_starts += 1
            if self._lost_starts >= _TRIES and not at_work:
                raise WorkerError(f"a {worker.kind} ended before it could train ({status})")
            then = "another one starts" if self._lost_starts < _TRIES else "the others go on"
            self._tell(Note(f"{cause} while it started; {then}"))
        elif not runs:
            pass
        elif worker.place_lost and self._may_move(runs):
            self._tell(
                Note(f"{cause}; {spell_count(len(runs), 'run')} of it start again elsewhere")
            )
            self._waiting.append(Group(engine, tuple(runs)))
        elif engine == NAME and len(runs) > 1:
            half = (len(runs) + 1) // 2
            self._tell(
                Note(f"{cause} with {len(runs)} runs at once; they start again, {half} at once")
            )
            self._waiting += [Group(engine, tuple(part)) for part in (runs[half:], runs[:half])]
        else:
            self._failed(runs[0], cause, engine)
            if runs[1:]:
                self._waiting.append(Group(engine, tuple(runs[1:])))

    def _count_failure(self, worker: Worker) -> None:
        """Raise `WorkerError` where GPUs fail whatever they train."""
        alone = worker.engine != NAME or len(worker.runs) == 1
        self._failed_alone.update(run.run_id for run in worker.runs[:alone])
        if len(self._failed_alone) >= _GPUS_FAILED:
            raise WorkerError(
                f"{worker.cause}, as with {spell_count(len(self._failed_alone) - 1, 'other run')} "
                f"before and none finished between; `nvidia-smi` shows whether it works"
            )

    def _may_move(self, runs: Sequence[Run]) -> bool:
        self._places_lost.update(run.run_id for run in runs)
        return all(self._places_lost[run.run_id] <= _PLACES_LOST for run in runs)

    def _failed(self, run: Run, error: str, engine: str) -> None:
        """Have a run tried again, or record that it failed."""
        self._tries[run.run_id] += 1
        tries = self._tries[run.run_id]
        if tries == _TRIES:
            error += f" (tried {tries} times)"
            self._tell(record.record_failed(run, error, engine, self._device))
            return
        name = join_filled(run.scheduler, format_dropout(run.dropout), f"seed {run.seed}")
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
