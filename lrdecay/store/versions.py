"""How tables of any version are read."""

from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path

import pyarrow as pa

from lrdecay.core.errors import DamagedError
from lrdecay.store.parquet import Sealed, open_sealed
from lrdecay.store.schema import TABLES

# the version of the tables that brought a column, and its value in all runs before
_ADDED = {
    "precision": (2, "float32"),
    "group_size": (2, None),
    "plugins": (3, "{}"),
    "phase": (3, "compare"),
    "lr_chosen_per": (3, None),
    "semantics": (4, None),
    "rates_digest": (5, None),
    "kernels": (6, "torch"),
    "trainer": (7, None),
    "trainer_args": (7, None),
    "metric_values": (7, None),
    "label_smoothing": (8, 0.0),
    "clip_grad_norm": (8, inf),
    "model_args": (9, "{}"),
    "augment": (9, "{}"),
    "loss_function": (9, "cross_entropy"),
}


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table as it was written, in the columns that it has today.

    Raises `DamagedError` for a damaged file, `InputError` for one of a newer lrdecay.
    """
    with open_sealed(path) as sealed:
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
