"""Runs that are the same: copied to another seed, at another dropout, under another label."""

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from pandas.testing import assert_frame_equal

from lrdecay import analysis
from lrdecay.analysis.identical_runs import describe_identical_runs
from lrdecay.analysis.metrics import find_metric
from lrdecay.analysis.seed_blocks import build_seed_blocks
from lrdecay.core.errors import InputError

SEEDS = 12
HALF = "0 and 6, 1 and 7, 2 and 8, 3 and 9, 4 and 10, 5 and 11"
RESULTS = [f"{split}_{metric}" for split in ("test", "val") for metric in ("loss", "accuracy")]


@pytest.fixture(scope="module")
def tables():
    return make_tables(("constant", "step", "cosine"), (0.0, 0.3, 0.5), SEEDS, n_epochs=2)


@pytest.fixture(scope="module")
def runs(tables):
    return tables[0]


def copied(runs, schedulers=("constant", "step", "cosine")):
    """These schedulers' runs of seeds 0 to 5, and the same once more as seeds 6 to 11."""
    first = runs[runs["scheduler"].isin(schedulers) & (runs["seed"] < 6)]
    again = first.assign(seed=first["seed"] + 6, run_id="c" + first["run_id"].str[1:])
    others = runs[~runs["scheduler"].isin(schedulers)]
    return pd.concat([others, first, again], ignore_index=True)


def with_results_of(runs, axis, ours, theirs):
    """The runs, those at one value of an axis with the results of those at another."""
    same = runs.copy()
    for name in RESULTS:
        same.loc[runs[axis] == ours, name] = runs.loc[runs[axis] == theirs, name].to_numpy()
    return same


# Seeds that were copied


@pytest.mark.parametrize(
    "ask", [analysis.compare, analysis.best_set, analysis.verdicts_by_look, analysis.seed_spread]
)
def test_runs_that_were_copied_to_other_seeds_are_refused(runs, ask):
    with pytest.raises(InputError) as caught:
        ask(copied(runs))
    assert str(caught.value) == (
        f"seeds {HALF}: the runs of scheduler constant, dropout 0 have the same initial weights "
        f"(equal init_digest), as runs have that were copied to another seed; keep one of each"
    )


def test_one_cell_that_was_copied_is_enough_and_a_plan_does_not_hide_it(runs):
    some = copied(runs, ["cosine"])
    for planned in (None, some):
        with pytest.raises(InputError, match=f"seeds {HALF}: the runs of scheduler cosine, drop"):
            analysis.compare(some, planned=planned)
    one = runs.copy()
    one.loc[(one["scheduler"] == "step") & (one["seed"] == 9), "init_digest"] = "init-2"
    with pytest.raises(InputError, match=r"^seeds 2 and 9: the runs of scheduler step, dropout 0 "):
        analysis.compare(one)


def test_weights_that_no_seed_draws_are_no_sign_of_a_copy(runs):
    """As of a plug-in's network that begins with zeros."""
    fixed = runs.assign(init_digest="zeros")
    assert_frame_equal(analysis.compare(fixed), analysis.compare(runs))
    with pytest.raises(InputError, match=rf"seeds {HALF}: .* the same data order \(equal order_d"):
        analysis.compare(copied(fixed))


def test_an_order_of_images_that_stands_twice_is_a_copy_too(runs):
    some = copied(runs)
    some["init_digest"] = [f"init-{seed}" for seed in some["seed"]]
    with pytest.raises(InputError, match=rf"seeds {HALF}: .* have the same data order "):
        analysis.compare(some)


def test_strata_share_their_weights_and_are_no_copies():
    runs, _ = make_tables(("constant", "step"), (0.3,), 8, n_epochs=1, lr=[0.1, 0.01])
    assert (analysis.compare(runs)["n"] == 8).all()


# A dropout that changes nothing


