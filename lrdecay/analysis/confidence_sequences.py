"""Intervals for the mean of paired differences, and how many seeds they take.

All of these are functions of the number of pairs n, their mean and their sd (ddof = 1) alone, for
numbers or arrays of them. `alpha` is the error rate of one interval; for m contrasts that are to be
right together it is the family's divided by m (Bonferroni).
"""

from typing import Any

import numpy as np
from scipy import stats

FEWEST_SEEDS = 8
"""From here on the sequence is used."""
PRIOR_PRECISION = 2.0
"""c2 of the mixture, fixed beforehand: the effect, in sds, is Normal(0, 1/c2) under it."""
SD_CONFIDENCE = 0.8
"""Of the upper limit of the sd that planning uses."""
MOST_SEEDS = 1_000_000
"""More than this are taken for never."""

Numbers = Any
"""A number or an array of them."""


def sequence_radius(
    n: Numbers, sd: Numbers, alpha: Numbers, prior_precision: float = PRIOR_PRECISION
) -> np.ndarray:
    """Return half the width of the t confidence sequence after n pairs.

    With r = c2/(n + c2) and R = (alpha^2 r)^(1/n) it is

        sd/sqrt(n) * sqrt((n - 1)(1 - R)/(R - r))

    if R > r, else infinite; infinite too for n < 8. The interval mean +- radius may be looked at
    after every pair: under normal differences it misses the true mean at any n with probability
    alpha at most. It is where the e-value of a t test with a Gaussian mixture over the effect size
    is 1/alpha (Wang and Ramdas, Anytime-valid t-tests and confidence sequences for Gaussian means
    with unknown variance, Sequential Analysis 44, 2025).

    >>> round(float(sequence_radius(16, 0.2, 0.05)), 3)
    0.175
    """
    n, sd, alpha = np.broadcast_arrays(
        np.asarray(n, float), np.asarray(sd, float), np.asarray(alpha, float)
    )
    # all differences alike: no spread, whatever the level
    shape = _shape(n, alpha, prior_precision)
    with np.errstate(invalid="ignore"):
        radius: np.ndarray = np.where(np.isinf(shape), np.inf, sd * shape)
    return radius


def _shape(n: np.ndarray, alpha: np.ndarray, prior_precision: float) -> np.ndarray:
    """Return the radius of the sequence for sd 1."""
    pairs = np.maximum(n, 2.0)
    r = prior_precision / (pairs + prior_precision)
    big_r = np.exp((2.0 * np.log(alpha) + np.log(r)) / pairs)
    finite = (big_r > r) & (n >= FEWEST_SEEDS)
    ratio = (1.0 - big_r) / np.where(finite, big_r - r, 1.0)
    shape: np.ndarray = np.where(finite, np.sqrt((pairs - 1.0) / pairs * ratio), np.inf)
    return shape


def fixed_radius(n: Numbers, sd: Numbers, alpha: Numbers) -> np.ndarray:
    """Return half the width of the t interval, for a number of pairs fixed beforehand.

    It is that of `scipy.stats.ttest_1samp(D, 0).confidence_interval(1 - alpha)`; infinite for
    fewer than two pairs. It must not be looked at pair by pair: at alpha = 5%, 200 looks err in a
    third of the cases.
    """
    n, sd, alpha = np.asarray(n, float), np.asarray(sd, float), np.asarray(alpha, float)
    pairs = np.maximum(n, 2.0)
    radius = stats.t.ppf(1.0 - alpha / 2.0, pairs - 1.0) * sd / np.sqrt(pairs)
    wide: np.ndarray = np.where(n >= 2, radius, np.inf)
    return wide


def upper_sd(n: Numbers, sd: Numbers, confidence: float = SD_CONFIDENCE) -> np.ndarray:
    """Return the upper confidence limit of a normal sd that n >= 2 pairs gave."""
    freedom = np.maximum(np.asarray(n, float), 2.0) - 1.0
    limit: np.ndarray = np.asarray(sd) * np.sqrt(freedom / stats.chi2.ppf(1 - confidence, freedom))
    return limit


def seeds_needed(
    n: Numbers, mean: Numbers, sd: Numbers, alpha: Numbers, margin: float | None = None
) -> np.ndarray:
    """Return at how many seeds in all, more than n, the verdict would be there.

    That is where the sequence's radius, with the sd at its upper 80% limit, falls below |mean| (one
    is better) or margin - |mean| (equivalent), if the mean stays as it is; infinite where that
    takes more than a million.

    >>> seeds_needed(16, 0.1, 0.2, 0.05).tolist()
    61.0
    """
    n, mean, sd, alpha = np.broadcast_arrays(
        *(np.asarray(value, float) for value in (n, mean, sd, alpha))
    )
    distance = np.abs(mean)
    if margin is not None:
        distance = np.maximum(distance, margin - distance)
    spread = upper_sd(n, sd)

    def resolves(seeds: np.ndarray) -> np.ndarray:
        there: np.ndarray = sequence_radius(seeds, spread, alpha) < distance
        return there

    low = np.maximum(n, FEWEST_SEEDS - 1.0)  # not yet
    high = np.full_like(low, MOST_SEEDS)  # enough, or never: the radius falls with n
    never = ~resolves(high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        there = resolves(middle)
        high, low = np.where(there, middle, high), np.where(there, low, middle)
    needed: np.ndarray = np.where(never, np.inf, high)
    return needed
