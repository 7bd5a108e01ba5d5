"""The whole table of verdicts from the tables, and what may be read from it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lrdecay.analysis.contrasts import (
    PRIMARY,
    contrasts_to_frame,
    list_contrasts,
    list_primary,
    list_scheduler_pairs,
)
from lrdecay.analysis.estimates import estimate_contrasts
from lrdecay.analysis.metrics import find_metric
from lrdecay.analysis.seed_blocks import Blocks, build_seed_blocks
from lrdecay.analysis.sentences import write_sentences
from lrdecay.analysis.verdicts import (
    DEFAULT_BUDGET,
    NOT_EVALUATED,
    UNRESOLVED,
    find_spoilt,
    judge_contrasts,
)
from lrdecay.core.errors import InputError


def judge_primary(
    runs: pd.DataFrame,
    planned: pd.DataFrame,
    epochs: pd.DataFrame | None = None,
    *,
    reference: str | None,
    metric: str,
    margin: float,
    confidence: float,
) -> pd.DataFrame:
    """Return the verdicts on the primary family, as `compare` has them, in little time.

    Args:
        runs: rows of the runs table.
        planned: all runs of those cells that the sweep asks for, so that the family is whole.
        epochs: as for `compare`, as are the others.

    Returns:
        One row per contrast of the primary family, with the columns of `compare` but for p-values,
        the crossed interval and sentences.
    """
    asked = find_metric(metric)
    blocks = build_seed_blocks(runs, asked, epochs, planned)
    listed = list_primary(blocks, reference)
    table = estimate_contrasts(blocks, listed, asked.higher_is_better)
    alpha = np.full(len(listed), (1.0 - confidence) / max(len(listed), 1))
    return pd.concat(
        [contrasts_to_frame(listed, blocks), judge_contrasts(table, alpha, margin)], axis=1
    )


def compare(
    runs: pd.DataFrame,
    epochs: pd.DataFrame | None = None,
    *,
    reference: str | None = None,
    metric: str = "test_accuracy",
    margin: float | None = None,
    confidence: float = 0.95,
    exploratory: bool = False,
    planned: pd.DataFrame | None = None,
    family_sizes: Mapping[str, int] | None = None,
    budget: int = DEFAULT_BUDGET,
) -> pd.DataFrame:
    """Compare schedulers and dropouts, each difference with an interval and a verdict.

    Each family of contrasts (`lrdecay.analysis.FAMILIES`) is right as a whole with probability
    `confidence`, however often and at whatever number of seeds it is looked at. All numbers are in
    the metric's unit: percentage points, or nats for a loss.

    Args:
        runs: rows of the runs table; trials of base rates are left out.
        epochs: rows of the epochs table, which the metric `gap` needs.
        reference: the scheduler that others are compared with; `constant`, else the first.
        metric: one of `lrdecay.analysis.METRICS_COMPARED`.
        margin: a difference below which two are equivalent, in the metric's unit.
        confidence: of each family as a whole.
        exploratory: whether to compare all pairs of schedulers too.
        planned: the sweep's plan, for a look while it trains: runs that are still to come do not
            count as missing, and each family has the size that it will have.
        family_sizes: how many contrasts a family has, by its name, where `runs` are only a part.
        budget: seeds in all that could be trained at most.

    Returns:
        One row per contrast: `family`; the axes that have several values; `scheduler`,
        `versus_scheduler`, `dropout`, `versus_dropout` and the sides `a`, `b` as named in `where`;
        the columns of `estimate_contrasts` and `judge_contrasts`; `p_holm`, p_t by Holm's method
        over the family; `family_size`; and the verdict as a `sentence`.

    Raises:
        InputError: a column or the reference is missing, a metric is unknown, or two runs are of
            one cell and seed.
    """
    asked = find_metric(metric)
    _check_settings(margin, confidence)
    blocks = build_seed_blocks(runs, asked, epochs, planned)
    listed = list_contrasts(blocks, reference, exploratory)
    table = estimate_contrasts(
        blocks, listed, asked.higher_is_better, metric == "test_accuracy", sign_flips=True
    )
    family = np.array([contrast.family for contrast in listed], object)
    sizes = _sizes(family, family_sizes or {})
    table = judge_contrasts(table, (1.0 - confidence) / sizes, margin, budget)
    table["family_size"] = sizes
    table["p_holm"] = _holm(table["p_t"].to_numpy(), family, sizes)
    table = pd.concat([contrasts_to_frame(listed, blocks), table], axis=1)
    table["sentence"] = write_sentences(table, asked, margin, budget)
    return table


def open_questions(table: pd.DataFrame, family: str = PRIMARY) -> pd.DataFrame:
    """Return the contrasts of a family that more seeds could settle, the widest interval first.

    Args:
        table: as `compare` returns it.
        family: whose contrasts.

    Returns:
        Rows of `table`: those that are unresolved, and those that have too few pairs so far;
        `more_seeds` says how many more they need, infinite if more than the budget.
    """
    is_open = (table["verdict"] == UNRESOLVED) | (
        (table["verdict"] == NOT_EVALUATED) & ~find_spoilt(table)
    )
    rows = table[is_open & (table["family"] == family)]
    width = (rows["high"] - rows["low"]).fillna(np.inf)
    return rows.loc[width.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def best_set(
    runs: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    confidence: float = 0.95,
    planned: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Say which schedulers are not excluded as best, at each dropout.

    A scheduler is excluded if the confidence sequence of some pair has another one better, each
    pair at alpha/(k(k-1)/2) of the k schedulers at that dropout: so the best one is in the set with
    probability `confidence`, at each dropout for itself.

    Returns:
        One row per cell: the axes that have several values, `scheduler`, `dropout`; `n_compared`,
        how many others it could be compared with; `excluded_by`, a tuple of schedulers; `in_set`.

    Raises:
        InputError: as `compare`; also for the gap, of which neither side is better.
    """
    asked = find_metric(metric)
    if asked.higher_is_better is None:
        raise InputError(f"no scheduler is best by the {asked.title}; choose another metric")
    _check_settings(None, confidence)
    blocks = build_seed_blocks(runs, asked, planned=planned)
    pairs = list_scheduler_pairs(blocks)
    table = estimate_contrasts(blocks, pairs, asked.higher_is_better)
    ends = np.array([contrast.cells for contrast in pairs], int).reshape(-1, 2)
    per_group = _pairs_per_group(blocks, ends)
    judged = judge_contrasts(table, (1.0 - confidence) / per_group, None)
    excluded: list[list[str]] = [[] for _ in range(len(blocks.cells))]
    compared_with = np.zeros(len(blocks.cells), int)
    names = blocks.cells["scheduler"].tolist()
    better_is = {"higher": 0, "lower": 1} if asked.higher_is_better else {"lower": 0, "higher": 1}
    for (a, b), verdict in zip(ends.tolist(), judged["verdict"], strict=True):
        if verdict != NOT_EVALUATED:
            compared_with[[a, b]] += 1
        if verdict in better_is:
            winner, loser = (a, b) if better_is[verdict] == 0 else (b, a)
            excluded[loser].append(names[winner])
    return blocks.cells.assign(
        n_compared=compared_with,
        excluded_by=pd.Series([tuple(others) for others in excluded], dtype=object),
        in_set=[not others for others in excluded],
    )


