"""Writes the tables of given runs from where their rows lie, in the runs' order and under their
labels."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.core.run import ROLES, Run
from lrdecay.store.layout import KEPT, RESULTS
from lrdecay.store.parquet import write_groups
from lrdecay.store.row_index import Places, Rows
from lrdecay.store.schema import TABLES

_ROW_GROUPS, _FEWEST_RUNS = 256, 16
"""Row groups of a table, and runs in each: that many are in memory at once, and lost by one damaged
page."""


def write_tables(
    folder: Path,
    places: Mapping[str, Places],
    runs: Sequence[Run] | Sequence[str],
    target: float | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write the tables, a row group at a time: runs under their labels, or ids as they are."""
    ids = {run if isinstance(run, str) else run.run_id for run in runs}
    has_metrics = not ids.isdisjoint(places["metrics"])
    # one that is there already stays, if without rows, so that nobody misses it as he reads
    names = KEPT if has_metrics or (folder / "metrics.parquet").exists() else RESULTS
    # the last is in place first: a run that a reader finds in `runs` has all its rows then
    with ExitStack() as stack:
        sources = {name: stack.enter_context(Rows(name)) for name in names}
        to = {
            name: stack.enter_context(
                write_groups(
                    folder / f"{name}.parquet", TABLES[name], facts if name == "runs" else None
                )
            )
            for name in names
        }
        size = max(_FEWEST_RUNS, math.ceil(len(runs) / _ROW_GROUPS))
        for start in range(0, len(runs), size):
            tables = _take_tables(sources, places, runs[start : start + size], target)
            for name, rows in tables.items():
                to[name].write_table(rows, max(len(rows), 1))


def _take_tables(
    sources: Mapping[str, Rows],
    places: Mapping[str, Places],
    runs: Sequence[Run] | Sequence[str],
    target: float | None,
) -> dict[str, pa.Table]:
    """Return the rows of some runs in each table."""
    ids = [run if isinstance(run, str) else run.run_id for run in runs]
    tables = {
        name: rows.take([places[name][run] for run in ids if run in places[name]])
        for name, rows in sources.items()
    }
    labelled = [run for run in runs if not isinstance(run, str)]
    if labelled:
        tables["runs"] = _with_target(tables["runs"], tables["epochs"], target)
        tables |= {name: apply_roles(rows, labelled) for name, rows in tables.items()}
    return tables


def apply_roles(rows: pa.Table, runs: Sequence[Run]) -> pa.Table:
    """Give rows, which are in the order of the runs, the names and phases of these."""
    position = pc.index_in(rows["run_id"], pa.array([run.run_id for run in runs], pa.string()))
    for name in ROLES:
        if name in rows.column_names:
            names = pa.array([getattr(run, name) for run in runs], pa.string())
            rows = _set_column(rows, name, names.take(position.combine_chunks()))
    return rows


def _with_target(runs: pa.Table, epochs: pa.Table, target: float | None) -> pa.Table:
    """Fill in the first epoch whose validation accuracy reaches the target, null if none does."""
    first: dict[str, int] = {}
    if target is not None:
        on_validation = pc.equal(epochs["split"], "val")
        there = pc.greater_equal(epochs["accuracy"], target)
        reached = epochs.filter(pc.and_(on_validation, there)).group_by("run_id")
        for row in reached.aggregate([("epoch", "min")]).to_pylist():
            first[row["run_id"]] = row["epoch_min"]
    reached_at = [first.get(run) for run in runs["run_id"].to_pylist()]
    runs = _set_column(runs, "target", pa.array([target] * len(runs), pa.float64()))
    return _set_column(runs, "epochs_to_target", pa.array(reached_at, pa.int32()))


def _set_column(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), rows.schema.field(name), values)
