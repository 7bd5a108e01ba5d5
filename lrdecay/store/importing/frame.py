"""A table of somebody else's results to rows of lrdecay's: who is compared, at which seed, by what.

Each mistake is one error that says where it is and what would be valid; nothing is repaired, and
what is taken for granted is a note.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category

import numpy as np
import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.core.text import join_some, quote, spell_count
from lrdecay.store.importing.columns import Columns, check_name, require_columns
from lrdecay.store.importing.digests import read_digests
from lrdecay.store.importing.problems import split_problems
from lrdecay.store.importing.status import read_status
from lrdecay.store.importing.units import ImportedMetric, describe_metric

_BREAKING = ("Cc", "Zl", "Zp")  # control characters, and what begins lines and paragraphs
_MOST_ROWS = 6  # that an error names


@dataclass(frozen=True)
class ImportedRows:
    """What a table says, a row per run.

    Attributes:
        cells: `scheduler`, `seed`, `dropout` (null if there is none), `status`, and the axes.
        values: a column for each metric, in the unit that it is stored in; null if not finite.
        digests: a column for each that is known; null where it is not.
        unknown: which runs have none of the metrics, without a word on how they ended.
        axes: the names of the further axes, `dataset` among them where metrics are of several.
        metrics: what the metrics are.
        notes: what was left out, or taken for granted.
    """

    cells: pd.DataFrame
    values: pd.DataFrame
    digests: pd.DataFrame
    unknown: np.ndarray
    axes: tuple[str, ...]
    metrics: tuple[ImportedMetric, ...]
    notes: tuple[str, ...]


def read_frame(frame: pd.DataFrame, columns: Columns) -> ImportedRows:
    """Return what a table says.

    Raises:
        InputError: a column is missing, or holds what it cannot; two rows are of one run; a unit or
            a direction is not known.
    """
    wanted = columns.metrics
    if not len(frame):
        raise InputError("the table has no rows")
    if not wanted:
        raise InputError("no metric is given: such as --metric test_accuracy=COLUMN")
    require_columns(frame, columns)
    frame = frame.reset_index(drop=True)
    frame, notes = _drop_rows(frame, columns.seed, columns.drop)
    _check_labels(frame[columns.scheduler])
    _check_seeds(frame[columns.seed])
    frame, wanted, axes = split_problems(frame, wanted, tuple(columns.axes))
    _check_named(wanted, columns)
    cells = _read_cells(frame, columns, axes)
    frame, cells, kept = _keep_once(frame, cells, columns, axes)
    values, metrics = _read_values(frame, wanted, columns)
    status, unknown, fates = read_status(frame, values, columns.status)
    return ImportedRows(
        cells.drop(columns="_row").assign(status=status),
        values,
        read_digests(frame, columns),
        unknown,
        axes,
        metrics,
        (*notes, *kept, *(metric.note for metric in metrics if metric.note), *fates),
    )


def _refuse_missing(what: str, column: pd.Series[Any], missing: pd.Series[bool]) -> None:
    if missing.any():
        row = column.index[missing][0] + 1
        raise InputError(f"{what}: there is none in {str(column.name)!r} (row {row})")


def _check_labels(column: pd.Series[Any]) -> None:
    labels = column.astype(str)
    _refuse_missing("scheduler", column, column.isna() | (labels.str.strip() == ""))
    different = labels.drop_duplicates()
    for row, label in zip(different.index.to_list(), different, strict=True):
        if any(category(character) in _BREAKING for character in label):
            raise InputError(
                f"scheduler: {quote(label)} (row {row + 1}) is no label: it is text on one line, "
                f"without control characters"
            )


def _drop_rows(
    frame: pd.DataFrame, seed: str, drop: Sequence[object]
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out the rows whose seed is one of `drop`."""
    if not drop:
        return frame, []
    text = frame[seed].astype(str).str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    gone = pd.Series(False, index=frame.index)
    for value in drop:
        own = text.eq(str(value)) | numbers.eq(pd.to_numeric(str(value), errors="coerce"))
        if not own.any():
            raise InputError(f"drop: no row has the seed {str(value)!r}")
        gone |= own
    if gone.all():
        raise InputError("drop: no row is left")
    rows = spell_count(int(gone.sum()), "row")
    names = ", ".join(map(str, drop))
    return frame[~gone], [f"{rows} whose {seed} is {names} left out, as asked"]


def _check_seeds(column: pd.Series[Any]) -> None:
    _refuse_missing("seed", column, column.isna())
    text = column.astype(str).str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    whole = numbers.notna() & (numbers == numbers.round()) & numbers.between(0, 2**53)
    if not whole.all():
        odd = str(text[~whole].iloc[0])
        raise InputError(
            f"seed: {odd!r} (row {text.index[~whole][0] + 1}) is no seed, a whole number from 0; "
            f"rows of means are no runs: leave them out with --drop {odd}"
        )


