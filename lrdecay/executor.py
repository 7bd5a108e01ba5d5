"""Where runs train: in this process, or in one process per core with one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import torch

from lrdecay.engine import record, reference
from lrdecay.errors import WorkerError
from lrdecay.run import Run
from lrdecay.tables import Record
from lrdecay.worker import EpochDone, Ready, Setup, Trainer, epoch_done, training_settings

_HOME = Path(__file__).resolve().parent.parent

OnEpoch = Callable[[EpochDone], None]
OnRecord = Callable[[Record], None]


def train(
    runs: Sequence[Run], setup: Setup, workers: int, on_epoch: OnEpoch, on_record: OnRecord
) -> None:
    """Train every run, calling back in this thread as epochs and runs finish, in any order.

    `workers` processes train at once; 0 trains in this process, which is for debugging.
    """
    if workers == 0:
        _train_here(runs, setup, on_epoch, on_record)
    else:
        _train_in_processes(runs, setup, min(workers, len(runs)), on_epoch, on_record)


def default_workers(device: torch.device) -> int:
    """Return one worker per core that this process may use; one for a GPU."""
    if device.type == "cuda":
        return 1
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def _train_here(runs: Sequence[Run], setup: Setup, on_epoch: OnEpoch, on_record: OnRecord) -> None:
    with training_settings():
        trainer = Trainer(setup)
        for run in runs:
            on_record(trainer.train(run, lambda *done: on_epoch(epoch_done(*done))))


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    run: Run
    ready: bool = False

    @classmethod
    def start(cls, setup: Setup, run: Run) -> _Worker:
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
            env=os.environ
            | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            | {"PYTHONPATH": os.pathsep.join(paths)},
            process_group=0,
        )
        theirs.close()
        worker = cls(process, ours, run)
        worker._send(setup)
        worker._send(run)
        return worker

    def take(self, run: Run) -> None:
        self.run = run
        self._send(run)

    def receive(self) -> Ready | EpochDone | Record | None:
        """Return the next message; None when the process is gone."""
        try:
            message: Ready | EpochDone | Record = self.connection.recv()
            return message
        except (EOFError, OSError):
            return None

    def stop(self) -> int:
        """End the process, which has nothing to lose, and return its exit status."""
        self.connection.close()
        self.process.kill()  # a stopped process would not hear a gentler signal
        return self.process.wait()

    def _send(self, message: object) -> None:
        with suppress(OSError):  # of a process that is gone `receive` tells
            self.connection.send(message)


def _train_in_processes(
    runs: Sequence[Run], setup: Setup, workers: int, on_epoch: OnEpoch, on_record: OnRecord
) -> None:
    waiting = list(reversed(runs))
    pool: dict[Any, _Worker] = {}

    def start() -> None:
        worker = _Worker.start(setup, waiting.pop())
        pool[worker.connection] = worker

    try:
        for _ in range(workers):
            start()
        while pool:
            for connection in wait(list(pool)):
                worker = pool[connection]
                match worker.receive():
                    case Ready(error=None):
                        worker.ready = True
                    case Ready(error=error):
                        raise WorkerError(f"a worker process cannot train: {error}")
                    case EpochDone() as done:
                        on_epoch(done)
                    case Record() as finished:
                        on_record(finished)
                        if waiting:
                            worker.take(waiting.pop())
                        else:
                            pool.pop(connection).stop()
                    case None:
                        on_record(_died(pool.pop(connection), setup))
                        if waiting:
                            start()
    finally:
        for worker in pool.values():
            worker.stop()


def _died(worker: _Worker, setup: Setup) -> Record:
    """Return the failed record of the run that a worker had when it died.

    Raises `WorkerError` if it had not begun: then no other process would fare better.
    """
    status = worker.stop()
    if not worker.ready:
        raise WorkerError(f"a worker process ended before it could train (exit status {status})")
    cause = f"the worker process died (exit status {status})"
    return record.failed(worker.run, cause, reference.NAME, torch.device(setup.device))
