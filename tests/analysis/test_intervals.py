"""Intervals against scipy, numerical inversion, and plain algebra."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers.crossed import crossed_interval
from helpers.frames import make_tables
from helpers.simulated import ALPHA, at_looks, random, runs_of
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from lrdecay import analysis
from lrdecay.analysis.conclusions import conclude
from lrdecay.analysis.crossed_effects import Bitmaps, crossed_variance
from lrdecay.analysis.intervals import (
    detectable_effect,
    hall_interval,
    share_that_may_differ,
    t_radius,
    upper_sd,
)
from lrdecay.analysis.looks import list_looks
from lrdecay.analysis.metrics import find_metric, find_steps
from lrdecay.analysis.paired_statistics import compute_paired_statistics
from lrdecay.analysis.seed_blocks import build_seed_blocks
from lrdecay.analysis.settings import Criteria
from lrdecay.analysis.verdicts import judge_looks, judge_on_images


@pytest.mark.parametrize("n", [2, 5, 8, 30])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 12])
def test_the_t_interval_is_scipy_s(n, alpha):
    differences = random(n).normal(0.2, 0.4, n)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(1 - alpha)
    radius = t_radius(n, differences.std(ddof=1), alpha)
    assert differences.mean() - radius == pytest.approx(expected.low)
    assert differences.mean() + radius == pytest.approx(expected.high)
    assert float(t_radius(1, 0.4, alpha)) == math.inf


@pytest.mark.parametrize(("n", "first", "share"), [(8, 8, 0.8), (12, 12, 0.75), (20, 20, 0.75)])
def test_one_contrast_at_its_planned_look_has_the_t_interval_of_its_share(n, first, share):
    points = random(n).normal(0.3, 0.4, n)
    (look,) = (look for look in list_looks(first, None, n) if look.planned)
    assert (look.n, look.share) == (n, share)
    judged = judge_looks(at_looks(points[None], [look]), np.full(1, ALPHA), None)
    expected = stats.ttest_1samp(points, 0).confidence_interval(1 - share * ALPHA)
    assert judged["low"].item() == pytest.approx(expected.low, rel=1e-12)
    assert judged["high"].item() == pytest.approx(expected.high, rel=1e-12)
    if n > 8:
        return
    base = 97 + 0.1 * np.arange(n)
    runs = runs_of({("constant", 0.3): base, ("step", 0.3): base + points})
    (row,) = analysis.compare(runs, first=first).to_dict("records")
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert row["p"] == pytest.approx(min(1, stats.ttest_1samp(points, 0).pvalue / share), rel=1e-9)


RADII = {
    3: {8: 1.16, 12: 0.86, 16: 0.71, 24: 0.55, 32: 0.47, 64: 0.32},
    9: {8: 1.46, 12: 1.04, 16: 0.84, 24: 0.65, 32: 0.55, 64: 0.37},
    15: {8: 1.61, 12: 1.12, 16: 0.91, 24: 0.69, 32: 0.58, 64: 0.39},
}
EFFECTS = {
    3: {8: 1.51, 12: 1.13, 16: 0.93, 24: 0.73, 32: 0.62, 64: 0.43},
    9: {8: 1.84, 12: 1.32, 16: 1.08, 24: 0.83, 32: 0.70, 64: 0.48},
    15: {8: 2.01, 12: 1.41, 16: 1.14, 24: 0.88, 32: 0.74, 64: 0.50},
}
"""By contrasts and planned seeds, in sds of the differences: half the width of the interval, and
the true difference that is resolved with 80% probability."""


def level_at(n, first, m, most=None):
    return next(look.share for look in list_looks(first, most, n) if look.n == n) * ALPHA / m


@pytest.mark.parametrize("m", RADII)
def test_what_planned_seeds_resolve(m):
    for n, radius in RADII[m].items():
        assert round(float(t_radius(n, 1.0, level_at(n, n, m))), 2) == radius
        assert round(detectable_effect(n, level_at(n, n, m)), 2) == EFFECTS[m][n]


@pytest.mark.parametrize(
    ("most", "radii"),
    [
        (None, {12: 1.51, 16: 1.18, 24: 0.93, 32: 0.77, 64: 0.53}),
        (64, {8: 2.28, 12: 1.43, 16: 1.10, 24: 0.81, 32: 0.67, 48: 0.51, 64: 0.43}),
    ],
)
def test_what_seeds_beside_the_first_resolve(most, radii):
    found = {n: round(float(t_radius(n, 1.0, level_at(n, 8, 9, most))), 2) for n in radii}
    assert found == radii


@pytest.mark.parametrize(("n", "m"), [(8, 9), (8, 3), (16, 15)])
@pytest.mark.parametrize("power", [0.8, 0.5])
def test_a_detectable_effect_is_detected_with_its_power(n, m, power):
    level, repetitions = level_at(n, n, m), 40_000
    effect = detectable_effect(n, level, power)
    differences = random(n).normal(effect, 1.0, (repetitions, n))
    radius = t_radius(n, differences.std(axis=1, ddof=1), level)
    rate = (differences.mean(axis=1) > radius).mean()
    assert rate == pytest.approx(power, abs=3 * math.sqrt(power * (1 - power) / repetitions))


def invert_hall(n, mean, sd, skew, level):
    """The interval of means whose transformed statistic the level leaves, by root finding."""
    limit = stats.t.isf(level / 2, n - 1)

    def transformed(null):
        t = (mean - null) / sd
        cubic = t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / (6 * n)
        return math.sqrt(n) * cubic

    return [
        optimize.brentq(lambda null, side=side: transformed(null) - side * limit, -1e4, 1e4)
        for side in (1, -1)
    ]


@pytest.mark.parametrize("n", [8, 24])
@pytest.mark.parametrize("skew", [-2.0, -0.3, 0.4, 1.0, 2.1])
def test_hall_s_interval_is_where_his_transformation_says(n, skew):
    for level in (0.05, 0.8 * 0.05 / 9):
        found = hall_interval(n, 0.7, 0.5, skew, level)
        expected = invert_hall(n, 0.7, 0.5, skew, level)
        assert [float(end) for end in found] == pytest.approx(expected)
    # what is skewed to the right reaches further to the right
    low, high = hall_interval(n, 0.0, 1.0, abs(skew), 0.01)
    assert high > float(t_radius(n, 1.0, 0.01)) > -low


def test_hall_s_interval_without_skewness_is_the_t_interval():
    n, mean, sd, skew = np.array([8, 16]), np.array([0.2, -0.1]), np.array([0.3, 0.4]), np.zeros(2)
    low, high = hall_interval(n, mean, sd, skew, 0.01)
    radius = t_radius(n, sd, 0.01)
    assert low == pytest.approx(mean - radius, abs=1e-5)
    assert high == pytest.approx(mean + radius, abs=1e-5)


def test_a_side_that_rests_on_skewness_is_told():
    """Of one sample and its mirror image, which the t interval treats alike."""
    sample = random(3).exponential(1.0, 8)
    sample = (sample - sample.mean()) / sample.std(ddof=1)
    assert stats.skew(sample) > 1
    radius = float(t_radius(8, 1.0, 0.8 * ALPHA))
    # just resolved by the t interval
    rows = np.array([sample + 1.02 * radius, -sample - 1.02 * radius, sample - 1.02 * radius])
    rows = np.vstack([rows, -sample + 1.02 * radius, sample])
    judged = judge_looks(at_looks(rows, list_looks(8, None, 8)), np.full(5, ALPHA), None)
    assert judged["verdict"].tolist() == ["higher", "lower", "lower", "higher", "unresolved"]
    # few large ones hold up the mean of the first two; of the others the long tail leads to 0
    expected = []
    for row in rows:
        low, high = invert_hall(8, row.mean(), row.std(ddof=1), stats.skew(row), 0.8 * ALPHA)
        expected.append(low > 0 or high < 0)
    assert judged["skew_holds"].tolist()[:4] == expected[:4] == [True, True, False, False]
    assert judged["skew_holds"].isna().tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(("n", "level"), [(8, 0.8 * 0.05 / 9), (8, 0.04), (16, 0.0025)])
def test_how_many_seeds_may_differ_where_none_did(n, level):
    found = float(share_that_may_differ(n, level))
    # none of n differ with probability `level`
    assert (1 - found) ** n == pytest.approx(level)
    exact = stats.binomtest(0, n, alternative="less").proportion_ci(1 - level, "exact")
    assert found == pytest.approx(exact.high)


def test_how_many_seeds_may_differ_by_value():
    found = share_that_may_differ(8, 0.8 * 0.05 / np.array([1, 6, 9]))
    assert found.tolist() == pytest.approx([0.33126, 0.46545, 0.49187], abs=1e-5)


def test_the_upper_limit_of_an_sd():
    assert float(upper_sd(16, 0.3)) == pytest.approx(0.3 * math.sqrt(15 / stats.chi2.ppf(0.2, 15)))
    sds = random(5).normal(0, 1, (20_000, 16)).std(axis=1, ddof=1)
    assert (upper_sd(16, sds) > 1).mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("margin", "distance"), [(None, 0.1), (0.15, 0.1), (0.5, 0.4)])
def test_more_seeds_lead_to_the_first_look_that_would_resolve(margin, distance):
    swing = 0.3 * np.array([-1, 1] * 6) * math.sqrt(11 / 12)  # sd 0.3
    base = 97 + 0.1 * np.arange(12)
    runs = runs_of({("constant", 0.3): base, ("step", 0.3): base + 0.1 + swing})
    (row,) = analysis.compare(runs, margin=margin, confidence=0.999).to_dict("records")
    assert (row["verdict"], row["sd"]) == ("unresolved", pytest.approx(0.3))
    spread = float(upper_sd(12, 0.3))
    enough = [
        look.n
        for look in list_looks(8, None, 1000)
        if look.n > 12 and t_radius(look.n, spread, look.share * 0.001) < distance
    ]
    assert row["more_seeds"] == enough[0] - 12
    assert row["next_look"] == 16
    # beyond the budget it is not
    for budget, more in ((enough[0], enough[0] - 12), (enough[0] - 1, math.inf)):
        (row,) = analysis.compare(runs, margin=margin, confidence=0.999, budget=budget).to_dict(
            "records"
        )
        assert row["more_seeds"] == more


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
        assert found["effect"][row] == pytest.approx(d.mean() / d.std(ddof=1))
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
    assert found["p_signflip"][1] == 1
    assert np.isnan(found["effect"][1])
    assert found["effect"][0] == pytest.approx(0.2 / np.std([1, 0, 0, -1, 1], ddof=1))
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


def one_look(n, mean, sd):
    """Contrasts that have reached one look, which may err as often as they may."""
    numbers = {"n": n, "mean": mean, "sd": sd, "skew": 0.0, "share": 1.0, "planned": True}
    return pd.DataFrame({"place": np.arange(len(n)), **numbers})


def test_no_interval_goes_on_where_no_difference_can_be():
    n, reach = np.array([2, 2, 16, 8, 16]), np.array([100.0, 100.0, 100.0, 200.0, 100.0])
    mean, sd = np.array([0.0, 80.0, 60.0, -150.0, 0.1]), np.array([12.0, 12.0, 80.0, 70.0, 0.3])
    of_images = np.array([9.0, 8.0, 20.0, 24.0, 0.2])
    judged = judge_looks(one_look(n, mean, sd), np.full(5, ALPHA), None, reach)
    radius = stats.t.ppf(1 - ALPHA / 2, n - 1) * sd / np.sqrt(n)
    assert radius[0] > 100  # beyond all that can be, both ways: -108 to 108
    assert judged["low"].tolist() == pytest.approx(
        [-math.inf, 80 - radius[1], 60 - radius[2], -200.0, 0.1 - radius[4]]
    )
    assert judged["high"].tolist() == pytest.approx(
        [math.inf, 100.0, 100.0, -150 + radius[3], 0.1 + radius[4]]
    )
    named = {"look": n, "mean_at_look": mean, "sd_at_look": sd}
    table = judge_on_images(judged.assign(**named), of_images, None, reach)
    radius = stats.t.ppf(1 - ALPHA / 2, n - 1) * of_images
    assert radius[0] > 100
    assert np.isnan(table.loc[0, ["images_low", "images_high"]].to_numpy(float)).all()
    low, high = np.maximum(mean - radius, -reach), np.minimum(mean + radius, reach)
    assert table["images_low"].tolist()[1:] == pytest.approx(low.tolist()[1:])
    assert table["images_high"].tolist()[1:] == pytest.approx(high.tolist()[1:])
    assert table["images_high"].tolist()[1:4] == [100.0, 100.0, pytest.approx(-150 + radius[3])]
    assert table["images_low"].tolist()[3] == -200.0
    # nothing bounds a loss
    free = judge_looks(one_look(n, mean, sd), np.full(5, ALPHA), None)
    radius = stats.t.ppf(1 - ALPHA / 2, n - 1) * sd / np.sqrt(n)
    assert free["high"].tolist() == pytest.approx((mean + radius).tolist())


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

    def radius_of(width, m):
        looks = list_looks(8, None, 16)
        sds = {look.n: width * math.sqrt(look.n / (look.n - 1)) for look in looks}
        return min(float(t_radius(n, sds[n], level_at(n, 8, m))) for n in sds)

    assert radius_of(span, 2) > span
    for family in ("average", "dropout", "scheduler"):
        assert ends.loc[family, ["low", "high"]].tolist() == [-math.inf, math.inf]
    radius = radius_of(2 * span, 1)
    assert span < radius < 2 * span
    assert ends.loc["interaction", ["low", "high"]].tolist() == pytest.approx([-radius, radius])
    assert find_metric("test_loss").span == math.inf


def of_ten_images(right):
    """Two schedulers, so many of ten images right at each seed."""
    runs, _ = make_tables(("constant", "step"), (0.3,), len(right) // 2, n_epochs=1)
    bits = [np.arange(10) < count for count in right]
    return runs.assign(
        test_correct=[np.packbits(each).tobytes() for each in bits],
        test_images=10,
        test_accuracy=[each.mean() for each in bits],
    )


def test_at_few_seeds_new_images_may_be_anything():
    runs = of_ten_images([0, 9] * 4 + [8, 1] * 4)  # 80 points more, 80 points less
    (row,) = conclude(runs, None, Criteria(confidence=0.9995)).table.to_dict("records")
    assert (row["mean"], row["n"], row["look"]) == (pytest.approx(0), 8, 8)
    assert np.isnan(row["images_low"])
    assert np.isnan(row["images_high"])
    assert row["images_sd"] * stats.t.isf(row["level"] / 2, 7) > 100
    (row,) = conclude(runs, None, Criteria(confidence=0.9)).table.to_dict("records")
    radius = row["images_sd"] * stats.t.isf(0.8 * 0.1 / 2, 7)
    assert (row["images_low"], row["images_high"]) == pytest.approx((-radius, radius))
    # before the first look nothing is said of them
    (row,) = conclude(runs[runs["seed"] < 7], None, Criteria()).table.to_dict("records")
    assert (row["verdict"], row["n"], row["look"]) == ("not evaluated", 7, 0)
    assert np.isnan([row["images_low"], row["images_high"], row["images_sd"]]).all()


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
    assert (row["low"], row["high"], row["p"]) == (-math.inf, math.inf, 1.0)
    assert (row["low_look"], row["high_look"]) == (0, 0)
    assert "All differences at 16 seeds are one number, which tells" in row["sentence"]
    assert row["wins"] == (difference > 0)
    history = conclude(runs, None, Criteria(margin=0.1)).history
    assert history["n"].tolist() == [8, 12, 16]
    assert history["verdict"].tolist() == ["unresolved"] * 3
    assert history["high"].tolist() == [math.inf] * 3


def test_differences_that_are_nothing_but_rounding_are_none():
    (row,) = conclude(of_differences(NOISE), None, Criteria(margin=0.1)).table.to_dict("records")
    assert (row["mean"], row["sd"], row["wins"], row["p"]) == (0.0, 0.0, 0.5, 1.0)
    assert (row["verdict"], row["low"], row["high"]) == ("identical", -math.inf, math.inf)
    assert row["may_differ"] == pytest.approx(1 - (0.05 * 0.05) ** (1 / 16))


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


def test_losses_are_one_number_to_twelve_digits():
    """Of the smallest, 0.32, that is 3.2e-13, and differences are two of the noise apart."""
    vary = math.sqrt(16 / 15)
    for noise, sd in ((1.5e-13, 0.0), (1.7e-13, 1.7e-13 * vary), (6e-10, 6e-10 * vary)):
        runs = of_differences(0.05 + NOISE)
        swing = np.where(runs["seed"] % 2 == 0, noise, -noise)
        own = runs["scheduler"] == "step"
        runs["test_loss"] = 0.3 + 0.01 * runs["seed"] + np.where(own, 0.02 + swing, 0.0)
        (row,) = conclude(runs, None, Criteria(metric="test_loss")).table.to_dict("records")
        assert row["sd"] == pytest.approx(sd, rel=1e-3, abs=1e-16)