def _read_cells(frame: pd.DataFrame, columns: Columns, axes: Collection[str]) -> pd.DataFrame:
    seed = pd.to_numeric(frame[columns.seed].astype(str).str.strip())
    cells = pd.DataFrame(
        {
            "scheduler": frame[columns.scheduler].astype(str),
            "seed": seed.astype("int64"),
            "dropout": _read_dropout(frame, columns.dropout),
            "_row": frame["_row"],
        }
    )
    for axis in axes:
        plain = frame[axis].map(pd.api.types.is_hashable).to_numpy(dtype=bool)
        if not plain.all():
            value, row = frame[axis][~plain].iloc[0], frame["_row"][~plain].iloc[0]
            raise InputError(f"axis {axis}: {quote(value)} (row {row}) is no text, number or truth")
    return cells.assign(**{axis: frame[axis] for axis in axes})


def _read_dropout(frame: pd.DataFrame, dropout: str | float | None) -> pd.Series[float]:
    if not isinstance(dropout, str):
        given = np.nan if dropout is None else float(dropout)
        rates = pd.Series(given, index=frame.index, dtype=float)
    else:
        rates = _read_numbers(frame, dropout, "dropout")
    bad = rates[rates.notna() & ~((rates >= 0) & (rates < 1))]
    if len(bad):
        raise InputError(f"dropout: {bad.iloc[0]:g} is none, which is at least 0 and less than 1")
    return rates


def _read_numbers(frame: pd.DataFrame, column: str, what: str) -> pd.Series[float]:
    """Return a column as numbers; null stays null."""
    numbers = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    bad = numbers.isna() & frame[column].notna()
    if bad.any():
        value, row = frame.loc[bad, column].iloc[0], frame.loc[bad, "_row"].iloc[0]
        raise InputError(f"{what}: {quote(value)} (row {row}) is no number")
    return numbers


def _keep_once(
    frame: pd.DataFrame, cells: pd.DataFrame, columns: Columns, axes: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Refuse two rows of one cell and seed, or keep the last of them if that is asked for."""
    key = ["scheduler", "dropout", *axes, "seed"]
    twice = cells.duplicated(key, keep=False)
    if not twice.any():
        return frame, cells, []
    if columns.duplicates == "last":
        last = ~cells.duplicated(key, keep="last")
        note = (
            f"of {spell_count(int(twice.sum()), 'row')} that share a cell and seed the last of "
            f"each was taken, as asked"
        )
        return frame[last], cells[last], [note]
    if columns.duplicates != "refuse":
        raise InputError(f"duplicates must be refuse or last, not {columns.duplicates!r}")
    first = cells[twice].iloc[0]
    same = cells[key].eq(first[key]) | (cells[key].isna() & first[key].isna())
    those = same.all(axis=1)
    rows = join_some(cells.loc[those, "_row"].tolist(), _MOST_ROWS)
    used = {columns.scheduler, columns.seed, columns.dropout, *axes, *columns.metrics.values()}
    several = frame[those].nunique(dropna=False) > 1
    differ = [
        str(name)
        for name in frame.columns[several]
        if name not in used and not str(name).startswith("_")
    ]
    raise InputError(
        f"rows {rows} are all of {first['scheduler']} at seed {first['seed']}: name the column "
        f"that tells them apart (--axis; these differ: {', '.join(differ) or 'none'}), or say "
        f"--duplicates last"
    )


def _read_values(
    frame: pd.DataFrame, wanted: Mapping[str, str], columns: Columns
) -> tuple[pd.DataFrame, tuple[ImportedMetric, ...]]:
    values, metrics = {}, []
    for name, column in wanted.items():
        check_name(name, column)
        numbers = _read_numbers(frame, column, f"metric {name}")
        finite = numbers.where(np.isfinite(numbers))
        of_rows = finite.set_axis(frame["_row"] - 1).dropna()
        metric = describe_metric(
            name, column, of_rows, _pick(columns.unit, name), _pick(columns.higher_is_better, name)
        )
        values[name] = finite * metric.scale
        metrics.append(metric)
    return pd.DataFrame(values, index=frame.index), tuple(metrics)


def _check_named(wanted: Collection[str], columns: Columns) -> None:
    """Refuse what is said of a metric that is not there."""
    for what, given in (("unit", columns.unit), ("direction", columns.higher_is_better)):
        for name in given if isinstance(given, Mapping) else ():
            if name not in wanted:
                there = ", ".join(wanted)
                raise InputError(f"{what} of {name!r}: no such metric; there are {there}")


def _pick(given: Any, name: str) -> Any:
    """Return what is said of one metric, or of all of them."""
    return given.get(name) if isinstance(given, Mapping) else given