def test_a_dropout_that_changes_nothing_has_no_verdict(runs):
    before = analysis.compare(runs, margin=0.5)
    table = analysis.compare(with_results_of(runs, "dropout", 0.3, 0.0), margin=0.5)
    asked = table["family"].isin(["dropout", "interaction"]) & (table["dropout"] == 0.3)
    assert asked.sum() == 3 + 2
    idle = table[asked]
    assert set(idle["verdict"]) == {"not evaluated"}
    assert (idle["n_same"] == SEEDS).all()
    assert idle[["mean", "low", "high", "p", "images_low"]].isna().all(axis=None)
    assert (idle["look"] == 0).all()
    why = (
        "Not evaluated, since dropout changed nothing: the runs are the same to the bit at each of "
        "12 seeds."
    )
    assert idle["sentence"].tolist() == [
        *(f"{s}, dropout 0.3 against dropout 0: {why}" for s in ("constant", "step", "cosine")),
        *(f"dropout 0.3 against 0, what {s} gains on constant: {why}" for s in ("step", "cosine")),
    ]
    assert (table.loc[~asked, "n_same"] == 0).all()
    # what is asked at the other dropout comes out as before, and schedulers as at dropout 0
    others = table["dropout"] == 0.5
    assert_frame_equal(table[others], before[others])
    first = table[table["family"] == "scheduler"].set_index(["a", "dropout"])["mean"]
    assert first["step", 0.3] == first["step", 0.0]
    assert analysis.open_questions(table, "dropout")["dropout"].tolist().count(0.3) == 0


def test_what_differs_in_one_run_is_evaluated(runs):
    same = with_results_of(runs, "dropout", 0.3, 0.0)
    at = (same["scheduler"] == "step") & (same["dropout"] == 0.3) & (same["seed"] == 4)
    same.loc[at, "test_loss"] += 1e-12
    table = analysis.compare(same)
    asked = table[table["family"].isin(["dropout", "interaction"]) & (table["dropout"] == 0.3)]
    counts = asked.groupby(["family", "scheduler"])["n_same"].first().to_dict()
    assert counts == {
        ("dropout", "constant"): 12, ("dropout", "step"): 0, ("dropout", "cosine"): 12,
        ("interaction", "step"): 0, ("interaction", "cosine"): 12,
    }  # fmt: skip


def test_accuracies_alone_do_not_make_runs_the_same(runs):
    same = with_results_of(runs, "dropout", 0.3, 0.0).drop(columns="test_loss")
    assert (analysis.compare(same)["n_same"] == 0).all()
    assert notes(same) == []


# Schedulers that were one schedule, and those whose results are the same


def with_rates(runs, **digest_of):
    """The runs with the digest of each scheduler's rates."""
    return runs.assign(rates_digest=runs["scheduler"].map(digest_of))


ONE = (
    "step and constant had the same learning rate in every step of every run, and the same "
    "outcome: here they are one schedule under two names"
)


def test_one_schedule_under_two_names_has_no_verdict(runs):
    same = with_rates(
        with_results_of(runs, "scheduler", "step", "constant"), constant="a", step="a", cosine="b"
    )
    table = analysis.compare(same, margin=0.5, exploratory=True)
    one = table["family"].isin(["scheduler", "average", "interaction", "pairs"])
    one &= table["a"].isin(["step", "constant"]) & table["b"].isin(["step", "constant"])
    assert one.sum() == 3 + 1 + 2 + 3
    assert set(table.loc[one, "verdict"]) == {"not evaluated"}
    assert (table.loc[one, ["n_one_schedule", "n_same_rates"]] == SEEDS).all(axis=None)
    assert table.loc[one, ["mean", "low", "high", "p", "images_low"]].isna().all(axis=None)
    assert table.loc[one & (table["family"] == "scheduler"), "sentence"].tolist() == [
        f"dropout {rate}, step against constant: Not evaluated, since {ONE}."
        for rate in ("0", "0.3", "0.5")
    ]
    # all others come out as without it
    before = analysis.compare(runs, margin=0.5)
    others = table[(table["a"] == "cosine") & (table["family"] != "pairs")]
    assert_frame_equal(
        others.reset_index(drop=True), before[before["a"] == "cosine"].reset_index(drop=True)
    )
    assert analysis.open_questions(table)["a"].tolist().count("step") == 0


