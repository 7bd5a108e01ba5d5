"""Where finished runs live: two parquet tables, written atomically, read back whole.

A results folder holds

    runs.parquet     one row per run of the sweep as it stands now
    epochs.parquet   one row per run x epoch x split
    sweep.yaml       the sweep file that the two tables belong to
    parts/           runs committed since the tables were last written
    earlier/         runs that the sweep file no longer asks for; used again if it does

A part is a folder that appears by one rename, so both of its tables exist or neither does.
Writing the tables (`Store.compact`) replaces each file by one rename as well and removes the
parts last, so a process killed at any point loses nothing that was committed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lrdecay.errors import InputError

if TYPE_CHECKING:
    from lrdecay.sweep import Run

SCHEMA_VERSION = 1
SPLITS = ("train", "train_eval", "val", "test")
STATUSES = ("completed", "diverged", "failed")

RUNS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        # what was asked for
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("dataset_digest", pa.string(), nullable=False),
        pa.field("validation", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("batch_norm", pa.bool_(), nullable=False),
        pa.field("optimizer", pa.string(), nullable=False),
        pa.field("optimizer_args", pa.string(), nullable=False),
        pa.field("lr", pa.float64(), nullable=False),
        pa.field("batch_size", pa.int32(), nullable=False),
        pa.field("epochs", pa.int32(), nullable=False),
        pa.field("scheduler", pa.string(), nullable=False),
        pa.field("scheduler_class", pa.string(), nullable=False),
        pa.field("scheduler_args", pa.string(), nullable=False),
        pa.field("dropout", pa.float64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        # how it ended
        pa.field("status", pa.string(), nullable=False),
        pa.field("diverged_at_step", pa.int64()),
        pa.field("error", pa.string()),
        pa.field("val_loss", pa.float64()),
        pa.field("val_accuracy", pa.float64()),
        pa.field("test_loss", pa.float64()),
        pa.field("test_accuracy", pa.float64()),
        pa.field("best_epoch", pa.int32()),
        pa.field("best_val_loss", pa.float64()),
        pa.field("best_val_accuracy", pa.float64()),
        pa.field("best_test_loss", pa.float64()),
        pa.field("best_test_accuracy", pa.float64()),
        pa.field("target", pa.float64()),
        pa.field("epochs_to_target", pa.int32()),
        pa.field("lr_changes", pa.int32()),
        pa.field("applied_dropout", pa.float64()),
        pa.field("init_digest", pa.string()),
        pa.field("order_digest", pa.string()),
        pa.field("test_images", pa.int32()),
        pa.field("test_correct", pa.binary()),
        # how it was made
        pa.field("seconds", pa.float64()),
        pa.field("samples_per_second", pa.float64()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("torch_version", pa.string(), nullable=False),
        pa.field("python_version", pa.string(), nullable=False),
        pa.field("lrdecay_version", pa.string(), nullable=False),
        pa.field("git_commit", pa.string()),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""One row per run; README and the tests describe each column."""

EPOCHS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("scheduler", pa.string(), nullable=False),
        pa.field("dropout", pa.float64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("accuracy", pa.float64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("learning_rate_first", pa.float64(), nullable=False),
        pa.field("learning_rate_last", pa.float64(), nullable=False),
    ]
)
"""One row per run, epoch (from 1) and split: loss in nats per image, accuracy in 0..1, and the
learning rate applied in that epoch (its mean, first and last over the epoch's steps)."""

_METADATA = {b"lrdecay_schema": str(SCHEMA_VERSION).encode()}
_TABLES = {"runs": RUNS.with_metadata(_METADATA), "epochs": EPOCHS.with_metadata(_METADATA)}


@dataclass(frozen=True)
class Record:
    """One finished run: its row in `runs` and its rows in `epochs`, by column name."""

    run: Mapping[str, object]
    epochs: Sequence[Mapping[str, object]]


def read_runs(folder: str | Path) -> pd.DataFrame:
    """Return the runs table of a results folder, one row per run, finished parts included.

    Raises `InputError` where there are no results.
    """
    return _to_pandas(_current(Path(folder), "runs"))


