"""From what a loop of the user's own has logged to the rows of the tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import torch

from lrdecay.components.trainers.signature import COMMAND
from lrdecay.core.run import Run
from lrdecay.engine.record import digest_rates, make_row
from lrdecay.execution.own.applied_rates import AppliedRates
from lrdecay.execution.own.measurements import OF_EPOCHS, Measurements
from lrdecay.store.columns import SPLITS
from lrdecay.store.schema import Record


def name_engine(run: Run) -> str:
    """Return the engine of a run whose loop is the user's own: `command` for a program's."""
    return "command" if run.trainer == COMMAND else "own"


@dataclass(frozen=True)
class Evidence:
    """What is known of a trial beside what its loop has logged."""

    status: str
    diverged_at_step: int | None
    init_digest: str | None
    order_digest: str | None
    applied_dropout: float | None
    seconds: float


def record_trial(
    run: Run,
    measured: Measurements,
    rates: AppliedRates | Mapping[int, float] | None,
    evidence: Evidence,
    device: torch.device,
) -> Record:
    """Return the record of a trial that completed or diverged; null is what nobody has measured.
    Rates that were told, one for an epoch, are not those of its steps."""
    results: dict[str, object] = {**asdict(evidence), "group_size": 1}
    if evidence.status == "completed":
        results |= _find_final_and_best(measured, run.epochs)
        if isinstance(rates, AppliedRates):
            results["lr_changes"] = rates.count_changes()
            results["rates_digest"] = digest_rates(rates.of_epochs(run.epochs))
    epochs = [*_list_epochs(run, measured, _list_rates(run, rates))]
    metrics = [
        {"run_id": run.run_id, "epoch": epoch, "split": split, "metric": name, "value": value}
        for (epoch, split, name), value in measured.own.items()
    ]
    return Record(make_row(run, results, name_engine(run), device), epochs, metrics)


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


def _list_rates(
    run: Run, rates: AppliedRates | Mapping[int, float] | None
) -> Mapping[int, tuple[float | None, ...]]:
    """Return the mean, the first and the last rate of each epoch, as far as they are known."""
    if rates is None:
        return {}
    if not isinstance(rates, AppliedRates):
        return {epoch: (rate, None, None) for epoch, rate in rates.items()}
    of_epochs = enumerate(rates.of_epochs(run.epochs), start=1)
    return {n: (math.fsum(own) / len(own), own[0], own[-1]) for n, own in of_epochs if own}


def _list_epochs(
    run: Run, measured: Measurements, rates: Mapping[int, tuple[float | None, ...]]
) -> Iterator[dict[str, object]]:
    of_run = {
        "run_id": run.run_id,
        "scheduler": run.scheduler,
        "dropout": run.dropout,
        "seed": run.seed,
        "phase": run.phase,
    }
    for epoch, split in sorted(measured.epochs, key=lambda each: (each[0], SPLITS.index(each[1]))):
        row = measured.epochs[epoch, split]
        mean, first, last = rates.get(epoch, (None, None, None))
        yield {
            **of_run,
            "epoch": epoch,
            "split": split,
            **{name: row.get(name) for name in OF_EPOCHS},
            "learning_rate": mean,
            "learning_rate_first": first,
            "learning_rate_last": last,
        }
