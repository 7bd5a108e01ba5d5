"""What a design resolves, against the specification's table, plain pandas and simulation."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from scipy import stats

from lrdecay.analysis.conclusions import conclude
from lrdecay.analysis.looks import list_looks
from lrdecay.analysis.metrics import find_metric
from lrdecay.analysis.power import (
    Design,
    Spread,
    describe_design,
    describe_shortfall,
    look_up_spread,
    measure_spread,
)
from lrdecay.analysis.settings import Criteria
from lrdecay.core.first_plan import FirstPlan

SEEDS = (8, 12, 16, 24, 32, 64)
TABLE = {
    3: ((1.16, 0.86, 0.71, 0.55, 0.47, 0.32), (1.51, 1.13, 0.93, 0.73, 0.62, 0.43)),
    9: ((1.46, 1.04, 0.84, 0.65, 0.55, 0.37), (1.84, 1.32, 1.08, 0.83, 0.70, 0.48)),
    15: ((1.61, 1.12, 0.91, 0.69, 0.58, 0.39), (2.01, 1.41, 1.14, 0.88, 0.74, 0.50)),
}
"""By size of the family: the radius in sds, and the effect resolved with 80% probability."""


def design(
    first: int = 8,
    most: int | None = None,
    family: int = 9,
    seeds: int | None = None,
    margin: float = 0.5,
    metric: str = "test_accuracy",
    settled: bool = False,
) -> Design:
    plan, seeds = FirstPlan(first, most, family), seeds or most or first
    return Design(plan, seeds, find_metric(metric), margin, 0.95, settled)


def only(sd: float) -> Spread:
    return Spread((sd,), sd, "The sd is that of a test.")


@pytest.mark.parametrize("family", TABLE)
def test_a_plan_from_the_start_resolves_what_the_specification_says(family):
    found = [design(family=family).resolve_plan(n) for n in SEEDS]
    assert [each.n for each in found] == list(SEEDS)
    radius, effect = TABLE[family]
    assert tuple(round(each.radius, 2) for each in found) == radius
    assert tuple(round(each.effect, 2) for each in found) == effect
    assert found == [design(n, family=family).resolutions[0] for n in SEEDS]


def test_a_plan_that_may_add_seeds_resolves_at_its_first_and_its_last_look():
    first, last = design(8, 64).resolutions
    assert (first.n, round(first.radius, 2)) == (8, 2.28)
    assert (last.n, round(last.radius, 2)) == (64, 0.43)


@pytest.mark.parametrize(
    ("n", "radius"), [(12, 1.51), (16, 1.18), (24, 0.93), (32, 0.77), (64, 0.53)]
)
def test_seeds_that_are_planned_later_have_the_share_of_an_unplanned_look(n, radius):
    first, last = design(8, seeds=n).resolutions
    assert (first.n, round(first.radius, 2)) == (8, 1.46)
    assert (last.n, round(last.radius, 2)) == (n, radius)


def test_of_seeds_between_two_looks_those_up_to_the_first_count():
    assert [each.n for each in design(8, seeds=20).resolutions] == [8, 16]
    assert [each.n for each in design(24, seeds=20).resolutions] == [16]  # before the planned look
    assert [each.n for each in design(20).resolutions] == [20]


def test_an_effect_is_resolved_in_four_of_five_simulated_comparisons():
    found = design().resolve_plan(12)
    level = list_looks(12, None, 12)[-1].share * 0.05 / 9
    differences = np.random.default_rng(5).normal(found.effect, 1.0, (20_000, 12))
    assert (stats.ttest_1samp(differences, 0, axis=1).pvalue < level).mean() == pytest.approx(
        0.8, abs=0.01
    )
    beyond = abs(differences.mean(axis=1)) > found.radius * differences.std(axis=1, ddof=1)
    assert beyond.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("sd", [0.9, 1.33, 3.0])
def test_the_seeds_that_are_enough_are_the_fewest(sd):
    one, aim = design(), 1.5
    enough = one.find_enough(sd)
    curve = one.list_curve(enough.n)
    assert curve[-1] == enough
    before = curve[-2]
    assert enough.effect * sd <= aim < before.effect * sd
    random = np.random.default_rng(7)
    for each, resolves in ((enough, True), (before, False)):
        differences = random.normal(aim, sd, (20_000, each.n))
        level = list_looks(each.n, None, each.n)[-1].share * 0.05 / 9
        power = (stats.ttest_1samp(differences, 0, axis=1).pvalue < level).mean()
        assert (power >= 0.79) == resolves


def test_the_seeds_that_are_enough():
    assert design().find_enough(1.33).n == 16
    assert design().find_enough(0.66).n == 8
    assert design(8, 64, margin=0.05).find_enough(0.25).n == 48  # fewer, if they are planned alone
    assert design(margin=1e-3).find_enough(0.66) is None
    # once runs have ended, only looks that are still to come can be
    settled = design(settled=True)
    later = settled.find_enough(1.33)
    assert later.n == 24
    assert later == design(8, seeds=24).resolutions[1]
    assert design(settled=True, seeds=24).find_enough(0.9).n == 32
    assert settled.find_enough(1e4) is None


def test_whether_a_design_resolves_three_times_its_margin():
    effect = design().resolutions[0].effect
    assert design().resolves_aim(1.5 / effect)
    assert not design().resolves_aim(1.501 / effect)
    assert design(8, 64).resolves_aim(1.5 / design(8, 64).resolutions[1].effect)
    assert not design(7).resolves_aim(0.01)  # no verdict is made of so few


def test_the_curve_goes_down_from_8_seeds_and_holds_those_that_are_planned():
    curve = design(20).list_curve(64)
    assert [each.n for each in curve] == [8, 12, 16, 20, 24, 32, 48, 64]
    assert all(a.effect > b.effect and a.radius > b.radius for a, b in pairwise(curve))
    assert [each.n for each in design(3).list_curve(16)] == [8, 12, 16]


def table_of(schedulers=("constant", "step", "cosine"), dropouts=(0.0, 0.3), seeds=5, **more):
    runs, _ = make_tables(schedulers, dropouts, seeds, **more)
    return runs, conclude(runs, None, Criteria(), first_plan=FirstPlan()).brief


def sds_by_hand(runs: pd.DataFrame, scheduler: str) -> pd.Series:
    values = 100 * runs.pivot(
        index=["dropout", "seed"], columns="scheduler", values="test_accuracy"
    )
    return (values[scheduler] - values["constant"]).groupby("dropout").std()


def test_the_sds_of_a_folder_are_pandas_s():
    runs, table = table_of()
    sds = pd.concat({name: sds_by_hand(runs, name) for name in ("step", "cosine")})
    found = measure_spread(table, "results/a")
    assert found.sds == pytest.approx((sds.median(), sds.max()))
    assert found.typical == pytest.approx(sds.median())
    name, dropout = sds.idxmax()
    assert found.source == (
        f"The sds are the median and the largest (dropout {dropout:g}: {name} - constant) of 4 "
        f"differences over 5 seeds in results/a."
    )


def test_the_sd_of_the_one_difference_of_a_folder():
    runs, table = table_of(("constant", "step"), (0.3,))
    found = measure_spread(table, "a")
    assert found.sds == pytest.approx((sds_by_hand(runs, "step").item(),))
    expected = "The sd is that of dropout 0.3: step - constant over 5 seeds in a."
    assert found.source == expected


def test_differences_without_an_sd_are_left_out():
    _, table = table_of()
    table.loc[0, "sd"] = 0.0  # all of them one number
    table.loc[1, ["n", "sd"]] = 1, np.nan
    table.loc[2, "n"] = 4
    found = measure_spread(table, "a")
    assert found.sds == pytest.approx((table["sd"][2:].median(), table["sd"][2:].max()))
    assert "of 2 differences over 4 to 5 seeds in a." in found.source
    assert measure_spread(table[:2], "a") is None
    assert measure_spread(table_of(("constant",))[1], "a") is None
    assert measure_spread(table_of(seeds=1)[1], "a") is None


@pytest.mark.parametrize(
    ("dataset", "sds"),
    [("digits", (0.33, 1.33)), ("mnist", (0.06, 0.19)), ("fashion_mnist", (0.06, 0.30))],
)
def test_the_sds_that_are_known(dataset, sds):
    found = look_up_spread(dataset, "test_accuracy")
    assert found.sds == sds
    assert found.typical == pytest.approx(np.sqrt(np.prod(sds)))
    assert (
        found.source
        == f"The sds are the least and the largest of lrdecay's own sweeps of {dataset} with Adam."
    )
    assert look_up_spread(dataset, "test_loss") is None
    assert look_up_spread(dataset, "val_accuracy") is None


def test_of_other_datasets_no_sd_is_known():
    assert look_up_spread("kmnist", "test_accuracy") is None
    assert look_up_spread(None, "test_accuracy") is None  # a folder of images


def test_what_nine_differences_at_eight_seeds_resolve_in_words():
    assert list(describe_design(design(), look_up_spread("digits", "test_accuracy"))) == [
        "9 differences at 8 seeds: one is resolved if it exceeds 1.46 sd of the paired "
        "differences; a true 1.84 sd is resolved with 80% probability. Equivalence within 0.5 "
        "points needs an sd below 0.34.",
        "In points: 0.48 and 0.61 at an sd of 0.33; 1.94 and 2.45 at an sd of 1.33.",
        "The sds are the least and the largest of lrdecay's own sweeps of digits with Adam.",
    ]


def test_a_plan_that_may_add_seeds_in_words():
    one = design(8, 64, family=1, margin=0.02, metric="test_loss")
    assert list(describe_design(one, only(0.1))) == [
        "1 difference at 8 seeds: it is resolved if it exceeds 1.56 sd of the paired differences; "
        "a true 1.95 sd is resolved with 80% probability. Equivalence within 0.02 nats needs an sd "
        "below 0.013.",
        "In nats: 0.16 and 0.20 at an sd of 0.10.",
        "At 64 seeds: it is resolved if it exceeds 0.34 sd of the paired differences; a true "
        "0.44 sd is resolved with 80% probability. Equivalence within 0.02 nats needs an sd below "
        "0.059.",
        "In nats: 0.034 and 0.044 at an sd of 0.10.",
        "The sd is that of a test.",
    ]


def test_too_few_seeds_and_no_sd_in_words():
    few, at_8, unknown = describe_design(design(1, margin=0.0, metric="test_loss"), None)
    assert few == "9 differences at 1 seed: no verdict is made of fewer than 8."
    assert at_8 == (
        "At 8 seeds: one is resolved if it exceeds 1.46 sd of the paired differences; a true 1.84 "
        "sd is resolved with 80% probability."
    )
    assert unknown == (
        "What that is in nats depends on the sd: give it with --sd, or with --like the results of "
        "a like sweep."
    )


def test_a_shortfall_in_words():
    for one, n, ends in (
        (design(), 16, "; 16 that are planned from the start would"),
        (design(settled=True), 24, "; the look at 24 would"),
    ):
        enough = one.find_enough(1.33)
        assert enough.n == n
        assert describe_shortfall(one, only(1.33), enough) == (
            "8 seeds do not resolve a true difference of 1.5 points, 3 times the margin, with 80% "
            f"probability where the sd is 1.33{ends}"
        )
    # with looks before, even 64 are too few; alone they are enough
    looking = design(8, 64)
    alone, last = looking.resolve_plan(64).effect, looking.resolutions[-1].effect
    assert alone < last
    between = 1.5 / ((alone + last) / 2)
    enough = looking.find_enough(between)
    assert enough.n == 64
    assert describe_shortfall(looking, only(between), enough) == (
        "64 seeds do not resolve a true difference of 1.5 points, 3 times the margin, with 80% "
        f"probability where the sd is {between:.2f}; seeds: 64, without looks before, would"
    )
    few = design(1, margin=0.001)
    assert describe_shortfall(few, only(0.66), few.find_enough(0.66)) == (
        "1 seed does not resolve a true difference of 0.003 points, 3 times the margin, with 80% "
        "probability where the sd is 0.66, nor would up to 1,000"
    )
