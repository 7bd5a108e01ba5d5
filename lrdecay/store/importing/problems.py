"""Wide tables, with a column for each problem, to long ones with an axis for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from lrdecay.core.errors import InputError

_OF_PROBLEM = re.compile(r"(?P<name>\w+)\[(?P<problem>.+)\]")
AXIS = "dataset"
"""The axis that tells problems apart, so that all of them are one family."""


def split_problems(
    frame: pd.DataFrame, metrics: Mapping[str, str], axes: tuple[str, ...]
) -> tuple[pd.DataFrame, dict[str, str], tuple[str, ...]]:
    """Return the rows once for each problem that metrics such as `test_accuracy[cifar10]` name.

    Returns:
        The rows, with the number that each has in the table as `_row`, from 1; the columns of the
        metrics by their names; and the axes. Without problems the rows are as they are.

    Raises:
        InputError: only some metrics name a problem, one lacks a metric, or `dataset` is taken.
    """
    frame = frame.assign(_row=frame.index + 1)
    found = {name: _OF_PROBLEM.fullmatch(name) for name in metrics}
    named = {name: match for name, match in found.items() if match is not None}
    if not named:
        return frame, dict(metrics), axes
    if plain := [name for name in metrics if name not in named]:
        raise InputError(
            f"metric {plain[0]}: others name a problem, as in {next(iter(named))}; either all "
            f"do, or none does"
        )
    if AXIS in frame:
        raise InputError(
            f"metric {next(iter(named))}: its problem would be the axis {AXIS}, and the table has "
            f"a column of that name; rename it"
        )
    columns = {(match["name"], match["problem"]): metrics[name] for name, match in named.items()}
    names = list(dict.fromkeys(name for name, _ in columns))
    problems = list(dict.fromkeys(problem for _, problem in columns))
    parts = []
    for problem in problems:
        if lacking := [name for name in names if (name, problem) not in columns]:
            raise InputError(f"metric {lacking[0]}: no column is given for {problem}")
        own = {f"_{name}": frame[columns[name, problem]] for name in names}
        parts.append(frame.assign(**{AXIS: problem}, **own))
    long = pd.concat(parts, ignore_index=True)
    return long, {name: f"_{name}" for name in names}, (*axes, AXIS)
