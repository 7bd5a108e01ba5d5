"""What a table says to rows of lrdecay's own tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pandas as pd
import pyarrow as pa

from lrdecay.core.errors import InputError
from lrdecay.core.run import ADDED, Run
from lrdecay.core.text import quote
from lrdecay.store.columns import BY_NAME, SPLITS
from lrdecay.store.importing.columns import IN_RUNS
from lrdecay.store.importing.frame import ImportedRows
from lrdecay.store.schema import AXES, EPOCHS, METRICS, RUNS, list_rows

ENGINE = "imported"
"""What the column `engine` says of such runs."""
UNKNOWN_FATE = "it has no value, and whether it diverged is not known"
"""The `error` of a run that says nothing of how it ended."""

_AS_BEFORE = {name: before for name, before in ADDED.items() if before is not None}
_NUMBERS = ("loss", "accuracy", "learning_rate")


def make_runs(rows: ImportedRows, name: str, digest: str, version: str) -> pd.DataFrame:
    """Return the runs table, with a column for each metric that it has none for.

    Args:
        rows: what the table says.
        name: stands for the dataset where that is no axis.
        digest: of the rows and of what their columns mean; with the cell and the seed it is the
            identity of a run.
        version: of lrdecay.
    """
    made = []
    tables = (rows.cells, rows.values, rows.digests)
    for place, of_row in enumerate(zip(*map(list_rows, tables), strict=True)):
        cell, values, digests = of_row
        completed = cell["status"] == "completed"
        row: dict[str, Any] = {
            "dataset": name,
            **_AS_BEFORE,
            **_read_axes({axis: cell[axis] for axis in rows.axes}),
            **{each: cell[each] for each in ("scheduler", "seed", "status")},
            **digests,
            **{each: value for each, value in values.items() if completed and each in IN_RUNS},
            "dropout": cell["dropout"],
            "error": UNKNOWN_FATE if rows.unknown[place] else None,
            "engine": ENGINE,
            "trainer": ENGINE,
            "plugins": "{}",
            "phase": "compare",
            "lrdecay_version": version,
        }
        row["scheduler_class"] = ENGINE
        row["scheduler_args"] = _identify(digest, cell, row["dataset"])
        made.append(row | {"run_id": make_run(row).run_id})
    runs: pd.DataFrame = pa.Table.from_pylist(made, schema=RUNS).to_pandas()
    own = [each for each in rows.values if each not in IN_RUNS]
    return runs.assign(**{str(each): rows.values[each].to_numpy() for each in own})


def make_metrics(runs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the rows of metrics that `runs` has no column for: of the whole run, of no split."""
    own = [name for name in names if name not in IN_RUNS]
    rows = [
        {"run_id": run, "metric": name, "value": value}
        for name in own
        for run, value in runs.set_index("run_id")[name].dropna().items()
    ]
    made: pd.DataFrame = pa.Table.from_pylist(rows, METRICS).to_pandas()
    return made


def make_epochs(
    runs: pd.DataFrame,
    rows: ImportedRows,
    epochs: pd.DataFrame | None,
    names: Mapping[str, str],
) -> pd.DataFrame:
    """Return the epochs table of curves with the columns `epoch`, `split`, and loss, accuracy or
    learning_rate.

    Args:
        runs: as `make_runs` returns it of `rows`.
        rows: what the table says.
        epochs: rows with the columns that name a run, too; None: there are none.
        names: which of the cells' columns each of these stands for.

    Raises:
        InputError: a column is missing, a split unknown, an accuracy no share, or no run is meant.
    """
    if epochs is None:
        none: pd.DataFrame = EPOCHS.empty_table().to_pandas()
        return none
    for name in (*names, "epoch", "split"):
        if name not in epochs:
            needed = ", ".join([*names, "epoch", "split"])
            raise InputError(f"epochs: no column {name!r}; it needs {needed}")
    there = [name for name in _NUMBERS if name in epochs]
    _check_epochs(epochs["epoch"])
    if odd := sorted(set(map(str, epochs["split"])) - set(SPLITS)):
        raise InputError(f"epochs: split must be one of {', '.join(SPLITS)}, not {odd[0]!r}")
    if "accuracy" in epochs and not epochs["accuracy"].dropna().between(0, 1).all():
        raise InputError("epochs: accuracy is a share from 0 to 1; divide percent by 100")
    keys = rows.cells[list(names.values())].assign(run_id=runs["run_id"].to_numpy())
    own = epochs[[*names, "epoch", "split", *there]].rename(columns=dict(names))
    found = own.merge(keys, on=list(names.values()), how="left")
    if found["run_id"].isna().any():
        row = int(found["run_id"].isna().to_numpy().argmax()) + 1
        raise InputError(f"epochs: row {row} is of no run of the table")
    context = runs.set_index("run_id")[["scheduler", "dropout", "seed", "phase"]]
    whole = found[["run_id", "epoch", "split", *there]].join(context, on="run_id")
    made: pd.DataFrame = pa.Table.from_pylist(list_rows(whole), schema=EPOCHS).to_pandas()
    return made


def _check_epochs(epochs: pd.Series[Any]) -> None:
    numbers = pd.to_numeric(epochs, errors="coerce")
    odd = ~(numbers.ge(1) & numbers.eq(numbers.round())).to_numpy()
    if odd.any():
        row = int(odd.argmax())
        value = quote(epochs.tolist()[row])
        raise InputError(f"epochs: epoch {value} (row {row + 1}) is no whole number from 1")


_KINDS: Mapping[Callable[[pa.DataType], bool], str] = {
    pa.types.is_integer: "a whole number",
    pa.types.is_floating: "a number",
    pa.types.is_boolean: "true or false",
    pa.types.is_string: "a value",
}
"""What an axis that lrdecay has must be, by its type."""


def _read_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _read_axes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return axes under the columns that lrdecay has for them; all others are the loop's own
    arguments."""
    found: dict[str, Any] = {}
    own = {}
    for axis, value in values.items():
        if axis not in AXES:
            own[axis] = value
            continue
        kind, number = BY_NAME[axis].type, _read_number(value)
        if pa.types.is_string(kind) and value is not None:
            found[axis] = str(value)
        elif pa.types.is_boolean(kind) and value in (True, False):
            found[axis] = bool(value)
        elif pa.types.is_floating(kind) and number is not None:
            found[axis] = number
        elif pa.types.is_integer(kind) and number is not None and number.is_integer():
            found[axis] = int(number)
        else:
            needed = next(text for is_kind, text in _KINDS.items() if is_kind(kind))
            raise InputError(f"axis {axis}: {quote(value)} is not {needed}")
    found["trainer_args"] = json.dumps(own, sort_keys=True, default=str) if own else None
    return found


def make_run(row: Mapping[str, Any]) -> Run:
    """Return what a row was asked to be, as far as that is known."""
    return Run(**{each.name: row.get(each.name) for each in fields(Run)})  # type: ignore[arg-type]


def _identify(digest: str, cell: Mapping[Any, Any], dataset: str) -> str:
    """Return the arguments of a schedule of which nothing but the label is known: with the import
    and the problem they keep runs apart that are called alike in another import."""
    content = {"imported": digest[:16], "label": cell["scheduler"], "dataset": dataset}
    return json.dumps(content, sort_keys=True)
