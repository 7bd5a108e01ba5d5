"""Where runs train: in this process, or in one process per core with one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import torch

from lrdecay.engine import record, reference
from lrdecay.sweep import Run
from lrdecay.tables import Record
from lrdecay.worker import EpochDone, Setup, Trainer, epoch_done

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


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block torch computes in one thread, as the workers do: so bits are equal."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train_here(runs: Sequence[Run], setup: Setup, on_epoch: OnEpoch, on_record: OnRecord) -> None:
    with one_thread():
        trainer = Trainer(setup)
        for run in runs:
            on_record(trainer.train(run, lambda *done: on_epoch(epoch_done(*done))))


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    run: Run | None = None

    @classmethod
    def start(cls, setup: Setup) -> _Worker:
        ours, theirs = Pipe()
        # A process of our own making rather than multiprocessing's: it does not import the
        # caller's script again, and a Ctrl-C in the terminal reaches the coordinator alone.
        process = subprocess.Popen(
            [sys.executable, "-c", f"from lrdecay import worker; worker.main({theirs.fileno()})"],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            process_group=0,
        )
        theirs.close()
        ours.send(setup)
        return cls(process, ours)

    def take(self, run: Run) -> None:
        self.run = run
        self.connection.send(run)

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait()


def _train_in_processes(
    runs: Sequence[Run], setup: Setup, workers: int, on_epoch: OnEpoch, on_record: OnRecord
) -> None:
    waiting = list(reversed(runs))
    pool: dict[Any, _Worker] = {}

    def start() -> None:
        worker = _Worker.start(setup)
        pool[worker.connection] = worker
        worker.take(waiting.pop())

    try:
        for _ in range(workers):
            start()
        while pool:
            for connection in wait(list(pool)):
                worker = pool[connection]
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    del pool[connection]
                    on_record(_died(worker, setup))
                    if waiting:
                        start()
                    continue
                if isinstance(message, EpochDone):
                    on_epoch(message)
                    continue
                on_record(message)
                if waiting:
                    worker.take(waiting.pop())
                else:
                    del pool[connection]
                    worker.stop()
    finally:
        for worker in pool.values():
            worker.stop()


def _died(worker: _Worker, setup: Setup) -> Record:
    """Return the failed record of the run that a worker had when it died."""
    worker.stop()
    assert worker.run is not None
    cause = f"the worker process died (exit status {worker.process.returncode})"
    return record.failed(worker.run, cause, reference.NAME, torch.device(setup.device))
