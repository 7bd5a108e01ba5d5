"""What a results folder, laid out as `layout` says, holds: as frames, and as runs."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.core.data_facts import DataFacts
from lrdecay.core.errors import DamagedError, InputError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.run import Run
from lrdecay.store import constraints
from lrdecay.store.layout import REPEATS, RESULTS, list_current, list_earlier, list_files
from lrdecay.store.parquet import read_facts
from lrdecay.store.schema import PLAN, TABLES
from lrdecay.store.versions import read_table


@dataclass(frozen=True)
class Plan:
    """What a results folder is to hold in the end: how many runs of the comparison, after which
    sweep file; the validation accuracy to reach, if it asks for one; and what `lrdecay plan` warns
    of in its data and schedules (nothing where an older lrdecay did not keep that). `extends` is
    the digest of the other sweep file after which the folder beside it was made, whose runs it left
    out; `data` is what its dataset holds, and `first_plan` what the comparison was planned to be
    before it had results, None where an older lrdecay did not keep that."""

    runs: int
    sweep_text: str
    target: float | None = None
    warnings: tuple[str, ...] = ()
    extends: str = ""
    data: DataFacts | None = None
    first_plan: FirstPlan | None = None


def read_runs(folder: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the runs table of a results folder, one row per run, finished parts included.

    `columns` are those that are wanted, run_id and status among them; all unless given.

    Raises `InputError` where there are no results, or they cannot be true (`constraints`).
    """
    # what may be null depends on the engine
    wanted = None if columns is None else list(dict.fromkeys([*columns, "engine"]))
    rows = _current(Path(folder), "runs", wanted)
    constraints.check_runs(rows, Path(folder) / "runs.parquet")
    return to_frame(rows if columns is None else rows.select(list(columns)))


def read_epochs(folder: str | Path) -> pd.DataFrame:
    """Return the epochs table of a results folder, one row per run, epoch and split.

    Raises `InputError` where there are no results, or they cannot be true (`constraints`).
    """
    rows = _add_moved(_current(Path(folder), "epochs"), Path(folder), "epochs")
    constraints.check_epochs(rows, Path(folder) / "epochs.parquet", _read_known(Path(folder)))
    return to_frame(rows)


def read_metrics(folder: str | Path) -> pd.DataFrame:
    """Return the metrics table of a results folder, one row per run and value of a metric of the
    user's own, or of those that lrdecay was asked to measure; no rows where there are none.

    Raises `InputError` where there are no results, or they cannot be true (`constraints`).
    """
    rows = _add_moved(_current(Path(folder), "metrics"), Path(folder), "metrics")
    constraints.check_metrics(rows, Path(folder) / "metrics.parquet", _read_known(Path(folder)))
    return to_frame(rows)


def _read_known(folder: Path) -> pa.Table:
    """Return run_id and engine of all runs. They are looked up last, and among the earlier ones
    too: a sweep may be moving them."""
    return _current(folder, "runs", ["run_id", "status", "engine"], earlier=True)


def _add_moved(there: pa.Table, folder: Path, name: str) -> pa.Table:
    """Add the rows in `epochs` or `metrics` of runs whose own row is still in its place, while they
    are in `earlier/` alone: a sweep that asks for less and was killed as it replaced the tables
    leaves that."""
    paths = list_earlier(folder, name)
    if not paths:
        return there
    runs = _current(folder, "runs", ["run_id", "status", "metric_values"])
    has_rows = pc.is_in(runs["status"], pa.array(["completed", "diverged"]))
    if name == "metrics":
        has_rows = pc.is_valid(runs["metric_values"])
    owners = runs.filter(has_rows)["run_id"]
    without = owners.filter(pc.invert(pc.is_in(owners, there["run_id"].unique())))
    if not len(without):
        return there
    moved = [read_table(path) for path in paths]
    found = [rows.filter(pc.is_in(rows["run_id"], without.combine_chunks())) for rows in moved]
    return pa.concat_tables([there, *found])


def read_repeats(folder: str | Path) -> pd.DataFrame | None:
    """Return the rows of runs that trained once more; None where there are none."""
    repeats = Path(folder) / REPEATS
    return read_runs(repeats) if list_current(repeats, "runs") else None


