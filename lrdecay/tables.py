"""The tables: their schemas, and how those of any version are read.

One versioned schema for every write (`files.SCHEMA_VERSION`); what older versions lacked is filled
in as it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lrdecay.columns import ASKED, ENDED, EPOCH, MADE
from lrdecay.errors import DamagedError
from lrdecay.files import Sealed, opened

SPLITS = ("train", "train_eval", "val", "test")
STATUSES = ("completed", "diverged", "failed")

AXES = (
    "dataset",
    "model",
    "batch_norm",
    "optimizer",
    "optimizer_args",
    "lr",
    "batch_size",
    "epochs",
    "scheduler",
    "dropout",
)
"""The columns of `runs` that a sweep may vary; a seed is a repetition, not an axis."""

RUNS = pa.schema([column.field for column in (*ASKED, *ENDED, *MADE)])
"""One row per run. Losses are means per image in nats, accuracies from 0 to 1; null is what a run
does not have, such as the final numbers of a run that diverged."""

EPOCHS = pa.schema([column.field for column in EPOCH])
"""One row per run, epoch (from 1) and split: loss in nats per image, accuracy in 0..1, and the
learning rate applied in that epoch (its mean, first and last over the epoch's steps)."""

PLAN = pa.schema([column.field for column in ASKED])
"""One row per run that the sweep asks for, trained or not."""

TABLES = {"runs": RUNS, "epochs": EPOCHS, "plan": PLAN}

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

# the version of the tables that brought a column, and its value in all runs before
_ADDED = {
    "precision": (2, "float32"),
    "group_size": (2, None),
    "plugins": (3, "{}"),
    "phase": (3, "compare"),
    "lr_chosen_per": (3, None),
    "semantics": (4, None),
}


@dataclass(frozen=True)
class Record:
    """One finished run: its row in `runs` and its rows in `epochs`, by column name."""

    run: Mapping[str, object]
    epochs: Sequence[Mapping[str, object]]


def table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table; each row must have exactly the schema's columns."""
    for row in rows:
        if row.keys() != set(schema.names):
            odd = sorted(row.keys() ^ set(schema.names))
            raise ValueError(f"a row's columns are not the schema's: {', '.join(odd)}")
    return pa.Table.from_pylist(list(rows), schema=schema)


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table as it was written, in the columns that it has today.

    Raises `DamagedError` for a damaged file, `InputError` for one of a newer lrdecay.
    """
    with opened(path) as sealed:
        return read_groups(sealed, range(sealed.file.num_row_groups), columns)


def read_groups(
    sealed: Sealed, groups: Iterable[int], columns: Sequence[str] | None = None
) -> pa.Table:
    """Return row groups of a table in the columns of today: one that older files lack has the value
    that all runs had then."""
    schema = TABLES[sealed.path.stem]
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    stored = sealed.file.schema_arrow
    there = [name for name in schema.names if name in stored.names]
    for name in there:
        if stored.field(name).type != schema.field(name).type:
            raise DamagedError(sealed.path, f"its column {name} is not {schema.field(name).type}")
    parts = [sealed.rows(group, there).replace_schema_metadata(None) for group in groups]
    nothing = pa.schema([schema.field(name) for name in there]).empty_table()
    found = pa.concat_tables(parts or [nothing])
    count = sum(sealed.file.metadata.row_group(group).num_rows for group in groups)
    arrays = []
    for field in schema:
        if field.name in there:
            arrays.append(found[field.name])
            continue
        since, value = _ADDED.get(field.name, (1, None))
        if sealed.version >= since:
            raise DamagedError(sealed.path, f"it has no column {field.name}")
        arrays.append(pa.chunked_array([pa.array([value] * count, field.type)]))
    return pa.Table.from_arrays(arrays, schema=schema)
