"""An import to a results folder: a sweep file that says what it is, the plan and the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.yaml import YamlError, parse_yaml
from lrdecay.store.importing.rows import make_run
from lrdecay.store.layout import has_results
from lrdecay.store.lock import hold_folder
from lrdecay.store.reader import read_plan, read_runs
from lrdecay.store.schema import RUNS, Record, list_rows
from lrdecay.store.writer import Store

Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@dataclass(frozen=True)
class Origin:
    """Where imported results came from.

    Attributes:
        file: as it was given.
        sha256: of the file, or of what was read.
        rows: how many there were.
        at: the day of the import, in UTC.
        columns: which column meant what, and the other options.
        notes: what was left out, or taken for granted.
    """

    file: str
    sha256: str
    rows: int
    at: str
    columns: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())


def save_import(
    folder: Path,
    tables: Tables,
    origin: Origin,
    declared: Mapping[str, Mapping[str, Any]],
    comparison: Mapping[str, Any],
    first_plan: FirstPlan,
    replace: bool = False,
) -> None:
    """Write an import into a results folder; where the same one is there, nothing changes.

    Args:
        folder: to be made, unless it is there.
        tables: runs (with a column for each metric of `metrics`), epochs and metrics.
        origin: where they came from.
        declared: the metrics, as a sweep file declares them.
        comparison: what is compared, as a sweep file has it.
        first_plan: what verdicts rest on.
        replace: whether other results there may go.

    Raises:
        InputError: other results are there, or another process writes to the folder.
    """
    made = {"name": folder.resolve().name, "imported": _describe_origin(origin)}
    text = yaml.safe_dump(
        made | {"metrics": {k: dict(v) for k, v in declared.items()}, "comparison": comparison},
        sort_keys=False,
        allow_unicode=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with hold_folder(folder):
        if has_results(folder):
            there = set(read_runs(folder, ["run_id", "status"])["run_id"])
            asked_for = set(tables[0]["run_id"])
            if there == asked_for and _is_same(read_plan(folder).sweep_text, text):
                return
            if not there <= asked_for and not replace:  # what was damaged may come once more
                raise InputError(
                    f"{folder}: other results are there; give another folder, or say --replace"
                )
        runs = list_rows(tables[0])
        epochs, metrics = map(_group_by_run, tables[1:])
        records = [
            Record({n: row[n] for n in RUNS.names}, epochs[row["run_id"]], metrics[row["run_id"]])
            for row in runs
        ]
        store = Store(folder)
        store.commit(records)
        asked = [make_run(row) for row in runs]
        store.compact(asked, text, planned=len(asked), first_plan=first_plan)


def _group_by_run(table: pd.DataFrame) -> Mapping[str, list[dict[str, Any]]]:
    grouped = defaultdict(list)
    for row in list_rows(table):
        grouped[row["run_id"]].append(row)
    return grouped


def _is_same(before: str, now: str) -> bool:
    """Return whether two sweep files say the same but for the day."""
    found = [yaml.safe_load(text) for text in (before, now)]
    for each in found:
        each.get("imported", {}).pop("at", None)
    return bool(found[0] == found[1])


def _describe_origin(origin: Origin) -> dict[str, Any]:
    """Return where results came from, as YAML has it."""
    found = asdict(origin)
    return found | {"columns": dict(origin.columns), "notes": list(origin.notes)}


def read_origin(sweep_text: str) -> Origin | None:
    """Return where the results of a folder came from, by its sweep file; None of a sweep's own.

    Raises:
        InputError: it says that they were imported, and not whence.
    """
    if "imported:" not in sweep_text:
        return None
    try:
        given = parse_yaml(sweep_text).value
    except YamlError:  # whoever needs it to be read says so
        return None
    found = given.get("imported") if isinstance(given, dict) else None
    if found is None:
        return None
    try:
        notes = tuple(map(str, found["notes"]))
        texts = {name: str(found[name]) for name in ("file", "sha256", "at")}
        return Origin(**texts, rows=int(found["rows"]), columns=dict(found["columns"]), notes=notes)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("the sweep file says imported, and not whence: import again") from error