def read_epochs(folder: str | Path) -> pd.DataFrame:
    """Return the epochs table of a results folder, one row per run, epoch and split.

    Raises `InputError` where there are no results.
    """
    return _to_pandas(_current(Path(folder), "epochs"))


def read_sweep_text(folder: str | Path) -> str:
    """Return the sweep file that a results folder was made from."""
    return (Path(folder) / "sweep.yaml").read_text(encoding="utf-8")


class Store:
    """Writes one results folder. One process at a time may hold a Store on a folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._parts.mkdir(parents=True, exist_ok=True)
        for left_over in self._parts.glob(".tmp-*"):  # of a process that was killed
            shutil.rmtree(left_over)

    @property
    def _parts(self) -> Path:
        return self.folder / "parts"

    def commit(self, records: Iterable[Record]) -> None:
        """Put finished runs on the disk: on return they survive a kill and a power cut."""
        records = list(records)
        rows = {
            "runs": [record.run for record in records],
            "epochs": [row for record in records for row in record.epochs],
        }
        scratch = self._parts / f".tmp-{os.getpid()}"
        scratch.mkdir()
        sha = hashlib.sha256()
        for name, schema in _TABLES.items():
            path = scratch / f"{name}.parquet"
            _write(_table(rows[name], schema), path)
            sha.update(path.read_bytes())
        _sync(scratch)
        os.rename(scratch, self._parts / sha.hexdigest()[:16])
        _sync(self._parts)

    def done(self) -> set[str]:
        """Return the ids of the runs that need no more training: completed or diverged."""
        table = self._everything("runs")
        finished = pc.not_equal(table["status"], "failed")
        return set(table.filter(finished)["run_id"].to_pylist())

    def compact(self, runs: Sequence[Run], sweep_text: str, target: float | None = None) -> None:
        """Write both tables anew: the given runs, in the given order and under their labels.

        Runs that the sweep does not ask for any more move to `earlier/`.
        """
        tables = {name: self._everything(name) for name in _TABLES}
        parts = list(_part_folders(self.folder))
        ids = [run.run_id for run in runs]
        for name, table in tables.items():
            rest = table.filter(pc.invert(_is_in(table["run_id"], ids)))
            if len(rest):
                (self.folder / "earlier").mkdir(exist_ok=True)
                _replace(rest, self.folder / "earlier" / f"{name}.parquet")
        _replace_bytes(sweep_text.encode(), self.folder / "sweep.yaml")
        epochs = _arrange(tables["epochs"], runs)
        # epochs first: a run that a reader finds in `runs` has its epochs there already
        _replace(epochs, self.folder / "epochs.parquet")
        finished = _arrange(tables["runs"], runs)
        _replace(_with_target(finished, epochs, target), self.folder / "runs.parquet")
        for part in parts:
            shutil.rmtree(part)

    def _everything(self, name: str) -> pa.Table:
        """Return the rows of every run the folder knows, each run once."""
        earlier = self.folder / "earlier" / f"{name}.parquet"
        tables = [*_stored(self.folder, name), *([_read(earlier)] if earlier.exists() else [])]
        return _unique(_concat(tables, _TABLES[name]))


def _current(folder: Path, name: str) -> pa.Table:
    tables = list(_stored(folder, name)) if folder.is_dir() else []
    if not tables:
        raise InputError(
            f"no results in {folder}: a folder that `lrdecay sweep FILE` has filled is expected"
        )
    return _unique(_concat(tables, _TABLES[name]))


def _stored(folder: Path, name: str) -> Iterable[pa.Table]:
    main = folder / f"{name}.parquet"
    paths = [part / f"{name}.parquet" for part in _part_folders(folder)]
    for path in [*([main] if main.exists() else []), *paths]:
        yield _read(path)


def _part_folders(folder: Path) -> Iterable[Path]:
    parts = folder / "parts"
    return sorted(p for p in parts.iterdir() if p.name[0] != ".") if parts.is_dir() else []


def _unique(table: pa.Table) -> pa.Table:
    """Keep one outcome per run: a table that was written anew may still have its parts beside it,
    and a run that failed once may have succeeded since.

    Rows are grouped by where they came from only through `run_id`, so in `epochs` (which has no
    status) all copies of a row are equal and the first is kept.
    """
    keys = ["run_id"] if "status" in table.column_names else ["run_id", "epoch", "split"]
    columns = {key: table[key] for key in keys}
    if "status" in table.column_names:
        columns["failed"] = pc.equal(table["status"], "failed")
    index = pa.table({**columns, "row": pa.array(range(len(table)), pa.int64())})
    order = [(key, "ascending") for key in columns] + [("row", "ascending")]
    first = index.sort_by(order).group_by(keys, use_threads=False).aggregate([("row", "first")])
    return table.take(first["row_first"].sort())


def _arrange(table: pa.Table, runs: Sequence[Run]) -> pa.Table:
    """Keep the rows of the given runs, in the sweep's order, under the sweep's names."""
    position = pc.index_in(table["run_id"], pa.array([run.run_id for run in runs], pa.string()))
    keep = pc.is_valid(position)
    table, position = table.filter(keep), position.filter(keep)
    order = {"position": position}
    if "split" in table.column_names:
        splits = pc.index_in(table["split"], pa.array(SPLITS))
        order |= {"epoch": table["epoch"], "split": splits}
    index = pc.sort_indices(pa.table(order), [(key, "ascending") for key in order])
    table, position = table.take(index), position.take(index)
    for name in ("scheduler", "dataset"):
        if name in table.column_names:
            names = pa.array([getattr(run, name) for run in runs], pa.string()).take(position)
            table = table.set_column(
                table.column_names.index(name), table.schema.field(name), names
            )
    return table


def _with_target(runs: pa.Table, epochs: pa.Table, target: float | None) -> pa.Table:
    """Fill in the first epoch whose validation accuracy reaches the target, null if none does."""
    first: dict[str, int] = {}
    if target is not None:
        reached = epochs.filter(
            pc.and_(pc.equal(epochs["split"], "val"), pc.greater_equal(epochs["accuracy"], target))
        )
        grouped = reached.group_by("run_id").aggregate([("epoch", "min")])
        first = dict(
            zip(grouped["run_id"].to_pylist(), grouped["epoch_min"].to_pylist(), strict=True)
        )
    columns = {
        "target": [target] * len(runs),
        "epochs_to_target": [first.get(run) for run in runs["run_id"].to_pylist()],
    }
    for name, values in columns.items():
        place = runs.column_names.index(name)
        runs = runs.set_column(place, RUNS.field(name), pa.array(values, RUNS.field(name).type))
    return runs


def _table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    for row in rows:
        if row.keys() != set(schema.names):
            odd = sorted(row.keys() ^ set(schema.names))
            raise ValueError(f"a row's columns are not the schema's: {', '.join(odd)}")
    return pa.Table.from_pylist(list(rows), schema=schema)


def _concat(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()


def _is_in(column: pa.ChunkedArray, ids: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(column, pa.array(ids, pa.string()))


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read(path: Path) -> pa.Table:
    file = pq.ParquetFile(path, page_checksum_verification=True)
    version = int((file.schema_arrow.metadata or {}).get(b"lrdecay_schema", b"0"))
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: written with version {version} of the tables; this lrdecay reads "
            f"version {SCHEMA_VERSION}"
        )
    return file.read()


def _write(table: pa.Table, path: Path) -> None:
    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)
        file.flush()
        os.fsync(file.fileno())


def _replace(table: pa.Table, path: Path) -> None:
    scratch = path.with_name(f".{path.name}.tmp")
    _write(table, scratch)
    os.replace(scratch, path)
    _sync(path.parent)


def _replace_bytes(content: bytes, path: Path) -> None:
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.write_bytes(content)
    os.replace(scratch, path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
