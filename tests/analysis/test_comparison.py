"""Blocks, families, levels and the table of verdicts, by hand and against plain pandas."""

import numpy as np
import pandas as pd
import pytest
from helpers.by_hand import judge_by_hand, looks_by_hand
from helpers.frames import make_tables
from helpers.simulated import random, runs_of
from pandas.testing import assert_frame_equal
from scipy import stats

from lrdecay import analysis
from lrdecay.core.errors import InputError

SEEDS = 12


@pytest.fixture(scope="module")
def runs():
    return make_tables(("constant", "step", "cosine"), (0.0, 0.3, 0.5), SEEDS, n_epochs=2)[0]


def wide(runs, metric="test_accuracy", scale=100):
    return scale * runs.pivot(index="seed", columns=["scheduler", "dropout"], values=metric)


def test_every_family_is_plain_pandas(runs):
    table = analysis.compare(runs, margin=0.5, exploratory=True)
    points, dropouts = wide(runs), (0.0, 0.3, 0.5)
    gain = {
        (s, d): points[s, d] - points["constant", d] for s in ("step", "cosine") for d in dropouts
    }
    expected = {
        "scheduler": list(gain.values()),
        "average": [sum(gain[s, d] for d in dropouts) / 3 for s in ("step", "cosine")],
        "dropout": [
            points[s, d] - points[s, 0.0]
            for s in ("constant", "step", "cosine")
            for d in dropouts[1:]
        ],
        "interaction": [
            gain[s, d] - gain[s, 0.0] for s in ("step", "cosine") for d in dropouts[1:]
        ],
        "pairs": [
            points[a, d] - points[b, d]
            for d in dropouts
            for a, b in (("constant", "step"), ("constant", "cosine"), ("step", "cosine"))
        ],
    }
    assert list(dict.fromkeys(table["family"])) == list(expected) == list(analysis.FAMILIES)
    for family, differences in expected.items():
        rows = table[table["family"] == family]
        assert rows["mean"].tolist() == pytest.approx([d.mean() for d in differences])
        assert rows["sd"].tolist() == pytest.approx([d.std() for d in differences])
        assert set(rows["family_size"]) == {len(differences)}
        assert set(rows["look"]) == {SEEDS}
        assert not rows["planned"].any()
        assert set(rows["next_look"]) == {16}
        error = 0.05 / len(differences)
        assert rows["level"].tolist() == pytest.approx([0.05 * error] * len(differences))
        for row, d in zip(rows.to_dict("records"), differences, strict=True):
            # 8 seeds as planned, and 12 by 5% of the error
            tests = {n: stats.ttest_1samp(d[:n], 0) for n in (8, 12)}
            shares = {8: 0.8, 12: 0.05}
            ends = [tests[n].confidence_interval(1 - shares[n] * error) for n in tests]
            assert row["low"] == pytest.approx(max(end.low for end in ends))
            assert row["high"] == pytest.approx(min(end.high for end in ends))
            p = min(tests[n].pvalue / shares[n] for n in tests)
            assert row["p"] == pytest.approx(min(1, len(differences) * p))
            assert row["effect"] == pytest.approx(d.mean() / d.std())
            assert (row["mean_at_look"], row["sd_at_look"]) == pytest.approx((d.mean(), d.std()))


def test_a_contrast_that_is_not_evaluated_has_no_p_and_changes_no_other_s(runs):
    lost = runs.copy()
    lost.loc[(runs["scheduler"] == "step") & (runs["dropout"] == 0.5), "status"] = "diverged"
    table, whole = analysis.compare(lost), analysis.compare(runs)
    evaluated = table["verdict"] != "not evaluated"
    assert (~evaluated).sum() == 4
    assert table.loc[~evaluated, ["p", "low", "high", "level", "planned"]].isna().all(axis=None)
    assert (table.loc[~evaluated, ["look", "low_look", "high_look"]] == 0).all(axis=None)
    columns = ["p", "low", "high", "verdict", "sentence", "family_size"]
    assert_frame_equal(table.loc[evaluated, columns], whole.loc[evaluated, columns])


