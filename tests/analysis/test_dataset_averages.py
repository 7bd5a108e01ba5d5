"""The effect averaged over datasets: what is computed, and what is left out."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers.datasets import conclude_effects, draw_effects, make_runs
from helpers.frames import make_tables
from scipy import stats

from lrdecay.analysis import average_datasets, conclude
from lrdecay.analysis.average_intervals import average_radius, datasets_radius, judge_average
from lrdecay.analysis.joint_looks import join_looks, schedule_fixed, schedule_looks
from lrdecay.analysis.settings import Criteria
from lrdecay.core.first_plan import FirstPlan

STEP = ("step", 0.0)


def welch(samples, level):
    """The interval of the mean of the samples' means, as a textbook has it."""
    k = len(samples)
    errors = [np.var(each, ddof=1) / len(each) for each in samples]
    freedom = sum(errors) ** 2 / sum(
        e**2 / (len(each) - 1) for e, each in zip(errors, samples, strict=True)
    )
    middle = sum(np.mean(each) for each in samples) / k
    radius = stats.t.isf(level / 2, freedom) * math.sqrt(sum(errors)) / k
    return middle - radius, middle + radius


def test_on_these_datasets_it_is_welch_s_interval():
    rng = np.random.default_rng(1)
    for level in (0.05, 0.004):
        samples = [rng.normal(0, sd, n) for sd, n in ((1, 8), (0.2, 12), (5, 9))]
        n, sd = [len(each) for each in samples], [np.std(each, ddof=1) for each in samples]
        low, high = welch(samples, level)
        assert average_radius(n, sd, level) == pytest.approx((high - low) / 2, rel=1e-12)
    # of one dataset it is the t interval, and of two scipy's own of their sum
    (one, two) = samples[:2]
    interval = stats.ttest_1samp(one, 0).confidence_interval(0.95)
    radius = average_radius([8], [np.std(one, ddof=1)], 0.05)
    assert radius == pytest.approx((interval.high - interval.low) / 2, rel=1e-12)
    both = stats.ttest_ind(one, -two, equal_var=False).confidence_interval(0.95)
    sds = [np.std(each, ddof=1) for each in (one, two)]
    radius = average_radius([8, 12], sds, 0.05)
    assert 2 * radius == pytest.approx((both.high - both.low) / 2, rel=1e-12)
    assert np.isinf(average_radius([8, 8], [0.0, 1.0], 0.05))


def test_for_datasets_like_these_it_is_the_t_interval_of_their_means():
    means = [0.3, 0.1, 0.8, 0.4]
    interval = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    radius = datasets_radius(means, 0.05)
    assert radius == pytest.approx((interval.high - interval.low) / 2, rel=1e-12)
    assert np.isinf(datasets_radius(means[:2], 0.05))
    assert np.isinf(datasets_radius([0.1, 0.1, 0.1], 0.05))


@pytest.mark.parametrize(("k", "seeds"), [(2, (8, 8)), (4, (8, 12, 8, 9))])
def test_of_one_look_a_row_has_the_intervals_of_the_formulas(k, seeds):
    plans = [FirstPlan(n) for n in seeds]
    samples = [draw_effects(place, n, 0.4, 0.1 + place) for place, n in enumerate(seeds)]
    others = [draw_effects(9 + place, n) for place, n in enumerate(seeds)]
    sweeps = {
        f"sweep {place}": conclude_effects(
            f"data {place}", {STEP: samples[place], ("cosine", 0.0): others[place]}, plans[place]
        )
        for place in range(k)
    }
    table = average_datasets(sweeps).table
    assert table["scheduler"].tolist() == ["step", "cosine"]
    row = table.iloc[0]
    # a plan beyond 8 has its own share without the looks before it
    shares = [0.8 if n == 8 else 0.75 for n in seeds]
    level = np.mean(shares) * 0.05 / 2
    assert row["seeds"] == seeds
    assert [row["low"], row["high"]] == pytest.approx(welch(samples, level), abs=1e-9)
    means = [np.mean(each) for each in samples]
    assert row["mean"] == pytest.approx(np.mean(means), abs=1e-9)
    like = [row["like_low"], row["like_high"]]
    if k < 3:
        assert like == [-math.inf, math.inf]
        assert (row["like_verdict"], row["like_why"]) == (
            "not evaluated",
            "2 datasets cannot tell it",
        )
    else:
        expected = stats.ttest_1samp(means, 0).confidence_interval(1 - level)
        assert like == pytest.approx([expected.low, expected.high], abs=1e-9)
    assert row["family_size"] == 2
    assert bool(row["planned"])


