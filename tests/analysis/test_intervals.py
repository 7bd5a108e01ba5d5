"""Intervals against scipy, an e-process inverted by numerical integration, and plain algebra."""

import math

import numpy as np
import pytest
from helpers.crossed import crossed_interval
from helpers.frames import make_tables
from helpers.simulated import ALPHA, random, runs_of, statistics
from helpers.tiers import slow_but
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from lrdecay.analysis.conclusions import conclude
from lrdecay.analysis.confidence_sequences import (
    MOST_SEEDS,
    fixed_radius,
    seeds_needed,
    sequence_radius,
    upper_sd,
)
from lrdecay.analysis.crossed_effects import Bitmaps, crossed_variance
from lrdecay.analysis.estimates import compute_paired_statistics
from lrdecay.analysis.metrics import find_metric, find_steps
from lrdecay.analysis.seed_blocks import build_seed_blocks
from lrdecay.analysis.settings import Criteria
from lrdecay.analysis.verdicts import judge_contrasts


@pytest.mark.parametrize("n", [2, 5, 8, 30])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 12])
def test_the_fixed_interval_is_scipy_s(n, alpha):
    differences = random(n).normal(0.2, 0.4, n)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(1 - alpha)
    radius = fixed_radius(n, differences.std(ddof=1), alpha)
    assert differences.mean() - radius == pytest.approx(expected.low)
    assert differences.mean() + radius == pytest.approx(expected.high)


def e_value(differences: np.ndarray, null: float) -> float:
    """Marginal likelihood ratio: effect size Normal(0, 1/2) against 0, sigma under d sigma/sigma,
    summed over a grid of both, with nothing worked out."""
    x = differences - null
    effect = np.linspace(-12, 12, 4001)[:, None]
    log_sigma = np.linspace(-5, 4, 1801)[None, :]
    sigma = np.exp(log_sigma)

    def log_likelihood(mean):
        squares = (x**2).sum() - 2 * mean * x.sum() + len(x) * mean**2
        return -len(x) * log_sigma - squares / (2 * sigma**2)

    above, below = log_likelihood(effect * sigma), log_likelihood(0.0)
    scale = above.max()  # keeps the sums within floating point
    prior = stats.norm.pdf(effect, 0, math.sqrt(0.5)) * (effect[1, 0] - effect[0, 0])
    return float((prior * np.exp(above - scale)).sum() / np.exp(below - scale).sum())


@pytest.mark.parametrize("n", slow_but([15], [8, 15]))
def test_the_sequence_ends_where_the_e_value_is_1_over_alpha(n):
    differences = random(n).normal(0.3, 1.0, n)
    mean, sd = differences.mean(), differences.std(ddof=1)
    high = optimize.brentq(
        lambda null: math.log(e_value(differences, null) * ALPHA), mean + 0.2 * sd, mean + 4 * sd
    )
    assert high - mean == pytest.approx(float(sequence_radius(n, sd, ALPHA)), rel=1e-4)


def test_the_sequence_by_hand():
    r, big_r = 2 / 10, (0.05**2 * 2 / 10) ** (1 / 8)
    expected = 0.3 / math.sqrt(8) * math.sqrt(7 * (1 - big_r) / (big_r - r))
    assert float(sequence_radius(8, 0.3, 0.05)) == pytest.approx(expected)
    assert float(sequence_radius(7, 0.3, 0.05)) == math.inf
    # at a thousandth the R of 8 pairs is below r
    assert sequence_radius(np.array([8, 16]), 0.3, 0.001)[0] == math.inf
    assert float(sequence_radius(8, 0.0, 0.05)) == 0
    assert float(sequence_radius(8, 0.0, 0.001)) == math.inf


