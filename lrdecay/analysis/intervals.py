"""Intervals for the mean of paired differences, and how large a difference they can show.

All of these are functions of the number of pairs n, their mean and their sd (ddof = 1), for numbers
or arrays of them. `level` is the error rate of one interval.
"""

import numpy as np

from lrdecay.analysis.distributions import Numbers, chi2_ppf, nct_sf, t_isf

SD_CONFIDENCE = 0.8
"""Of the upper limit of the sd that planning uses."""
POWER = 0.8
"""The probability with which planning wants a difference resolved."""

_HALVINGS = 50


def t_radius(n: Numbers, sd: Numbers, level: Numbers) -> np.ndarray:
    """Return half the width of the t interval, infinite for fewer than two pairs.

    It is that of `scipy.stats.ttest_1samp(D, 0).confidence_interval(1 - level)`.

    >>> round(float(t_radius(8, 1.0, 0.8 * 0.05 / 9)), 2)
    1.46
    """
    n, sd, level = np.asarray(n, float), np.asarray(sd, float), np.asarray(level, float)
    pairs = np.maximum(n, 2.0)
    radius = t_isf(level / 2.0, pairs - 1.0) * sd / np.sqrt(pairs)
    wide: np.ndarray = np.where(n >= 2, radius, np.inf)
    return wide


def hall_interval(
    n: Numbers, mean: Numbers, sd: Numbers, skew: Numbers, level: Numbers
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the t interval corrected for the skewness of the differences.

    Hall's cubic transformation of the t statistic, monotone and so inverted in closed form (Hall,
    On the removal of skewness by transformation, JRSS B 54, 1992). Without skewness it is the t
    interval.
    """
    g = np.where(np.abs(skew) < 1e-6, 1e-6, skew)

    def invert(t: np.ndarray) -> np.ndarray:
        root: np.ndarray = np.cbrt(1.0 + g * (t - g / (6.0 * n)))
        return 3.0 / g * (root - 1.0)

    reach = t_radius(n, 1.0, level)
    return mean - sd * invert(reach), mean - sd * invert(-reach)


def share_that_may_differ(n: Numbers, level: Numbers) -> np.ndarray:
    """Return the upper limit of how many of all seeds differ, where none of n did.

    >>> round(float(share_that_may_differ(8, 0.8 * 0.05 / 9)), 2)
    0.49
    """
    limit: np.ndarray = 1.0 - np.asarray(level, float) ** (1.0 / np.asarray(n, float))
    return limit


def upper_sd(n: Numbers, sd: Numbers, confidence: float = SD_CONFIDENCE) -> np.ndarray:
    """Return the upper confidence limit of a normal sd that n >= 2 pairs gave."""
    freedom = np.maximum(np.asarray(n, float), 2.0) - 1.0
    limit: np.ndarray = np.asarray(sd) * np.sqrt(freedom / chi2_ppf(1 - confidence, freedom))
    return limit


def detectable_effect(n: int, level: float, power: float = POWER) -> float:
    """Return which true difference, in sds of the paired ones, n seeds show with this power.

    >>> round(detectable_effect(8, 0.8 * 0.05 / 9), 2)
    1.84
    """
    freedom, critical = n - 1, float(t_isf(level / 2.0, n - 1))
    low, high = 0.0, 2.0 * critical + 20.0
    for _ in range(_HALVINGS):  # of the shift of t; scipy.optimize takes long to import
        middle = (low + high) / 2.0
        low, high = (low, middle) if nct_sf(critical, freedom, middle) > power else (middle, high)
    return high / float(np.sqrt(n))