def swinging(rng, seeds):
    """Differences of several kinds: of any size, in steps, alike for some seeds or for all, and
    such that later seeds contradict the first."""
    yield rng.normal(rng.choice([0.0, 0.3, 1.0]), rng.choice([0.05, 0.4]), seeds)
    yield np.round(rng.normal(0.1, 0.15, seeds), 1)
    yield np.where(np.arange(seeds) < rng.choice([8, 12, 16]), 0.0, rng.choice([0.0, 0.1], seeds))
    yield np.full(seeds, rng.choice([-0.2, 0.0, 0.3]))
    yield np.where(np.arange(seeds) < 8, 1.0, -0.2) + rng.normal(0, 0.05, seeds)
    yield -np.round(rng.normal(0.4, 0.2, seeds), 1)


PLANS = [(8, None), (12, None), (8, 64), (20, 30), (3, None)]


def test_the_differences_of_several_kinds_have_verdicts_of_all_kinds():
    found, excluded = set(), 0
    for plan in PLANS:
        for seeds in (8, 23, 64):
            for d in swinging(random(100 * seeds + plan[0]), seeds):
                hand = judge_by_hand(np.round(d, 9), looks_by_hand(seeds, *plan), 0.05 / 6, 0.2)
                found.add(hand.verdict)
                excluded += hand.low > hand.high
    assert found == {"higher", "lower", "equivalent", "identical", "unresolved"}
    assert excluded > 1


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seeds", [8, 23, 64])
def test_verdicts_and_intervals_are_those_of_plain_loops(plan, seeds):
    """On an image of a thousand, which is 0.1 points."""
    rng = random(100 * seeds + plan[0])
    base = np.round(rng.normal(90, 1, seeds), 1)
    differences = dict(zip("abcdef", swinging(rng, seeds), strict=True))
    cells = {("constant", 0.0): base} | {(s, 0.0): base + d for s, d in differences.items()}
    runs = runs_of(cells).assign(test_images=1000)
    for margin in (None, 0.2):
        table = analysis.compare(runs, margin=margin, first=plan[0], most=plan[1])
        looks = looks_by_hand(seeds, *plan)
        for row in table.to_dict("records"):
            d = 100 * (
                runs.loc[runs["scheduler"] == row["a"], "test_accuracy"].to_numpy()
                - runs.loc[runs["scheduler"] == "constant", "test_accuracy"].to_numpy()
            )
            hand = judge_by_hand(np.round(d, 9), looks, 0.05 / 6, margin, least=0.05)
            names = ("verdict", "look", "low_look", "high_look")
            assert {n: row[n] for n in names} == {n: getattr(hand, n) for n in names}
            numbers = row["low"], row["high"], row["may_differ"]
            of_hand = hand.low, hand.high, hand.may_differ
            assert numbers == pytest.approx(of_hand, nan_ok=True)
            assert row["p"] == pytest.approx(min(1, 6 * hand.p), nan_ok=True)


def test_looks_that_exclude_each_other_give_no_verdict():
    rng = random(7)
    base, sign = np.full(64, 97.0), np.where(np.arange(64) < 8, 1.0, -0.2)
    cells = {("constant", 0.0): base, ("step", 0.0): base + sign + rng.normal(0, 0.05, 64)}
    runs = runs_of(cells)
    (row,) = analysis.compare(runs, margin=5.0).to_dict("records")
    assert row["low"] > row["high"]
    assert (row["verdict"], row["low_look"], row["high_look"]) == ("unresolved", 8, 64)
    assert row["more_seeds"] == np.inf
    assert analysis.open_questions(analysis.compare(runs, margin=5.0)).empty
    history = analysis.verdicts_by_look(runs, margin=5.0)
    assert history["verdict"].tolist()[:2] == ["higher"] * 2
    assert history["verdict"].tolist()[-1] == "unresolved"


def test_sides_and_places_are_named(runs):
    table = analysis.compare(runs, reference="step")
    first = table.groupby("family", sort=False).first()
    names = first[["a", "b", "where", "scheduler", "versus_scheduler"]].to_numpy().tolist()
    assert names == [
        ["constant", "step", "dropout 0", "constant", "step"],
        ["constant", "step", "averaged over dropout 0, 0.3, 0.5", "constant", "step"],
        ["dropout 0.3", "dropout 0", "constant", "constant", "constant"],
        ["constant", "step", "dropout 0.3 against 0", "constant", "step"],
    ]
    places = first[["dropout", "versus_dropout"]]
    assert places.loc["interaction"].tolist() == places.loc["dropout"].tolist() == [0.3, 0.0]
    assert places.loc["average"].isna().all()


