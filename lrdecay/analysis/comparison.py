"""The tables of verdicts one by one, each from runs alone, and what may be read from them."""

from collections.abc import Mapping, Sequence
from numbers import Integral

import numpy as np
import pandas as pd

from lrdecay.analysis.conclusions import conclude
from lrdecay.analysis.contrasts import PRIMARY
from lrdecay.analysis.metrics import Metric, find_metric
from lrdecay.analysis.settings import Criteria
from lrdecay.analysis.verdicts import DEFAULT_BUDGET, NOT_EVALUATED, UNRESOLVED, find_spoilt
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import FEWEST_SEEDS, FirstPlan


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
    first: int | None = None,
    most: int | None = None,
    declared: Sequence[Metric] = (),
) -> pd.DataFrame:
    """Compare schedulers and dropouts, each difference with an interval and a verdict.

    Each family of contrasts (`lrdecay.analysis.FAMILIES`) is right as a whole with probability
    `confidence`, at all of its looks together (`lrdecay.analysis.iterate_looks`), which rest on
    how many seeds were planned before there were results. All numbers are in the metric's unit:
    percentage points, or nats for a loss.

    Args:
        runs: rows of the runs table; trials of base rates are left out.
        epochs: rows of the epochs table, which the metric `gap` needs.
        reference: the scheduler that others are compared with; `constant`, else the first.
        metric: one of `lrdecay.analysis.METRICS_COMPARED`.
        margin: a difference below which two are equivalent, in the metric's unit.
        confidence: of each family as a whole.
        exploratory: whether to compare all pairs of schedulers too.
        planned: the sweep's plan, for a look while it trains and for seeds that were added to some
            schedulers only (`until: resolved`): runs that are still to come, or were never asked
            for, do not count as missing, and each family has the size that it will have. It says
            nothing of imported runs.
        family_sizes: how many contrasts a family has, by its name, where `runs` are only a part.
        budget: seeds in all that could be trained at most.
        first: how many seeds were planned before there were results, not how many there are now;
            unless given 8, and of runs that were imported or have no `engine` nothing is said to
            have been planned, at the same looks.
        most: up to how many were to be added from the start (`until: resolved`), if any.
        declared: metrics of your own, each with its column in `runs` (`with_metrics`).

    Returns:
        One row per contrast: `family`; the axes that have several values; `scheduler`,
        `versus_scheduler`, `dropout`, `versus_dropout` and the sides `a`, `b` as named in `where`;
        the columns of `estimate_contrasts`, `judge_contrasts` and `judge_on_images`, of which `p`
        is that of the family; `pairing` (`lrdecay.analysis.pairing.PAIRING`); `family_size`;
        `as_planned`; and the verdict as a `sentence`. Of imported runs alone also those of
        `judge_two_samples` and `add_fixed_interval`; `one_sided`, the seeds that some side lacks,
        as text; and `n_seeds`, how many any side has.

    Raises:
        InputError: a column or the reference is missing, a metric is unknown, two runs are of one
            cell and seed, runs were copied to another seed, or `first` or `most` is no number of
            seeds that can be planned.
    """
    criteria = Criteria(reference, metric, margin, confidence, budget, tuple(declared))
    return conclude(
        runs,
        epochs,
        criteria,
        planned=planned,
        first_plan=_read_plan(first, most),
        exploratory=exploratory,
        family_sizes=family_sizes,
    ).table


def open_questions(table: pd.DataFrame, family: str = PRIMARY) -> pd.DataFrame:
    """Return the contrasts of a family that more seeds could settle, the widest interval first.

    Args:
        table: as `compare` returns it.
        family: whose contrasts.

    Returns:
        Rows of `table`: those that are unresolved, unless their looks exclude each other, and
        those without a look so far; `more_seeds` says how many more they need, infinite if more
        than the budget.
    """
    unseen = (table["verdict"] == NOT_EVALUATED) & ~find_spoilt(table)
    is_open = unseen | ((table["verdict"] == UNRESOLVED) & (table["low"] <= table["high"]))
    rows = table[is_open & (table["family"] == family)]
    width = (rows["high"] - rows["low"]).fillna(np.inf)
    return rows.loc[width.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def best_set(
    runs: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    confidence: float = 0.95,
    planned: pd.DataFrame | None = None,
    first: int | None = None,
    most: int | None = None,
    declared: Sequence[Metric] = (),
) -> pd.DataFrame:
    """Say which schedulers are not excluded as best, at each dropout.

    A scheduler is excluded if the interval of some pair has another one better, each pair at
    alpha/(k(k-1)/2) of the k schedulers at that dropout, at the looks of `compare`: so the best one
    is in the set with probability `confidence`, at each dropout for itself.

    Returns:
        One row per cell: the axes that have several values, `scheduler`, `dropout`; `n_compared`,
        how many others it could be compared with; `excluded_by`, a tuple of schedulers; `in_set`.

    Raises:
        InputError: as `compare`; also for the gap, of which neither side is better.
    """
    compared = find_metric(metric, declared)
    if compared.higher_is_better is None:
        raise InputError(f"no scheduler is best by the {compared.title}; choose another metric")
    criteria = Criteria(metric=metric, confidence=confidence, declared=tuple(declared))
    plan = _read_plan(first, most)
    best = conclude(runs, None, criteria, planned=planned, first_plan=plan).best
    assert best is not None
    return best


def verdicts_by_look(
    runs: pd.DataFrame,
    epochs: pd.DataFrame | None = None,
    *,
    reference: str | None = None,
    metric: str = "test_accuracy",
    margin: float | None = None,
    confidence: float = 0.95,
    planned: pd.DataFrame | None = None,
    first: int | None = None,
    most: int | None = None,
    declared: Sequence[Metric] = (),
) -> pd.DataFrame:
    """Return each difference of the primary family after each of its looks.

    The last row of a contrast has the interval and the verdict of `compare`; contrasts that are not
    evaluated have no row, nor have imported ones that are not paired, as these have no looks.

    Args:
        runs: rows of the runs table; trials of base rates are left out.
        epochs: as for `compare`, as are the others.

    Returns:
        One row per contrast and look: the axes that have several values, `scheduler`,
        `versus_scheduler`, `dropout`, the `n` seeds of the look, whether it was `planned`, the
        `mean` of these seeds, and `low`, `high` and `verdict` as in `compare`.

    Raises:
        InputError: as `compare`.
    """
    plan = _read_plan(first, most)
    criteria = Criteria(reference, metric, margin, confidence, declared=tuple(declared))
    return conclude(runs, epochs, criteria, planned=planned, first_plan=plan).history


def _read_plan(first: int | None, most: int | None) -> FirstPlan | None:
    """Return what was planned; None where nothing is said of it."""
    for name, count in (("first", first), ("most", most)):
        if count is not None and (not isinstance(count, Integral) or count < 1):
            raise InputError(f"{name} must be a whole number of seeds, at least 1, not {count!r}")
    if first is None and most is None:
        return None
    plan = FirstPlan(FEWEST_SEEDS if first is None else first, most)
    if most is not None and most < plan.first:
        raise InputError(f"most must be at least first, {plan.first} seeds, not {most}")
    return plan
