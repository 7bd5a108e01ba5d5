"""How often the statistics err, from simulation with fixed generators; and mutants that fail."""

import numpy as np
import pandas as pd
import pytest
from checks import (
    LOOKS,
    RATES_OF,
    check_coverage,
    check_diverged,
    check_family,
    check_new_images,
    check_pairing,
    check_peeking,
    check_verdicts,
    error_with_peeking,
)
from simulated import ALPHA, random, running, statistics

from lrdecay import analysis
from lrdecay.analysis.crossed import crossed_interval
from lrdecay.analysis.sequences import fixed_radius, sequence_radius
from lrdecay.analysis.verdicts import judge

SKEWED = "one-sided exponential"


@pytest.mark.parametrize("kind", [kind for kind in RATES_OF if kind != SKEWED])
def test_the_sequence_may_be_looked_at_after_every_seed(kind):
    check_peeking(sequence_radius, kind)


def test_the_sequence_errs_on_skewed_differences_as_documented():
    assert error_with_peeking(sequence_radius, SKEWED) == pytest.approx(0.11, abs=0.02)


def test_the_sequence_is_not_wider_than_it_must_be():
    assert error_with_peeking(sequence_radius, "normal") == pytest.approx(0.028, abs=0.005)


def t_interval(differences, alpha):
    n = differences.shape[1]
    radius = fixed_radius(n, differences.std(axis=1, ddof=1), alpha)
    mean = differences.mean(axis=1)
    return mean - radius, mean + radius


@pytest.mark.parametrize("n", [3, 5, 8, 16, 32])
def test_the_t_interval_covers(n):
    check_coverage(t_interval, n)


def sequence(differences, alpha):
    n = differences.shape[1]
    radius = sequence_radius(n, differences.std(axis=1, ddof=1), alpha)
    mean = differences.mean(axis=1)
    return mean - radius, mean + radius


@pytest.mark.parametrize("n", [3, 5, 8, 16, 32])
def test_the_sequence_covers_at_a_fixed_number_too(n):
    check_coverage(sequence, n)


def crossed(differences, alpha):
    ends = np.array([crossed_interval(each, 1 - alpha)[1:] for each in differences])
    return ends[:, 0], ends[:, 1]


@pytest.mark.parametrize("n", [3, 8, 32])
def test_the_crossed_interval_covers_new_images(n):
    check_new_images(crossed, n)


def test_verdicts_are_true_at_any_look():
    check_verdicts(judge)


def test_no_contrast_of_a_family_errs_more_often_than_the_family_may():
    check_family(lambda differences: sides(differences, 1 / differences.shape[1]))


def sides(differences, share):
    """Which contrasts (families x contrasts x pairs) have a side at any look."""
    families, m, _ = differences.shape
    mean, sd = (x[:, LOOKS - 1] for x in running(differences.reshape(families * m, -1)))
    table = statistics(np.tile(LOOKS, families * m), mean.ravel(), sd.ravel())
    judged = judge(table, np.full(len(table), ALPHA * share), None)
    sided = judged["verdict"].isin(["higher", "lower"]).to_numpy()
    return sided.reshape(families, m, len(LOOKS)).any(axis=2)


def test_pairs_are_of_one_seed():
    check_pairing(analysis.compare)


def test_diverged_runs_are_said():
    check_diverged(analysis.compare)


# Mutants: each fails the check that the code passes above.


def bootstrap(differences, alpha):
    """The percentile bootstrap of the mean."""
    picks = random(7).integers(differences.shape[1], size=(999, differences.shape[1]))
    means = differences[:, picks].mean(axis=2)
    return np.quantile(means, alpha / 2, axis=1), np.quantile(means, 1 - alpha / 2, axis=1)


def shuffled(runs, columns):
    """The runs of one arm among its seeds."""
    runs = runs.copy()
    arm = runs["scheduler"] == "step"
    order = random(8).permutation(int(arm.sum()))
    runs.loc[arm, columns] = runs.loc[arm, columns].to_numpy()[order]
    return runs


def without_seeds_that_diverged(runs):
    lost = runs.loc[runs["status"] == "diverged", "seed"]
    return runs[~runs["seed"].isin(lost)]


def no_margin_for_equivalence(table, alpha, margin):
    """Takes whatever is not resolved for equivalent."""
    judged = judge(table, alpha, margin)
    judged.loc[judged["verdict"] == "unresolved", "verdict"] = "equivalent"
    return judged


def seeds_alone(differences, alpha):
    return t_interval(differences.mean(axis=2), alpha)


COLUMNS = ["test_accuracy", "init_digest", "order_digest"]
MUTANTS = {
    "naive peeking": lambda: check_peeking(fixed_radius),
    "percentile bootstrap at n = 5": lambda: check_coverage(bootstrap, 5, 4000),
    "seeds shuffled between arms": lambda: check_pairing(
        lambda runs, **options: analysis.compare(shuffled(runs, COLUMNS), **options)
    ),
    "seeds shuffled under their digests": lambda: check_pairing(
        lambda runs, **options: analysis.compare(shuffled(runs, COLUMNS[:1]), **options)
    ),
    "dropped diverged runs": lambda: check_diverged(
        lambda runs, **options: analysis.compare(runs[runs["status"] == "completed"], **options)
    ),
    "dropped seeds at which a run diverged": lambda: check_diverged(
        lambda runs, **options: analysis.compare(without_seeds_that_diverged(runs), **options)
    ),
    "unresolved taken for equivalent": lambda: check_verdicts(no_margin_for_equivalence),
    "each contrast at the family's level": lambda: check_family(lambda d: sides(d, 1.0)),
    "seeds alone for new images": lambda: check_new_images(seeds_alone, 8),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_fails(mutant):
    with pytest.raises(AssertionError):
        MUTANTS[mutant]()


def test_mutants_run_to_their_end():
    """They fail by their verdicts: their tables are whole."""
    table = analysis.compare(shuffled(_pair(), COLUMNS), margin=0.1)
    assert table["verdict"].tolist() == ["not evaluated"]
    assert isinstance(table, pd.DataFrame)


def _pair():
    from checks import paired_runs

    return paired_runs(0.5)
