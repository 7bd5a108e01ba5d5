"""Whether the runs of a contrast are pairs, as far as the tables say: four states."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from lrdecay.analysis.contrasts import Contrast
from lrdecay.analysis.seed_blocks import Blocks, State
from lrdecay.core.text import spell_count

VERIFIED, START_VERIFIED = "verified", "start verified"
BY_SEED, NOT_PAIRED = "by seed", "not paired"
PAIRING = {
    VERIFIED: "the digests of initial weights and of the data order are there, and equal",
    START_VERIFIED: "that of the initial weights is, or a value that runs of one start share",
    BY_SEED: "nothing is recorded but the seed",
    NOT_PAIRED: "no seed is common: the runs are two samples",
}
"""The states, and when a contrast has which, at every seed that its cells share."""

_TELLING = 2  # different values without which one that is told tells nothing of a start


def name_pairing(blocks: Blocks, contrasts: Sequence[Contrast]) -> np.ndarray:
    """Return the state of each contrast, one of `PAIRING`."""
    if blocks.is_built_in:  # what is lrdecay's own is verified, or spoilt
        return np.full(len(contrasts), VERIFIED, object)
    return np.array([_name_one(blocks, contrast) for contrast in contrasts], object)


def _name_one(blocks: Blocks, contrast: Contrast) -> str:
    cells = list(contrast.cells)
    shared = (blocks.row[cells] >= 0).all(axis=0)
    if not shared.any() and blocks.imported and len(cells) == 2:
        return NOT_PAIRED
    shared &= (blocks.state[cells] == State.COMPLETED).all(axis=0)
    if not shared.any():
        return BY_SEED
    init, order = (
        blocks.digests[name][cells][:, shared] for name in ("init_digest", "order_digest")
    )
    told = blocks.told[cells][:, shared].any()
    if (init < 0).any() or (told and len(np.unique(init)) < _TELLING):
        return BY_SEED
    return START_VERIFIED if told or (order < 0).any() else VERIFIED


def list_one_sided(blocks: Blocks, contrast: Contrast) -> list[int]:
    """Return the seeds at which some but not all cells of a contrast have a run."""
    there = blocks.row[list(contrast.cells)] >= 0
    seeds: list[int] = blocks.seeds[there.any(axis=0) & ~there.all(axis=0)].tolist()
    return seeds


def list_shared(blocks: Blocks, contrast: Contrast) -> list[int]:
    """Return the seeds at which all cells of a contrast have a run."""
    there = (blocks.row[list(contrast.cells)] >= 0).all(axis=0)
    seeds: list[int] = blocks.seeds[there].tolist()
    return seeds


def count_seeds(blocks: Blocks, contrast: Contrast) -> int:
    """Return at how many seeds any cell of a contrast has a run."""
    return int((blocks.row[list(contrast.cells)] >= 0).any(axis=0).sum())


def count_pairs(row: Mapping[Hashable, Any]) -> str:
    """Return how many pairs a contrast has as text, or how many runs on either side."""
    return f"{row['n_a']} and {row['n_b']}" if row["pairing"] == NOT_PAIRED else str(row["n"])


def describe_pairing(row: Mapping[Hashable, Any]) -> str:
    """Return the state of a contrast in words; nothing of a verified one, as all of lrdecay's own
    are."""
    pairs = spell_count(row["n"], "pair")
    state = row["pairing"]
    if state == NOT_PAIRED:
        return f"{row['n_a']} and {row['n_b']} runs, not paired"
    if state == START_VERIFIED:
        return f"{pairs} of one start, data order not recorded"
    return f"{pairs} by seed, not verified" if state == BY_SEED else ""


def describe_basis(row: Mapping[Hashable, Any], looks: str) -> str:
    """Return what a verdict rests on: its `looks`, or a number of seeds that was fixed; the pairs;
    and how many seeds were left out, as they are there for one side only."""
    fixed = row.get("fixed")
    parts = [] if fixed else [looks]
    parts += [describe_pairing(row) or (spell_count(row["n"], "pair") if fixed else "")]
    if row["pairing"] != NOT_PAIRED and row.get("n_seeds", row["n"]) > row["n"]:
        parts.append(f"{row['n']} of {row['n_seeds']} seeds")
    if fixed:
        said = ", as was said" if fixed == "said" else ""
        parts.append(f"for a number of seeds fixed beforehand{said}")
    return "; ".join(filter(None, parts))
