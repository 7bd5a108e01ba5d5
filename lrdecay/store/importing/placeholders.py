"""What columns hold that have no null yet, for runs that do not say. To go away once they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lrdecay.core.errors import InputError
from lrdecay.store.schema import Record

_UNKNOWN: dict[str, Any] = dict.fromkeys(
    (
        *("dataset_digest", "model", "optimizer", "scheduler_class", "precision", "device"),
        *("torch_version", "python_version", "lrdecay_version"),
    ),
    "",
) | {
    "optimizer_args": "{}",
    "scheduler_args": "{}",
    "validation": 0,
    "batch_norm": False,
    "lr": 1.0,
    "batch_size": 1,
    "epochs": 1,
    "learning_rate": 0.0,
    "learning_rate_first": 0.0,
    "learning_rate_last": 0.0,
    "loss": 0.0,
    "accuracy": 0.0,
    "finished_at": datetime(1970, 1, 1, tzinfo=UTC),
}


def fill_row(row: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """Return a row with all columns of a schema: null where it may be, else a placeholder."""
    found = {
        field.name: row.get(field.name)
        if field.nullable or row.get(field.name) is not None
        else _UNKNOWN[field.name]
        for field in schema
    }
    if "trainer_args" in row and "trainer_args" not in schema.names:
        found["optimizer_args"] = row["trainer_args"] or "{}"
    return found


def make_record(
    row: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]],
) -> Record:
    """Return a run as the store takes it, with its metrics once that has a table for them."""
    if "metrics" in {field.name for field in fields(Record)}:
        return Record(row, epochs, metrics)  # type: ignore[call-arg]
    if metrics:
        raise InputError(f"metric {metrics[0]['metric']}: results folders have no table for it yet")
    return Record(row, epochs)
