"""The distributions of `scipy.special` against those of `scipy.stats`, to the bit."""

import numpy as np
import pytest
from scipy import stats

from lrdecay.analysis.distributions import chi2_ppf, nct_sf, t_isf, t_sf
from lrdecay.analysis.intervals import detectable_effect
from lrdecay.analysis.paired_statistics import _wilson, describe_differences

FREEDOM = np.array([1.0, 2.0, 7.0, 63.0, 999.0])
SHARES = np.array([1e-300, 1e-9, 0.0004, 0.05, 0.2, 0.5, 0.8])


def test_student_s_t_and_chi_squared_have_the_same_bits():
    t = np.array([0.0, 1e-9, 0.7, 3.2, 1e3, np.inf, -2.5])
    assert np.array_equal(t_sf(t[:, None], FREEDOM), stats.t.sf(t[:, None], FREEDOM))
    for share in SHARES:
        assert np.array_equal(t_isf(share, FREEDOM), stats.t.isf(share, FREEDOM))
        assert np.array_equal(chi2_ppf(share, FREEDOM), stats.chi2.ppf(share, FREEDOM))


def test_an_interval_without_error_is_infinite():
    assert t_isf(0.0, 7) == stats.t.isf(0.0, 7) == np.inf
    assert t_isf(np.array([0.0, 0.5]), np.array([7.0, 7.0])).tolist() == [np.inf, 0.0]


def test_the_non_central_t_is_the_same_but_for_rounding():
    for freedom in FREEDOM:
        critical = stats.t.isf(0.002, freedom)
        for shift in (0.0, 1.0, critical, critical + 1.0):
            expected = stats.nct.sf(critical, freedom, shift)
            assert nct_sf(critical, freedom, shift) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("level", [0.05, 0.04 / 9, 0.0001])
@pytest.mark.parametrize("n", [2, 3, 8, 24, 192, 1000])
def test_a_detectable_effect_is_resolved_with_the_power_asked_for(n, level):
    effect = detectable_effect(n, level)
    critical = stats.t.isf(level / 2, n - 1)
    assert stats.nct.sf(critical, n - 1, effect * np.sqrt(n)) == pytest.approx(0.8, abs=1e-9)


def test_wilson_s_interval_has_the_same_bits():
    for n in (1, 2, 7, 8, 33, 100):
        for wins in range(n + 1):
            expected = stats.binomtest(wins, n).proportion_ci(0.95, method="wilson")
            assert _wilson(wins, n) == (expected.low, expected.high)


@pytest.mark.parametrize("n", [2, 3, 8, 31, 200])
def test_skewness_has_the_same_bits(n):
    rng = np.random.default_rng(n)
    differences = rng.normal(0.2, 1.0, (50, n)) * 10.0 ** rng.integers(-3, 2, (50, 1))
    found = describe_differences(differences.copy(), np.full((50, n), 1e-9))["skew"]
    assert np.array_equal(found, stats.skew(differences, axis=1))
