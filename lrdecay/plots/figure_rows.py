"""The rows that a figure is of: runs with the values that were asked for, and what the comparison
found of these."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrdecay.core.errors import InputError
from lrdecay.core.text import join_words, suggest_name

if TYPE_CHECKING:
    import pandas as pd

    from lrdecay.analysis import Conclusions


def select_where(runs: pd.DataFrame, where: Sequence[str]) -> pd.DataFrame:
    """Return the rows that have the values of each "column=value"; equal columns are alternatives.

    Raises:
        InputError: there is no such column, or it has no such value.
    """
    keep = runs
    for column, values in _read_where(runs, where).items():
        keep = keep[keep[column].isin(values)]
    if keep.empty:
        raise InputError(f"--where: no run has {join_words(list(where))}")
    return keep


def select_found(
    found: Conclusions, where: Sequence[str], takes: Collection[str]
) -> dict[str, Any]:
    """Return what a figure of verdicts `takes`. These are of the whole comparison; rows are shown
    of what `where` asks for, as `select_where` has it.

    Raises:
        InputError: there is no such row, none has a number yet, or a column of `where` is no axis
            of the comparison.
    """
    axes = ["scheduler", "dropout", *found.blocks.strata]
    runs = found.blocks.runs
    asked = _read_where(runs, where)
    for column in asked:
        if column not in axes and runs[column].nunique(dropna=False) > 1:
            raise InputError(
                f"--where {column}: a verdict is on all runs of a scheduler, so of {column} there "
                f"is no choice here; choose values of {join_words(axes, 'or')}"
            )
    if others := [name for name in asked.get("scheduler", ()) if name != found.reference]:
        asked["scheduler"] = others  # the reference is on the other side of every difference
    table = _keep(found.primary, asked)
    if table.empty:
        raise InputError(
            f"nothing to draw: no difference to {found.reference}, the reference, is asked for"
        )
    if table["mean"].isna().all():
        raise InputError(f"nothing to draw: {table['sentence'].iloc[0]}")
    given: dict[str, Any] = {
        "reference": found.reference,
        "metric": found.metric,
        "unit": found.metric.unit,
        "margin": found.criteria.margin,
    }
    if "table" in takes:
        given["table"] = table.sort_values("dropout", kind="stable")
    if "steps" in takes:
        given["steps"] = _keep(found.history, asked)
        if given["steps"].empty:
            if not found.has_pairs:
                raise InputError("nothing to draw: the runs are not paired, so there are no looks")
            begin, most = table["next_look"].min(), table["n"].max()
            raise InputError(
                f"nothing to draw: intervals begin at {begin} seeds, and a pair has {most} at most"
            )
    if "runs" in takes:  # of what is evaluated; seeds of anything else may be no pairs
        compared = {found.reference, *table.dropna(subset=["mean"])["scheduler"]}
        own = _keep(runs, {column: asked[column] for column in asked if column != "scheduler"})
        given["runs"] = own[own["scheduler"].isin(compared)]
    return {name: value for name, value in given.items() if name in takes}


def _keep(table: pd.DataFrame, asked: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """Return the rows with one of the values that are asked for of each column that is there."""
    for column, values in asked.items():
        if column in table:
            table = table[table[column].isin(values)]
    return table


def _read_where(runs: pd.DataFrame, where: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each column that "column=value" asks for, as the runs have them."""
    wanted: dict[str, list[Any]] = {}
    for pair in where:
        column, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--where {pair}: expected AXIS=VALUE, such as --where dropout=0.3")
        if column not in runs:
            raise InputError(f"--where {pair}: column {suggest_name(column, runs.columns)}")
        values = {_text(value): value for value in runs[column].drop_duplicates()}
        if _text(text) not in values:
            there = ", ".join(values)
            raise InputError(f"--where {column}={text}: no such run; choose from {there}")
        wanted.setdefault(column, []).append(values[_text(text)])
    return wanted


def _text(value: object) -> str:
    """A value as it is compared: numbers in their shortest form, booleans in lower case."""
    text = str(value)
    if text in ("True", "False"):
        return text.lower()
    try:
        return repr(float(text))
    except ValueError:
        return text
