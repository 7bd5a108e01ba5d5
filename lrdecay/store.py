"""Where finished runs live: two parquet tables, written atomically, read back whole.

A results folder holds

    runs.parquet     one row per run of the sweep as it stands now
    epochs.parquet   one row per run x epoch x split
    sweep.yaml       the sweep file that the two tables belong to
    parts/           runs committed since the tables were last written
    earlier/         runs that the sweep file no longer asks for; used again if it does

A part is a folder that appears by one rename, so both of its tables exist or neither does.
Writing the tables (`Store.compact`) replaces each file by one rename as well and takes the parts
away last, so a process killed at any point loses nothing that was committed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.errors import InputError
from lrdecay.run import ROLES
from lrdecay.tables import SPLITS, TABLES, Record, read, read_facts, sync, table, write, write_text

if TYPE_CHECKING:
    from lrdecay.run import Run


@dataclass(frozen=True)
class Plan:
    """What a results folder is to hold in the end: how many runs of the comparison, after which
    sweep file."""

    runs: int
    sweep_text: str


def read_runs(folder: str | Path) -> pd.DataFrame:
    """Return the runs table of a results folder, one row per run, finished parts included.

    Raises `InputError` where there are no results.
    """
    return _current(Path(folder), "runs")


def read_epochs(folder: str | Path) -> pd.DataFrame:
    """Return the epochs table of a results folder, one row per run, epoch and split.

    Raises `InputError` where there are no results.
    """
    return _current(Path(folder), "epochs")


def read_plan(folder: str | Path) -> Plan:
    """Return what the folder's last sweep asked for; it is kept in the metadata of `runs`.

    Raises `InputError` where there are no results.
    """
    path = Path(folder) / "runs.parquet"
    if not path.exists():
        raise _no_results(Path(folder))
    facts = read_facts(path)
    return Plan(int(facts["planned"]), facts["sweep"])


class Store:
    """Writes one results folder. One process at a time may hold a Store on a folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._parts.mkdir(parents=True, exist_ok=True)
        for left_over in self._parts.glob(".*"):  # of a process that was killed
            if left_over.is_dir():
                shutil.rmtree(left_over)

    @property
    def _parts(self) -> Path:
        return self.folder / "parts"

    def commit(self, records: Iterable[Record]) -> None:
        """Put finished runs on the disk: on return they survive a kill and a power cut.

        Interrupted, it can be called again with the same runs.
        """
        records = list(records)
        rows = {
            "runs": [record.run for record in records],
            "epochs": [row for record in records for row in record.epochs],
        }
        scratch = self._parts / ".new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        sha = hashlib.sha256()
        for name, schema in TABLES.items():
            path = scratch / f"{name}.parquet"
            write(table(rows[name], schema), path)
            sha.update(path.read_bytes())
        part = self._parts / sha.hexdigest()[:16]
        if not part.exists():
            os.rename(scratch, part)
        sync(self._parts)

    def done(self) -> set[str]:
        """Return the ids of the runs that need no more training: completed or diverged."""
        runs = self._everything("runs")
        ended = runs.filter(pc.not_equal(runs["status"], "failed"))
        return set(ended["run_id"].to_pylist())

    def outcomes(self, runs: Sequence[Run]) -> pd.DataFrame:
        """Return the rows of the given runs, as far as there are any, in the given order and under
        their labels."""
        frame: pd.DataFrame = _arrange(self._everything("runs"), runs).to_pandas()
        return frame

    def compact(
        self,
        runs: Sequence[Run],
        sweep_text: str,
        target: float | None = None,
        planned: int | None = None,
    ) -> None:
        """Write both tables anew: the given runs, in the given order and under their labels.

        `planned` is how many runs the comparison is to have; those given, unless more are to come.
        Runs that the sweep does not ask for any more are kept in `earlier/`.
        """
        tables = {name: self._everything(name) for name in TABLES}
        parts = _part_folders(self.folder)
        self._keep_earlier(tables, [run.run_id for run in runs])
        write_text(sweep_text, self.folder / "sweep.yaml")
        epochs = _arrange(tables["epochs"], runs)
        # epochs first: a run that a reader finds in `runs` has its epochs there already
        write(epochs, self.folder / "epochs.parquet")
        ended = _with_target(_arrange(tables["runs"], runs), epochs, target)
        facts = {"planned": str(len(runs) if planned is None else planned), "sweep": sweep_text}
        write(ended, self.folder / "runs.parquet", facts)
        for part in parts:
            # renamed first, so that no reader meets a part that is half gone
            shutil.rmtree(part.rename(part.with_name(f".{part.name}")))

    def _keep_earlier(self, tables: dict[str, pa.Table], ids: Sequence[str]) -> None:
        """Add what the tables are about to lose to `earlier/`, from which nothing is taken away:
        so no moment exists at which a run is in neither place."""
        wanted = pa.array(ids, pa.string())
        for name, everything in tables.items():
            path = self.folder / "earlier" / f"{name}.parquet"
            kept = read(path) if path.exists() else None
            keep = pc.invert(pc.is_in(everything["run_id"], wanted))
            if kept is not None:
                keep = pc.or_(keep, pc.is_in(everything["run_id"], kept["run_id"].unique()))
            rest = everything.filter(keep)
            if len(rest) and (kept is None or not rest.equals(kept.replace_schema_metadata(None))):
                path.parent.mkdir(exist_ok=True)
                write(rest, path)

    def _everything(self, name: str) -> pa.Table:
        """Return the rows of every run the folder knows, each run once."""
        earlier = self.folder / "earlier" / f"{name}.parquet"
        found = _stored(self.folder, name)
        return _unique([*found, *([read(earlier)] if earlier.exists() else [])], name)