def read_plan(folder: str | Path) -> Plan:
    """Return what the folder's last sweep asked for.

    Raises `InputError` where there are no results.
    """
    for name in ("plan", "runs"):  # before version 4 the facts were with the runs
        path = Path(folder) / f"{name}.parquet"
        facts = read_facts(path) if path.exists() else {}
        if "planned" not in facts:
            continue
        try:
            target = float(facts["target"]) if "target" in facts else None
            warnings = tuple(map(str, json.loads(facts.get("warnings", "[]"))))
            extends = facts.get("extends", "")
            data = DataFacts.from_json(facts["data"]) if "data" in facts else None
            first = FirstPlan.from_json(facts["looks"]) if "looks" in facts else None
            planned, sweep = int(facts["planned"]), facts["sweep"]
            return Plan(planned, sweep, target, warnings, extends, data, first)
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise DamagedError(path, "what it says of its sweep is not readable") from error
    runs = read_runs(folder)  # the plan was set aside as damaged
    file = Path(folder) / "sweep.yaml"
    # a link could lead to any file of the user, whose text would be in the report
    there = file.is_file() and not file.is_symlink()
    text = file.read_text("utf-8", "replace") if there else ""
    planned = int((runs["phase"] == "compare").sum())
    return Plan(planned, text, first_plan=FirstPlan(lost=True))


def read_plan_columns(folder: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of the plan: one row per run that the folder's last sweep asked for, trained
    or not, in its order.

    There are no rows where an lrdecay before version 4 of the tables wrote the folder.

    Raises `InputError` where they cannot be true (`constraints`).
    """
    return to_frame(_read_plan(Path(folder), columns))


def read_plan_runs(folder: str | Path) -> list[Run]:
    """Return the runs of the plan."""
    columns = [name for name in PLAN.names if name != "run_id"]
    rows = _read_plan(Path(folder), columns)
    values = zip(*(rows[name].to_pylist() for name in columns), strict=True)
    return [Run(**dict(zip(columns, row, strict=True))) for row in values]


def _read_plan(folder: Path, columns: Sequence[str]) -> pa.Table:
    path = folder / "plan.parquet"
    rows = read_table(path, columns) if path.exists() else PLAN.empty_table().select(list(columns))
    constraints.check_runs(rows, path, "plan")
    return rows


def read_plan_rows(folder: str | Path) -> pd.DataFrame | None:
    """Return every column of the plan; None where it is not known."""
    rows = read_plan_columns(folder, PLAN.names)
    return None if rows.empty else rows


def to_frame(rows: pa.Table) -> pd.DataFrame:
    """Return rows as a frame."""
    frame: pd.DataFrame = rows.to_pandas()
    return frame


def _current(
    folder: Path, name: str, columns: Sequence[str] | None = None, earlier: bool = False
) -> pa.Table:
    for _ in range(5):
        paths = list_files(folder, name) if earlier else list_current(folder, name)
        if not paths and name not in RESULTS and list_current(folder, "runs"):
            return TABLES[name].empty_table()
        if not paths:
            raise InputError(f"no results in {folder}: {_where_they_are(folder)}")
        with suppress(FileNotFoundError):  # a sweep has just moved its parts on: look again
            return join_once([read_table(path, columns) for path in paths])
    raise InputError(
        f"{folder}: files vanish while they are read; is a sweep writing there? Try again, or "
        f"`lrdecay verify {folder}`"
    )


def _where_they_are(folder: Path) -> str:
    """Return what to do about a folder without a table; whoever gives the one that holds all
    results wants one of those in it."""
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(OSError):  # one of somebody else may be in between
            if one.is_dir() and list_current(one, "runs"):
                return f"give one of the folders in it, such as {one}"
    return "`lrdecay sweep FILE` puts a sweep's results there"


def join_once(tables: Sequence[pa.Table]) -> pa.Table:
    """Join one or more tables of one kind, each run once, as `index_rows` has it."""
    chosen: dict[str, tuple[bool, int]] = {}
    ids: list[list[str]] = []
    for number, rows in enumerate(tables):
        unfinished = set()
        if "status" in rows.column_names:
            unfinished = set(rows.filter(pc.equal(rows["status"], "failed"))["run_id"].to_pylist())
        ids.append(rows["run_id"].unique().to_pylist())
        for run in ids[-1]:
            chosen[run] = min(chosen.get(run, (True, number)), (run in unfinished, number))
    kept = []
    for number, rows in enumerate(tables):
        own = [run for run in ids[number] if chosen[run][1] == number]
        whole = len(own) == len(ids[number])
        chosen_here = pa.array(own, pa.string())
        kept.append(rows if whole else rows.filter(pc.is_in(rows["run_id"], chosen_here)))
    return pa.concat_tables(kept)
