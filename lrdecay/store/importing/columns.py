"""Which columns of somebody else's table mean what, as its owner says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.core.text import find_nearest
from lrdecay.store.columns import METRIC_NAME

DIGESTS = ("init_digest", "order_digest", "dataset_digest")
IN_RUNS = ("test_accuracy", "test_loss", "val_accuracy", "val_loss", "best_test_accuracy")
"""The metrics that have a column in `runs`; others are rows of `metrics`."""
_OF_CELLS = ("scheduler", "seed", "dropout", "status")  # which an axis would stand in for
TOLD = "told-"
"""Begins an init_digest that is not one of weights, but of what a same-start column says."""
Duplicates = Literal["refuse", "last"]


@dataclass(frozen=True)
class Columns:
    """Which columns of a table mean what; `lrdecay.from_frame` says what each is."""

    scheduler: str
    seed: str
    metric: str | Sequence[str] | Mapping[str, str]
    dropout: str | float | None = None
    axes: Sequence[str] = ()
    status: str | None = None
    same_start: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    higher_is_better: bool | Mapping[str, bool] | None = None
    unit: str | Mapping[str, str] | None = None
    drop: Sequence[object] = ()
    duplicates: Duplicates = "refuse"

    def describe(self) -> dict[str, Any]:
        """Return what was said, as a sweep file keeps it."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        said |= {"metric": self.metrics, "axes": list(self.axes), "drop": list(map(str, self.drop))}
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in said.items()}
        return {k: v for k, v in plain.items() if v not in (None, {}, [])}

    @property
    def metrics(self) -> dict[str, str]:
        """The columns of the metrics by what lrdecay is to call these."""
        if isinstance(self.metric, Mapping):
            return dict(self.metric)
        columns = [self.metric] if isinstance(self.metric, str) else list(self.metric)
        # a column's own name, as far as a metric may be called so
        return {re.sub(r"[^a-z0-9]+", "_", str(each).lower()).strip("_"): each for each in columns}


def require_columns(frame: pd.DataFrame, columns: Columns) -> None:
    """Refuse columns that the table has not, or has twice."""
    asked = [("scheduler", columns.scheduler), ("seed", columns.seed)]
    asked += [("dropout", columns.dropout)] if isinstance(columns.dropout, str) else []
    asked += [("axis", axis) for axis in columns.axes]
    asked += [(f"metric {name}", column) for name, column in columns.metrics.items()]
    asked += [("status", columns.status)] if columns.status is not None else []
    asked += [("same start", columns.same_start)] if columns.same_start is not None else []
    asked += [(f"digest {name}", column) for name, column in columns.digests.items()]
    there = list(map(str, frame.columns))
    for what, column in asked:
        if column not in frame:
            near = find_nearest(str(column), there)
            hint = f"; did you mean {near!r}?" if near else ""
            raise InputError(
                f"{what}: no column {column!r} in the table{hint} (columns: {', '.join(there)})"
            )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"the table has two columns {twice!r}")
    _check_axes(columns)
    if odd := [name for name in columns.digests if name not in DIGESTS]:
        raise InputError(f"digest: {odd[0]!r} is none of {', '.join(DIGESTS)}")


def _check_axes(columns: Columns) -> None:
    """Refuse an axis that is something else already, or is called as something else is."""
    taken = {columns.scheduler, columns.seed, columns.dropout, columns.status}
    taken |= set(columns.metrics.values())
    for place, axis in enumerate(columns.axes):
        if axis in taken or axis in columns.axes[:place]:
            raise InputError(f"axis: the column {axis!r} is given as something else already")
        if axis in _OF_CELLS:
            raise InputError(f"axis {axis!r}: lrdecay calls something else so; rename the column")


def check_name(name: str, column: str) -> None:
    """Refuse what a metric cannot be called."""
    if name in ("accuracy", "loss"):
        raise InputError(
            f"metric {name}: of which images? Give --metric test_{name}={column} or "
            f"val_{name}={column}"
        )
    if name in IN_RUNS:
        return
    if not re.match(METRIC_NAME.pattern, name) or name in METRIC_NAME.reserved:
        raise InputError(
            f"metric {name!r} is no name: {METRIC_NAME.valid}; give one, as in --metric "
            f"NAME={column}"
        )