def test_filtering_first_gives_the_same_verdict_at_the_family_s_size(runs):
    whole = analysis.compare(runs, margin=0.5)
    some = runs[(runs["dropout"] == 0.3) & runs["scheduler"].isin(["constant", "step"])]
    table = analysis.compare(some, margin=0.5, family_sizes={"scheduler": 6})
    same = whole.query("family == 'scheduler' and where == 'dropout 0.3' and a == 'step'")
    assert_frame_equal(table, same.reset_index(drop=True))
    alone = analysis.compare(some, margin=0.5)
    assert table["p"].item() == pytest.approx(min(1, 6 * alone["p"].item()))
    assert table["high"].item() - table["low"].item() > alone["high"].item() - alone["low"].item()
    with pytest.raises(InputError, match="scheduler has 6 contrasts here"):
        analysis.compare(runs, family_sizes={"scheduler": 5})


def test_other_axes_are_strata():
    runs, _ = make_tables(("constant", "step"), (0.0, 0.3), 8, n_epochs=1, lr=[0.1, 0.01])
    table = analysis.compare(runs, exploratory=True)
    assert table.groupby("family", sort=False).size().to_dict() == {
        "scheduler": 4, "average": 2, "dropout": 4, "interaction": 2, "pairs": 4
    }  # fmt: skip
    assert table["lr"].tolist()[:4] == [0.01, 0.01, 0.1, 0.1]
    own = runs[runs["lr"] == 0.1]
    points = wide(own)
    row = table[(table["lr"] == 0.1) & (table["family"] == "interaction")].iloc[0]
    step, constant = points["step"], points["constant"]
    expected = (step[0.3] - constant[0.3]) - (step[0.0] - constant[0.0])
    assert row["mean"] == pytest.approx(expected.mean())
    assert row["where"] == "dropout 0.3 against 0, lr 0.1"
    sizes = {"scheduler": 4, "average": 2, "dropout": 4, "interaction": 2}
    alone = analysis.compare(own, family_sizes=sizes)
    there = table[(table["lr"] == 0.1) & (table["family"] != "pairs")].reset_index(drop=True)
    assert_frame_equal(alone[["low", "high"]], there[["low", "high"]])


def test_a_chosen_rate_comes_with_its_scheduler_and_trials_stay_out(runs):
    chosen = runs.assign(
        lr=np.where(runs["scheduler"] == "step", 0.1, 0.01), lr_chosen_per="scheduler"
    )
    trials = chosen.assign(phase="choose", seed=chosen["seed"] + 1_000_000, test_accuracy=0.0)
    both = pd.concat([trials, chosen], ignore_index=True)
    got = analysis.compare(both, margin=0.5)
    assert_frame_equal(got, analysis.compare(runs, margin=0.5))
    with pytest.raises(InputError, match="no runs to compare"):
        analysis.compare(trials)


def test_digests_are_checked_before_anything_is_paired(runs):
    for column, what in (
        ("init_digest", "the initial weights"),
        ("order_digest", "the data orders"),
        ("dataset_digest", "the datasets"),
    ):
        for digest, verb in (("other", "differ"), (None, "are not recorded")):
            other = runs.copy()
            at = (runs["scheduler"] == "step") & (runs["dropout"] == 0.3) & (runs["seed"] == 4)
            other.loc[at, column] = digest
            table = analysis.compare(other)
            refused = table[table["verdict"] == "not evaluated"]
            touched = (table["a"] == "step") & table["where"].str.contains("0.3")
            touched |= (table["where"] == "step") & (table["a"] == "dropout 0.3")
            assert refused.index.tolist() == table.index[touched].tolist()
            assert refused["sentence"].str.contains(f"{what} {verb} at 1 seed").all()
            assert refused["mean"].isna().all()
    # a digest that no run has cannot be verified
    assert set(analysis.compare(runs.assign(init_digest=None))["verdict"]) == {"not evaluated"}


