"""What a page says of results that were imported: whence they came, and how they are paired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrdecay.analysis import Conclusions
from lrdecay.analysis.pairing import BY_SEED, NOT_PAIRED, START_VERIFIED, VERIFIED
from lrdecay.core.text import spell_count
from lrdecay.store.importing.save import Origin

PAIRED: Mapping[str, str] = {
    VERIFIED: (
        "Runs of one seed had the same initial weights and data order: the digests that came with "
        "them agree."
    ),
    START_VERIFIED: (
        "Runs of one seed began alike, as what was given as evidence of it says; whether they then "
        "saw the same batches is not recorded."
    ),
    BY_SEED: (
        "Runs are paired by the number of their seed alone: nothing that is recorded shows that "
        "those of one seed had the same initial weights or saw the same batches. If they did not, "
        "pairing gains nothing; the interval holds all the same."
    ),
    NOT_PAIRED: (
        "The two sides have no seed in common, so their runs are two samples, compared by Welch's "
        "interval with the degrees of freedom of the smaller one; it holds for a number of seeds "
        "that was fixed beforehand."
    ),
}


def describe_import(origin: Origin, found: Conclusions | None) -> Mapping[str, Any]:
    """Return what the page's template says of an import."""
    return {
        "origin": write_origin(origin),
        "notes": origin.notes,
        "pairing": [] if found is None else write_pairing(found),
        "method": "" if found is None else write_method(found),
    }


def write_origin(origin: Origin) -> str:
    """Return where the results came from, in two sentences."""
    rows = spell_count(origin.rows, "row")
    return (
        f"{origin.file} (SHA-256 {origin.sha256[:16]}..., {rows}) was imported on {origin.at}. "
        f"What is not in it is not claimed here."
    )


def write_pairing(found: Conclusions, words: Mapping[str, str] = PAIRED) -> list[str]:
    """Return how the runs are paired, a line, of `words`, for each state that occurs."""
    primary = found.primary  # that of no pair at all is the pairing of nothing
    judged = primary[(primary["n"] > 0) | (primary["pairing"] == NOT_PAIRED)]
    states = list(dict.fromkeys(judged["pairing"]))
    lines = [words[state] for state in words if state in states]
    if len(states) > 1:
        lines.append("Not all differences are paired alike; the sentence of each says how.")
    return lines


def write_method(found: Conclusions) -> str:
    """Return by what rule differences are judged."""
    if found.criteria.seeds_fixed:
        rule = (
            "Each difference has the t interval of all pairs there are, which holds for a number "
            "of seeds that was fixed beforehand, as was said at the import."
        )
    else:
        rule = (
            "Differences are judged at looks, numbers of seeds that do not depend on what came "
            "out: at 8, 12, 16, 24, ... seeds, in ascending order, four fifths of the error being "
            "for the first. At each the interval is the t interval at that share, and what those "
            "of all looks have in common is shown."
        )
    return (
        f"{rule} Several differences share the error rate evenly (Bonferroni). One is called real "
        f"if its interval excludes 0, equivalent if it lies within the margin, and else not "
        f"resolved; nothing is judged where a run diverged, failed, has no value or is there for "
        f"one side only. The question was put when the results were there already: the error rate "
        f"holds if reference and metric were not chosen after seeing them."
    )


def list_import_facts(origin: Origin, runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what is known of how the numbers were made: pairs of a name and a text."""
    columns = {
        key: ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
        for key, value in origin.columns.items()
    }
    said = "; ".join(f"{key}: {value}" for key, value in columns.items())
    return [
        ("imported from", origin.file),
        ("SHA-256", origin.sha256),
        ("imported on", origin.at),
        ("rows", str(origin.rows)),
        ("columns", said),
        ("seeds", str(runs["seed"].nunique())),
    ]
