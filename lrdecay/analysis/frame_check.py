"""Frames that cannot be true: refused with the column, the first bad row and what would be valid.

The store refuses such tables as it reads them; these are frames that were made or changed by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lrdecay.core.errors import InputError
from lrdecay.core.text import quote
from lrdecay.store.columns import BY_NAME, FOREIGN, Column
from lrdecay.store.constraints import is_within
from lrdecay.store.schema import AXES


def check_values(table: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse a table of runs or epochs in whose columns of these names is what cannot be there.

    Columns that no table of the store has may hold anything.

    Raises:
        InputError: a value is missing where there always is one, is no number where there is, or
            lies out of the column's range.
    """
    for name in names:
        column = BY_NAME.get(name)
        if column is None:
            continue
        bad = _find_bad(table[name], column, _may_be_null(table, column))
        if bad.any():
            raise _error(table, bad, name, _describe(column))


def check_shares(table: pd.DataFrame, name: str) -> None:
    """Refuse a column of numbers that are to be shown as percentage points, and are none of 1.

    Raises:
        InputError: a value is not from 0 to 1.
    """
    numbers = table[name].astype("float64")
    bad = (numbers.notna() & ~numbers.between(0, 1)).to_numpy(dtype=bool)
    if bad.any():
        valid = "a share from 0 to 1, since its unit is points: divide percent by 100"
        raise _error(table, bad, name, valid)


def with_engines(epochs: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return epochs with the `engine` of the run of each row, if `runs` tell; of rows of other runs
    nothing is known, so that they may lack what those of a foreign loop may."""
    if "engine" not in runs or not {"run_id"} <= set(runs) & set(epochs):
        return epochs
    engines = runs.drop_duplicates("run_id").set_index("run_id")["engine"].astype(object)
    return epochs.assign(engine=epochs["run_id"].map(engines).fillna(FOREIGN[0]))


def _may_be_null(table: pd.DataFrame, column: Column) -> Any:
    """Return whether a column may have no value, for each row or for all: of a run that another
    loop trained some may, or of one that is planned for it; where neither is known, lrdecay's own
    counts. Of epochs it is known where they are `with_engines`, else any may: a loop may measure
    one of loss and accuracy, and a program may tell no rates."""
    if column.null or not column.loop:
        return bool(column.null)
    if not {"engine", "trainer"} & set(table):
        return "split" in table
    foreign = table["engine"].isin(FOREIGN) if "engine" in table else table["trainer"].notna()
    return foreign.to_numpy(dtype=bool)


def _find_bad(values: pd.Series[Any], column: Column, may_be_null: Any) -> np.ndarray:
    """Return which values a column cannot hold."""
    missing = values.isna().to_numpy(dtype=bool)
    null: np.ndarray = missing & ~np.broadcast_to(may_be_null, missing.shape)
    valid, whole = column.range, pa.types.is_integer(column.type)
    if valid is not None and valid.choices:
        return null | ~missing & ~values.isin(valid.choices).to_numpy(dtype=bool)
    if column.name == "scheduler":  # it is named in every sentence
        return null | ~missing & ~values.map(_is_label).to_numpy(dtype=bool)
    if not whole and not pa.types.is_floating(column.type):
        return null & (column.name in AXES)  # a digest that is missing is said, run by run
    known = ~missing
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        known &= np.array([_is_number(value) for value in values], bool)
    numbers = values[known].to_numpy(dtype=float)
    held = numbers == np.floor(numbers) if whole else np.ones(len(numbers), bool)
    if valid is not None:
        held &= is_within(pa.array(numbers), valid).to_numpy(zero_copy_only=False)
    known[known] = held
    return null | ~missing & ~known


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _is_label(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _describe(column: Column) -> str:
    """Return what a column may hold, in words."""
    if column.name == "scheduler":
        return "text that is not empty"
    valid = "" if column.range is None else column.range.valid
    if pa.types.is_integer(column.type):
        return f"a whole number, {valid}"
    if pa.types.is_floating(column.type) and not valid.startswith("a "):
        return f"a number {valid}".strip()
    return valid or "a value"


def _error(table: pd.DataFrame, bad: np.ndarray, name: str, valid: str) -> InputError:
    place = int(bad.argmax())
    value = table[name].iloc[place]
    value = value.item() if isinstance(value, np.generic) else value
    run = f" (run {table['run_id'].iloc[place]})" if "run_id" in table else ""
    count = int(bad.sum())
    others = f", the first of {count:,} such rows" if count > 1 else ""
    return InputError(
        f"{name} is {quote(None if pd.isna(value) else value)} in row {place} from 0{run}{others}; "
        f"valid is {valid}"
    )
