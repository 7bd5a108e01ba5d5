"""Where runs train: in this process, or in one process per core with one thread each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import torch

from lrdecay.engine import record, stacked
from lrdecay.errors import WorkerError
from lrdecay.groups import Group
from lrdecay.precision import training_settings
from lrdecay.run import Run
from lrdecay.tables import Record
from lrdecay.worker import Message, Note, Ready, Setup, Tell, Trainer

_HOME = Path(__file__).resolve().parent.parent


def train(groups: Sequence[Group], setup: Setup, workers: int, tell: Tell) -> None:
    """Train every group; `tell` is called in this thread as epochs and runs finish, in any order.

    `workers` processes train at once; 0 trains in this process, which is for debugging.
    """
    if workers == 0:
        _train_here(groups, setup, tell)
    else:
        _train_in_processes(groups, setup, min(workers, len(groups)), tell)


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


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    engine: str = ""
    runs: list[Run] = field(default_factory=list)
    """Those it has not finished."""
    ready: bool = False

    @classmethod
    def start(cls, setup: Setup, group: Group) -> _Worker:
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
        theirs.close()
        worker = cls(process, ours)
        worker._send(setup)
        worker.take(group)
        return worker

    def take(self, group: Group) -> None:
        self.engine, self.runs = group.engine, list(group.runs)
        self._send(group)

    def receive(self) -> Ready | Message | None:
        """Return the next message; None when the process is gone."""
        try:
            message: Ready | Message = self.connection.recv()
            return message
        except (EOFError, OSError):
            return None

    def finished(self, done: Record) -> None:
        self.runs = [run for run in self.runs if run.run_id != done.run["run_id"]]

    def stop(self) -> int:
        """End the process, which has nothing to lose, and return its exit status."""
        self.connection.close()
        self.process.kill()  # a stopped process would not hear a gentler signal
        return self.process.wait()

    def _send(self, message: object) -> None:
        with suppress(OSError):  # of a process that is gone `receive` tells
            self.connection.send(message)


def _train_in_processes(groups: Sequence[Group], setup: Setup, workers: int, tell: Tell) -> None:
    waiting = list(reversed(groups))
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
                    case Record() as done:
                        tell(done)
                        worker.finished(done)
                        if worker.runs:
                            continue
                        if waiting:
                            worker.take(waiting.pop())
                        else:
                            pool.pop(connection).stop()
                    case None:
                        waiting.extend(_after_death(pool.pop(connection), setup, tell))
                        if waiting:
                            start()
                    case message:
                        tell(message)
    finally:
        for worker in pool.values():
            worker.stop()


def _after_death(worker: _Worker, setup: Setup, tell: Tell) -> list[Group]:
    """Return what is to be trained again of a worker that died: a group's runs in halves, so that
    one run that kills, or a memory too small for all, costs no other run its result. A run that was
    alone has failed.

    Raises `WorkerError` if the worker had not begun: then no other process would fare better.
    """
    status = worker.stop()
    if not worker.ready:
        raise WorkerError(f"a worker process ended before it could train (exit status {status})")
    runs = worker.runs
    if worker.engine == stacked.NAME and len(runs) > 1:
        half = (len(runs) + 1) // 2
        tell(
            Note(
                f"the worker process died (exit status {status}) with {len(runs)} runs at once; "
                f"they start anew, {half} at once"
            )
        )
        return [Group(worker.engine, tuple(part)) for part in (runs[half:], runs[:half])]
    cause = f"the worker process died (exit status {status})"
    tell(record.failed(runs[0], cause, worker.engine, torch.device(setup.device)))
    return [Group(worker.engine, tuple(runs[1:]))] if runs[1:] else []
