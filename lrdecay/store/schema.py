"""The tables: one versioned schema for every write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lrdecay.core.run import Run
from lrdecay.store.columns import OF_TABLE
from lrdecay.store.columns import SPLITS as SPLITS
from lrdecay.store.columns import STATUSES as STATUSES

if TYPE_CHECKING:
    import pandas as pd

AXES = (
    "dataset",
    "model",
    "model_args",
    "batch_norm",
    "optimizer",
    "optimizer_args",
    "lr",
    "batch_size",
    "epochs",
    "augment",
    "loss_function",
    "label_smoothing",
    "clip_grad_norm",
    "scheduler",
    "dropout",
    "trainer_args",
)
"""The columns of `runs` that a sweep may vary; a seed is a repetition, not an axis."""

TABLES = {name: pa.schema([column.field for column in of]) for name, of in OF_TABLE.items()}

RUNS = TABLES["runs"]
"""One row per run. Losses are means per image in nats, accuracies from 0 to 1; null is what a run
does not have, such as the final numbers of a run that diverged."""

EPOCHS = TABLES["epochs"]
"""One row per run, epoch (from 1) and split: loss in nats per image, accuracy in 0..1, and the
learning rate applied in that epoch (its mean, first and last over the epoch's steps)."""

METRICS = TABLES["metrics"]
"""One row per run and value of a metric that has no column in the others: with the epoch and split,
null where it is of the whole run, or of no split."""

PLAN = TABLES["plan"]
"""One row per run that the sweep asks for, trained or not."""

MADE_WITH = ("device", "torch_version")
"""The columns of `runs` on which its numbers depend beside what was asked for."""

HOW_LONG = (
    "seconds",
    "samples_per_second",
    "group_size",
    "python_version",
    "lrdecay_version",
    "git_commit",
    "finished_at",
)
"""The columns of `runs` that may differ between two runs of one identity that are the same."""


@dataclass(frozen=True)
class Record:
    """One finished run: its row in `runs`, its rows in `epochs` and `metrics`, by column name.

    `is_final` says of one that failed that it would fail again, however often it was tried.
    """

    run: Mapping[str, object]
    epochs: Sequence[Mapping[str, object]]
    metrics: Sequence[Mapping[str, object]] = ()
    is_final: bool = False


def make_plan(runs: Sequence[Run]) -> pa.Table:
    """Return the rows of runs that are asked for: a column at a time, since there may be a million
    of them."""
    columns = [pa.array([getattr(run, one.name) for run in runs], one.type) for one in PLAN]
    return pa.Table.from_arrays(columns, schema=PLAN)


def make_table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table; each row must have exactly the schema's columns."""
    for row in rows:
        if row.keys() != set(schema.names):
            odd = sorted(row.keys() ^ set(schema.names))
            raise ValueError(f"a row's columns are not the schema's: {', '.join(odd)}")
    return pa.Table.from_pylist(list(rows), schema=schema)


def list_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as Python has them; null is None."""
    whole = table.astype(object)
    found = whole.where(whole.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in found]
