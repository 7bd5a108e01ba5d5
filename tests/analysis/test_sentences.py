"""Each wording of a verdict, from an example worked out by hand.

Eight differences of x - 0.1 and x + 0.1 in turn have mean x and sd 0.1 sqrt(8/7). One contrast that
was planned at 8 seeds may err with 80% of 5%, so the radius of its interval is

    2.5168 * 0.1 sqrt(8/7) / sqrt(8) = 0.0951,

where 2.5168 is the upper 2% point of t with 7 degrees of freedom. With eight more such seeds there
are looks at 12 and 16 too, by 5% of 5% each: there the radii are 0.1174 and 0.0936.
"""

import math

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from helpers.simulated import runs_of, sentence

from lrdecay import analysis
from lrdecay.core.first_plan import FirstPlan

SWING = 0.1 * np.array([-1, 1] * 8)
RADIUS = 2.5167524 * 0.1 * math.sqrt(8 / 7) / math.sqrt(8)
AT_8 = "at the planned 8 seeds"
OF_STEP = "dropout 0.3, step against constant:"


def pair(x, seeds=8, scale=1.0):
    base = 97 + np.linspace(-0.5, 0.5, 16)
    return runs_of(
        {("constant", 0.3): base[:seeds], ("step", 0.3): (base + x + scale * SWING)[:seeds]}
    )


def test_the_radius_by_hand():
    assert pytest.approx(0.0951, abs=5e-5) == RADIUS
    row = analysis.compare(pair(0.5)).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((0.5 - RADIUS, 0.5 + RADIUS))


def test_one_beats_the_other():
    assert sentence(pair(0.5)) == (
        "dropout 0.3: step beats constant by 0.500 points on this test set "
        "(family-wise interval 0.405 to 0.595, at the planned 8 seeds)."
    )
    assert sentence(pair(-0.5)) == (
        "dropout 0.3: constant beats step by 0.500 points on this test set "
        "(family-wise interval 0.405 to 0.595, at the planned 8 seeds)."
    )


@pytest.mark.parametrize(
    ("plan", "seeds", "said"),
    [
        ({}, 8, "0.405 to 0.595, at the planned 8 seeds"),
        # between looks the interval is that of the last one
        ({}, 11, "0.405 to 0.595, at the planned 8 seeds"),
        # an interval that was found is kept, though that of 12 seeds is wider
        ({}, 12, "0.405 to 0.595, looks at 8 seeds as planned and at 12"),
        ({}, 16, "0.406 to 0.594, looks at 8 seeds as planned and at 12 and 16"),
        ({"first": 3}, 8, "0.405 to 0.595, at 8 seeds"),
        ({"first": 3}, 12, "0.405 to 0.595, looks at 8 and 12 seeds"),
        ({"first": 12}, 8, "0.33 to 0.67, a look at 8 seeds before the planned 12"),
        ({"first": 16}, 12, "0.37 to 0.63, looks at 8 and 12 seeds before the planned 16"),
        ({"first": 16}, 16, "0.441 to 0.559, looks at 16 seeds as planned and at 8 and 12"),
        ({"most": 12}, 12, "0.420 to 0.580, planned looks at 8 and 12 seeds"),
    ],
)
def test_at_which_looks_a_verdict_was_made(plan, seeds, said):
    text = sentence(pair(0.5, seeds), **plan)
    assert f"(family-wise interval {said})." in text


@pytest.mark.parametrize(
    ("margin", "said"),
    [
        (0.40, ", by at least 0.4 points."),
        (0.60, ", by less than 0.6 points."),
        (0.50, "8 seeds)."),
    ],
)
@pytest.mark.parametrize("x", [0.5, -0.5])
def test_how_large_a_difference_is_beside_the_margin(margin, said, x):
    assert sentence(pair(x), margin=margin).endswith(said)


def test_equivalent():
    assert sentence(pair(0.0), margin=0.1) == (
        f"{OF_STEP} Equivalent within 0.1 points on this test set "
        f"(family-wise interval -0.095 to 0.095, {AT_8})."
    )
    # an interval that reaches the margin is not inside
    assert "No difference resolved" in sentence(pair(0.0), margin=0.095)
    for x in (0.02, -0.02):
        assert "No difference resolved" in sentence(pair(x), margin=0.115)
        assert "Equivalent" in sentence(pair(x), margin=0.116)


def test_the_ends_can_be_told_from_the_margin():
    said = f"(family-wise interval -0.0951 to 0.0951, {AT_8})"
    assert said in sentence(pair(0.0), margin=0.0952)


