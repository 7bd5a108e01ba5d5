"""How runs of somebody else's table ended."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.core.text import quote

STATUS = {
    **dict.fromkeys(("completed", "finished"), "completed"),
    "diverged": "diverged",
    **dict.fromkeys(("failed", "crashed", "killed"), "failed"),
}
"""How a run ended, by what trackers call it, in any case."""


def read_status(
    frame: pd.DataFrame, values: pd.DataFrame, column: str | None
) -> tuple[pd.Series[str], np.ndarray, list[str]]:
    """Return how each run ended, for which it is not known, and a note if there are such."""
    if column is not None:
        status = frame[column].astype(str).str.strip().str.lower().map(STATUS)
        if status.isna().any():
            odd = frame.loc[status.isna(), column].tolist()[0]
            raise InputError(
                f"status: {quote(odd)} is none of completed, diverged, failed (nor finished, "
                f"crashed, killed, as trackers say)"
            )
        return status, np.zeros(len(frame), bool), []
    unknown = values.isna().all(axis=1).to_numpy()
    status = pd.Series("completed", index=frame.index)
    if not unknown.any():
        return status, unknown, []
    have = "row has" if unknown.sum() == 1 else "rows have"
    note = f"{unknown.sum()} {have} none of the metrics, and whether they diverged is not known"
    return status, unknown, [note]
