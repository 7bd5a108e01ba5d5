"""The axes of the matrix as the tables have them: cells, strata, and the order of values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis.frame_check import check_values
from lrdecay.core.errors import InputError
from lrdecay.store.schema import AXES as AXES


def axis_values(runs: pd.DataFrame, axis: str) -> list[object]:
    """The values of one axis: numbers sorted, names in the order of first appearance."""
    require_columns(runs, [axis])
    values = runs[axis].drop_duplicates()
    if pd.api.types.is_numeric_dtype(values):
        values = values.sort_values()
    return list(values.tolist())


def has_dropout(rows: pd.DataFrame | Mapping[Hashable, Any]) -> Any:
    """Return whether rows, or one row, are of one dropout that the sweep file gives: not of
    networks with rates of their own, and not averaged over dropouts, both of which are null."""
    return pd.notna(rows["dropout"])


def drop_own_dropout(axes: Sequence[str], runs: pd.DataFrame) -> list[str]:
    """The same axes, without dropout where every network has rates of its own."""
    return [axis for axis in axes if axis != "dropout" or has_dropout(runs).any()]


def select_rows(table: pd.DataFrame, axis: str, value: object) -> pd.DataFrame:
    """The rows with one value of an axis; null is a value."""
    column = table[axis]
    return table[column.isna() if pd.isna(value) else column == value]  # type: ignore[call-overload]


def complete_axes(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs with a dropout and a phase: a frame that has none is of one dropout, which is not
    known, and of a comparison. Any other axis that a frame lacks has one value too, and needs no
    column."""
    absent: dict[str, Any] = {"dropout": np.nan, "phase": "compare"}
    return runs.assign(**{name: value for name, value in absent.items() if name not in runs})


def compared(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the comparison: all but the trials that chose base rates."""
    runs = complete_axes(runs)
    require_columns(runs, ["phase"])
    return runs[runs["phase"] == "compare"].reset_index(drop=True)


def rates_chosen(runs: pd.DataFrame) -> bool:
    """Whether these are runs of a comparison whose base rates were chosen, not given."""
    if "lr_chosen_per" not in runs:
        return False
    runs = complete_axes(runs)
    require_columns(runs, ["phase", "lr_chosen_per"])
    return bool((runs["lr_chosen_per"].notna() & (runs["phase"] == "compare")).any())


def extra_axes(runs: pd.DataFrame) -> list[str]:
    """The axes besides scheduler and dropout that take more than one value, in `AXES` order.

    A chosen base rate is no axis: it comes with its scheduler. An axis without a column has one
    value.

    Raises:
        InputError: `runs` has no schedulers, or holds trials of base rates and runs of the
            comparison.
    """
    runs = complete_axes(runs)
    there = [axis for axis in AXES if axis in runs]
    require_columns(runs, ["scheduler", *there, "phase"])
    if runs["phase"].nunique() > 1:
        raise InputError(
            "the table has trials that chose base rates and runs of the comparison: take one of "
            "them first, e.g. lrdecay.analysis.compared(runs)"
        )
    named = {"scheduler", "dropout", *(["lr"] if rates_chosen(runs) else [])}
    return [axis for axis in there if axis not in named and runs[axis].nunique(dropna=False) > 1]


def cell_axes(runs: pd.DataFrame) -> list[str]:
    """What names a cell of the matrix: the extra axes, then scheduler and dropout."""
    return [*extra_axes(runs), "scheduler", "dropout"]


def list_cells(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the values of `cell_axes` of each cell, in the order of `axis_values`."""
    axes = cell_axes(runs)
    return sort_by_axes(runs[axes].drop_duplicates(), runs, axes)


def number_cells(runs: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    """Return which row of `cells`, as `list_cells` has them, each run is of."""
    axes, numbered = list(cells), cells.assign(_cell=np.arange(len(cells)))
    found = runs[axes].merge(numbered, on=axes, how="left", validate="many_to_one")["_cell"]
    return found.to_numpy(dtype=int)


def list_strata(table: pd.DataFrame) -> list[str]:
    """The axes besides scheduler and dropout that a table of verdicts has."""
    return [axis for axis in AXES if axis in table and axis not in ("scheduler", "dropout")]


def sort_by_axes(
    table: pd.DataFrame, runs: pd.DataFrame, axes: Sequence[str], then: Sequence[str] = ()
) -> pd.DataFrame:
    """Sort by the place of each axis's value in `axis_values`, then by plain columns."""
    places = {axis: {v: i for i, v in enumerate(axis_values(runs, axis))} for axis in axes}

    def place(column: pd.Series[Any]) -> pd.Series[Any]:
        order = places.get(str(column.name))
        return column if order is None else column.map(order)

    return table.sort_values([*axes, *then], key=place, ignore_index=True, kind="stable")


def require_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table that lacks one of the columns or has it twice, or has in one what cannot be
    there."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(
            f"no column {', '.join(map(repr, missing))} in the table; it has: "
            f"{', '.join(map(str, table.columns))}"
        )
    twice = table.columns[table.columns.duplicated()]
    if again := [column for column in columns if column in twice]:
        raise InputError(f"the table has two columns {again[0]!r}")
    check_values(table, columns)
