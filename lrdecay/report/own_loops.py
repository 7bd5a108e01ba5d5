"""What a page says of runs that a loop of the user's own trained, or a program: no more of how they
came about than is recorded."""

from __future__ import annotations

import pandas as pd

from lrdecay.analysis import Conclusions
from lrdecay.analysis.pairing import START_VERIFIED, VERIFIED
from lrdecay.report.origin import PAIRED, write_pairing

AS_TOLD = "as told by the program"

_PAIRED = {
    **PAIRED,
    VERIFIED: (
        "Runs of one seed had the same initial weights and first batches: of those that are judged "
        "the recorded digests agree."
    ),
    START_VERIFIED: (
        "Runs of one seed had the same initial weights: of those that are judged the recorded "
        "digests agree; whether they then saw the same batches is not recorded."
    ),
}


def has_own_loop(runs: pd.DataFrame) -> bool:
    """Return whether another loop than lrdecay's trained runs in a sweep of lrdecay's."""
    return bool(runs["engine"].isin(("own", "command")).any())


def has_program(runs: pd.DataFrame) -> bool:
    """Return whether a program trained runs, which told its rates."""
    return bool((runs["engine"] == "command").any())


def describe_loop(runs: pd.DataFrame, epochs: pd.DataFrame, found: Conclusions | None) -> str:
    """Return what trained the runs and how they are paired, where it was not lrdecay's own loop."""
    if not has_own_loop(runs):
        return ""
    loop = "A training loop of the user's own trained these runs."
    if has_program(runs):
        own = epochs[epochs["run_id"].isin(runs["run_id"])]
        told = own["learning_rate"].notna().any()
        numbers = "all numbers, learning rates too," if told else "all numbers"
        loop = (
            f"A program trained these runs: {numbers} are {AS_TOLD}; device and versions are those "
            f"of the process that started it."
        )
        if not told:
            loop += " It told no learning rates, so nothing shows that it followed the schedules."
    return " ".join([loop, *([] if found is None else write_pairing(found, _PAIRED))])
