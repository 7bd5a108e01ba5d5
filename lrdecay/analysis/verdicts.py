"""The rules that turn estimates into intervals, and intervals into verdicts.

`judge_contrasts` is the one place where they are applied. With [low, high] the sequence at the
family's error rate over m, and a margin fixed beforehand:

1. a digest differs, a run is missing, failed or diverged, another dropout changed nothing, two
   labels are one schedule, or there are fewer than 8 pairs: `not evaluated`;
2. every difference is 0: `identical`, which says that there was none, not that there is none;
3. low > 0 or high < 0: `higher` or `lower`;
4. it contains 0 and lies inside (-margin, margin): `equivalent`;
5. else `unresolved`, with how many more seeds would resolve it.
"""

import numpy as np
import pandas as pd

from lrdecay.analysis.confidence_sequences import (
    FEWEST_SEEDS,
    Numbers,
    fixed_radius,
    seeds_needed,
    sequence_radius,
)
from lrdecay.analysis.estimates import FAULTS

HIGHER, LOWER, EQUIVALENT, IDENTICAL = "higher", "lower", "equivalent", "identical"
UNRESOLVED, NOT_EVALUATED = "unresolved", "not evaluated"
RESOLVED = (HIGHER, LOWER, EQUIVALENT, IDENTICAL)

DEFAULT_BUDGET = 1000
"""Seeds in all beyond which a contrast may not be resolvable, unless the budget is given."""


def judge_contrasts(
    estimates: pd.DataFrame,
    alpha: np.ndarray,
    margin: float | None,
    budget: int = DEFAULT_BUDGET,
    reach: Numbers = np.inf,
) -> pd.DataFrame:
    """Return `estimates` with intervals and verdicts.

    Args:
        estimates: rows as `estimate_contrasts` returns them.
        alpha: the error rate of each row's intervals.
        margin: what counts as equivalent, in the metric's unit; None leaves that out.
        budget: seeds in all that could be trained at most.
        reach: how large a difference can be, of all or of each row: no interval goes on beyond.

    Returns:
        More columns: `alpha`; `low`, `high`, the confidence sequence; `fixed_low`, `fixed_high`,
        the t interval; `images_low`, `images_high`, the crossed one; an interval that says nothing
        is infinite, the crossed one null; `verdict` (of a minus b);
        `size`, `at least` or `less than` the margin, for `higher` and `lower`; `new_images`,
        whether the crossed interval says the same, null if it is not known; `more_seeds`, how many
        more would resolve an `unresolved` one or let one with too few pairs be looked at, infinite
        if more than the budget.
    """
    return _add_verdicts(_add_intervals(estimates.assign(alpha=alpha), reach), margin, budget)


def _add_intervals(table: pd.DataFrame, reach: Numbers) -> pd.DataFrame:
    """The interval rule: each contrast's estimates and error rate alone."""
    n, mean, sd, alpha = (table[name].to_numpy(float) for name in ("n", "mean", "sd", "alpha"))
    of_images = np.sqrt(n) * table["images_sd"].to_numpy(float)
    radii = {
        "": (sequence_radius(n, sd, alpha), sd, np.inf),
        "fixed_": (fixed_radius(n, sd, alpha), sd, np.inf),
        "images_": (fixed_radius(n, of_images, alpha), np.minimum(sd, of_images), np.nan),
    }
    for name, (found, spread, nothing) in radii.items():
        # Differences that are all one number other than 0 say nothing of their spread.
        radius = np.where((spread == 0) & (mean != 0), np.inf, found)
        low, high = np.maximum(mean - radius, -reach), np.minimum(mean + radius, reach)
        all_there_is = (low <= -reach) & (high >= reach)
        table[f"{name}low"] = np.where(all_there_is, -nothing, low)
        table[f"{name}high"] = np.where(all_there_is, nothing, high)
    return table


def _add_verdicts(table: pd.DataFrame, margin: float | None, budget: int) -> pd.DataFrame:
    """The verdict rule: what is wrong with the pairs, the interval and the margin alone."""
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    evaluated = ~find_spoilt(table) & (table["n"] >= FEWEST_SEEDS).to_numpy()
    rules = {
        NOT_EVALUATED: ~evaluated,
        IDENTICAL: ((table["mean"] == 0) & (table["sd"] == 0)).to_numpy(),
        HIGHER: low > 0,
        LOWER: high < 0,
        EQUIVALENT: _inside(low, high, margin),
    }
    table["verdict"] = np.select(list(rules.values()), list(rules), UNRESOLVED)
    table["size"] = pd.array(_size(low, high, margin), dtype="string")
    table["new_images"] = pd.array(_on_new_images(table, margin), dtype="boolean")
    table["more_seeds"] = _more_seeds(table, margin, budget)
    return table


def find_spoilt(table: pd.DataFrame) -> np.ndarray:
    """Return which rows no further seed can fix: a run is missing, failed, diverged or unlike."""
    wrong: np.ndarray = (table[list(FAULTS)] > 0).any(axis=1).to_numpy()
    return wrong


def _inside(low: np.ndarray, high: np.ndarray, margin: float | None) -> np.ndarray:
    if margin is None:
        return np.zeros(len(low), bool)
    inside: np.ndarray = (-margin < low) & (high < margin)
    return inside


def _size(low: np.ndarray, high: np.ndarray, margin: float | None) -> np.ndarray:
    """How the nearer and the farther end of an interval that excludes 0 compare with the margin."""
    near, far = np.minimum(abs(low), abs(high)), np.maximum(abs(low), abs(high))
    excludes = (low > 0) | (high < 0)
    size = np.full(len(low), None, object)
    if margin:
        size[excludes & (near >= margin)] = "at least"
        size[excludes & (far < margin)] = "less than"
    return size


def _on_new_images(table: pd.DataFrame, margin: float | None) -> np.ndarray:
    low, high = table["images_low"].to_numpy(), table["images_high"].to_numpy()
    same = {HIGHER: low > 0, LOWER: high < 0, EQUIVALENT: _inside(low, high, margin)}
    found = np.full(len(table), None, object)
    for verdict, holds in same.items():
        known = np.isfinite(low) & (table["verdict"] == verdict).to_numpy()
        found[known] = holds[known]
    return found


def _more_seeds(table: pd.DataFrame, margin: float | None, budget: int) -> np.ndarray:
    n, mean, sd = (table[name].to_numpy(float) for name in ("n", "mean", "sd"))
    more = np.full(len(table), np.nan)
    few = ~find_spoilt(table) & (n < FEWEST_SEEDS)
    more[few] = FEWEST_SEEDS - n[few]
    is_open = (table["verdict"] == UNRESOLVED).to_numpy()
    if is_open.any():
        alpha = table["alpha"].to_numpy(float)[is_open]
        needed = seeds_needed(n[is_open], mean[is_open], sd[is_open], alpha, margin)
        more[is_open] = np.where(needed <= budget, needed - n[is_open], np.inf)
    return more
