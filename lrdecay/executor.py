"""Where runs train: in this process, or in one process per core with one thread each.

A run ends as completed or diverged, or has failed: an error ended it, or its process. One that
failed is tried again alone in a fresh process, at most twice, before it is recorded. A run that was
interrupted, since its process or the sweep was ended, is not recorded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import torch

from lrdecay import signals
from lrdecay.engine import record, stacked
from lrdecay.errors import WorkerError
from lrdecay.groups import Group
from lrdecay.precision import training_settings
from lrdecay.run import Run
from lrdecay.tables import Record
from lrdecay.worker import Beat, Message, Note, Ready, Setup, Tell, Trainer, Training

_HOME = Path(__file__).resolve().parent.parent

SILENCE_SECONDS = 120.0
"""So long a process may say nothing, not even that it is at work, before it is ended."""

_START_SECONDS = 600.0  # the same while it starts: a slow disk has torch to read, and the data
_LOOK_SECONDS = 0.25
_PIPE_SECONDS = 5.0  # a process's own child may hold its pipe open
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


def default_workers(device: torch.device) -> int:
    """Return one worker per core that this process may use; one for a GPU."""
    if device.type == "cuda":
        return 1
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def environment() -> dict[str, str]:
    """Return the environment variables of a training process: one thread, and memory that is kept.

    By default glibc gives the memory of each step back to the system and takes it again with a page
    fault for every 4 KiB, which costs a fifth of the time on small images.
    """
    tunables = {
        "mmap_threshold": 2**32,
        "trim_threshold": 2**32,
        "top_pad": 2**26,
        "hugetlb": 1,
    }
    ours = [f"glibc.malloc.{name}={value}" for name, value in tunables.items()]
    theirs = os.environ.get("GLIBC_TUNABLES")
    return {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GLIBC_TUNABLES": ":".join([*ours, *filter(None, [theirs])]),
    }


def _train_here(groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
    with training_settings():
        trainer = Trainer(setup)
        for group in groups:
            trainer.train(group, tell)


class _Clock:
    """Seconds that this process has been at work: none pass while it is stopped or the computer
    sleeps, so that nobody is blamed for a silence that nobody could have heard end."""

    def __init__(self) -> None:
        self.now = 0.0
        self._seen = time.monotonic()

    def tick(self) -> None:
        seen = time.monotonic()
        self.now += min(seen - self._seen, 4 * _LOOK_SECONDS)
        self._seen = seen


class _Worker:
    """A process that trains, and a thread that hears what it says.

    The thread puts it into an inbox, with None after the last; a message of which only a part ever
    comes then holds up nobody else.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        connection: Connection[Any, Any],
        clock: _Clock,
        inbox: _Inbox,
    ) -> None:
        self.process = process
        self.engine = ""
        self.runs: list[Run] = []
        """Those it has not finished."""
        self.ready = False
        self.cause = ""
        """Why it was ended; empty if it ended by itself."""
        self._connection = connection
        self._clock = clock
        self._inbox = inbox
        self._heard = self._moved = clock.now
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @classmethod
    def start(cls, setup: Setup, group: Group, clock: _Clock, inbox: _Inbox) -> _Worker:
        ours, theirs = Pipe()
        # A process of our own making rather than multiprocessing's: it does not import the
        # caller's script again, and a Ctrl-C in the terminal reaches the coordinator alone.
        # -P: files in the current folder do not hide modules; lrdecay itself is found all the same.
        code = f"from lrdecay import worker; worker.main({theirs.fileno()})"
        paths = [str(_HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | environment() | {"PYTHONPATH": os.pathsep.join(paths)},
            process_group=0,
        )
        signals.children.add(process)
        theirs.close()
        worker = cls(process, ours, clock, inbox)
        worker._send(setup)
        worker.take(group)
        return worker

    def take(self, group: Group) -> None:
        self.engine, self.runs = group.engine, list(group.runs)
        self._moved = self._clock.now
        self._send(group)

    def finished(self, done: Record) -> Run:
        """Strike a run off those to be trained, and return it."""
        (run,) = (run for run in self.runs if run.run_id == done.run["run_id"])
        self.runs.remove(run)
        return run

    def overdue(self, time_limit: float | None) -> str:
        """Return why it is to be ended, if it is: for too long it told of nothing."""
        now = self._clock.now
        silence = SILENCE_SECONDS if self.ready else _START_SECONDS
        if now - self._heard > silence:
            return f"the worker process said nothing for {silence:g} s and was ended"
        if self.ready and time_limit is not None and now - self._moved > time_limit:
            return f"no epoch was finished within {time_limit:g} s (--time-limit)"
        return ""

    def end(self) -> int:
        """End the process, which has nothing to lose, and return its exit status.

        All that it has said is in the inbox then.
        """
        self.process.kill()  # a stopped process would not hear a gentler signal
        status = self.process.wait()
        self._listener.join(_PIPE_SECONDS)
        if not self._listener.is_alive():
            self._connection.close()
        signals.children.discard(self.process)
        return status

    def _listen(self) -> None:
        with suppress(EOFError, OSError):  # the process is gone
            while True:
                message = self._connection.recv()
                self._heard = self._clock.now
                if not isinstance(message, Beat):
                    self._moved = self._heard
                    self._inbox.put((self, message))
        self._inbox.put((self, None))

    def _send(self, message: object) -> None:
        with suppress(OSError):  # that a process is gone, its listener tells
            self._connection.send(message)


_Inbox = SimpleQueue[tuple[_Worker, Ready | Message | None]]


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
        self._workers: list[_Worker] = []
        self._lost_starts = 0
        self._clock = _Clock()
        self._inbox: _Inbox = SimpleQueue()

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
            worker = _Worker.start(self._setup, queue.pop(), self._clock, self._inbox)
            self._workers.append(worker)
        return bool(self._workers)

    def _look(self) -> None:
        """Wait a moment for a message and follow it; end who is overdue."""
        signals.check()
        with suppress(Empty):
            worker, message = self._inbox.get(timeout=_LOOK_SECONDS)
            if worker in self._workers:
                self._follow(worker, message)
        self._clock.tick()
        for worker in self._workers:
            if not worker.cause and (cause := worker.overdue(self._time_limit)):
                worker.cause = cause
                worker.end()
                self._inbox.put((worker, None))  # should its pipe have outlived it

    def _follow(self, worker: _Worker, message: Ready | Message | None) -> None:
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

    def _free(self, worker: _Worker) -> None:
        if self._waiting:
            worker.take(self._waiting.pop())
        else:
            self._workers.remove(worker)
            worker.end()

    def _ended(self, worker: _Worker) -> None:
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
