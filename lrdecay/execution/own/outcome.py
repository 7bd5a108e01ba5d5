"""From what a loop of the user's own has logged to the rows of the tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from lrdecay.core.run import Run
from lrdecay.engine.record import digest_rates, make_row
from lrdecay.execution.own.applied_rates import AppliedRates
from lrdecay.execution.own.measurements import OF_EPOCHS, Measurements
from lrdecay.store.columns import SPLITS
from lrdecay.store.schema import Record

NAME = "own"


@dataclass(frozen=True)
class Evidence:
    """What is known of a trial beside what its loop has logged."""

    diverged_at_step: int | None
    init_digest: str | None
    order_digest: str | None
    applied_dropout: float | None
    seconds: float


def record_trial(
    run: Run,
    measured: Measurements,
    rates: AppliedRates | None,
    evidence: Evidence,
    device: torch.device,
) -> Record:
    """Return the record of a trial that completed or diverged; null is what nobody has measured."""
    completed = evidence.diverged_at_step is None
    results: dict[str, object] = {
        "status": "completed" if completed else "diverged",
        **vars(evidence),
        "group_size": 1,
    }
    if completed:
        assert rates is not None
        results |= _find_final_and_best(measured, run.epochs)
        results["lr_changes"] = rates.count_changes()
        results["rates_digest"] = digest_rates(rates.of_epochs(run.epochs))
    epochs = [*_list_epochs(run, measured, rates)]
    metrics = [
        {"run_id": run.run_id, "epoch": epoch, "split": split, "metric": name, "value": value}
        for (epoch, split, name), value in measured.own.items()
    ]
    return Record(make_row(run, results, NAME, device), epochs, metrics)


def _find_final_and_best(measured: Measurements, epochs: int) -> dict[str, object]:
    """Return the last epoch's numbers, and those of the one with the lowest validation loss."""
    losses = {
        epoch: row["loss"]
        for (epoch, split), row in sorted(measured.epochs.items())
        if split == "val" and "loss" in row
    }
    best = min(losses, key=losses.__getitem__, default=None)
    found: dict[str, object] = {"best_epoch": best}
    for prefix, epoch in (("", epochs), ("best_", best)):
        for split in ("val", "test"):
            row = {} if epoch is None else measured.epochs.get((epoch, split), {})
            values = {f"{prefix}{split}_{name}": row.get(name) for name in OF_EPOCHS}
            found |= {key: x for key, x in values.items() if x is not None and math.isfinite(x)}
    return found


def _list_epochs(
    run: Run, measured: Measurements, rates: AppliedRates | None
) -> Iterator[dict[str, object]]:
    of_run = {
        "run_id": run.run_id,
        "scheduler": run.scheduler,
        "dropout": run.dropout,
        "seed": run.seed,
        "phase": run.phase,
    }
    of_epochs = [] if rates is None else rates.of_epochs(run.epochs)
    for epoch, split in sorted(measured.epochs, key=lambda each: (each[0], SPLITS.index(each[1]))):
        row, own = measured.epochs[epoch, split], of_epochs[epoch - 1] if of_epochs else []
        yield {
            **of_run,
            "epoch": epoch,
            "split": split,
            **{name: row.get(name) for name in OF_EPOCHS},
            "learning_rate": math.fsum(own) / len(own) if own else None,
            "learning_rate_first": own[0] if own else None,
            "learning_rate_last": own[-1] if own else None,
        }