def test_the_same_at_every_seed():
    for margin in (None, 0.1):
        assert sentence(pair(0.0, scale=0.0), margin=margin) == (
            f"{OF_STEP} Identical test accuracy at each of 8 seeds on this test set: at most 34% "
            f"of seeds can differ (family-wise)."
        )
    # 1 - (0.05 * 0.05)^(1/16)
    assert sentence(pair(0.0, seeds=16, scale=0.0)) == (
        f"{OF_STEP} Identical test accuracy at each of 16 seeds on this test set: at most 32% of "
        f"seeds can differ (family-wise)."
    )
    # what follows the last look is not part of the verdict, and is said
    runs = pair(0.0, seeds=11, scale=0.0)
    runs.loc[(runs["scheduler"] == "step") & (runs["seed"] == 9), "test_accuracy"] += 0.011
    assert sentence(runs) == (
        f"{OF_STEP} Identical test accuracy at each of the first 8 seeds on this test set: at most "
        f"34% of seeds can differ (family-wise). Of all 11 seeds the mean is 0.10."
    )


def test_differences_that_are_all_one_number_tell_nothing_of_their_spread():
    for seeds, looks, following in (
        (8, AT_8, 12),
        (12, "looks at 8 seeds as planned and at 12", 16),
    ):
        assert sentence(pair(0.5, seeds, scale=0.0), margin=0.1) == (
            f"{OF_STEP} No difference resolved on this test set (family-wise interval unbounded, "
            f"{looks}). All differences at {seeds} seeds are one number, which tells nothing of "
            f"their spread; the next look is at {following}."
        )


def test_not_resolved_and_which_look_would():
    table = analysis.compare(pair(0.05))
    # the sd may be 0.1447; 128 seeds may err with 0.625% of 5%: 0.1447 * 3.74 / sqrt(128) < 0.05
    assert table["more_seeds"].item() == 128 - 8
    begin = (
        f"{OF_STEP} No difference resolved on this test set (family-wise interval -0.045 to 0.145, "
        f"{AT_8}). A difference of sd 0.11 is resolved from 0.095 points on at 8 seeds; "
    )
    assert table["sentence"].item() == (
        f"{begin}the look at 128 would resolve this one if it stays as it is; the next look is at "
        f"12."
    )
    assert sentence(pair(0.05), budget=100) == (
        f"{begin}this one may not be resolvable within 100 seeds."
    )
    assert "this one may not be resolvable within 1,000 seeds." in sentence(pair(0.0))
    # the sd may be 0.1447: by 16 seeds 0.1447 * 0.906 would do, by 12 seeds 0.1447 * 1.124 not yet
    assert sentence(pair(0.14), confidence=0.999, budget=100).endswith(
        " points on at 8 seeds; the look at 32 would resolve this one if it stays as it is; the "
        "next look is at 12."
    )
    assert sentence(pair(0.09, seeds=12), margin=0.001).endswith(
        "A difference of sd 0.10 is resolved from 0.12 points on at 12 seeds; the look at 32 would "
        "resolve this one if it stays as it is; the next look is at 16."
    )
    # at 16 seeds the radius is 0.09357; at 24, with an sd of 0.1246, it is 0.09352
    assert sentence(pair(0.09355, seeds=16)).endswith(
        "on at 16 seeds; the next look, at 24, would resolve this one if it stays as it is."
    )


def test_a_look_that_waits_for_a_run_is_named_though_more_pairs_are_there():
    """Of 14 seeds the run of seed 9 is still to come, so 13 pairs have not reached the look at 12;
    there the radius is 0.135, with an sd that may be 0.129."""
    runs = pair(0.16, seeds=14)
    late = (runs["scheduler"] == "step") & (runs["seed"] == 9)
    plan = FirstPlan(8, 64)
    found = analysis.conclude(runs[~late], None, analysis.Criteria(), planned=runs, first_plan=plan)
    (row,) = found.primary.to_dict("records")
    assert (row["n"], row["look"], row["resolving_look"], row["more_seeds"]) == (13, 8, 12, 1)
    assert row["sentence"].endswith(
        "; the next look, at 12, would resolve this one if it stays as it is."
    )
    later = analysis.compare(pair(0.05))
    assert later[["n", "resolving_look", "more_seeds"]].to_numpy().tolist() == [[8, 128, 120]]


