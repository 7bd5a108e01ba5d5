"""What a run is called where something is said of it alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import format_dropout, join_filled


def name_run(row: Mapping[Any, Any]) -> str:
    """Return what a row of `runs` is called.

    >>> name_run({"scheduler": "step", "dropout": 0.3, "seed": 0, "phase": "compare"})
    'step, dropout 0.3, seed 0'
    """
    rate = f"base rate {row['lr']:g}" if row["phase"] == "choose" else ""
    return join_filled(
        row["scheduler"], format_dropout(row["dropout"]), f"seed {row['seed']}", rate
    )


def describe_failure(row: Mapping[Any, Any]) -> str:
    """Return one line on a run that an error has ended."""
    return sanitize_line(f"failed: {name_run(row)}: {row['error']}")