def test_seeds_needed_is_the_first_number_that_resolves():
    n, mean, sd = 16, 0.1, 0.3
    spread = float(upper_sd(n, sd))
    assert spread == pytest.approx(sd * math.sqrt(15 / stats.chi2.ppf(0.2, 15)))
    for margin, distance in ((None, 0.1), (0.15, 0.1), (0.5, 0.4)):
        needed = float(seeds_needed(n, mean, sd, ALPHA, margin))
        assert sequence_radius(needed, spread, ALPHA) < distance
        assert needed == n + 1 or sequence_radius(needed - 1, spread, ALPHA) >= distance
    assert float(seeds_needed(n, 0.0, sd, ALPHA)) == math.inf
    assert float(seeds_needed(n, 1e-6, sd, ALPHA)) == math.inf
    assert MOST_SEEDS == 1_000_000
    assert seeds_needed(np.array([3, 16]), 5.0, 0.1, ALPHA).tolist() == [8, 17]


def test_paired_statistics_are_those_of_numpy_and_scipy():
    a, b = random(1).normal(97, 1, (2, 3, 12))
    found = compute_paired_statistics(a, b)
    for row in range(3):
        d = a[row] - b[row]
        assert found["mean"][row] == pytest.approx(d.mean())
        assert found["sd"][row] == pytest.approx(d.std(ddof=1))
        assert found["skew"][row] == pytest.approx(stats.skew(d))
        assert found["correlation"][row] == pytest.approx(np.corrcoef(a[row], b[row])[0, 1])
        assert found["unpaired_sd"][row] == pytest.approx(
            math.sqrt(a[row].var(ddof=1) + b[row].var(ddof=1))
        )
        assert found["p_t"][row] == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
        wins = (d > 0).sum()
        assert found["wins"][row] == pytest.approx(wins / 12)
        low, high = proportion_confint(wins, 12, method="wilson")
        assert (found["wins_low"][row], found["wins_high"][row]) == pytest.approx((low, high))


def test_the_sign_flip_test_is_exact_for_few_seeds():
    a = random(2).normal(0.4, 1, (1, 9))
    found = compute_paired_statistics(a, np.zeros((1, 9)))["p_signflip"]
    signs = 1 - 2 * ((np.arange(2**9)[:, None] >> np.arange(9)) & 1)
    means = (signs * a).mean(axis=1)
    # twice the smaller tail
    tails = (means >= means[0] - 1e-12).mean(), (means <= means[0] + 1e-12).mean()
    assert found[0] == pytest.approx(2 * min(tails))


def test_wins_ties_and_spread_without_any():
    ones = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [7.0, 7.0, 7.0, 7.0, 7.0]])
    others = np.array([[0.0, 2.0, 3.0, 5.0, 4.0], [7.0, 7.0, 7.0, 7.0, 7.0]])
    found = compute_paired_statistics(ones, others)
    assert found["wins"].tolist() == [0.6, 0.5]
    low, high = proportion_confint(3, 5, method="wilson")
    assert (found["wins_low"][0], found["wins_high"][0]) == pytest.approx((low, high))
    # half a win over: from the interval of two wins to that of three
    assert found["wins_low"][1] == pytest.approx(proportion_confint(2, 5, method="wilson")[0])
    assert found["wins_high"][1] == pytest.approx(proportion_confint(3, 5, method="wilson")[1])
    assert found["sd"][1] == 0
    assert np.isnan(found["correlation"][1])
    assert (found["p_t"][1], found["p_signflip"][1]) == (1, 1)
    losses = compute_paired_statistics(ones, others, higher_is_better=False)["wins"]
    assert losses.tolist() == [0.4, 0.5]


def test_the_crossed_interval_by_hand():
    differences = np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    rows, columns = differences.mean(axis=1), differences.mean(axis=0)
    mean = 5 / 12
    residual = sum(
        (differences[i, j] - rows[i] - columns[j] + mean) ** 2 for i in range(3) for j in range(4)
    ) / (2 * 3)
    variance = rows.var(ddof=1) / 3 + columns.var(ddof=1) / 4 - residual / 12
    assert variance > rows.var(ddof=1) / 3
    got, low, high = crossed_interval(differences, 0.9)
    radius = stats.t.ppf(0.95, 2) * math.sqrt(variance)
    assert (got, low, high) == pytest.approx((mean, mean - radius, mean + radius))
    # images without an effect of their own cannot make it narrower than the seeds do
    assert crossed_variance(0.3, 0.0, 1.0, 3, 4) == pytest.approx(0.1)