def test_differences_that_never_vary_are_resolved_by_no_number_of_seeds():
    table = analysis.compare(pair(0.5, scale=0.0))
    assert table["verdict"].tolist() == ["unresolved"]
    assert table["more_seeds"].tolist() == table["resolving_look"].tolist() == [math.inf]


def test_looks_that_exclude_each_other():
    """Eight seeds at which step is 1 point ahead, and 56 at which it is 0.2 behind."""
    swing = np.tile([-0.1, 0.1], 32)
    base = 97 + np.linspace(-0.5, 0.5, 64)
    ahead = np.where(np.arange(64) < 8, 1.0, -0.2)
    runs = runs_of({("constant", 0.3): base, ("step", 0.3): base + ahead + swing})
    text = sentence(runs)
    d = ahead + swing
    high = d.mean() + 3.601040 * d.std(ddof=1) / 8
    assert text == (
        f"{OF_STEP} No verdict on this test set, since its looks exclude each other: at 8 seeds "
        f"the difference is at least 0.90 points, at 64 seeds at most {high:.2f}."
    )


def test_a_mean_that_later_seeds_have_moved_out_of_the_interval():
    """A verdict that was made is kept, and what the seeds since then say stands beside it."""
    runs = pair(0.5, seeds=11)
    late = (runs["scheduler"] == "step") & (runs["seed"] >= 8)
    base = runs.loc[(runs["scheduler"] == "constant") & (runs["seed"] >= 8), "test_accuracy"]
    runs.loc[late, "test_accuracy"] = base.to_numpy() - 0.03
    rest = "points on this test set (family-wise interval 0.405 to 0.595, at the planned 8 seeds)."
    moved = "Of all 11 seeds the mean is -0.455, outside of that."
    assert sentence(runs) == f"dropout 0.3: step beats constant by 0.405 to 0.595 {rest} {moved}"
    runs["scheduler"] = runs["scheduler"].map({"step": "constant", "constant": "step"})
    assert sentence(runs) == f"dropout 0.3: constant beats step by 0.405 to 0.595 {rest} {moved}"


def test_what_later_seeds_say_of_those_that_were_equivalent():
    runs = pair(0.0, seeds=11)
    late = (runs["scheduler"] == "step") & (runs["seed"] >= 8)
    runs.loc[late, "test_accuracy"] += 0.02
    # 3 x 2 points, and an odd number of swings
    assert sentence(runs, margin=0.1) == (
        f"{OF_STEP} Equivalent within 0.1 points on this test set (family-wise interval -0.095 to "
        f"0.095, {AT_8}). Of all 11 seeds the mean is 0.54."
    )


def test_what_rests_on_differences_that_are_not_skewed():
    """One seed far above the others, so that the true mean may well be 0."""
    base = 97 + np.linspace(-0.5, 0.5, 8)
    far = np.array([-0.3, -0.2, -0.25, -0.22, -0.28, -0.24, -0.26, -0.09])
    for sign, first, second in ((1, "constant", "step"), (-1, "step", "constant")):
        runs = runs_of({("constant", 0.3): base, ("step", 0.3): base + sign * far})
        text = sentence(runs, confidence=0.99995)
        assert text.startswith(f"dropout 0.3: {first} beats {second} by 0.23 points")
        assert text.endswith(
            "8 seeds). It supposes differences that are not skewed: corrected for their skewness "
            "the interval contains 0."
        )
        assert "skewed" not in sentence(runs, confidence=0.9)


@pytest.mark.parametrize(
    ("plan", "seeds", "why"),
    [
        ({}, 7, "7 of the planned 8 seeds are there"),
        ({}, 1, "1 of the planned 8 seeds is there"),
        ({"first": 3}, 7, "7 seeds are there, and verdicts begin at 8"),
        ({"first": 16}, 1, "1 seed is there, and verdicts begin at 8"),
        ({"most": 64}, 5, "5 of the planned 8 seeds are there"),
    ],
)
def test_too_few_seeds(plan, seeds, why):
    assert sentence(pair(0.5, seeds), **plan) == f"{OF_STEP} Not evaluated, since {why}."
    assert "beats" in sentence(pair(0.5, seeds=8), **plan)


def test_runs_that_ended_otherwise():
    runs = pair(0.5)
    runs.loc[(runs["scheduler"] == "step") & (runs["seed"] < 2), "status"] = "diverged"
    runs.loc[(runs["scheduler"] == "constant") & (runs["seed"] == 3), "status"] = "diverged"
    runs.loc[(runs["scheduler"] == "constant") & (runs["seed"] == 7), "status"] = "failed"
    assert sentence(runs) == (
        "dropout 0.3, step against constant: Not evaluated, since 2 of 8 seeds diverged for "
        "step; 1 of 8 seeds diverged for constant; 1 of 8 seeds ended with an error."
    )