def test_equal_rates_whose_runs_differ_are_judged_and_told(runs):
    same = with_rates(runs, constant="a", step="a", cosine="b")
    table, before = analysis.compare(same), analysis.compare(runs)
    own = (table["a"] == "step") & (table["family"] != "dropout")
    assert (table.loc[own, "n_same_rates"] == SEEDS).all()
    assert (table.loc[~own, "n_same_rates"] == 0).all()
    assert (table["n_one_schedule"] == 0).all()
    assert table["verdict"].tolist() == before["verdict"].tolist()
    told = " Both had the same learning rate in every step of every run."
    assert table.loc[own, "sentence"].tolist() == (before.loc[own, "sentence"] + told).tolist()
    assert table.loc[~own, "sentence"].tolist() == before.loc[~own, "sentence"].tolist()


@pytest.mark.parametrize("digest", [None, "other"])
def test_rates_that_are_not_known_or_differ_at_one_seed_make_no_one_schedule(runs, digest):
    same = with_rates(
        with_results_of(runs, "scheduler", "step", "constant"), constant="a", step="a", cosine="b"
    )
    at = (same["scheduler"] == "step") & (same["seed"] == 4) & (same["dropout"] == 0.3)
    same.loc[at, "rates_digest"] = digest
    table = analysis.compare(same)
    own = table[(table["family"] == "scheduler") & (table["a"] == "step")].set_index("dropout")
    assert own["n_one_schedule"].to_dict() == {0.0: SEEDS, 0.3: 0, 0.5: SEEDS}
    assert own.loc[0.3, "verdict"] == "identical"


@pytest.mark.parametrize("margin", [None, 0.5])
def test_differences_that_are_all_0_are_identical_and_never_equivalent(runs, margin):
    same = with_results_of(runs, "scheduler", "step", "constant")
    table = analysis.compare(same, margin=margin)
    own = table[(table["family"] == "scheduler") & (table["a"] == "step")]
    assert own["verdict"].tolist() == ["identical"] * 3
    assert own["sentence"].tolist() == [
        f"dropout {rate}, step against constant: Identical test accuracy at each of 12 seeds on "
        f"this test set: at most 48% of seeds can differ (family-wise)."
        for rate in ("0", "0.3", "0.5")
    ]
    assert own["more_seeds"].isna().all()
    # six contrasts, and 5% of the error for an unplanned look at 12 seeds
    assert own["may_differ"].tolist() == pytest.approx([1 - (0.05 * 0.05 / 6) ** (1 / 12)] * 3)
    assert own["low"].tolist() == [-np.inf] * 3
    assert own["high"].tolist() == [np.inf] * 3
    assert own["p"].tolist() == [1.0] * 3
    assert analysis.open_questions(table)["a"].tolist().count("step") == 0
    # one seed that differs by one image is enough
    at = (same["scheduler"] == "step") & (same["seed"] == 4)
    same.loc[at, "test_accuracy"] += 1 / 1000
    again = analysis.compare(same, margin=margin)
    own = again[(again["family"] == "scheduler") & (again["a"] == "step")]
    assert own["verdict"].tolist() == ["unresolved" if margin is None else "equivalent"] * 3
    assert own["may_differ"].isna().all()


def test_what_is_identical_at_one_look_may_differ_at_the_next(runs):
    same = with_results_of(runs, "scheduler", "step", "constant")
    late = (same["scheduler"] == "step") & (same["seed"] >= 8)
    same.loc[late, "test_accuracy"] -= 0.03
    for there, verdict, look in ((8, "identical", 8), (11, "identical", 8), (12, "unresolved", 12)):
        table = analysis.compare(same[same["seed"] < there])
        own = table[(table["family"] == "scheduler") & (table["a"] == "step")]
        assert own["verdict"].tolist() == [verdict] * 3
        assert own["look"].tolist() == [look] * 3
        assert own["n"].tolist() == [there] * 3
    history = analysis.verdicts_by_look(same).query("scheduler == 'step'")
    assert history["verdict"].tolist() == ["identical", "unresolved"] * 3