def _pairs_per_group(blocks: Blocks, ends: np.ndarray) -> np.ndarray:
    """Return, for each pair, how many pairs its stratum has at its dropout."""
    group = blocks.cells.groupby([*blocks.strata, "dropout"], dropna=False).ngroup().to_numpy()
    own = group[ends[:, 0]]
    counts: np.ndarray = np.bincount(own, minlength=1)[own]
    return counts


def _check_settings(margin: float | None, confidence: float) -> None:
    if not 0.5 <= confidence < 1:
        raise InputError(f"confidence must be from 0.5 to below 1, not {confidence:g}")
    if margin is not None and not 0 <= margin < np.inf:
        raise InputError(f"margin must be 0 or more, not {margin:g}")


def _sizes(family: np.ndarray, given: Mapping[str, int]) -> np.ndarray:
    names, counts = np.unique(family.astype(str), return_counts=True)
    sizes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    for name, size in given.items():
        if size < sizes.get(name, 1):
            raise InputError(
                f"family_sizes: the family {name} has {sizes.get(name, 1)} contrasts here, so at "
                f"least as many as a whole, not {size}"
            )
        sizes[name] = size
    return np.array([sizes[name] for name in family], int)


def _holm(p: np.ndarray, family: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return Holm's adjusted p-values by family; contrasts without one take a place all the same.

    As `statsmodels.stats.multitest.multipletests(p, method="holm")`, which collects garbage at
    every call, and so would take nine tenths of the time of a comparison.
    """
    adjusted = np.full(len(p), np.nan)
    for name in np.unique(family.astype(str)):
        known = np.flatnonzero((family == name) & np.isfinite(p))
        order = known[np.argsort(p[known], kind="stable")]
        left = sizes[order] - np.arange(len(order))
        adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * left), 1.0)
    return adjusted