def test_pairs_that_are_none():
    runs = pair(0.5)
    for seed in (0, 1):
        own = (runs["scheduler"] == "step") & (runs["seed"] == seed)
        runs.loc[own, "init_digest"] = f"other {seed}"
    assert sentence(runs) == (
        "dropout 0.3, step against constant: Not evaluated, since the initial weights differ at "
        "2 seeds: these are no pairs."
    )


def test_digests_that_are_lacking_are_not_called_different():
    runs = pair(0.5)
    runs.loc[(runs["scheduler"] == "step") & (runs["seed"] == 0), "order_digest"] = "other"
    runs.loc[(runs["scheduler"] == "step") & (runs["seed"] == 1), "order_digest"] = None
    assert sentence(runs) == (
        "dropout 0.3, step against constant: Not evaluated, since the data orders differ at 1 "
        "seed: these are no pairs; the data orders are not recorded at 1 seed: whether these are "
        "pairs is not known."
    )


def test_losses_are_in_nats_and_lower_is_better():
    runs = pair(0.5)
    runs["test_loss"] = runs["test_accuracy"]
    assert sentence(runs, metric="test_loss", margin=0.001) == (
        "dropout 0.3: constant beats step by 0.00500 nats on this test set (family-wise interval "
        "0.00405 to 0.00595, at the planned 8 seeds), by at least 0.001 nats."
    )


def four_cells(gain, better_reference=0.0):
    """Step gains `gain` on constant at dropout 0.5, and nothing at 0."""
    base = 97 + np.linspace(-0.5, 0.5, 8)
    return runs_of(
        {
            ("constant", 0.0): base,
            ("constant", 0.5): base + better_reference,
            ("step", 0.0): base,
            ("step", 0.5): base + better_reference + gain + SWING[:8],
        }
    )


def sentences(runs, family, **options):
    table = analysis.compare(runs, family_sizes={}, **options)
    return table[table["family"] == family]["sentence"].tolist()


def test_interactions_and_averages():
    assert sentences(four_cells(0.5), "interaction") == [
        "dropout 0.5 against 0: step gains 0.500 points more on constant on this test set "
        "(family-wise interval 0.405 to 0.595, at the planned 8 seeds)."
    ]
    assert sentences(four_cells(-0.5), "interaction")[0].startswith(
        "dropout 0.5 against 0: step gains 0.500 points less on constant"
    )
    assert sentences(four_cells(0.0), "interaction", margin=0.1)[0].startswith(
        "dropout 0.5 against 0, what step gains on constant: Equivalent within 0.1 points"
    )
    # half of the swing, since it is at one of two dropouts
    assert sentences(four_cells(0.5), "average") == [
        "averaged over dropout 0, 0.5: step beats constant by 0.250 points on this test set "
        "(family-wise interval 0.202 to 0.298, at the planned 8 seeds)."
    ]
    lost = four_cells(0.5)
    lost.loc[(lost["scheduler"] == "constant") & (lost["seed"] == 1), "status"] = "diverged"
    assert sentences(lost, "interaction") == [
        "dropout 0.5 against 0, what step gains on constant: Not evaluated, since 1 of 8 seeds "
        "diverged for step at dropout 0.5 or constant at dropout 0; 1 of 8 seeds diverged for "
        "constant at dropout 0.5 or step at dropout 0."
    ]


def test_dropouts_of_one_scheduler():
    (_, step) = sentences(four_cells(-0.5, 1.5), "dropout")
    assert step.startswith("step: dropout 0.5 beats dropout 0 by 1.00 points on this test set")


def test_the_gap_is_larger_or_smaller_and_beats_nothing():
    runs, epochs = make_tables(("step",), (0.0, 0.5), 8, n_epochs=1)
    train = epochs["split"] == "train_eval"
    of_seed = epochs["seed"].map(dict(enumerate(SWING)))
    swing = np.where(epochs["dropout"] == 0.5, -0.5 + of_seed, 0.0)
    epochs.loc[epochs["split"] == "test", "accuracy"] = 0.95
    epochs.loc[train, "accuracy"] = 0.99 + swing[train] / 100
    (text,) = sentences(runs, "dropout", epochs=epochs, metric="gap", margin=0.2)
    assert text == (
        "step: the train-test gap of dropout 0.5 is lower than that of dropout 0 by 0.500 points "
        "on these images (family-wise interval 0.405 to 0.595, at the planned 8 seeds), by at "
        "least 0.2 points."
    )


