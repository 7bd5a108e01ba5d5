"""How far a sweep is, from its results folder alone: also while another process trains."""

from pathlib import Path

import pandas as pd

from lrdecay.store.lock import Holder, find_holder
from lrdecay.store.reader import read_plan_columns, read_runs

COLUMNS = ("completed", "diverged", "failed", "running", "missing")


def read_status(folder: str | Path) -> tuple[pd.DataFrame, Holder | None]:
    """Return how many runs of each scheduler are in which state, and the process that trains.

    Returns:
        One row per scheduler, in the sweep's order, and one more for the trials of its base rates
        if it has any: `phase` (choose or compare), `scheduler`, `runs` (that the sweep asks for so
        far) and, summing up to it, `completed`, `diverged`, `failed`, `running`, `missing`.

    Raises:
        InputError: there are no results.
    """
    folder = Path(folder)
    ended = read_runs(folder, ["run_id", "phase", "scheduler", "status"])
    writer = find_holder(folder)
    columns = ["run_id", "phase", "scheduler"]
    asked = read_plan_columns(folder, columns)
    if asked.empty:
        asked = ended[columns]
    asked = asked.merge(ended[["run_id", "status"]], on="run_id", how="left")
    training = asked["run_id"].isin(writer.training if writer else ())
    # a run that failed before may be at work again
    asked.loc[training & asked["status"].isin(["failed", None]), "status"] = "running"
    asked["status"] = asked["status"].fillna("missing")
    counts = (
        asked.groupby(["phase", "scheduler"], sort=False)["status"]
        .value_counts()
        .unstack(fill_value=0)
        .reindex(columns=list(COLUMNS), fill_value=0)
    )
    counts.columns.name = None
    counts.insert(0, "runs", counts.sum(axis=1))
    return counts.reset_index(), writer