@pytest.mark.parametrize("weights", [(1, -1), (0.5, 0.5, -0.5, -0.5), (1, 1, -1, -1)])
@pytest.mark.parametrize("images", [37, 1000])
def test_bitmaps_give_the_crossed_variance_of_the_unpacked_matrix(weights, images):
    runs, _ = make_tables(("a", "b"), (0.0, 0.5), seeds=6, n_epochs=1)
    answers = random(images).random((len(runs), images)) < 0.9
    runs["test_correct"] = [np.packbits(each).tobytes() for each in answers]
    runs["test_images"] = images
    blocks = build_seed_blocks(runs, find_metric("test_accuracy"))
    cells = [0, 3, 1, 2][: len(weights)]
    for used in (np.ones(6, bool), np.array([1, 0, 1, 1, 0, 1], bool)):
        matrix = sum(
            w * answers[blocks.row[cell][used]].astype(float)
            for w, cell in zip(weights, cells, strict=True)
        )
        mean, low, _ = crossed_interval(matrix, 0.95)
        radius = stats.t.ppf(0.975, used.sum() - 1) * math.sqrt(
            Bitmaps(blocks).variance(cells, weights, used)
        )
        assert radius == pytest.approx(100 * (mean - low))


def test_bitmaps_that_do_not_fit_give_no_interval():
    runs, _ = make_tables(("a", "b"), (0.0,), seeds=8, n_epochs=1)
    used = np.ones(8, bool)

    def variance(table):
        blocks = build_seed_blocks(table, find_metric("test_accuracy"))
        return Bitmaps(blocks).variance([0, 1], [1.0, -1.0], used)

    assert variance(runs) > 0
    for change in ({"test_images": 999_999}, {"test_correct": None}, {"test_images": None}):
        ((column, value),) = change.items()
        other = runs.astype({column: object})
        other.loc[3, column] = value
        assert np.isnan(variance(other))
    assert np.isnan(variance(runs.drop(columns=["test_correct"])))


# Where an interval ends, and where it says nothing


def test_no_interval_goes_on_where_no_difference_can_be():
    n, reach = np.array([2, 2, 16, 8, 16]), np.array([100.0, 100.0, 100.0, 200.0, 100.0])
    mean, sd = np.array([0.0, 80.0, 60.0, -150.0, 0.1]), np.array([12.0, 12.0, 80.0, 70.0, 0.3])
    of_images = np.array([9.0, 8.0, 20.0, 24.0, 0.2])
    table = judge_contrasts(
        statistics(n, mean, sd).assign(images_sd=of_images), np.full(5, ALPHA), None, reach=reach
    )
    radius = stats.t.ppf(1 - ALPHA / 2, n - 1) * of_images
    assert radius[0] > 100  # beyond all that can be, both ways: -114 to 114
    assert np.isnan(table.loc[0, ["images_low", "images_high"]].to_numpy(float)).all()
    low, high = np.maximum(mean - radius, -reach), np.minimum(mean + radius, reach)
    assert table["images_low"].tolist()[1:] == pytest.approx(low.tolist()[1:])
    assert table["images_high"].tolist()[1:] == pytest.approx(high.tolist()[1:])
    assert table["images_high"].tolist()[1:4] == [100.0, 100.0, pytest.approx(-150 + radius[3])]
    assert table["images_low"].tolist()[3] == -200.0
    radius = sequence_radius(n, sd, ALPHA)
    assert table["low"].tolist() == pytest.approx(
        [-math.inf, -math.inf, max(60 - radius[2], -100), -200.0, 0.1 - radius[4]]
    )
    assert table["high"].tolist() == pytest.approx(
        [math.inf, math.inf, 100.0, -150 + radius[3], 0.1 + radius[4]]
    )
    radius = fixed_radius(n, sd, ALPHA)
    assert table["fixed_high"].tolist()[1:3] == [100.0, 100.0]
    assert table["fixed_low"].tolist()[2] == pytest.approx(60 - radius[2])
    # nothing bounds a loss
    free = judge_contrasts(statistics(n, mean, sd), np.full(5, ALPHA), None)
    assert free["fixed_high"].tolist() == pytest.approx((mean + radius).tolist())


