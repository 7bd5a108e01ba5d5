"""Tables that cannot be true: refused in one line as they are read, whoever reads them.

`files` tells whether a table is as it was written; this, whether what was written can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.store.schema import AXES, SPLITS, STATUSES, TABLES

PHASES = ("choose", "compare")

_LONGEST = 60  # characters of a value that is shown
_FIRST, _LAST = "1970-01-01", "9999-12-31"


@dataclass(frozen=True)
class Rule:
    """What a column may hold, in words, and whether values do: no answer for those that are
    null."""

    valid: str
    holds: Callable[[Any], Any]


def _one_of(choices: Sequence[str]) -> Rule:
    return Rule(f"one of {', '.join(choices)}", lambda x: pc.is_in(x, pa.array(choices)))


def _at_least(least: int) -> Rule:
    return Rule(f"at least {least}", lambda x: pc.greater_equal(x, least))


def _date(text: str) -> pa.Scalar:
    return pc.strptime(pa.scalar(text), "%Y-%m-%d", "us").cast(pa.timestamp("us", "UTC"))


_RATE = Rule("a finite number above 0", lambda x: pc.and_(pc.greater(x, 0.0), pc.is_finite(x)))
_FINITE = Rule("a finite number", pc.is_finite)
_NOT_NEGATIVE = Rule(
    "a finite number of at least 0", lambda x: pc.and_(pc.greater_equal(x, 0.0), pc.is_finite(x))
)
_SHARE = Rule("from 0 to 1", lambda x: pc.and_(pc.greater_equal(x, 0.0), pc.less_equal(x, 1.0)))
_BELOW_ONE = Rule(
    "at least 0 and less than 1", lambda x: pc.and_(pc.greater_equal(x, 0.0), pc.less(x, 1.0))
)
_MOMENT = Rule(
    f"from {_FIRST} to {_LAST}",
    lambda x: pc.and_(pc.greater_equal(x, _date(_FIRST)), pc.less_equal(x, _date(_LAST))),
)

RULES = {
    "validation": _at_least(0),
    "lr": _RATE,
    "batch_size": _at_least(1),
    "epochs": _at_least(1),
    "dropout": _BELOW_ONE,
    "seed": _at_least(0),
    "phase": _one_of(PHASES),
    "status": _one_of(STATUSES),
    "diverged_at_step": _at_least(0),
    "best_epoch": _at_least(1),
    "target": _SHARE,
    "epochs_to_target": _at_least(1),
    "lr_changes": _at_least(0),
    "applied_dropout": _BELOW_ONE,
    "test_images": _at_least(1),
    "seconds": _NOT_NEGATIVE,
    "samples_per_second": _NOT_NEGATIVE,
    "group_size": _at_least(1),
    "finished_at": _MOMENT,
    "epoch": _at_least(1),
    "split": _one_of(SPLITS),
    "accuracy": _SHARE,
    # the loss of a diverging run may be anything
    **{f"learning_rate{which}": _FINITE for which in ("", "_first", "_last")},
    **{f"{best}{split}_loss": _FINITE for best in ("", "best_") for split in ("val", "test")},
    **{f"{best}{split}_accuracy": _SHARE for best in ("", "best_") for split in ("val", "test")},
}
"""By column, whichever table it is of."""

ONE_RUN = ("run_id",)
ONE_CELL = (*AXES, "phase", "seed")
ONE_EPOCH = ("run_id", "epoch", "split")


def check_runs(rows: pa.Table, path: Path, name: str = "runs") -> None:
    """Check rows of the table of runs, or of the plan, in the columns that they have.

    Raises:
        InputError: a value is none that the column may hold, or two rows are of one run, or of one
            cell and seed.
    """
    _check_values(rows, path, name)
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


def check_epochs(rows: pa.Table, path: Path, known: pa.Array) -> None:
    """Check rows of the table of epochs; `known` are the ids of the runs.

    Raises:
        InputError: as `check_runs`; two rows are of one run, epoch and split; or a run is unknown.
    """
    _check_values(rows, path, "epochs")
    _check_once(rows, path, ONE_EPOCH, "each epoch and split of a run once")
    there = pc.is_in(rows["run_id"], known)
    if (place := _first(pc.invert(there))) is not None:
        raise _error(path, rows, place, "it is not in runs.parquet", "epochs of runs that are")


def _check_values(rows: pa.Table, path: Path, name: str) -> None:
    for field in rows.schema:
        column = rows[field.name]
        if column.null_count and not TABLES[name].field(field.name).nullable:
            place = _first(pc.is_null(column))
            assert place is not None
            raise _error(path, rows, place, f"{field.name} is null", "a value")
        rule = RULES.get(field.name)
        if rule is None:
            continue
        place = _first(pc.invert(pc.fill_null(rule.holds(column), True)))
        if place is not None:
            value = sanitize_line(str(column[place].as_py()))[:_LONGEST]
            raise _error(path, rows, place, f"{field.name} is {value}", rule.valid)


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
    for name in key:
        same = pc.and_(same, pc.equal(rows[name], twice[name][0]))
    words = ", ".join(f"{name} {_short(twice[name][0].as_py())}" for name in key)
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
        f"copy, or move the folder away and train anew"
    )
