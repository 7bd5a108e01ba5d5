"""What a reader gives: a row for each run, and its values by step where it has any."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

CURVES = ("run", "step", "metric", "value")
"""The columns of values by step."""


@dataclass(frozen=True)
class Source:
    """What a tracker left behind.

    Attributes:
        runs: one row per run, whatever columns it has: parameters, final values, a state.
        curves: one row per run, step and metric, in the columns `CURVES`; None of a plain table.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame | None = None
