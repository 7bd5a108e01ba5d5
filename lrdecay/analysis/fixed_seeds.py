"""Verdicts for a number of seeds that was fixed beforehand: the t interval of all pairs, and
Welch's where nothing is paired.

Nothing in imported results says how their number of seeds came about. So a t interval is the
user's word, or stands beside a verdict that is not made; and every sentence with one says so.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis.contrasts import Contrast
from lrdecay.analysis.distributions import Numbers, t_isf, t_sf
from lrdecay.analysis.intervals import t_radius, upper_sd
from lrdecay.analysis.looks import Look
from lrdecay.analysis.paired_statistics import find_rounding
from lrdecay.analysis.pairing import NOT_PAIRED
from lrdecay.analysis.seed_blocks import Blocks, State
from lrdecay.analysis.verdicts import (
    EQUIVALENT,
    HIGHER,
    LOWER,
    NOT_EVALUATED,
    UNRESOLVED,
    find_spoilt,
    keep_within,
)

FEWEST_FIXED = 3
"""No verdict for a fixed number of seeds is made of fewer, on either side."""
SUPPOSED, SAID = "supposed", "said"
"""Whether the number of seeds is taken to be fixed beforehand, or the user says that it was."""

_SPOILT = {"n_failed": State.FAILED, "n_without": State.NO_VALUE, "n_unknown": State.UNKNOWN}


def welch_interval(
    a: np.ndarray, b: np.ndarray, level: Numbers
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ends of an interval of the difference of two means, and its p-value.

    It is Welch's, for variances that need not be equal, with the degrees of freedom of the smaller
    sample. Satterthwaite's, of `scipy.stats.ttest_ind`, are more, but estimated: of three runs a
    side one of nine contrasts errs up to four times as often as it may. With these none ever errs
    more often (Mickey and Brown, Bounds on the distribution functions of the Behrens-Fisher
    statistic, Ann. Math. Statist. 37, 1966).

    The samples lie along the last axis; where neither varies but by rounding, the interval is all
    there is.
    """
    n, m = a.shape[-1], b.shape[-1]
    mean = a.mean(axis=-1) - b.mean(axis=-1)
    error = np.sqrt(a.var(axis=-1, ddof=1) / n + b.var(axis=-1, ddof=1) / m)
    varies = (np.ptp(a, axis=-1) >= find_rounding(a)) | (np.ptp(b, axis=-1) >= find_rounding(b))
    freedom = min(n, m) - 1
    radius = np.where(varies, t_isf(level / 2.0, freedom) * error, np.inf)
    t = np.divide(abs(mean), error, out=np.zeros_like(mean), where=varies)
    p = np.where(varies, 2.0 * t_sf(t, freedom), np.nan)
    return mean - radius, mean + radius, p


def list_fixed_looks(most: int) -> list[Look]:
    """Return a look with all of the error at each number of seeds up to `most`."""
    return [Look(n, 1.0, planned=True) for n in range(FEWEST_FIXED, most + 1)]


def keep_whole(at_looks: pd.DataFrame, asked: np.ndarray) -> pd.DataFrame:
    """Return, of the rows of `estimate_at_looks`, those at all seeds that a contrast has; `asked`
    is how many that are."""
    whole = at_looks["n"].to_numpy() == asked[at_looks["place"].to_numpy(dtype=int)]
    rows: pd.DataFrame = at_looks[whole].reset_index(drop=True)
    return rows


def fix_seeds(
    table: pd.DataFrame, alpha: np.ndarray, margin: float | None, budget: int
) -> pd.DataFrame:
    """Return verdicts that were made at all seeds there are, with what more seeds would do."""
    few = (table["look"] == 0) & ~find_spoilt(table)
    n, mean, sd = (table[name].to_numpy(float) for name in ("n", "mean", "sd"))
    more = np.where(few, np.maximum(FEWEST_FIXED - n, 1.0), np.nan)
    for place in np.flatnonzero(table["verdict"] == UNRESOLVED).tolist():
        counts = np.arange(n[place] + 1.0, budget + 1.0)
        spread = float(upper_sd(n[place], sd[place]))
        radius = t_radius(counts, spread, alpha[place]) if spread > 0 else np.inf
        enough = counts[radius < _find_distance(mean[place], margin)]
        more[place] = enough[0] - n[place] if len(enough) else np.inf
    return table.assign(next_look=FEWEST_FIXED, resolving_look=np.nan, more_seeds=more, fixed=SAID)


def add_fixed_interval(table: pd.DataFrame, alpha: np.ndarray, reach: np.ndarray) -> pd.DataFrame:
    """Return verdicts with `fixed_low` and `fixed_high`: the t interval of all pairs, were their
    number fixed beforehand; null where it says nothing. `reach` is how large a difference can be,
    of each row."""
    n, mean, sd = (table[name].to_numpy(float) for name in ("n", "mean", "sd"))
    varies = np.nan_to_num(sd) > 0
    radius = np.where(varies, t_radius(n, np.where(varies, sd, 1.0), alpha), np.nan)
    ends = pd.DataFrame({"low": mean - radius, "high": mean + radius})
    keep_within(ends, reach)
    low, high = (ends[name].where(np.isfinite(ends[name])).to_numpy() for name in ends)
    return table.assign(fixed_low=low, fixed_high=high)


