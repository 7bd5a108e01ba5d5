"""One training process: takes runs from a pipe, trains them, sends their rows back.

Started by `executor` as a process of its own that calls `main`. It ends when the coordinator
does, at whatever moment and in whatever way that happens: the pipe then closes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import torch

from lrdecay import sources
from lrdecay.engine import record, reference
from lrdecay.engine.record import Epoch
from lrdecay.errors import InputError
from lrdecay.run import Run
from lrdecay.specs import DatasetSpec
from lrdecay.tables import Record


@dataclass(frozen=True)
class Setup:
    """What a worker needs before its first run."""

    dataset: DatasetSpec
    data_dir: str | None
    dataset_digest: str
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
        dataset = sources.load(setup.dataset, setup.data_dir, download=False)
        if dataset.digest != setup.dataset_digest:
            raise InputError(f"{dataset.name}: the data have changed since the sweep began")
        self.data = dataset.split(setup.validation, self.device)

    def train(self, run: Run, on_epoch: reference.OnEpoch) -> Record:
        """Return the run's record; an error becomes a record with status `failed`."""
        try:
            return reference.train(run, self.data, self.device, on_epoch)
        except Exception as error:  # whatever it is, the other runs go on
            cause = f"{type(error).__name__}: {error}".strip()
            return record.failed(run, cause, reference.NAME, self.device)


@contextmanager
def training_settings() -> Iterator[None]:
    """Within the block torch computes as it does in every worker, so that bits are equal: in one
    thread, in float32, without what makes a GPU rough (TF32) or vary from call to call."""
    cudnn = torch.backends.cudnn
    before = (torch.get_num_threads(), torch.get_default_dtype())
    precision = torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    try:
        with cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_default_dtype(before[1])
        torch.set_float32_matmul_precision(precision)


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
    with training_settings():
        try:
            trainer = Trainer(inbox.get())
        except Exception as error:
            connection.send(Ready(error=f"{type(error).__name__}: {error}"))
            return
        connection.send(Ready())
        while True:
            run = inbox.get()
            connection.send(trainer.train(run, lambda *done: connection.send(epoch_done(*done))))
