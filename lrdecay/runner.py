"""The coordinator: pending runs -> executor -> store, until nothing is pending."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from filelock import FileLock, Timeout

from lrdecay import executor, sources
from lrdecay.data import Dataset
from lrdecay.engine import reference
from lrdecay.errors import InputError
from lrdecay.run import Run
from lrdecay.store import Store
from lrdecay.sweep import Sweep, load_sweep
from lrdecay.tables import Record
from lrdecay.worker import EpochDone, Setup, training_settings

_COMMIT_SECONDS = 1.0


class Progress(Protocol):
    """Is told how a sweep goes."""

    def start(self, runs: Sequence[Run], done: int, workers: int) -> None:
        """`done` of all `runs` are in the store already; the others train now."""

    def epoch(self, done: EpochDone) -> None:
        """One more epoch of one run is finished."""

    def finished(self, record: Record) -> None:
        """One more run has ended."""


@dataclass(frozen=True)
class Summary:
    """How a sweep ended: where its results are, and how many runs of each outcome it trained."""

    folder: Path
    total: int
    reused: int
    completed: int
    diverged: int
    failed: int
    seconds: float


def run_sweep(
    sweep: Sweep | str | Path,
    results: str | Path = "results",
    data_dir: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Train what a sweep asks for and the results folder does not have yet.

    Results go to ``results/NAME``. Interrupting loses only runs that had not ended; calling again
    goes on from there. `workers` is the number of processes (None: one per core, or one for a
    GPU; 0: this process).

    Raises `InputError` for a sweep, data or device that cannot be used.
    """
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    if workers is not None and workers < 0:
        raise InputError(f"workers: must be at least 0, not {workers}")
    chosen = find_device(device)
    dataset = sources.load(sweep.dataset, data_dir)
    runs = sweep.runs(dataset)
    folder = Path(results) / sweep.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{folder}: another sweep is writing to this folder") from None
    with lock:
        return _run_locked(sweep, runs, folder, data_dir, chosen, workers, progress)


def pending(runs: Sequence[Run], done: Collection[str]) -> list[Run]:
    """Return what is to train next: the runs whose results are not there yet, in order."""
    return [run for run in runs if run.run_id not in done]


def find_device(device: str) -> torch.device:
    """Return the device that `auto`, `cpu` or `cuda` names here."""
    available = torch.cuda.is_available()
    if device == "auto":
        return torch.device("cuda" if available else "cpu")
    if device == "cuda" and not available:
        raise InputError("--device cuda: torch finds no GPU here; use cpu or auto")
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device {device}: expected auto, cpu or cuda")
    return torch.device(device)


def estimate_seconds(runs: Sequence[Run], dataset: Dataset, device: torch.device) -> float:
    """Return about how long the runs take, one after the other, from a few measured steps."""
    if not runs:
        return 0.0
    whole = dataset.split(runs[0].validation, device)
    evaluated = len(whole.train_eval) + len(whole.test) + len(whole.validation or ())
    rates: dict[tuple[object, ...], tuple[float, float]] = {}
    seconds = 0.0
    with training_settings():
        for run in runs:
            kind = (run.model, run.batch_norm, run.batch_size, run.dropout > 0)
            if kind not in rates:
                rates[kind] = reference.seconds_per_image(run, whole, device)
            training, evaluation = rates[kind]
            seconds += run.epochs * (training * len(whole.train) + evaluation * evaluated)
    return seconds


def _run_locked(
    sweep: Sweep,
    runs: Sequence[Run],
    folder: Path,
    data_dir: str | Path | None,
    device: torch.device,
    workers: int | None,
    progress: Progress | None,
) -> Summary:
    started = time.monotonic()
    store = Store(folder)
    to_train = pending(runs, store.done())
    # at once, so that a reader of an unfinished sweep knows what is still to come
    store.compact(runs, sweep.text, sweep.target)
    count = executor.default_workers(device) if workers is None else workers
    outcomes: Counter[str] = Counter()
    finished: list[Record] = []
    committed = -math.inf

    def commit() -> None:
        nonlocal committed
        if finished:
            store.commit(finished)
            finished.clear()
            committed = time.monotonic()

    def on_record(record: Record) -> None:
        outcomes[str(record.run["status"])] += 1
        finished.append(record)
        # a sweep of very short runs commits them in groups
        if time.monotonic() - committed > _COMMIT_SECONDS:
            commit()
        if progress is not None:
            progress.finished(record)

    if progress is not None:
        progress.start(runs, len(runs) - len(to_train), min(count, len(to_train)))
    if to_train:
        setup = Setup(
            dataset=sweep.dataset,
            data_dir=None if data_dir is None else str(data_dir),
            dataset_digest=runs[0].dataset_digest,
            validation=runs[0].validation,
            device=str(device),
        )
        on_epoch = progress.epoch if progress is not None else lambda done: None
        try:
            executor.train(to_train, setup, count, on_epoch, on_record)
        finally:
            try:
                commit()
            finally:
                store.compact(runs, sweep.text, sweep.target)
    return Summary(
        folder=folder,
        total=len(runs),
        reused=len(runs) - len(to_train),
        completed=outcomes["completed"],
        diverged=outcomes["diverged"],
        failed=outcomes["failed"],
        seconds=time.monotonic() - started,
    )
