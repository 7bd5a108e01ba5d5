"""Each wording of a verdict, from an example worked out by hand.

Sixteen differences of x - 0.1 and x + 0.1 in turn have mean x and sd 0.1 sqrt(16/15). With r = 2/18
and R = (0.05^2 r)^(1/16) = 0.5994 the sequence's radius at 5% is

    0.1 sqrt(16/15) / 4 * sqrt(15 (1 - R) / (R - r)) = 0.0906.
"""

import math

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from helpers.simulated import runs_of, sentence

from lrdecay import analysis

SWING = 0.1 * np.array([-1, 1] * 8)
R, BIG_R = 2 / 18, (0.05**2 * 2 / 18) ** (1 / 16)
RADIUS = 0.1 * math.sqrt(16 / 15) / 4 * math.sqrt(15 * (1 - BIG_R) / (BIG_R - R))


def pair(x, seeds=16, scale=1.0):
    base = 97 + np.linspace(-0.5, 0.5, 16)
    return runs_of(
        {("constant", 0.3): base[:seeds], ("step", 0.3): (base + x + scale * SWING)[:seeds]}
    )


def test_the_radius_by_hand():
    assert pytest.approx(0.0906, abs=5e-5) == RADIUS
    row = analysis.compare(pair(0.5)).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((0.5 - RADIUS, 0.5 + RADIUS))


def test_one_beats_the_other():
    assert sentence(pair(0.5)) == (
        "dropout 0.3: step beats constant by 0.500 points on this test set "
        "(family-wise interval 0.409 to 0.591, 16 seeds)."
    )
    assert sentence(pair(-0.5)) == (
        "dropout 0.3: constant beats step by 0.500 points on this test set "
        "(family-wise interval 0.409 to 0.591, 16 seeds)."
    )


@pytest.mark.parametrize(
    ("margin", "said"),
    [
        (0.40, ", by at least 0.4 points."),
        (0.60, ", by less than 0.6 points."),
        (0.50, "16 seeds)."),
    ],
)
@pytest.mark.parametrize("x", [0.5, -0.5])
def test_how_large_a_difference_is_beside_the_margin(margin, said, x):
    assert sentence(pair(x), margin=margin).endswith(said)


def test_equivalent():
    assert sentence(pair(0.0), margin=0.1) == (
        "dropout 0.3, step against constant: Equivalent within 0.1 points on this test set "
        "(family-wise interval -0.091 to 0.091, 16 seeds)."
    )
    # an interval that reaches the margin is not inside
    assert "No difference resolved" in sentence(pair(0.0), margin=0.09)
    for x in (0.02, -0.02):
        assert "No difference resolved" in sentence(pair(x), margin=0.11)
        assert "Equivalent" in sentence(pair(x), margin=0.111)


def test_the_ends_can_be_told_from_the_margin():
    assert "(family-wise interval -0.0906 to 0.0906, 16 seeds)" in sentence(pair(0.0), margin=0.091)


def test_the_same_at_every_seed():
    for margin in (None, 0.1):
        assert sentence(pair(0.0, scale=0.0), margin=margin) == (
            "dropout 0.3, step against constant: Identical test accuracy at each of 16 seeds on "
            "this test set; that others would not differ is not shown."
        )


def test_differences_that_are_all_one_number_tell_nothing_of_their_spread():
    assert sentence(pair(0.5, scale=0.0), margin=0.1) == (
        "dropout 0.3, step against constant: No difference resolved at 16 seeds on this test set "
        "(family-wise interval unbounded); all differences are one number so far, which tells "
        "nothing of their spread."
    )


def test_not_resolved_and_how_many_more_seeds():
    table = analysis.compare(pair(0.05))
    more = int(table["more_seeds"].item())
    needed = analysis.seeds_needed(16, 0.05, 0.1 * math.sqrt(16 / 15), 0.05)
    assert more == needed - 16 > 1
    assert table["sentence"].item() == (
        "dropout 0.3, step against constant: No difference resolved at 16 seeds on this test set "
        f"(family-wise interval -0.041 to 0.141); about {more} more would resolve it if the "
        "difference stays as it is."
    )
    assert sentence(pair(0.05), budget=20) == (
        "dropout 0.3, step against constant: No difference resolved at 16 seeds on this test set "
        "(family-wise interval -0.041 to 0.141); it may not be resolvable within 20 seeds."
    )
    assert "it may not be resolvable within 1,000 seeds" in sentence(pair(0.0))


def test_too_few_seeds():
    assert sentence(pair(0.5, seeds=7)) == (
        "dropout 0.3, step against constant: Not evaluated, since there are 7 seeds so far, and "
        "the interval that may be looked at after every seed begins at 8."
    )
    assert "beats" in sentence(pair(0.5, seeds=8))


