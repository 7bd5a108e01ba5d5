"""How often the statistics err, from simulation with fixed generators; and mutants that fail."""

import numpy as np
import pytest
from helpers.checks import (
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
from helpers.crossed import crossed_interval
from helpers.simulated import ALPHA, random, running, statistics

from lrdecay import analysis
from lrdecay.analysis.confidence_sequences import fixed_radius, sequence_radius
from lrdecay.analysis.verdicts import judge_contrasts

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
    check_verdicts(judge_contrasts)


def test_no_contrast_of_a_family_errs_more_often_than_the_family_may():
    check_family(lambda differences: sides(differences, 1 / differences.shape[1]))


def sides(differences, share):
    """Which contrasts (families x contrasts x pairs) have a side at any look."""
    families, m, _ = differences.shape
    mean, sd = (x[:, LOOKS - 1] for x in running(differences.reshape(families * m, -1)))
    table = statistics(np.tile(LOOKS, families * m), mean.ravel(), sd.ravel())
    judged = judge_contrasts(table, np.full(len(table), ALPHA * share), None)
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


def shuffled(table, columns):
    """The runs of one arm among its seeds."""
    table = table.copy()
    arm = table["scheduler"] == "step"
    order = random(8).permutation(int(arm.sum()))
    table.loc[arm, columns] = table.loc[arm, columns].to_numpy()[order]
    return table


def without_seeds_that_diverged(table):
    lost = table.loc[table["status"] == "diverged", "seed"]
    return table[~table["seed"].isin(lost)]


def no_margin_for_equivalence(table, alpha, margin):
    """Takes whatever is not resolved for equivalent."""
    judged = judge_contrasts(table, alpha, margin)
    judged.loc[judged["verdict"] == "unresolved", "verdict"] = "equivalent"
    return judged


def seeds_alone(differences, alpha):
    return t_interval(differences.mean(axis=2), alpha)


def on(change):
    """The comparison of changed runs."""
    return lambda table, **options: analysis.compare(change(table), **options)


COLUMNS = ["test_accuracy", "init_digest", "order_digest"]
MUTANTS = {
    "naive peeking": (lambda: check_peeking(fixed_radius), "errs in 3"),
    "percentile bootstrap at n = 5": (lambda: check_coverage(bootstrap, 5, 4000), "misses 1"),
    "seeds shuffled between arms": (
        lambda: check_pairing(on(lambda table: shuffled(table, COLUMNS))),
        "the initial weights differ at 1",
    ),
    "seeds shuffled under their digests": (
        lambda: check_pairing(on(lambda table: shuffled(table, COLUMNS[:1]))),
        "No difference resolved",
    ),
    "dropped diverged runs": (
        lambda: check_diverged(on(lambda table: table[table["status"] == "completed"])),
        "3 of 16 seeds lack a run",
    ),
    "dropped seeds at which a run diverged": (
        lambda: check_diverged(on(without_seeds_that_diverged)),
        "step beats constant",
    ),
    "unresolved taken for equivalent": (
        lambda: check_verdicts(no_margin_for_equivalence),
        "false at 1.0",
    ),
    "each contrast at the family's level": (
        lambda: check_family(lambda differences: sides(differences, 1.0)),
        "some contrast of 9 errs in 1",
    ),
    "seeds alone for new images": (lambda: check_new_images(seeds_alone, 8), "misses 1"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_fails(mutant):
    check, reason = MUTANTS[mutant]
    with pytest.raises(AssertionError, match=reason):
        check()