def _current(folder: Path, name: str) -> pd.DataFrame:
    for _ in range(5):
        try:
            found = _stored(folder, name)
            break
        except FileNotFoundError:  # a sweep has just moved its parts into the tables: look again
            continue
    else:
        raise InputError(f"{folder}: cannot be read while a sweep writes to it; try again")
    if not found:
        raise _no_results(folder)
    frame: pd.DataFrame = _unique(found, name).to_pandas()
    return frame


def _no_results(folder: Path) -> InputError:
    return InputError(f"no results in {folder}: `lrdecay sweep FILE` puts a sweep's results there")


def _stored(folder: Path, name: str) -> list[pa.Table]:
    parts = _part_folders(folder)  # before the main table: what leaves a part is in there then
    main = folder / f"{name}.parquet"
    paths = [*([main] if main.exists() else []), *(part / main.name for part in parts)]
    return [read(path) for path in paths]


def _part_folders(folder: Path) -> list[Path]:
    """Return the committed parts, oldest first."""
    parts = folder / "parts"
    found = (
        [p for p in parts.iterdir() if p.name[0] != "." and p.is_dir()] if parts.is_dir() else []
    )
    return sorted(found, key=lambda part: (part.stat().st_mtime_ns, part.name))


def _unique(tables: Sequence[pa.Table], name: str) -> pa.Table:
    """Join tables and keep one outcome per run.

    A run can be found twice: in a part that a killed process has already moved into the table, or
    failed first and completed later. Copies are equal, except that a failure gives way.
    """
    joined = pa.concat_tables([TABLES[name].empty_table(), *tables]).combine_chunks()
    joined = joined.replace_schema_metadata(None)
    keys = ["run_id"] if name == "runs" else ["run_id", "epoch", "split"]
    index = joined.select(keys)
    if name == "runs":
        index = index.append_column("failed", pc.equal(joined["status"], "failed"))
    index = index.append_column("row", pa.array(range(len(joined)), pa.int64()))
    ordered = index.sort_by([(column, "ascending") for column in index.column_names])
    first = ordered.group_by(keys, use_threads=False).aggregate([("row", "first")])
    return joined.take(first["row_first"].combine_chunks().sort())


def _arrange(rows: pa.Table, runs: Sequence[Run]) -> pa.Table:
    """Keep the rows of the given runs, in the sweep's order, under its names and in its phases."""
    position = pc.index_in(rows["run_id"], pa.array([run.run_id for run in runs], pa.string()))
    order = {"position": position}
    if "split" in rows.column_names:
        splits = pc.index_in(rows["split"], pa.array(SPLITS))
        order |= {"epoch": rows["epoch"], "split": splits}
    index = pc.sort_indices(pa.table(order), [(key, "ascending") for key in order])
    index = index.filter(pc.is_valid(position.take(index)))
    rows, position = rows.take(index), position.take(index)
    for name in ROLES:
        if name in rows.column_names:
            names = pa.array([getattr(run, name) for run in runs], pa.string()).take(position)
            rows = _set_column(rows, name, names)
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


def _set_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), rows.schema.field(name), values)