def test_runs_that_ended_otherwise():
    runs = pair(0.5)
    runs.loc[(runs["scheduler"] == "step") & (runs["seed"] < 2), "status"] = "diverged"
    runs.loc[(runs["scheduler"] == "constant") & (runs["seed"] == 3), "status"] = "diverged"
    runs.loc[(runs["scheduler"] == "constant") & (runs["seed"] == 7), "status"] = "failed"
    assert sentence(runs) == (
        "dropout 0.3, step against constant: Not evaluated, since 2 of 16 seeds diverged for "
        "step; 1 of 16 seeds diverged for constant; 1 of 16 seeds ended with an error."
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


def test_losses_are_in_nats_and_lower_is_better():
    runs = pair(0.5)
    runs["test_loss"] = runs["test_accuracy"]
    assert sentence(runs, metric="test_loss", margin=0.001) == (
        "dropout 0.3: constant beats step by 0.00500 nats on this test set (family-wise interval "
        "0.00409 to 0.00591, 16 seeds), by at least 0.001 nats."
    )


def four_cells(gain, better_reference=0.0):
    """Step gains `gain` on constant at dropout 0.5, and nothing at 0."""
    base = 97 + np.linspace(-0.5, 0.5, 16)
    return runs_of(
        {
            ("constant", 0.0): base,
            ("constant", 0.5): base + better_reference,
            ("step", 0.0): base,
            ("step", 0.5): base + better_reference + gain + SWING,
        }
    )


def sentences(runs, family, **options):
    table = analysis.compare(runs, family_sizes={}, **options)
    return table[table["family"] == family]["sentence"].tolist()


def test_interactions_and_averages():
    assert sentences(four_cells(0.5), "interaction") == [
        "dropout 0.5 against 0: step gains 0.500 points more on constant on this test set "
        "(family-wise interval 0.409 to 0.591, 16 seeds)."
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
        "(family-wise interval 0.205 to 0.295, 16 seeds)."
    ]
    lost = four_cells(0.5)
    lost.loc[(lost["scheduler"] == "constant") & (lost["seed"] == 1), "status"] = "diverged"
    assert sentences(lost, "interaction") == [
        "dropout 0.5 against 0, what step gains on constant: Not evaluated, since 1 of 16 seeds "
        "diverged for step at dropout 0.5 or constant at dropout 0; 1 of 16 seeds diverged for "
        "constant at dropout 0.5 or step at dropout 0."
    ]


def test_dropouts_of_one_scheduler():
    (_, step) = sentences(four_cells(-0.5, 1.5), "dropout")
    assert step.startswith("step: dropout 0.5 beats dropout 0 by 1.00 points on this test set")


def test_the_gap_is_larger_or_smaller_and_beats_nothing():
    runs, epochs = make_tables(("step",), (0.0, 0.5), 16, n_epochs=1)
    train = epochs["split"] == "train_eval"
    of_seed = epochs["seed"].map(dict(enumerate(SWING)))
    swing = np.where(epochs["dropout"] == 0.5, -0.5 + of_seed, 0.0)
    epochs.loc[epochs["split"] == "test", "accuracy"] = 0.95
    epochs.loc[train, "accuracy"] = 0.99 + swing[train] / 100
    (text,) = sentences(runs, "dropout", epochs=epochs, metric="gap", margin=0.2)
    assert text == (
        "step: the train-test gap of dropout 0.5 is lower than that of dropout 0 by 0.500 points "
        "on these images (family-wise interval 0.409 to 0.591, 16 seeds), by at least 0.2 points."
    )


def with_bitmaps(x, right_at):
    """Step is right on `right_at` more of the last images at every seed, give or take x."""
    runs, _ = make_tables(("constant", "step"), (0.3,), 16, n_epochs=1)
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
    # 20 of 1000 images always: sure on these, and by 2 +- 2.13 * 100 sqrt(0.02 * 0.98 / 999)
    radius = 2.1314 * 100 * math.sqrt(20.5 / 1000 * (1 - 20.5 / 1000) / 999)
    row = analysis.compare(with_bitmaps(1, 20)).iloc[0]
    assert row["images_high"] - row["mean"] == pytest.approx(radius, rel=0.02)
    assert row["sentence"].endswith(
        f" It holds for new images too ({row['images_low']:.2f} to {row['images_high']:.2f}, for a "
        f"number of seeds fixed beforehand)."
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
    assert wide["sentence"].endswith("that others would not differ is not shown.")
    open_ = analysis.compare(
        with_bitmaps(20, 0).query("seed < 9"), margin=0.1, confidence=0.999
    ).iloc[0]
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
    assert said[said.str.contains("beats")].str.contains(r"interval .* 10 seeds").all()


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
    assert sentence(gone) == f"{said} 1 of 8 seeds lacks a run."
