"""One training process: takes groups from a pipe, trains them, sends the runs' rows back.

Started by `process` as a process of its own that calls `main`. It ends when the coordinator
does, at whatever moment and in whatever way that happens: the pipe then closes.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Protocol

import torch

from lrdecay import sources
from lrdecay.data import Dataset
from lrdecay.engine import record, reference, stacked
from lrdecay.engine.record import Epoch, OnEpoch
from lrdecay.errors import InputError
from lrdecay.groups import Group
from lrdecay.plugins import Loaded, load_again
from lrdecay.precision import training_settings
from lrdecay.run import Run
from lrdecay.specs import DatasetSpec
from lrdecay.tables import Record


class Trains(Protocol):
    """What trains groups within a worker: `Trainer`, unless a benchmark has something lighter."""

    def train(self, group: Group, tell: Tell) -> None:
        """Train a group; each of its runs ends with a `Record`."""


@dataclass(frozen=True)
class Setup:
    """What a worker needs before its first run.

    `data` is the dataset itself, for a worker that cannot read it where the coordinator did.
    """

    dataset: DatasetSpec
    data_dir: str | None
    dataset_digest: str
    validation: int
    device: str
    plugins: Loaded = field(default_factory=Loaded)
    data: Dataset | None = None
    trainer: Callable[[Setup], Trains] = field(default_factory=lambda: Trainer)


@dataclass(frozen=True)
class Ready:
    """A worker's first message: it can train, or why it cannot; and on which node, if on any."""

    error: str | None = None
    node: str = ""


@dataclass(frozen=True)
class Beat:
    """A worker's process is at work, even if it has nothing else to tell yet."""


@dataclass(frozen=True)
class EpochDone:
    """A run has finished one more epoch: its accuracy on `split`, validation if it has any."""

    run: Run
    epoch: int
    split: str
    accuracy: float


@dataclass(frozen=True)
class Note:
    """Something that happened on the way and that a user should know."""

    text: str


@dataclass(frozen=True)
class Training:
    """The ids of the runs that are at work now, or wait for the process that has them."""

    runs: tuple[str, ...]


Message = Beat | EpochDone | Note | Record | Training
Tell = Callable[[Message], None]

_BEAT_SECONDS = 1.0


class Trainer:
    """Holds the data on the device and trains one group after another."""

    def __init__(self, setup: Setup) -> None:
        self.device = torch.device(setup.device)
        load_again(setup.plugins)
        dataset = setup.data or sources.load(setup.dataset, setup.data_dir, download=False)
        if dataset.digest != setup.dataset_digest:
            raise InputError(f"{dataset.name}: the data have changed since the sweep began")
        self.data = dataset.split(setup.validation, self.device)
        self._at_most: int | None = None  # runs at once, once memory was too small for more

    def train(self, group: Group, tell: Tell) -> None:
        """Train a group; each of its runs ends with a `Record`.

        An error becomes a record with status `failed`, and whatever it is, the other runs go on: a
        group that fails is trained again in halves, down to the run that is to blame.
        """
        if group.engine == reference.NAME:
            for run in group.runs:
                self._train_alone(run, tell)
            return
        self._train_in_parts(group.runs, len(group.runs), tell)

    def _train_in_parts(self, runs: tuple[Run, ...], size: int, tell: Tell) -> None:
        start = 0
        while start < len(runs):
            # memory may prove too small on the way
            end = start + min(size, self._at_most or size)
            self._train_together(runs[start:end], tell)
            start = end

    def _train_alone(self, run: Run, tell: Tell) -> None:
        try:
            done = reference.train(run, self.data, self.device, _told(tell))
        except Exception as error:
            done = record.failed(run, _cause(error), reference.NAME, self.device)
        tell(done)

    def _train_together(self, runs: tuple[Run, ...], tell: Tell) -> None:
        try:
            records = stacked.train(runs, self.data, self.device, _told(tell))
        except Exception as error:
            failure = _cause(error)
            out_of_memory = _out_of_memory(error)
        else:
            for done in records:
                tell(done)
            return
        # here the error is gone, and with it what its traceback held in memory
        if len(runs) == 1:
            tell(record.failed(runs[0], failure, stacked.NAME, self.device))
            return
        half = (len(runs) + 1) // 2
        if out_of_memory:
            self._at_most = min(half, self._at_most or half)
            tell(Note(f"out of memory with {len(runs)} runs at once; going on with {half}"))
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        self._train_in_parts(runs, half, tell)


def _told(tell: Tell) -> OnEpoch:
    return lambda run, epoch: tell(epoch_done(run, epoch))


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()


def _out_of_memory(error: BaseException) -> bool:
    # torch has no class of its own for a CPU that has none left
    words = ("can't allocate memory", "not enough memory")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if any(word in str(error) for word in words):
        return True
    # ending a capture may fail in its own way after it
    return error.__context__ is not None and _out_of_memory(error.__context__)


def epoch_done(run: Run, epoch: Epoch) -> EpochDone:
    """Return what the progress display is told of an epoch."""
    split = "val" if "val" in epoch.metrics else "test"
    return EpochDone(run, epoch.number, split, epoch.metrics[split].accuracy)


def main(descriptor: int) -> None:
    """Train what comes through the pipe with this file descriptor until it closes."""
    connection: Connection[Any, Any] = Connection(descriptor)
    inbox: SimpleQueue[Any] = SimpleQueue()
    one_at_a_time = threading.Lock()

    def send(message: object) -> None:
        with one_at_a_time:
            connection.send(message)

    def receive() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):  # the coordinator is gone, and with it the need to go on
            os._exit(1)

    def beat() -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            with suppress(OSError):  # `receive` ends the process
                send(Beat())

    for task in (receive, beat):
        threading.Thread(target=task, daemon=True).start()
    with training_settings():
        try:
            setup: Setup = inbox.get()
            trainer = setup.trainer(setup)
        except Exception as error:
            send(Ready(error=f"{type(error).__name__}: {error}"))
            return
        send(Ready())
        while True:
            trainer.train(inbox.get(), send)
