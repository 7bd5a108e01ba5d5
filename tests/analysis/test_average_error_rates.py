"""How often averages over datasets err, from simulation with fixed generators."""

from collections.abc import Sequence

import numpy as np
import pytest
from helpers.simulated import ALPHA, bound, find_sides, random

from lrdecay.analysis.average_intervals import judge_average
from lrdecay.analysis.joint_looks import JointLook, join_looks, schedule_looks
from lrdecay.core.first_plan import FirstPlan

REPETITIONS = 12_000
BLOCK = 2000
SCHEDULERS = 6
Rates = tuple[float, float]


def find_error_rates(
    looks: Sequence[JointLook],
    sds: Sequence[float],
    between: float = 0.0,
    correlation: float = 0.0,
    error: float = ALPHA / SCHEDULERS,
) -> Rates:
    """In how many families of six schedulers, none of which differs from the reference that they
    share, any has a side at any look: on these datasets, and for datasets like these.

    `sds` are those of the differences on each dataset, of which each has effects of its own, of the
    sd `between`; `correlation` is that of the seeds of two datasets.
    """
    rng, most = random(31), np.max([look.n for look in looks], axis=0)
    n, share = np.array([look.n for look in looks]), np.array([look.share for look in looks])
    wrong = np.zeros(2)
    for _ in range(REPETITIONS // BLOCK):
        size = BLOCK, SCHEDULERS + 1
        common = rng.normal(size=(*size, max(most))) if correlation else 0.0
        mean, sd = np.empty((2, BLOCK, SCHEDULERS, len(looks), len(sds)))
        for place, spread in enumerate(sds):
            cells = np.sqrt(1 - correlation) * rng.normal(size=(*size, most[place]))
            if correlation:
                cells += np.sqrt(correlation) * common[..., : most[place]]
            cells = spread * cells + between * rng.normal(size=(*size, 1))
            differences = (cells[:, 1:] - cells[:, :1]) / np.sqrt(2)
            for at, look in enumerate(looks):
                some = differences[..., : look.n[place]]
                mean[:, :, at, place] = some.mean(axis=-1)
                sd[:, :, at, place] = some.std(axis=-1, ddof=1)
        found = judge_average(n, mean, sd, share, error)
        wrong += [find_sides(each.verdict).any(axis=(1, 2)).sum() for each in found]
    here, like = wrong / REPETITIONS
    return here, like


def looks_of(plans: Sequence[FirstPlan], there: Sequence[int]) -> list[JointLook]:
    return join_looks([schedule_looks(*each) for each in zip(plans, there, strict=True)])


ON_THESE = {
    "8 and 8 seeds, sd 1 and 3": (looks_of([FirstPlan(8)] * 2, [8, 8]), [1, 3]),
    "8 and 12, then 12 and 16, then 16 and 24": (
        looks_of([FirstPlan(8), FirstPlan(12)], [16, 24]),
        [3, 1],
    ),
    "four datasets": (looks_of([FirstPlan(8)] * 4, [8] * 4), [1, 1, 2, 5]),
}


@pytest.mark.parametrize("name", ON_THESE)
def test_on_these_datasets_a_family_errs_no_more_often_than_it_may(name: str) -> None:
    here, _ = find_error_rates(*ON_THESE[name])
    assert 0.025 < here <= bound(ALPHA, REPETITIONS)


LIKE_THESE = {
    "datasets that differ much": [0.1, 0.1, 0.2, 0.5],
    "seeds that vary as much as datasets": [3, 3, 1, 6],
}


@pytest.mark.parametrize("name", LIKE_THESE)
def test_for_datasets_like_these_a_family_errs_no_more_often_than_it_may(name: str) -> None:
    looks = looks_of([FirstPlan(8)] * 4, [12] * 4)
    here, like = find_error_rates(looks, LIKE_THESE[name], between=1.0)
    assert like <= bound(ALPHA, REPETITIONS)
    # which is another question: the one about these datasets would answer it wrongly
    assert here > 0.1


def test_the_whole_error_at_each_look_errs_too_often() -> None:
    looks = looks_of([FirstPlan(8)] * 2, [48, 48])
    greedy = [JointLook(look.n, 1.0, look.planned) for look in looks]
    here, _ = find_error_rates(greedy, [1, 3])
    assert here > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("correlation", "percent"), [(0.1, 4.7), (0.3, 6.4), (0.5, 8.3)])
def test_seeds_that_two_datasets_share_err_as_documented(
    correlation: float, percent: float
) -> None:
    """Of sd 1 and 3, at 8 seeds each."""
    looks = looks_of([FirstPlan(8)] * 2, [8, 8])
    here, _ = find_error_rates(looks, [1, 3], correlation=correlation)
    assert 100 * here == pytest.approx(percent, abs=0.8)