def test_an_interval_once_made_is_kept_and_seeds_that_no_look_counts_move_the_mean_alone():
    first, second = draw_effects(1, 12, 0.5), draw_effects(2, 14, 0.5)
    sweeps = {"a": conclude_effects("a", {STEP: first}), "b": conclude_effects("b", {STEP: second})}
    row = average_datasets(sweeps).table.iloc[0]
    at = {8: 0.8, 12: 0.05}
    ends = [welch([first[:n], second[:n]], share * 0.05) for n, share in at.items()]
    assert [row["low"], row["high"]] == pytest.approx(
        [max(low for low, _ in ends), min(high for _, high in ends)], abs=1e-9
    )
    assert (row["seeds"], bool(row["planned"])) == ((12, 12), False)
    assert row["mean"] == pytest.approx((np.mean(first) + np.mean(second)) / 2, abs=1e-9)


def test_each_sweep_enters_with_its_own_planned_seeds():
    """Whatever the other one planned, and whoever saw results of the one before."""
    plans = FirstPlan(24), FirstPlan(8)
    looks = join_looks([schedule_looks(plan, 32) for plan in plans])
    assert [look.n for look in looks] == [(24, 8), (32, 12)]
    assert [look.planned for look in looks] == [True, False]
    # a look before what was planned is one only where each has such
    plans = FirstPlan(24), FirstPlan(12)
    looks = join_looks([schedule_looks(plan, 16) for plan in plans])
    assert [look.n for look in looks] == [(16, 8)]
    assert looks[0].share == pytest.approx((0.05 / 3 + 0.05) / 2)
    looks = join_looks([schedule_fixed(10), schedule_looks(FirstPlan(8), 64)])
    assert [(look.n, look.share) for look in looks] == [((10, 8), 0.9)]
    assert join_looks([schedule_fixed(7), schedule_looks(FirstPlan(8), 64)]) == []


def test_joint_looks_never_have_more_than_all_of_the_error():
    rng = np.random.default_rng(3)
    for _ in range(300):
        plans = []
        for _ in range(int(rng.integers(2, 5))):
            first = int(rng.integers(1, 200))
            most = first + int(rng.integers(0, 200))
            plans.append(FirstPlan(first, most if rng.random() < 0.5 else None))
        looks = join_looks([schedule_looks(plan, 3000) for plan in plans])
        assert 0 < sum(look.share for look in looks) <= 1 + 1e-12
        assert [list(each) for each in zip(*(look.n for look in looks), strict=True)] == [
            sorted(set(each)) for each in zip(*(look.n for look in looks), strict=True)
        ]
    alone = join_looks([schedule_looks(FirstPlan(8, 64), 96)] * 3)
    assert [(look.n, look.share) for look in alone] == [
        ((look.n,) * 3, pytest.approx(look.share))
        for look in schedule_looks(FirstPlan(8, 64), 96).looks
    ]


def judge(mean, sd, n=8, margin=None, share=(0.8,)):
    shape = np.broadcast_shapes(np.shape(mean), np.shape(sd))
    mean, sd, n = (np.broadcast_to(np.asarray(each, float), shape) for each in (mean, sd, n))
    return judge_average(n, mean, sd, np.array(share), 0.05, margin)