def test_a_missing_run_is_no_reason_to_leave_its_seed_out(runs):
    gone = (runs["scheduler"] == "step") & (runs["dropout"] == 0.3) & (runs["seed"] == 4)
    table = analysis.compare(runs[~gone])
    row = table[(table["family"] == "scheduler") & (table["where"] == "dropout 0.3")].iloc[0]
    assert (row["a"], row["n"], row["n_missing"]) == ("step", SEEDS - 1, 1)
    assert row["sentence"] == (
        "dropout 0.3, step against constant: Not evaluated, since 1 of 12 seeds lacks a run "
        "(planned= tells which were asked for)."
    )


def test_with_the_plan_a_run_that_is_still_to_come_is_waited_for(runs):
    gone = (runs["scheduler"] != "constant") & (runs["seed"] >= 9)
    gone |= (runs["scheduler"] == "cosine") & (runs["dropout"] == 0.5)
    table = analysis.compare(runs[~gone], planned=runs)
    first = table[table["family"] == "scheduler"]
    assert first["n"].tolist() == [9, 9, 9, 9, 9, 0]
    assert first["n_waiting"].tolist() == [3, 3, 3, 3, 3, 12]
    assert (first["n_missing"] == 0).all()
    assert set(first["family_size"]) == {6}
    points = wide(runs[runs["seed"] < 9])
    expected = (points["step", 0.3] - points["constant", 0.3]).mean()
    assert first[first["where"] == "dropout 0.3"]["mean"].iloc[0] == pytest.approx(expected)
    assert first["verdict"].tolist()[-1] == "not evaluated"
    assert "since 0 of the planned 8 seeds are there." in first["sentence"].tolist()[-1]
    # what is shown is of all pairs, verdicts are of the first 8
    assert first["look"].tolist() == [8, 8, 8, 8, 8, 0]
    assert first["next_look"].tolist() == [12, 12, 12, 12, 12, 8]
    eight = points[:8]
    d = eight["step", 0.3] - eight["constant", 0.3]
    row = first[first["where"] == "dropout 0.3"].iloc[0]
    assert row["mean_at_look"] == pytest.approx(d.mean())
    ends = stats.ttest_1samp(d, 0).confidence_interval(1 - 0.8 * 0.05 / 6)
    assert (row["low"], row["high"]) == pytest.approx((ends.low, ends.high))


def test_a_look_is_reached_when_all_of_its_first_seeds_are_there(runs):
    """In the order of the plan, whichever seeds came first."""
    late = (runs["scheduler"] == "step") & (runs["seed"] == 2)
    order = {seed: place for place, seed in enumerate([5, 3, 11, 2, 0, 1, 4, 6, 7, 8, 9, 10])}
    plan = runs.sort_values("seed", key=lambda seeds: seeds.map(order), kind="stable")
    for planned in (runs, plan):
        table = analysis.compare(runs[~late], planned=planned)
        first = table[(table["family"] == "scheduler") & (table["a"] == "step")]
        assert first["n"].tolist() == [11] * 3
        assert first["look"].tolist() == [0] * 3
        assert first["more_seeds"].tolist() == [1] * 3
        assert (
            first["sentence"]
            .str.endswith("Not evaluated, since not all of the first 8 seeds are there yet.")
            .all()
        )
    last = (runs["scheduler"] == "step") & (runs["seed"] == 10)
    table = analysis.compare(runs[~last], planned=plan)
    row = table[(table["family"] == "scheduler") & (table["a"] == "step")].iloc[0]
    assert (row["n"], row["look"]) == (11, 8)
    points = wide(runs).loc[[5, 3, 11, 2, 0, 1, 4, 6]]
    assert row["mean_at_look"] == pytest.approx(
        (points["step", 0.0] - points["constant", 0.0]).mean()
    )


def test_seeds_that_only_some_contrasts_were_given_are_not_missing_from_others(runs):
    """As where seeds are added to the contrasts that are still open."""
    kept = (runs["seed"] < 9) | runs["scheduler"].isin(["constant", "step"])
    table = analysis.compare(runs[kept], planned=runs[kept])
    first = table[table["family"] == "scheduler"]
    assert first.groupby("a")["n"].unique().map(list).to_dict() == {"step": [12], "cosine": [9]}
    assert (first["n_waiting"] == 0).all()
    assert (first["verdict"] != "not evaluated").all()
    strict = analysis.compare(runs[kept]).query("family == 'scheduler' and a == 'cosine'")
    assert set(strict["verdict"]) == {"not evaluated"}