def test_fewer_than_eight_pairs_are_not_called_identical(runs):
    same = with_results_of(runs, "scheduler", "step", "constant")
    table = analysis.compare(same[same["seed"] < 7], margin=0.5)
    own = table[(table["family"] == "scheduler") & (table["a"] == "step")]
    assert set(own["verdict"]) == {"not evaluated"}


# What is said of it


def notes(runs, epochs=None):
    return describe_identical_runs(build_seed_blocks(runs, find_metric("test_accuracy")), epochs)


def test_runs_that_differ_are_not_spoken_of(tables):
    assert notes(tables[0]) == notes(*tables) == []


def test_an_axis_that_changes_nothing_is_named(runs):
    same = with_results_of(runs, "dropout", 0.3, 0.0)
    assert notes(same) == [
        "dropout changed nothing: the runs at 0 and 0.3 are the same to the bit at each of 12 "
        "seeds (constant; step; cosine). A comparison at one of them says nothing new at another."
    ]
    assert "the runs at 0, 0.3 and 0.5 are" in notes(with_results_of(same, "dropout", 0.5, 0.0))[0]


@pytest.mark.parametrize(("axis", "values"), [("lr", [0.1, 0.01]), ("batch_norm", [True, False])])
def test_so_is_any_other_axis(axis, values):
    runs, _ = make_tables(("constant", "step"), (0.3,), 8, n_epochs=1, **{axis: values})
    runs = with_results_of(runs, axis, *values)
    said = " and ".join(map(str, sorted(values)))
    assert notes(runs) == [
        f"{axis} changed nothing: the runs at {said} are the same to the bit at each of 8 seeds "
        f"(constant; step). A comparison at one of them says nothing new at another."
    ]


def test_schedulers_whose_runs_are_the_same_are_named_with_the_likely_causes(tables):
    runs, epochs = tables
    same = with_results_of(runs, "scheduler", "step", "constant")
    [text] = notes(same)
    assert text == (
        "The runs of constant and step are the same to the bit at each of 12 seeds (dropout 0; "
        "dropout 0.3; dropout 0.5). Likely causes: the same rates were applied, a schedule was not "
        "applied, runs of one stand again under the label of another, or nothing is learnt at "
        "these rates."
    )
    # the rates are known, and differ
    [text] = notes(same, epochs)
    assert "dropout 0.5), although their learning rates differ. Likely causes: a schedule" in text
    # the rates are the same, so that the runs ought to be
    rates = [name for name in epochs if name.startswith("learning_rate")]
    assert notes(same, epochs.assign(**dict.fromkeys(rates, 0.001))) == []


def test_a_seed_at_which_runs_differ_or_ended_otherwise_makes_them_differ(runs):
    same = with_results_of(runs, "scheduler", "step", "constant")
    at = (same["scheduler"] == "step") & (same["seed"] == 3)
    for column, value in (("test_loss", 0.5), ("status", "diverged")):
        other = same.copy()
        other.loc[at & (same["dropout"] == 0.3), column] = value
        [text] = notes(other)
        assert "(dropout 0; dropout 0.5)" in text
    gone = same[~at]  # a seed that one of them lacks is none that they share
    assert "at each of 11 seeds" in notes(gone)[0]


def test_equal_losses_at_different_seeds_are_nothing_special(runs):
    shifted = runs.copy()
    for name in RESULTS:
        shifted[name] = np.roll(runs[name].to_numpy(), 1)
    own = shifted["scheduler"] == "cosine"
    mixed = pd.concat([runs[~own], shifted[own]], ignore_index=True)
    assert notes(mixed) == []
