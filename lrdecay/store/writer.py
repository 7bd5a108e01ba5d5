"""Writes a results folder (laid out as `layout` says): finished runs, and the tables of a sweep.

A part is a folder that appears by one rename, so all of its tables exist or none does. A table
is replaced by one rename too, and what has moved on is taken away last: a process killed at any
point loses nothing that was committed.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.core.data_facts import DataFacts
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.run import ROLES, Run
from lrdecay.core.signals import hold_signals
from lrdecay.store.atomic import sync_folder, write_text
from lrdecay.store.layout import (
    KEPT,
    REPEATS,
    RESULTS,
    digest_text,
    has_results,
    list_earlier,
    list_files,
    list_folders,
    list_parts,
    list_tables,
    name_part,
    refuse_link,
)
from lrdecay.store.parquet import read_facts, write_table
from lrdecay.store.reader import Plan, join_once, read_plan, read_plan_rows, to_frame
from lrdecay.store.row_index import Places, Rows, index_folder, index_rows
from lrdecay.store.schema import (
    MADE_WITH,
    SPLITS,
    TABLES,
    Record,
    make_plan,
    make_table,
)
from lrdecay.store.table_writer import apply_roles, write_tables
from lrdecay.store.versions import read_table

_PARTS_IN_BATCH = 64


class Store:
    """Writes one results folder. One process at a time may hold a Store on a folder.

    Runs that another folder `beside` it holds count as done, and stay there.
    """

    def __init__(self, folder: str | Path, beside: Path | None = None) -> None:
        self.folder = Path(folder)
        self._beside = beside
        self._planned: list[Run] | None = None  # the runs of the plan, once they are known
        for kind in ("parts", "batches", "earlier", "quarantine", REPEATS):
            refuse_link(self.folder, kind)
        for kind in ("parts", "batches"):
            (self.folder / kind).mkdir(parents=True, exist_ok=True)
            for left_over in (self.folder / kind).glob(".*"):  # of a process that was killed
                if left_over.is_dir() and not left_over.is_symlink():
                    shutil.rmtree(left_over)
        for home in (self.folder, self.folder / "earlier"):
            for name in (*TABLES, "sweep"):
                for left_over in home.glob(f".{name}.*.tmp"):
                    left_over.unlink()

    def commit(self, records: Iterable[Record]) -> None:
        """Put finished runs on the disk: on return they survive a kill and a power cut.

        Interrupted, it can be called again with the same runs.
        """
        records = list(records)
        rows: dict[str, list[Mapping[str, object]]] = {
            "runs": [
                {**record.run, "metric_values": len(record.metrics) or None} for record in records
            ],
            "epochs": [
                row for record in records for row in sorted(record.epochs, key=_epoch_and_split)
            ],
            "metrics": [row for record in records for row in record.metrics],
        }
        with self._appearing("parts") as scratch:
            for name, of_table in rows.items():
                if of_table or name in RESULTS:
                    write_table(make_table(of_table, TABLES[name]), scratch / f"{name}.parquet")
        parts = list_folders(self.folder, "parts")
        if len(parts) >= _PARTS_IN_BATCH:
            self._join(parts)

    def done(self) -> set[str]:
        """Return the ids of the runs that need no more training: completed or diverged."""
        places = index_rows(self._files("runs"))
        return {run for run, place in places.items() if not place.failed}

    def apart(self, runs: Sequence[Run]) -> int:
        """Return how many runs the folder keeps that are not among the given ones."""
        kept = index_rows(list_files(self.folder, "runs"))
        return len(kept.keys() - {run.run_id for run in runs})

    def has_compared(self) -> bool:
        """Return whether any run of a comparison has ended, asked for still or not."""
        phases = [read_table(path, ["phase"])["phase"] for path in self._files("runs")]
        return any(pc.any(pc.equal(phase, "compare")).as_py() for phase in phases)

    def read_plan(self) -> Plan | None:
        """Return what was asked for last: here, else in the folder beside; None where nothing."""
        home = self._find_planned()
        return None if home is None else read_plan(home)

    def read_plan_rows(self) -> pd.DataFrame | None:
        """Return the runs that were asked for last, there too; None where they are not known."""
        home = self._find_planned()
        return None if home is None else read_plan_rows(home)

    def _find_planned(self) -> Path | None:
        homes = [self.folder, *([] if self._beside is None else [self._beside])]
        return next((home for home in homes if has_results(home)), None)

    def made_with(self, runs: Sequence[Run]) -> Counter[tuple[str, ...]]:
        """Return how many of the given runs were made with what: the values of `MADE_WITH`."""
        rows = self._read_columns(runs, MADE_WITH)
        return Counter(tuple(row[name] for name in MADE_WITH) for row in rows)

    def find_engines(self, runs: Sequence[Run]) -> dict[str, str]:
        """Return the engine that trained each of the given runs that is there, by run_id."""
        return {row["run_id"]: row["engine"] for row in self._read_columns(runs, ("engine",))}

    def find_rates(self, runs: Sequence[Run]) -> dict[str, str | None]:
        """Return the digest of the rates of each of the given runs that is there, by run_id."""
        rows = self._read_columns(runs, ("rates_digest",))
        return {row["run_id"]: row["rates_digest"] for row in rows}

    def find_metrics(self, runs: Sequence[Run]) -> dict[str, set[str]]:
        """Return which metrics each of the given runs has in the table of metrics, by run_id, of
        those that have completed."""
        rows = self._read_columns(runs, ())
        found: dict[str, set[str]] = {
            row["run_id"]: set() for row in rows if row["status"] == "completed"
        }
        for path in self._files("metrics") if found else ():
            named = read_table(path, ["run_id", "metric"]).group_by(["run_id", "metric"])
            for row in named.aggregate([]).to_pylist():
                found.get(row["run_id"], set()).add(row["metric"])
        return found

    def _read_columns(self, runs: Sequence[Run], names: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns, with run_id and status, of those of the given runs that are there."""
        files = self._files("runs")
        if not files:
            return []
        rows = join_once([read_table(path, ["run_id", "status", *names]) for path in files])
        wanted = pa.array([run.run_id for run in runs], pa.string())
        found: list[dict[str, Any]] = rows.filter(pc.is_in(rows["run_id"], wanted)).to_pylist()
        return found

    def outcomes(self, runs: Sequence[Run], name: str = "runs") -> pd.DataFrame:
        """Return the rows of the given runs in a table, as far as there are any, in the given order
        and under their labels."""
        places = index_rows(self._files(name)) if runs else {}
        runs = [run for run in runs if run.run_id in places]
        with Rows(name) as rows:
            found = rows.take([places[run.run_id] for run in runs])
        return to_frame(apply_roles(found, runs))

    def compact(
        self,
        runs: Sequence[Run],
        sweep_text: str,
        target: float | None = None,
        planned: int | None = None,
        warnings: Sequence[str] = (),
        data: DataFacts | None = None,
        first_plan: FirstPlan | None = None,
    ) -> None:
        """Rewrite the tables: the given runs, in the given order and under their labels.

        `planned` is how many runs the comparison is to have; those given, unless more are to come.
        `warnings` are of data and schedules, `data` says what the dataset holds, and `first_plan`
        what the comparison was planned to be before it had results, for whoever reads these.
        Runs that the sweep does not ask for any more are kept in `earlier/`.
        """
        passing = list_parts(self.folder)
        path = self.folder / "plan.parquet"
        # at first: one of a newer lrdecay must stop this before it writes
        before = read_facts(path) if path.exists() else None
        places = index_folder(self.folder)
        if self._keep_earlier(places, {run.run_id for run in runs}):
            places = index_folder(self.folder)
        facts = {"planned": str(len(runs) if planned is None else planned), "sweep": sweep_text}
        facts |= {} if target is None else {"target": repr(target)}
        facts |= {"warnings": json.dumps(list(warnings))} if warnings else {}
        facts |= {} if data is None else {"data": data.to_json()}
        facts |= {} if first_plan is None else {"looks": first_plan.to_json()}
        facts |= self._extends(sweep_text)
        if before != facts or self._planned != runs:
            self._planned = None
            planned_rows = make_plan(runs)
            if before != facts or not read_table(path).equals(planned_rows):
                with hold_signals():  # both of them, or none
                    write_text(sweep_text, self.folder / "sweep.yaml")
                    write_table(planned_rows, path, facts)
            self._planned = list(runs)
        there = [run for run in runs if run.run_id in places["runs"]]
        arrangement = _arrangement(there, target)
        if passing or arrangement != self._arranged():
            write_tables(self.folder, places, there, target, {"arranged": arrangement})
        self._take_away(passing)

    def _extends(self, sweep_text: str) -> dict[str, str]:
        """Say which other sweep file the folder beside this one was made from, if it was."""
        if self._beside is None or not (self._beside / "plan.parquet").exists():
            return {}
        other = read_plan(self._beside).sweep_text
        return {} if other == sweep_text else {"extends": digest_text(other)}

    def rescue(self, places: Mapping[str, Places]) -> None:
        """Make a part of runs that are found at these places."""
        with self._appearing("parts") as scratch:
            write_tables(scratch, places, list(places["runs"]))

    def _files(self, name: str) -> list[Path]:
        """Return the files of a table here, then those beside."""
        beside = [] if self._beside is None else list_files(self._beside, name)
        return [*list_files(self.folder, name), *beside]

    def _join(self, parts: Sequence[Path]) -> None:
        """Make one batch of many parts, so that a long sweep stays quick to read."""
        paths = [path for part in parts for path in list_tables(part)]
        places = {name: index_rows(path for path in paths if path.stem == name) for name in KEPT}
        with self._appearing("batches") as scratch:
            write_tables(scratch, places, list(places["runs"]))
        self._take_away(parts)

    @contextmanager
    def _appearing(self, kind: str) -> Iterator[Path]:
        """Give a scratch folder for tables; it then appears under a name of what it holds."""
        home = self.folder / kind
        scratch = home / ".new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        yield scratch
        final = home / name_part(scratch)
        if not final.exists():
            os.rename(scratch, final)
        sync_folder(home)

    def _take_away(self, parts: Sequence[Path]) -> None:
        for part in parts:
            # renamed first, so that no reader meets a part that is half gone
            shutil.rmtree(part.rename(part.with_name(f".{part.name}")))

    def _keep_earlier(self, places: Mapping[str, Places], wanted: set[str]) -> bool:
        """Add what the tables are about to lose to `earlier/`, from which nothing is taken away:
        so no moment exists at which a run is in neither place. Say whether there was any."""
        kept = index_rows(list_earlier(self.folder, "runs"))
        keep = [run for run in places["runs"] if run in kept or run not in wanted]
        news = any(run not in kept or kept[run].failed > places["runs"][run].failed for run in keep)
        if news:
            (self.folder / "earlier").mkdir(exist_ok=True)
            write_tables(self.folder / "earlier", places, keep)
        return news

    def _arranged(self) -> str | None:
        """Return what the tables were last arranged as, None where one of them is missing."""
        if not all((self.folder / f"{name}.parquet").exists() for name in RESULTS):
            return None
        return read_facts(self.folder / "runs.parquet").get("arranged")


def _arrangement(runs: Sequence[Run], target: float | None) -> str:
    """Return a digest of what the tables depend on beside the rows themselves."""
    sha = hashlib.sha256(repr(target).encode())
    for run in runs:
        sha.update(repr([run.run_id, *(getattr(run, name) for name in ROLES)]).encode())
    return sha.hexdigest()


def _epoch_and_split(row: Mapping[str, object]) -> tuple[object, int]:
    return row["epoch"], SPLITS.index(str(row["split"]))