@pytest.mark.parametrize(
    ("metric", "span"), [("test_accuracy", 100), ("val_accuracy", 100), ("gap", 200)]
)
def test_a_difference_can_be_as_large_as_its_weights_and_the_metric_s_span(metric, span):
    assert find_metric(metric).span == span
    runs, epochs = make_tables(("constant", "step"), (0.0, 0.5), 16, n_epochs=1)
    swing = np.where(runs["seed"] % 2 == 0, 1.0, 0.0)
    swing = np.where((runs["scheduler"] == "step") == (runs["dropout"] == 0.5), swing, 1 - swing)
    runs["test_accuracy"] = runs["val_accuracy"] = swing
    by_run = dict(zip(runs["run_id"], swing, strict=True))
    epochs["accuracy"] = np.where(
        epochs["split"] == "test", 1 - epochs["run_id"].map(by_run), epochs["run_id"].map(by_run)
    )
    # differences of all that there can be, both ways
    table = conclude(runs, epochs, Criteria(metric=metric)).table
    ends = table.groupby("family")[["sd", "low", "high"]].first()
    sd = span * math.sqrt(16 / 15)
    assert ends["sd"].tolist() == pytest.approx([0, sd, 2 * sd, sd], abs=1e-9)
    assert list(ends.index) == ["average", "dropout", "interaction", "scheduler"]
    assert sequence_radius(16, sd, ALPHA / 2) > span
    for family in ("dropout", "scheduler"):
        assert ends.loc[family, ["low", "high"]].tolist() == [-math.inf, math.inf]
    radius = float(sequence_radius(16, 2 * sd, ALPHA))
    assert span < radius < 2 * span
    assert ends.loc["interaction", ["low", "high"]].tolist() == pytest.approx([-radius, radius])
    assert find_metric("test_loss").span == math.inf


def at_two_seeds(right):
    """Two schedulers at two seeds, so many of ten images right."""
    runs, epochs = make_tables(("constant", "step"), (0.3,), 2, n_epochs=1)
    bits = [np.arange(10) < count for count in right]
    return epochs, runs.assign(
        test_correct=[np.packbits(each).tobytes() for each in bits],
        test_images=10,
        test_accuracy=[each.mean() for each in bits],
    )


def test_at_two_seeds_new_images_may_be_anything():
    epochs, runs = at_two_seeds([0, 9, 8, 1])  # 80 points more, 80 points less
    (row,) = conclude(runs, epochs, Criteria()).table.to_dict("records")
    assert (row["mean"], row["n"]) == (pytest.approx(0), 2)
    assert np.isnan(row["images_low"])
    assert np.isnan(row["images_high"])
    assert row["images_sd"] * stats.t.ppf(0.975, 1) > 100


# Differences that are one number, but for rounding


def of_differences(points, images=10_000):
    """Two schedulers whose test accuracies differ by these points at each seed."""
    base = 97 + 0.01 * np.arange(len(points))
    runs = runs_of({("constant", 0.3): base, ("step", 0.3): base + points})
    return runs.assign(test_images=images)


NOISE = 1e-7 * np.array([-1, 1] * 8)


