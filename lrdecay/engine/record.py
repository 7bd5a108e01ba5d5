"""From what an engine measured to the rows of the two tables."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import torch

from lrdecay.core.run import SEMANTICS, Run
from lrdecay.core.sanitize import escape_bytes
from lrdecay.engine import provenance, rate_check
from lrdecay.engine.devices import device_name
from lrdecay.engine.measured import Epoch, Measured
from lrdecay.store.columns import ENDED
from lrdecay.store.schema import RUNS, SPLITS, Record


def record_finished(run: Run, measured: Measured, engine: str, device: torch.device) -> Record:
    """Return the record of a run that completed or diverged.

    A diverged run keeps the epochs it finished; what only a complete run has is null. A run whose
    rates were not those of its scheduler has failed.
    """
    wrong = rate_check.find_rate_difference(run, measured.epochs)
    if wrong is not None:
        return record_failed(run, wrong, engine, device)
    completed = measured.diverged_at_step is None
    results: dict[str, object] = {
        "status": "completed" if completed else "diverged",
        "diverged_at_step": measured.diverged_at_step,
        "applied_dropout": measured.applied_dropout,
        "init_digest": measured.init_digest,
        "order_digest": measured.order_digest,
        "seconds": measured.seconds,
        "group_size": measured.group_size,
    }
    if completed:
        results |= _final_and_best(measured.epochs)
        rates = np.concatenate([epoch.rates for epoch in measured.epochs])
        results["lr_changes"] = int(np.count_nonzero(rates[1:] != rates[:-1]))
        results["rates_digest"] = digest_rates(epoch.rates for epoch in measured.epochs)
        results["samples_per_second"] = measured.images_seen / measured.seconds
        if measured.test_correct is not None:
            results["test_images"] = len(measured.test_correct)
            results["test_correct"] = np.packbits(measured.test_correct.cpu().numpy()).tobytes()
    row, epochs = make_row(run, results, engine, device), measured.epochs
    return Record(row, _epoch_rows(run, epochs), list(_metric_rows(run, epochs)))


def record_failed(run: Run, error: str, engine: str, device: torch.device) -> Record:
    """Return the record of a run that an error ended."""
    results = {"status": "failed", "error": escape_bytes(error)}
    return Record(make_row(run, results, engine, device), [])


def to_failed(record: Record, error: str) -> Record:
    """Return the record of a run that had ended as that of one that an error ended."""
    outcome = {"seconds", "samples_per_second", "group_size"} | {column.name for column in ENDED}
    kept = record.run.keys() - outcome | {"semantics"}
    row = {name: value if name in kept else None for name, value in record.run.items()}
    return Record({**row, "status": "failed", "error": escape_bytes(error)}, [])


def make_row(
    run: Run, results: Mapping[str, object], engine: str, device: torch.device
) -> dict[str, object]:
    """Return a run's row in `runs`; null is what is neither of the run nor in `results`."""
    return dict.fromkeys(RUNS.names) | {
        "run_id": run.run_id,
        **asdict(run),
        "semantics": SEMANTICS,
        **results,
        "engine": engine,
        "device": device_name(device),
        **provenance.read_versions(),
        "finished_at": datetime.now(UTC),
    }


def digest_rates(of_epochs: Iterable[Sequence[float]]) -> str:
    """Return the first 16 hex digits of the SHA-256 of the rates of all steps in float64, each
    epoch's led by their number: equal for equal rates in equal steps."""
    digest = hashlib.sha256()
    for rates in of_epochs:
        digest.update(np.array([len(rates), *rates], "<f8").tobytes())
    return digest.hexdigest()[:16]


def _final_and_best(epochs: Sequence[Epoch]) -> dict[str, object]:
    """Return the last epoch's numbers, and those of the epoch with the lowest validation loss."""
    last = epochs[-1].metrics
    columns: dict[str, float] = {}
    for split in ("val", "test"):
        if split in last:
            columns[f"{split}_loss"] = last[split].loss
            columns[f"{split}_accuracy"] = last[split].accuracy
    if "val" in last:
        best = min(epochs, key=lambda epoch: epoch.metrics["val"].loss)
        columns["best_epoch"] = best.number
        for split in ("val", "test"):
            columns[f"best_{split}_loss"] = best.metrics[split].loss
            columns[f"best_{split}_accuracy"] = best.metrics[split].accuracy
    # a test loss steers nothing, so it may be anything
    return {key: x if math.isfinite(x) else None for key, x in columns.items()}


def _epoch_rows(run: Run, epochs: Sequence[Epoch]) -> list[dict[str, object]]:
    of_run = {
        "run_id": run.run_id,
        "scheduler": run.scheduler,
        "dropout": run.dropout,
        "seed": run.seed,
        "phase": run.phase,
    }
    rows: list[dict[str, object]] = []
    for epoch in epochs:
        rates = {
            "learning_rate": math.fsum(epoch.rates) / len(epoch.rates),
            "learning_rate_first": epoch.rates[0],
            "learning_rate_last": epoch.rates[-1],
        }
        for split in SPLITS:
            if split in epoch.metrics:
                found = epoch.metrics[split]
                numbers = {"loss": found.loss, "accuracy": found.accuracy, **rates}
                rows.append({**of_run, "epoch": epoch.number, "split": split, **numbers})
    return rows


def _metric_rows(run: Run, epochs: Sequence[Epoch]) -> Iterator[dict[str, object]]:
    for epoch in epochs:
        place = {"run_id": run.run_id, "epoch": epoch.number}
        for split in SPLITS:
            of_classes = epoch.metrics[split].of_classes if split in epoch.metrics else {}
            for name, value in of_classes.items():
                yield {**place, "split": split, "metric": name, "value": value}
