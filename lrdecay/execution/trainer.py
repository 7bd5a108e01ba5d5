"""What trains groups in a worker, on whatever machine that is."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.plugins import Loaded, load_as_elsewhere
from lrdecay.core import signals
from lrdecay.core.errors import DeviceLostError, InputError
from lrdecay.core.run import Run
from lrdecay.core.text import describe_error, first_line
from lrdecay.engine import native, record, reference
from lrdecay.engine.device_errors import is_device_lost, is_out_of_memory
from lrdecay.engine.measured import Epoch, OnEpoch
from lrdecay.engine.native.train import train_native
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.lockstep import OnNote
from lrdecay.execution.grouping import Group
from lrdecay.execution.messages import EpochDone, Note, Tell


class Trains(Protocol):
    """What trains groups within a worker: `Trainer`, unless a benchmark has something lighter."""

    def train(self, group: Group, tell: Tell) -> None:
        """Train a group; each of its runs ends with a `Record`."""


@dataclass(frozen=True)
class Setup:
    """What a worker needs before its first run.

    `data` is the dataset itself, for a worker that cannot read it where the coordinator did. Where
    a loop of the user's own trains, there is no dataset. `class_metrics` are those of
    `confusion.METRICS` that runs are to have.
    """

    dataset: DatasetSpec | None
    data_dir: str | Path | None
    dataset_digest: str
    validation: int
    device: str
    plugins: Loaded = field(default_factory=Loaded)
    data: Dataset | None = None
    class_metrics: Sequence[str] = ()
    trainer: Callable[[Setup], Trains] = field(default_factory=lambda: Trainer)


class Trainer:
    """Holds the data on the device and trains one group after another."""

    def __init__(self, setup: Setup) -> None:
        self.device = torch.device(setup.device)
        load_as_elsewhere(setup.plugins)
        assert setup.dataset is not None
        dataset = setup.data or sources.load_dataset(setup.dataset, setup.data_dir, download=False)
        if dataset.digest != setup.dataset_digest:
            raise InputError(
                f"{dataset.name}: the data have changed since the sweep began; put them back as "
                f"they were, or end the sweep and start it again, which trains on the new data"
            )
        self.data = dataset.split(setup.validation, self.device)
        self._class_metrics = setup.class_metrics
        self._at_most: int | None = None  # runs at once, once memory was too small for more

    def train(self, group: Group, tell: Tell) -> None:
        """Train a group; each of its runs ends with a `Record`.

        An error becomes a record with status `failed`, and whatever it is, the other runs go on: a
        group that fails is trained again in halves, down to the run that is to blame.

        Raises `DeviceLostError` where this process can train no more; runs without a record are
        left to another one.
        """
        if group.engine == train.NAME:
            self._train_in_parts(group.runs, len(group.runs), tell)
        else:
            for run in group.runs:
                self._train_alone(group.engine, run, tell)

    def _train_in_parts(self, runs: tuple[Run, ...], size: int, tell: Tell) -> None:
        start = 0
        while start < len(runs):
            # memory may prove too small on the way
            end = start + min(size, self._at_most or size)
            self._train_together(runs[start:end], tell)
            start = end

    def _train_alone(self, engine: str, run: Run, tell: Tell) -> None:
        on_epoch = _report_epochs(tell)
        try:
            done = (
                train_native(run, self.data, on_epoch, self._class_metrics)
                if engine == native.NAME
                else reference.train_one(
                    run, self.data, self.device, on_epoch, None, self._class_metrics
                )
            )
        except BaseException as error:
            raise_if_no_run_s(error)
            done = record.record_failed(run, describe_error(error), engine, self.device)
        tell(done)

    def _train_together(self, runs: tuple[Run, ...], tell: Tell) -> None:
        try:
            how = _report_epochs(tell), _report_note(tell), self._class_metrics
            records = train.train_stacked(runs, self.data, self.device, *how)
        except BaseException as error:
            raise_if_no_run_s(error)
            failure = describe_error(error)
            out_of_memory = is_out_of_memory(error)
        else:
            for done in records:
                tell(done)
            return
        # here the error is gone, and with it what its traceback held in memory
        if len(runs) == 1:
            tell(record.record_failed(runs[0], failure, train.NAME, self.device))
            return
        half = (len(runs) + 1) // 2
        if out_of_memory:
            self._at_most = min(half, self._at_most or half)
            tell(Note(f"out of memory with {len(runs)} runs at once; going on with {half}"))
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        self._train_in_parts(runs, half, tell)


def raise_if_no_run_s(error: BaseException) -> None:
    """Raise an error again that is no run's: a Ctrl-C, or whatever came of a signal, and a GPU's
    that may fail every run after. The code of a plug-in may raise anything else, such as
    `SystemExit`."""
    signals.check_signals()
    if isinstance(error, KeyboardInterrupt | DeviceLostError):
        raise error
    if is_device_lost(error):
        raise DeviceLostError(f"{type(error).__name__}: {first_line(error)}") from error


def _report_epochs(tell: Tell) -> OnEpoch:
    return lambda run, epoch: tell(report_epoch(run, epoch))


def _report_note(tell: Tell) -> OnNote:
    return lambda text: tell(Note(text, once=True))


def report_epoch(run: Run, epoch: Epoch) -> EpochDone:
    """Return what the progress display is told of an epoch."""
    split = "val" if "val" in epoch.metrics else "test"
    return EpochDone(run, epoch.number, split, epoch.metrics[split].accuracy)