def test_verdicts_follow_the_rules_of_one_sweep():
    cases = {
        "higher": judge([[1.0, 0.8]], [[0.1, 0.2]]),
        "lower": judge([[-1.0, -0.8]], [[0.1, 0.2]]),
        "unresolved": judge([[1.0, -0.9]], [[0.5, 0.5]]),
        "equivalent": judge([[0.01, -0.01]], [[0.05, 0.05]], margin=0.1),
        "identical": judge([[0.0, 0.0]], [[0.0, 0.0]]),
    }
    assert {name: here.verdict.tolist() for name, (here, _) in cases.items()} == {
        name: [name] for name in cases
    }
    # looks that exclude each other give no verdict, the later one as little as the first
    apart, _ = judge(
        [[1.0, 1.0], [-1.0, -1.0]], [[0.1, 0.1]] * 2, [[8, 8], [12, 12]], None, (0.4,) * 2
    )
    assert apart.verdict.tolist() == ["higher", "unresolved"]
    assert apart.low[1] > apart.high[1]
    _, like = judge([[0.5, 0.52, 0.48]], [[9.0, 9.0, 9.0]])
    assert like.verdict.tolist() == ["higher"]


def test_only_what_is_the_same_in_all_sweeps_is_averaged():
    own = draw_effects(1, 8)
    effects = {(s, d): own for s in ("step", "cosine", "rex") for d in (0.0, 0.3)}
    a = conclude_effects("a", effects, arguments={"cosine": {"T_max": 10}, "rex": {"floor": 0.1}})
    more = effects | {("step", 0.5): own}
    b = conclude_effects("b", more, arguments={"cosine": {"T_max": 20}, "rex": {"floor": 0.2}})
    found = average_datasets({"a": a, "b": b})
    assert found.table[["scheduler", "dropout"]].to_numpy().tolist() == [
        ["step", 0.0],
        ["step", 0.3],
    ]
    assert found.shared.left_out == [
        "cosine and rex differ in parameters between the sweeps",
        "step at dropout 0.5 is not in all of the sweeps",
    ]
    # what is stated in parts of a run is the same on runs of any length
    texts = {
        name: "schedulers:\n  cosine: {class: CosineAnnealingLR, T_max: epochs}\n"
        f"  rex: {{class: rex, floor: {floor}}}\n"
        for name, floor in (("a", 0.1), ("b", 0.2))
    }
    found = average_datasets({"a": a, "b": b}, texts)
    assert set(found.table["scheduler"]) == {"step", "cosine"}
    assert set(found.table["family_size"]) == {4}
    assert found.shared.left_out[0] == "rex differs in parameters between the sweeps"
    assert len(found.by_dataset) == 13


def test_what_is_no_other_dataset_is_not_averaged():
    effects = {STEP: draw_effects(1, 8)}
    a, b = conclude_effects("a", effects), conclude_effects("b", effects)
    found = average_datasets({"one": a, "two": a})
    assert found.shared.not_averaged.startswith("one and two are of one dataset, a, so")
    assert found.table.empty
    assert found.by_dataset["dataset"].tolist() == ["one", "two"]
    runs = make_runs("c", effects).assign(dataset_digest="digest of a")
    copied = conclude(runs, None, Criteria())
    found = average_datasets({"a": a, "b": b, "c": copied})
    assert found.shared.not_averaged.startswith("a and c are of one dataset, c, so")
    unknown = conclude(
        make_runs("c", effects).drop(columns=["dataset", "dataset_digest"]), None, Criteria()
    )
    found = average_datasets({"a": a, "c": unknown})
    assert found.shared.not_averaged == "of which dataset c is, is not known"
    other = conclude_effects("b", effects, arguments={"constant": {"factor": 2}})
    found = average_datasets({"a": a, "b": other})
    assert found.shared.not_averaged == "the reference, constant, is not the same in all of them"
    found = average_datasets({"a": a, "b": conclude_effects("b", {("rex", 0.0): effects[STEP]})})
    assert found.shared.not_averaged.startswith("no scheduler is the same in all of them")


