"""The distributions that intervals rest on, from `scipy.special`.

`scipy.stats` has them under the same names with the same bits, and takes most of a second to
import: too long for whoever only plans.
"""

from typing import Any

import numpy as np
from scipy import special

Numbers = Any
"""A number or an array of them."""


def t_sf(t: Numbers, freedom: Numbers) -> Numbers:
    """Return the probability that Student's t exceeds `t`."""
    return special.stdtr(freedom, -np.asarray(t, float))


def t_isf(p: Numbers, freedom: Numbers) -> Numbers:
    """Return what Student's t exceeds with probability `p`."""
    # scipy's own would be minus infinity at 0
    return np.where(np.equal(p, 0.0), np.inf, -special.stdtrit(freedom, p))


def nct_sf(t: Numbers, freedom: Numbers, shift: Numbers) -> Numbers:
    """Return the probability that the non-central t exceeds `t`."""
    return 1.0 - special.nctdtr(freedom, shift, t)


def chi2_ppf(p: Numbers, freedom: Numbers) -> Numbers:
    """Return what chi-squared stays below with probability `p`."""
    return 2.0 * special.gammaincinv(np.asarray(freedom, float) / 2.0, p)