def test_two_runs_of_a_cell_and_seed_are_refused(runs):
    again = pd.concat([runs, runs.iloc[[40]].assign(validation=7)], ignore_index=True)
    with pytest.raises(InputError, match=r"two runs of scheduler step.*differ in validation"):
        analysis.compare(again)


def test_bad_questions_say_what_would_be_valid(runs):
    for options, message in (
        ({"reference": "nix"}, r"'nix'; choose one of constant, step, cosine"),
        ({"metric": "speed"}, r"unknown metric 'speed'; choose one of test_accuracy, test_loss"),
        ({"margin": -1}, "margin must be 0 or more, not -1"),
        ({"margin": float("nan")}, "margin must be"),
        ({"confidence": 1}, "confidence must be from 0.5 to below 1, not 1"),
        ({"metric": "gap"}, "needs the epochs table"),
        ({"first": 8.5}, "first must be a whole number of seeds, at least 1, not 8.5"),
        ({"first": -3}, "first must be a whole number of seeds, at least 1, not -3"),
        ({"most": 0}, "most must be a whole number of seeds, at least 1, not 0"),
        ({"first": 20, "most": 10}, "most must be at least first, 20 seeds, not 10"),
    ):
        with pytest.raises(InputError, match=message):
            analysis.compare(runs, **options)
    with pytest.raises(InputError, match="no column 'scheduler'"):
        analysis.compare(runs.drop(columns="scheduler"))
    with pytest.raises(InputError, match="no scheduler is best by the train-test gap"):
        analysis.best_set(runs, metric="gap")


def test_the_gap_is_paired_over_dropouts():
    runs, epochs = make_tables(("step",), (0.0, 0.5), 10, n_epochs=2)
    (row,) = analysis.compare(runs, epochs, metric="gap", margin=0.1).to_dict("records")
    gaps = analysis.train_test_gap(runs, epochs)
    by_seed = gaps.pivot(index="seed", columns="dropout", values="train_test_gap")
    differences = by_seed[0.5] - by_seed[0.0]
    assert (row["a"], row["b"], row["where"]) == ("dropout 0.5", "dropout 0", "step")
    assert (row["mean"], row["sd"]) == pytest.approx((differences.mean(), differences.std()))
    assert np.isnan(row["images_low"])


@pytest.mark.parametrize(
    ("metric", "scale"),
    [("test_loss", 1), ("val_accuracy", 100), ("val_loss", 1), ("best_test_accuracy", 100)],
)
def test_other_metrics_are_in_their_units(runs, metric, scale):
    table = analysis.compare(runs, metric=metric)
    points = wide(runs, metric, scale)
    expected = (points["step", 0.0] - points["constant", 0.0]).mean()
    assert table["mean"].iloc[0] == pytest.approx(expected)


def test_a_run_without_the_metric_is_said():
    runs, _ = make_tables(("constant", "step"), (0.3,), 8, n_epochs=1)
    runs.loc[3, "test_loss"] = None
    (row,) = analysis.compare(runs, metric="test_loss").to_dict("records")
    assert "1 of 8 seeds has a run without the metric" in row["sentence"]


def test_open_questions_are_those_that_seeds_can_settle():
    rng = random(1)
    base = rng.normal(97, 0.3, 12)
    runs = runs_of(
        {
            ("constant", 0.0): base,
            ("clear", 0.0): base + 1 + rng.normal(0, 0.1, 12),
            ("wide", 0.0): base + rng.normal(0.2, 0.8, 12),
            ("close", 0.0): base + rng.normal(0.1, 0.2, 12),
            ("lost", 0.0): base,
        }
    )
    runs.loc[runs["scheduler"] == "lost", "status"] = "diverged"
    table = analysis.compare(runs, margin=0.05, budget=1_000_000)
    found = analysis.open_questions(table)
    assert found["a"].tolist() == ["wide", "close"]
    assert found["more_seeds"].between(1, 1_000_000).all()
    tight = analysis.open_questions(analysis.compare(runs, margin=0.05, budget=12))
    assert tight["more_seeds"].tolist() == [np.inf, np.inf]
    few = analysis.open_questions(analysis.compare(runs[runs["seed"] < 5], margin=0.05))
    assert few["a"].tolist() == ["clear", "wide", "close"]
    assert few["more_seeds"].tolist() == [3, 3, 3]