def with_bitmaps(x, right_at):
    """Step is right on `right_at` more of the last images at every seed, give or take x."""
    runs, _ = make_tables(("constant", "step"), (0.3,), 8, n_epochs=1)
    maps = []
    for row in runs.itertuples():
        bits = np.arange(1000) < 900
        if row.scheduler == "step":
            bits[900 : 900 + right_at + x * (row.seed % 2)] = True
        maps.append(bits)
    runs["test_correct"] = [np.packbits(bits).tobytes() for bits in maps]
    runs["test_accuracy"] = [bits.mean() for bits in maps]
    return runs


def test_new_images():
    # 20 of 1000 images always: sure on these, and by 2 +- 2.52 * 100 sqrt(0.02 * 0.98 / 999)
    radius = 2.5168 * 100 * math.sqrt(20.5 / 1000 * (1 - 20.5 / 1000) / 999)
    row = analysis.compare(with_bitmaps(1, 20)).iloc[0]
    assert row["images_high"] - row["mean"] == pytest.approx(radius, rel=0.02)
    assert row["sentence"].endswith(
        f" It holds for new images too ({row['images_low']:.2f} to {row['images_high']:.2f})."
    )
    sized = analysis.compare(with_bitmaps(1, 20), margin=1.5).iloc[0]
    assert sized["size"] == "at least"  # on these images: on new ones it may be less
    assert sized["images_low"] < 1.5
    assert (
        " by at least 1.5 points. That they differ holds for new images too ("
        in (sized["sentence"])
    )
    few = analysis.compare(with_bitmaps(1, 3)).iloc[0]
    assert few["verdict"] == "higher"
    assert few["images_low"] < 0 < few["images_high"]
    assert " For new images it is not resolved (" in few["sentence"]
    same = analysis.compare(with_bitmaps(1, 0), margin=1.0).iloc[0]
    assert same["verdict"] == "higher"  # by half an image
    wide = analysis.compare(with_bitmaps(0, 0), margin=1.0).iloc[0]
    assert wide["verdict"] == "identical"
    assert wide["sentence"].endswith("at most 34% of seeds can differ (family-wise).")
    open_ = analysis.compare(with_bitmaps(20, 0), margin=0.1, confidence=0.999).iloc[0]
    assert open_["verdict"] == "unresolved"
    assert " For new images: " in open_["sentence"]


def test_new_images_in_the_winner_s_favour():
    runs = with_bitmaps(1, 20)
    runs["scheduler"] = runs["scheduler"].map({"step": "constant", "constant": "step"})
    forward = sentence(with_bitmaps(1, 20))
    assert sentence(runs) == forward.replace("step beats constant", "constant beats step")


def test_no_bare_winner_and_no_word_that_claims_more():
    runs, epochs = make_tables(seeds=10, n_epochs=1)
    tables = [
        analysis.compare(runs, epochs, metric=metric, margin=0.2, exploratory=True)
        for metric in ("test_accuracy", "test_loss", "gap")
    ]
    said = pd.concat(tables)["sentence"]
    assert not said.str.contains(r"(?i)significan|trend|\bbest\b|\bwin").any()
    assert said[said.str.contains("beats")].str.contains(r"interval .* planned 8 seeds\)").all()


def test_a_margin_of_nothing_says_nothing_of_the_size():
    row = analysis.compare(pair(0.5), margin=0).iloc[0]
    assert (row["verdict"], pd.isna(row["size"])) == ("higher", True)
    assert "by at least" not in row["sentence"]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("status", "failed", "1 of 8 seeds ended with an error"),
        ("status", "diverged", "1 of 8 seeds diverged for step"),
        ("test_accuracy", None, "1 of 8 seeds has a run without the metric"),
        ("order_digest", "other", "the data orders differ at 1 seed: these are no pairs"),
    ],
)
def test_what_no_seed_can_fix_is_not_called_too_few_seeds(column, value, why):
    runs = pair(0.5, seeds=8)
    runs.loc[(runs["scheduler"] == "step") & (runs["seed"] == 5), column] = value
    said = "dropout 0.3, step against constant: Not evaluated, since"
    assert sentence(runs) == f"{said} {why}."
    gone = pair(0.5, seeds=8).drop(index=3)
    assert (
        sentence(gone) == f"{said} 1 of 8 seeds lacks a run (planned= tells which were asked for)."
    )
