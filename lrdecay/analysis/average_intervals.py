"""The rule for an effect averaged over datasets, in two meanings: intervals, then verdicts.

Arrays are (..., looks, datasets): of each look and dataset the number n of seeds, and mean and sd
(ddof = 1) of the paired differences of these seeds.
"""

from dataclasses import dataclass

import numpy as np

from lrdecay.analysis.distributions import Numbers, t_isf
from lrdecay.analysis.intervals import t_radius
from lrdecay.analysis.paired_statistics import find_rounding
from lrdecay.analysis.verdicts import EQUIVALENT, HIGHER, IDENTICAL, LOWER, UNRESOLVED

SAME = 1e-9
"""What mean differences are apart by rounding, as a share of how large they are: they are small
beside what differs."""
FEWEST_DATASETS = 3
"""Of fewer, nothing can be told of datasets like them."""


@dataclass(frozen=True)
class Intervals:
    """What the intervals of all looks so far have in common, and the verdict, after each look
    (..., looks); ends are infinite where they say nothing."""

    low: np.ndarray
    high: np.ndarray
    verdict: np.ndarray


def average_radius(n: Numbers, sd: Numbers, level: Numbers) -> np.ndarray:
    """Return half the width of the interval of a mean over datasets, on these datasets.

    The seeds of each dataset are a sample of their own, independent of the others'. So the variance
    is the sum of sd^2/n over k^2, with the degrees of freedom of Welch and Satterthwaite
    (Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2, 1946). Infinite where the differences on some dataset are all one number, which
    tells nothing of their spread. Datasets lie along the last axis; `level` is the error rate.

    >>> round(float(average_radius([8, 8], [0.1, 0.4], 0.05)), 3), round(float(t_isf(0.025, 7)), 3)
    (0.169, 2.365)
    """
    n, sd = np.asarray(n, float), np.asarray(sd, float)
    varies = (sd > 0).all(axis=-1)
    errors = np.where(varies[..., None], sd, 1.0) ** 2 / n
    total = errors.sum(axis=-1)
    freedom = total**2 / (errors**2 / (n - 1.0)).sum(axis=-1)
    radius = t_isf(np.asarray(level) / 2.0, freedom) * np.sqrt(total) / sd.shape[-1]
    wide: np.ndarray = np.where(varies, radius, np.inf)
    return wide


def datasets_radius(means: Numbers, level: Numbers) -> np.ndarray:
    """Return half the width of the interval of a mean over datasets like these.

    Each dataset is one block, and these are taken for a random sample of such: the t interval of
    its k means, with k - 1 degrees of freedom. Seeds that vary are part of how the means do. That
    the means need not be equally uncertain makes it err less often, not more (Benjamini, "Is the t
    test really conservative when the parent distribution is long-tailed?", JASA 78, 1983).
    Infinite for fewer than `FEWEST_DATASETS`. Datasets lie along the last axis.
    """
    means = np.asarray(means, float)
    k = means.shape[-1]
    if k < FEWEST_DATASETS:
        return np.full(means.shape[:-1], np.inf)
    sd = means.std(axis=-1, ddof=1)
    wide: np.ndarray = np.where(
        sd >= find_rounding(means, share=SAME), t_radius(k, sd, level), np.inf
    )
    return wide


def judge_average(
    n: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
    share: np.ndarray,
    alpha: float,
    margin: float | None = None,
    reach: float = np.inf,
) -> tuple[Intervals, Intervals]:
    """Return intervals and verdicts on these datasets, and for datasets like these.

    Args:
        n: seeds, (..., looks, datasets), as are the next two.
        mean: of the differences of these seeds.
        sd: of the same.
        share: of each look's error (looks).
        alpha: the error rate of the contrast, in each of the meanings.
        margin: what counts as equivalent; None leaves that out.
        reach: how large an average can be.
    """
    level, average = np.asarray(share, float) * alpha, mean.mean(axis=-1)
    same = ((mean == 0) & (sd == 0)).all(axis=-1)
    here = _keep_intervals(average, average_radius(n, sd, level), margin, reach)
    here = Intervals(here.low, here.high, np.where(same, IDENTICAL, here.verdict))
    return here, _keep_intervals(average, datasets_radius(mean, level), margin, reach)


def _keep_intervals(
    average: np.ndarray, radius: np.ndarray, margin: float | None, reach: float
) -> Intervals:
    """Return what intervals have in common with those of the looks before, as verdicts have it."""
    low = np.maximum.accumulate(average - radius, axis=-1)
    high = np.minimum.accumulate(average + radius, axis=-1)
    nothing = (low <= -reach) & (high >= reach)
    low = np.where(nothing, -np.inf, np.maximum(low, -reach))
    high = np.where(nothing, np.inf, np.minimum(high, reach))
    within = np.zeros(low.shape, bool)
    if margin is not None:
        within = (-margin < low) & (high < margin)
    rules = [low > high, low > 0, high < 0, within]
    return Intervals(
        low, high, np.select(rules, [UNRESOLVED, HIGHER, LOWER, EQUIVALENT], UNRESOLVED)
    )
