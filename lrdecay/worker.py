"""One training process: takes runs from a pipe, trains them, sends their rows back.

Started by `executor` as a process of its own that calls `main`. It ends when the coordinator
does, at whatever moment and in whatever way that happens: the pipe then closes.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import torch

from lrdecay import sources
from lrdecay.engine import record, reference
from lrdecay.engine.record import Epoch
from lrdecay.sweep import DatasetSpec, Run
from lrdecay.tables import Record


@dataclass(frozen=True)
class Setup:
    """What a worker needs before its first run."""

    dataset: DatasetSpec
    data_dir: str | None
    validation: int
    device: str


@dataclass(frozen=True)
class Ready:
    """A worker's first message: it can train, or why it cannot."""

    error: str | None = None


@dataclass(frozen=True)
class EpochDone:
    """A run has finished one more epoch: its accuracy on `split`, validation if it has any."""

    run: Run
    epoch: int
    split: str
    accuracy: float


class Trainer:
    """Holds the data on the device and trains one run after another."""

    def __init__(self, setup: Setup) -> None:
        self.device = torch.device(setup.device)
        use_exact_arithmetic()
        dataset = sources.load(setup.dataset, setup.data_dir, download=False)
        self.data = dataset.split(setup.validation, self.device)

    def train(self, run: Run, on_epoch: reference.OnEpoch) -> Record:
        """Return the run's record; an error becomes a record with status `failed`."""
        try:
            return reference.train(run, self.data, self.device, on_epoch)
        except Exception as error:  # whatever it is, the other runs go on
            cause = f"{type(error).__name__}: {error}".strip()
            return record.failed(run, cause, reference.NAME, self.device)


def use_exact_arithmetic() -> None:
    """Turn off what makes a GPU's float32 results rough (TF32) or vary from call to call."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def epoch_done(run: Run, epoch: Epoch) -> EpochDone:
    """Return what the progress display is told of an epoch."""
    split = "val" if "val" in epoch.metrics else "test"
    return EpochDone(run, epoch.number, split, epoch.metrics[split].accuracy)


def main(descriptor: int) -> None:
    """Train what comes through the pipe with this file descriptor until it closes."""
    connection: Connection[Any, Any] = Connection(descriptor)
    inbox: SimpleQueue[Any] = SimpleQueue()

    def receive() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):  # the coordinator is gone, and with it the need to go on
            os._exit(1)

    threading.Thread(target=receive, daemon=True).start()
    torch.set_num_threads(1)
    try:
        trainer = Trainer(inbox.get())
    except Exception as error:
        connection.send(Ready(error=f"{type(error).__name__}: {error}"))
        return
    connection.send(Ready())
    while True:
        run = inbox.get()
        connection.send(trainer.train(run, lambda *done: connection.send(epoch_done(*done))))