def test_the_best_set_by_hand():
    rng = random(2)
    base = rng.normal(97, 0.3, 16)
    noise = lambda: rng.normal(0, 0.05, 16)  # noqa: E731
    runs = runs_of(
        {
            ("a", 0.0): base + noise(),
            ("b", 0.0): base + noise(),
            ("c", 0.0): base - 1 + noise(),
            ("d", 0.0): base - 2 + noise(),
            ("e", 0.0): base,
        }
    )
    runs.loc[runs["scheduler"] == "e", "status"] = "diverged"
    runs.loc[runs["scheduler"] == "e", "test_accuracy"] = np.nan
    best = analysis.best_set(runs)
    assert best["in_set"].tolist() == [True, True, False, False, True]
    assert best["excluded_by"].tolist() == [(), (), ("a", "b"), ("a", "b", "c"), ()]
    assert best["n_compared"].tolist() == [3, 3, 3, 3, 0]
    # of losses the lowest is best
    losses = runs.assign(test_loss=runs["test_accuracy"])
    assert analysis.best_set(losses, metric="test_loss")["in_set"].tolist()[:4] == [
        *(False, False, False, True)
    ]


def test_the_best_set_is_at_the_level_of_all_its_pairs():
    """Ten pairs of five schedulers: a pair that 5% alone would resolve."""
    rng = random(3)
    base, noise = rng.normal(90, 0.3, 16), rng.normal(0, 0.2, 16)
    # from which difference on an interval at this level excludes 0
    limits = [-judge_by_hand(-noise, looks_by_hand(16), error).low for error in (0.05, 0.005)]
    assert 0 < limits[0] < limits[1]
    between = sum(limits) / 2
    runs = runs_of(
        {("a", 0.0): base, ("b", 0.0): base - between + noise}
        | {(name, 0.0): base + rng.normal(-0.3, 2, 16) for name in "cde"}
    )
    assert analysis.best_set(runs)["in_set"].tolist()[1]
    two = analysis.best_set(runs[runs["scheduler"].isin(["a", "b"])])
    assert two["in_set"].tolist() == [True, False]
    # each dropout and each stratum is for itself
    pair = runs[runs["scheduler"].isin(["a", "b"])]
    more = [pair, pair.assign(dropout=0.5), pair.assign(lr=0.1), pair.assign(lr=0.1, dropout=0.5)]
    assert analysis.best_set(pd.concat(more))["in_set"].tolist() == 2 * [True, True, False, False]


def test_all_tables_of_conclusions_agree(runs):
    lost = (runs["scheduler"] == "step") & (runs["dropout"] == 0.5) & (runs["seed"] == 3)
    runs = runs.assign(status=runs["status"].where(~lost, "diverged"))
    found = analysis.conclude(runs, None, analysis.Criteria(margin=0.5, confidence=0.9))
    columns = ["a", "b", "where", "n", "mean", "low", "high", "verdict", "more_seeds"]
    assert_frame_equal(found.brief[columns], found.primary[columns])
    at = ["scheduler", "dropout"]
    last = found.history.groupby(at, sort=False).last().reset_index()
    evaluated = found.primary[found.primary["verdict"] != "not evaluated"].reset_index(drop=True)
    assert len(last) == len(evaluated) == 5
    columns = [*at, "low", "high", "verdict"]
    assert_frame_equal(last[columns], evaluated[columns])
    assert last["n"].tolist() == evaluated["look"].tolist() == [12] * 5
    assert last["mean"].tolist() == pytest.approx(evaluated["mean_at_look"].tolist())
    assert found.history["n"].tolist() == [8, 12] * 5
    assert found.history["planned"].tolist() == [True, False] * 5


def test_no_frame_of_the_caller_changes(runs):
    before = runs.copy()
    analysis.compare(runs, exploratory=True)
    analysis.best_set(runs)
    assert_frame_equal(runs, before)
