"""Statistics of pairs: their differences, how these vary, and which side wins."""

import math
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

NUMBERS = (
    *("mean", "sd", "effect", "skew", "correlation", "unpaired_sd"),
    *("wins", "wins_low", "wins_high", "p_signflip"),
)

SAME = 1e-12
"""What differs by less does so by rounding: a share of how large the values are."""
_TINY = 1e-75  # of what is smaller, products of variances are 0

ELEMENTS = 4_000_000
"""Numbers that are held at once."""
_FLIPS = 9999
_FEWEST_FLIPS = 999
_FLIPPED = 100_000_000  # numbers that are flipped at most, for one number of pairs
_MOST_FLIPPED_SEEDS = 64


def compute_paired_statistics(
    a: np.ndarray,
    b: np.ndarray,
    higher_is_better: bool | None = True,
    sign_flips: bool = True,
    least: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the statistics of paired values (contrasts x seeds), named as `estimate_contrasts`
    has them.

    What differs by less than `least` (contrasts x seeds) does so by rounding; by less than
    `find_rounding` of both sides unless given.
    """
    differences = a - b
    k, n = differences.shape
    if least is None:
        least = find_rounding(np.stack([a, b]), axis=0)
    near = abs(differences) < least
    better = np.where(near, 0.0, -differences if higher_is_better is False else differences)
    found = {name: np.full(k, np.nan) for name in NUMBERS} | describe_differences(
        differences, least
    )
    doubled = ((better > 0) * 2 + (better == 0)).sum(axis=1)
    found["wins"] = doubled / (2 * n)
    # with half a win left over the interval is that of both neighbours
    found["wins_low"] = np.array([_wilson(int(twice) // 2, n)[0] for twice in doubled])
    found["wins_high"] = np.array([_wilson((int(twice) + 1) // 2, n)[1] for twice in doubled])
    if n < 2:
        return found
    vary = found["sd"] > 0
    found["effect"][vary] = found["mean"][vary] / found["sd"][vary]
    variances = a.var(axis=1, ddof=1), b.var(axis=1, ddof=1)
    found["unpaired_sd"] = np.sqrt(variances[0] + variances[1])
    both = (np.ptp(a, axis=1) >= least.min(axis=1)) & (np.ptp(b, axis=1) >= least.min(axis=1))
    centred = (side[both] - side[both].mean(axis=1, keepdims=True) for side in (a, b))
    spread = (n - 1) * np.sqrt(variances[0] * variances[1])[both]
    found["correlation"][both] = np.prod(list(centred), axis=0).sum(axis=1) / spread
    if sign_flips:
        found["p_signflip"][~vary & (found["mean"] == 0)] = 1.0
        if vary.any():
            found["p_signflip"][vary] = _sign_flips(differences[vary])
    return found


def find_rounding(values: np.ndarray, axis: int = -1, share: float = SAME) -> np.ndarray:
    """Return below what the values along an axis are apart by rounding, as a share of how large
    they are; NaN stands for none."""
    size: np.ndarray = np.nan_to_num(abs(values)).max(axis=axis)
    return np.maximum(share * size, _TINY)


def _sign_flips(differences: np.ndarray) -> np.ndarray:
    """Two-sided p-values of the sign-flip test of each row, by `scipy.stats.permutation_test`.

    Exact where all flips are at most 9,999, else from as many random ones, fewer where there are
    thousands of contrasts; the same ones every time.
    """
    from scipy import stats  # which takes long to import

    k, n = differences.shape
    if n > _MOST_FLIPPED_SEEDS:
        return np.full(k, np.nan)
    flips = max(_FEWEST_FLIPS, min(_FLIPS, _FLIPPED // differences.size))
    result = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=flips,
        batch=max(1, ELEMENTS // (2 * differences.size)),
        axis=1,
        rng=np.random.default_rng(0),
    )
    p: np.ndarray = result.pvalue
    return p


@lru_cache(maxsize=10_000)
def _wilson(wins: int, n: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95% interval of a share, as `scipy.stats.binomtest` has them."""
    share, z = wins / n, float(ndtri(0.975))
    twice = 2 * (n + z**2)
    centre = (2 * n * share + z**2) / twice
    radius = z / twice * math.sqrt(4 * n * share * (1 - share) + z**2)
    return (0.0 if wins == 0 else centre - radius, 1.0 if wins == n else centre + radius)


def describe_differences(differences: np.ndarray, least: np.ndarray) -> dict[str, np.ndarray]:
    """Return mean, sd and skewness of each row of differences, which are rounded in place: what
    differs by less than `least` (rows x seeds) is one number, and such that are below it nothing.
    """
    vary = np.ptp(differences, axis=1) >= least.min(axis=1)
    differences[~vary & (abs(differences) < least).all(axis=1)] = 0.0
    skew = np.full(len(differences), np.nan)
    if vary.any():
        skew[vary] = _compute_skew(differences[vary])
    sd = np.where(vary, differences.std(axis=1, ddof=1), 0.0) if differences.shape[1] > 1 else skew
    return {"mean": differences.mean(axis=1), "sd": sd, "skew": skew}


def _compute_skew(values: np.ndarray) -> np.ndarray:
    """Return the third standardized moment of each row, as `scipy.stats.skew` has it."""
    centred = values - values.mean(axis=1, keepdims=True)
    squares = centred**2
    skew: np.ndarray = (squares * centred).mean(axis=1) / squares.mean(axis=1) ** 1.5
    return skew