def judge_two_samples(
    table: pd.DataFrame,
    blocks: Blocks,
    contrasts: Sequence[Contrast],
    alpha: np.ndarray,
    margin: float | None,
    reach: np.ndarray,
    budget: int,
) -> pd.DataFrame:
    """Return verdicts with those of contrasts that are not paired, by Welch's interval.

    Args:
        table: a row for each contrast, as `judge_contrasts` returns it, with `pairing`.
        blocks: the runs.
        contrasts: of each row.
        alpha: the error rate of each.
        margin: what counts as equivalent; None leaves that out.
        reach: how large the difference of each can be.
        budget: runs of one side that could be trained at most.

    Returns:
        More columns: `n_a` and `n_b`, the completed runs of either side, and where it was not there
        `fixed`. In a row that is not paired counts are of runs, `n` is 0, `mean` is the difference
        of the means, `unpaired_sd` its sd at one run a side, and `look` the smaller of `n_a` and
        `n_b`.
    """
    table = table.assign(n_a=table["n"], n_b=table["n"])
    if "fixed" not in table:
        table["fixed"] = ""
    unpaired = np.flatnonzero(table["pairing"] == NOT_PAIRED).tolist()
    if not unpaired:
        return table
    rows = table.to_dict("records")
    for place in unpaired:
        found = _compare_sides(blocks, contrasts[place], float(alpha[place]), margin, budget)
        found["fixed"] = rows[place]["fixed"] or SUPPOSED
        rows[place] |= found
    judged = pd.DataFrame(rows, columns=list(table)).astype(table.dtypes.to_dict())
    own = judged.iloc[unpaired].copy()
    keep_within(own, reach[unpaired])
    judged.loc[own.index, ["low", "high"]] = own[["low", "high"]]
    return judged


def _compare_sides(
    blocks: Blocks, contrast: Contrast, alpha: float, margin: float | None, budget: int
) -> dict[Hashable, Any]:
    """Return what a row has of the two samples of a contrast."""
    sides = [blocks.state[cell][blocks.row[cell] >= 0] for cell in contrast.cells]
    both = np.concatenate(sides)
    datasets = np.concatenate([blocks.digests["dataset_digest"][cell] for cell in contrast.cells])
    unlike = len(np.unique(datasets[datasets >= 0])) > 1
    found: dict[Hashable, Any] = {
        "n": 0,
        "n_missing": 0,
        "n_asked": len(both),
        "n_unlike_dataset_digest": len(both) if unlike else 0,
        **{name: int((both == state).sum()) for name, state in _SPOILT.items()},
        **{
            f"n_diverged_{name}": int((side == State.DIVERGED).sum())
            for name, side in zip("ab", sides, strict=True)
        },
        **{
            f"n_{name}": int((side == State.COMPLETED).sum())
            for name, side in zip("ab", sides, strict=True)
        },
    }
    spoilt = sum(found[name] for name in (*_SPOILT, "n_diverged_a", "n_diverged_b"))
    fewest = min(found["n_a"], found["n_b"])
    found |= {"next_look": FEWEST_FIXED, "verdict": NOT_EVALUATED}
    if spoilt or unlike:
        return found
    a, b = (blocks.values[cell][np.isfinite(blocks.values[cell])] for cell in contrast.cells)
    found["mean"] = float(a.mean() - b.mean())
    if fewest < FEWEST_FIXED:
        return found | {"more_seeds": FEWEST_FIXED - fewest}
    return found | _apply_welch(a, b, alpha, margin, budget)


def _apply_welch(
    a: np.ndarray, b: np.ndarray, alpha: float, margin: float | None, budget: int
) -> dict[Hashable, Any]:
    mean, variance = float(a.mean() - b.mean()), float(a.var(ddof=1) + b.var(ddof=1))
    low, high, p = (float(each[0]) for each in welch_interval(a[None], b[None], alpha))
    verdict = UNRESOLVED
    if low > 0 or high < 0:
        verdict = HIGHER if low > 0 else LOWER
    elif margin is not None and -margin < low and high < margin:
        verdict = EQUIVALENT
    found: dict[Hashable, Any] = {"verdict": verdict, "p": p, "level": alpha}
    found |= {"low": low, "high": high, "mean": mean, "mean_at_look": mean}
    found |= {"unpaired_sd": variance**0.5}
    found |= {"look": min(len(a), len(b)), "planned": True}
    if verdict == UNRESOLVED:
        n = np.arange(max(len(a), len(b)) + 1.0, budget + 1.0)
        radius = t_radius(n, variance**0.5, alpha)
        enough = n[radius < _find_distance(mean, margin)] if np.isfinite(p) else n[:0]
        found["more_seeds"] = float(enough[0] - min(len(a), len(b))) if len(enough) else np.inf
    elif verdict in (HIGHER, LOWER) and margin:
        near, far = sorted((abs(low), abs(high)))
        found["size"] = "at least" if near >= margin else "less than" if far < margin else pd.NA
    return found


def _find_distance(mean: float, margin: float | None) -> float:
    """Return below what half an interval around the mean has to be for a verdict."""
    return abs(mean) if margin is None else max(abs(mean), margin - abs(mean))