@pytest.mark.parametrize("noise", [0 * NOISE, NOISE, 2e4 * NOISE, 2e-3 * NOISE])
@pytest.mark.parametrize("difference", [0.05, -0.05, 2.0])
def test_differences_that_are_one_number_but_for_rounding_have_no_interval(difference, noise):
    runs = of_differences(difference + noise)
    (row,) = conclude(runs, None, Criteria(margin=0.1)).table.to_dict("records")
    assert row["mean"] == pytest.approx(difference, abs=1e-5)
    assert (row["sd"], row["verdict"]) == (0.0, "unresolved")
    ends = [row[f"{name}{end}"] for name in ("", "fixed_") for end in ("low", "high")]
    assert ends == [-math.inf, math.inf] * 2
    assert np.isnan(row["p_t"])
    assert "all differences are one number so far" in row["sentence"]
    assert row["wins"] == (difference > 0)
    history = conclude(runs, None, Criteria(margin=0.1)).history
    assert history["verdict"].tolist() == ["unresolved"] * 9
    assert history["high"].tolist() == [math.inf] * 9


def test_differences_that_are_nothing_but_rounding_are_none():
    (row,) = conclude(of_differences(NOISE), None, Criteria(margin=0.1)).table.to_dict("records")
    assert (row["mean"], row["sd"], row["wins"], row["p_t"]) == (0.0, 0.0, 0.5, 1.0)
    assert (row["verdict"], row["low"], row["high"]) == ("identical", 0.0, 0.0)


def test_half_an_image_is_where_rounding_ends():
    for share, sd in ((0.49, 0.0), (0.51, 0.51 / 2 * 0.01 * math.sqrt(16 / 15))):
        points = 0.05 + share * 0.005 * np.array([-1, 1] * 8)
        (row,) = conclude(of_differences(points), None, Criteria()).table.to_dict("records")
        assert row["sd"] == pytest.approx(sd, abs=1e-12)
    # without the number of images a difference is what it is
    runs = of_differences(0.05 + NOISE).drop(columns="test_images")
    (row,) = conclude(runs, None, Criteria()).table.to_dict("records")
    assert row["sd"] == pytest.approx(1e-7 * math.sqrt(16 / 15), rel=1e-3)


def test_the_average_over_dropouts_has_smaller_steps():
    base = 97 + 0.1 * np.arange(8)
    third = np.where(np.arange(8) % 2 == 0, 0.1, 0.2)
    cells = {("constant", d): base for d in (0.0, 0.3, 0.5)}
    cells |= {("step", 0.0): base + third, ("step", 0.3): base + 0.1, ("step", 0.5): base + 0.1}
    runs = runs_of(cells).assign(test_images=1000)  # one of which is 0.1 points
    table = conclude(runs, None, Criteria()).table
    (row,) = table[table["family"] == "average"].to_dict("records")
    assert row["mean"] == pytest.approx((1.5 + 1 + 1) / 30)
    assert row["sd"] == pytest.approx(0.05 / 3 * math.sqrt(8 / 7))


def test_the_smallest_step_of_each_metric():
    runs, _ = make_tables(("constant",), (0.3,), 2, n_epochs=1)
    runs = runs.assign(test_images=[1000, None], validation=300)

    def steps(metric, table=runs):
        return find_steps(table, find_metric(metric)).tolist()

    assert steps("test_accuracy") == steps("best_test_accuracy") == [0.1, 0]
    assert steps("val_accuracy") == [pytest.approx(1 / 3)] * 2
    assert steps("gap") == [pytest.approx(100 / 3000), 0]  # of thirds of a percent and tenths
    assert steps("test_loss") == steps("val_loss") == [0, 0]
    assert steps("test_accuracy", runs.drop(columns="test_images")) == [0, 0]
    assert steps("val_accuracy", runs.assign(validation=0)) == [0, 0]


def test_losses_are_one_number_to_nine_places():
    for noise, sd in ((4e-10, 0.0), (6e-10, 6e-10 * math.sqrt(16 / 15))):
        runs = of_differences(0.05 + NOISE)
        swing = np.where(runs["seed"] % 2 == 0, noise, -noise)
        own = runs["scheduler"] == "step"
        runs["test_loss"] = 0.3 + 0.01 * runs["seed"] + np.where(own, 0.02 + swing, 0.0)
        (row,) = conclude(runs, None, Criteria(metric="test_loss")).table.to_dict("records")
        assert row["sd"] == pytest.approx(sd, rel=1e-3, abs=1e-15)
