"""Tables that cannot be true: refused in one line as they are read, whoever reads them.

`parquet` tells whether a table is as it was written; this, whether what was written can be.
"""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.store.columns import FOREIGN, OF_TABLE, Range
from lrdecay.store.schema import AXES

_LONGEST = 60  # characters of a value that is shown

ONE_RUN = ("run_id",)
ONE_CELL = (*AXES, "phase", "seed")
ONE_EPOCH = ("run_id", "epoch", "split")
ONE_VALUE = (*ONE_EPOCH, "metric")


def check_runs(rows: pa.Table, path: Path, name: str = "runs") -> None:
    """Check rows of the table of runs, or of the plan, in the columns that they have.

    Raises:
        InputError: a value is none that the column may hold, or two rows are of one run, or of one
            cell and seed.
    """
    _check_values(rows, path, name, _find_foreign(rows))
    _check_once(rows, path, ONE_RUN, "each run once")
    _check_once(rows, path, ONE_CELL, "one run of each cell and seed")
    if {"test_images", "test_correct"} <= set(rows.column_names):
        size = pc.binary_length(rows["test_correct"])
        needed = pc.divide(pc.add(rows["test_images"], 7), 8)
        wrong = pc.fill_null(pc.not_equal(size, needed), False)
        if (place := _first(wrong)) is not None:
            raise _error(
                path,
                rows,
                place,
                f"test_correct has {size[place]} bytes",
                f"one bit for each of its {rows['test_images'][place]} test images",
            )


def check_epochs(rows: pa.Table, path: Path, runs: pa.Table) -> None:
    """Check rows of the table of epochs; `runs` has run_id and engine of all runs.

    Raises:
        InputError: as `check_runs`; two rows are of one run, epoch and split; or a run is unknown.
    """
    foreign = runs.filter(_find_foreign(runs))["run_id"]
    _check_values(rows, path, "epochs", pc.is_in(rows["run_id"], foreign.combine_chunks()))
    _check_once(rows, path, ONE_EPOCH, "each epoch and split of a run once")
    _check_known(rows, path, runs, "epochs of runs that are")


def check_metrics(rows: pa.Table, path: Path, runs: pa.Table) -> None:
    """Check rows of the table of metrics; `runs` as for `check_epochs`.

    Raises:
        InputError: as `check_runs`; two rows are of one run, epoch, split and metric; or a run is
            unknown.
    """
    _check_values(rows, path, "metrics", pa.array([False] * len(rows), pa.bool_()))
    _check_once(rows, path, ONE_VALUE, "each metric of a run, epoch and split once")
    _check_known(rows, path, runs, "values of runs that are")


def _check_known(rows: pa.Table, path: Path, runs: pa.Table, valid: str) -> None:
    there = pc.is_in(rows["run_id"], runs["run_id"].combine_chunks())
    if (place := _first(pc.invert(there))) is not None:
        raise _error(path, rows, place, "it is not in runs.parquet", valid)


def _find_foreign(rows: pa.Table) -> Any:
    """Return which runs another loop than lrdecay's has trained, or is to: of these much may be
    null. A plan has no engine; in it they are those of a trainer, and those without a dataset."""
    foreign = pa.array([False] * len(rows), pa.bool_())
    if "engine" in rows.column_names:
        return pc.is_in(rows["engine"], pa.array(FOREIGN))
    for name, tell in (("trainer", pc.is_valid), ("dataset_digest", pc.is_null)):
        if name in rows.column_names:
            foreign = pc.or_(foreign, tell(rows[name]))
    return foreign


def _check_values(rows: pa.Table, path: Path, name: str, foreign: Any) -> None:
    columns = {column.name: column for column in OF_TABLE[name]}
    for column_name in rows.column_names:
        known, column = columns[column_name], rows[column_name]
        if column.null_count and not known.null:
            missing = pc.is_null(column)
            if known.loop:
                missing = pc.and_not(missing, foreign)
            if (place := _first(missing)) is not None:
                raise _error(path, rows, place, f"{column_name} is null", "a value")
        valid = known.range
        if valid is None:
            continue
        place = _first(pc.invert(pc.fill_null(is_within(column, valid), True)))
        if place is not None:
            value = sanitize_line(str(column[place].as_py()))[:_LONGEST]
            raise _error(path, rows, place, f"{column_name} is {value}", valid.valid)


def is_within(values: Any, valid: Range) -> Any:
    """Return for each value whether the range has it, null where the value is."""
    if valid.choices:
        known = pc.is_in(values, pa.array(valid.choices))
        return pc.if_else(pc.is_valid(values), known, None)
    if valid.pattern:
        reserved = pc.is_in(values, pa.array(valid.reserved, pa.string()))
        return pc.and_not(pc.match_substring_regex(values, valid.pattern), reserved)
    bounds = (
        (pc.greater_equal, valid.least),
        (pc.greater, valid.above),
        (pc.less, valid.below),
        (pc.less_equal, valid.most),
    )
    held = [compare(values, bound) for compare, bound in bounds if bound is not None]
    return reduce(pc.and_, [*held, *([pc.is_finite(values)] if valid.finite else [])])


def _check_once(rows: pa.Table, path: Path, key: Sequence[str], valid: str) -> None:
    """Refuse two rows with the same values in the columns of `key`, if all of them are there."""
    if not set(key) <= set(rows.column_names):
        return
    groups = rows.select(list(key)).group_by(list(key), use_threads=False)  # in the rows' order
    counts = groups.aggregate([([], "count_all")])
    if len(counts) == len(rows):
        return
    twice = counts.filter(pc.greater(counts["count_all"], 1)).slice(0, 1)
    same = pa.array([True] * len(rows))
    values = {name: twice[name][0] for name in key}
    for name, value in values.items():
        equal = pc.equal(rows[name], value) if value.is_valid else pc.is_null(rows[name])
        same = pc.and_(same, pc.fill_null(equal, False))
    words = ", ".join(
        f"{n} {_short(value.as_py())}" for n, value in values.items() if value.is_valid
    )
    count = f"{twice['count_all'][0]} rows"
    raise _error(path, rows, _first(same), f"there are {count} of {words}", valid)


def _first(mask: Any) -> int | None:
    place = pc.index(mask, True).as_py()
    return None if place < 0 else place


def _short(value: object) -> str:
    return sanitize_line(f"{value:g}" if isinstance(value, float) else str(value))[:_LONGEST]


def _error(path: Path, rows: pa.Table, place: int | None, found: str, valid: str) -> InputError:
    named = place is not None and "run_id" in rows.column_names
    run = f"run {_short(rows['run_id'][place].as_py())}: " if named else ""
    return InputError(
        f"{path}: {run}{found}; valid is {valid}. lrdecay writes no such table: take it from a "
        f"copy, or move the folder away and train again"
    )