def test_what_cannot_stand_on_one_axis_is_not_compared():
    effects = {STEP: draw_effects(1, 8), ("cosine", 0.0): draw_effects(2, 8)}
    a = conclude_effects("a", effects)
    for name, why in (
        ("reference", "They have different references: constant, step."),
        ("metric", "They have different metrics: test accuracy, test loss."),
    ):
        asked = {"reference": "step"} if name == "reference" else {"metric": "test_loss"}
        found = average_datasets({"a": a, "b": conclude_effects("b", effects, **asked)})
        assert found.shared.incomparable == why
        assert found.table.empty
        assert found.by_dataset.empty
    runs, _ = make_tables(("constant", "step"), (0.0,), 8, 1, lr=[0.1, 0.2], dataset=["b"])
    found = average_datasets({"a": a, "b": conclude(runs, None, Criteria())})
    assert found.shared.apart == ["b has several values of lr"]
    assert found.shared.incomparable == "Fewer than two are left to compare."


def test_an_average_needs_all_of_its_datasets():
    runs = make_runs("a", {STEP: draw_effects(1, 8)})
    runs.loc[(runs["scheduler"] == "step") & (runs["seed"] == 3), "status"] = "diverged"
    b = conclude_effects("b", {STEP: draw_effects(2, 8)})
    cases = {
        "not evaluated on a": conclude(runs, None, Criteria()),
        "not enough seeds yet on a": conclude_effects("a", {STEP: draw_effects(1, 7)}),
        "all differences on a are one number, which tells nothing of their spread": (
            conclude_effects("a", {STEP: [0.0] * 8})
        ),
    }
    for why, a in cases.items():
        row = average_datasets({"a": a, "b": b}).table.iloc[0]
        assert row["why"] == why
        assert row["verdict"] in ("not evaluated", "unresolved")
        assert not np.isfinite([row["low"], row["high"]]).any() or pd.isna(row["low"])


def test_datasets_of_one_mean_tell_nothing_of_others():
    effects = {STEP: draw_effects(1, 8, 2.0)}
    row = average_datasets({n: conclude_effects(n, effects) for n in "abc"}).table.iloc[0]
    assert (row["like_verdict"], row["like_why"]) == (
        "unresolved",
        "the datasets all have one mean, which tells nothing of others",
    )
    assert row["verdict"] == "higher"


def test_the_strictest_confidence_and_a_margin_that_all_have_count():
    effects = {STEP: draw_effects(1, 8, 0.0, 0.1)}
    a = conclude_effects("a", effects, margin=0.5, confidence=0.9)
    b = conclude_effects("b", effects, margin=0.5, confidence=0.99)
    found = average_datasets({"a": a, "b": b})
    assert (found.confidence, found.margin) == (0.99, 0.5)
    assert found.table["verdict"].tolist() == ["equivalent"]
    level = 0.8 * (1 - 0.99)
    assert found.table[["low", "high"]].to_numpy()[0] == pytest.approx(
        welch([effects[STEP]] * 2, level), abs=1e-9
    )
    found = average_datasets({"a": a, "b": conclude_effects("b", effects, margin=0.4)})
    assert (found.margin, found.table["verdict"].tolist()) == (None, ["unresolved"])


def test_datasets_of_one_sweep_are_averaged_too():
    effects = [{STEP: draw_effects(place, 8, 1.0)} for place in range(3)]
    parts = [make_runs(f"data {place}", each) for place, each in enumerate(effects)]
    runs = pd.concat(parts, ignore_index=True)
    runs["run_id"] = [f"{place:016x}" for place in range(len(runs))]
    whole = average_datasets({"all": conclude(runs, None, Criteria())})
    apart = average_datasets(
        {name: conclude(part, None, Criteria()) for name, part in zip("abc", parts, strict=True)}
    )
    assert whole.datasets == apart.datasets == ["data 0", "data 1", "data 2"]
    pd.testing.assert_frame_equal(whole.table, apart.table)
    assert whole.by_dataset["mean"].tolist() == apart.by_dataset["mean"].tolist()
