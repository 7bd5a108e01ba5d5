"""The answer of a sweep in one sentence."""

import numpy as np
import pytest
from helpers.frames import make_tables
from scipy import stats

from lrdecay import analysis
from lrdecay.analysis import Conclusions
from lrdecay.analysis.headline import (
    describe_largest,
    describe_resolution,
    name_outcome,
    write_answer,
    write_confidence,
)
from lrdecay.analysis.intervals import t_radius
from lrdecay.analysis.metrics import find_metric
from lrdecay.analysis.number_text import format_interval
from lrdecay.analysis.seed_blocks import OUTCOME
from lrdecay.analysis.settings import read_criteria

SEEDS = 10
NOISE = np.random.default_rng(1).normal(0, 0.001, SEEDS)


def conclude(
    gains: dict[str, tuple[float, ...]], text: str = "comparison: {margin: 0.2}\n", **axes: object
) -> Conclusions:
    """Runs in which each scheduler gains so much on `constant`, in points, at each dropout in turn;
    a gain that is not a number differs from seed to seed too much to be told from 0."""
    count = len(next(iter(gains.values())))
    dropouts = [round(0.1 * place, 1) for place in range(count)]
    runs, epochs = make_tables(("constant", *gains), dropouts, SEEDS, n_epochs=1, **axes)
    for place, dropout in enumerate(dropouts):
        for scheduler in ("constant", *gains):
            of_cell = runs.index[(runs["scheduler"] == scheduler) & (runs["dropout"] == dropout)]
            gain = gains[scheduler][place] if scheduler in gains else 0.0
            noise = np.zeros(SEEDS) if gain == 0 else NOISE - NOISE.mean()
            if np.isnan(gain):
                gain, noise = 0.0, np.tile([-0.05, 0.05], SEEDS // 2)
            values = 0.9 + gain / 100 + noise
            runs.loc[of_cell, "test_accuracy"] = np.resize(values, len(of_cell))
    return analysis.conclude(runs, epochs, read_criteria(f"name: x\n{text}"))


NAN = float("nan")


@pytest.mark.parametrize(
    ("gains", "answer"),
    [
        (
            {"step": (NAN, NAN), "cosine": (2, 3), "plateau": (2.5, 2)},
            "cosine and plateau beat constant at both dropouts (mean differences 2.00 to 3.00 "
            "points); step is open.",
        ),
        ({"cosine": (2,)}, "cosine beats constant, by 2.00 points."),
        ({"cosine": (-2, -2, -2)}, "constant beats cosine at all 3 dropouts, by 2.00 points."),
        (
            {"cosine": (2, 2, NAN, 2), "step": (NAN, NAN, NAN, NAN)},
            "cosine beats constant at 3 of 4 dropouts, by 2.00 points; the rest is open.",
        ),
        (
            {"cosine": (2, -2)},
            "cosine beats constant at dropout 0, by 2.00 points; constant beats cosine at dropout "
            "0.1, by 2.00 points.",
        ),
        (
            {"cosine": (0, 2), "step": (0.0001, 0.0001)},
            "cosine beats constant at dropout 0.1, by 2.00 points; cosine is identical to constant "
            "at dropout 0; step is equivalent to constant at both dropouts.",
        ),
        (
            {"cosine": (NAN, NAN), "step": (NAN, NAN)},
            "No difference from constant is resolved.",
        ),
    ],
)
def test_the_answer_names_who_won_where_and_by_how_much(gains, answer):
    assert write_answer(conclude(gains)) == answer


@pytest.mark.parametrize(
    ("gains", "late", "answer"),
    [
        ({"cosine": (2,)}, -20, "cosine beats constant, by {0} points, at 8 seeds."),
        # that the sign is another is the clearest case, and not the only one
        ({"cosine": (2,)}, 1, "cosine beats constant, by {0} points, at 8 seeds."),
        ({"cosine": (-2,)}, -20, "constant beats cosine, by {0} points, at 8 seeds."),
        (
            {"cosine": (2,), "step": (3,)},
            -20,
            "cosine and step beat constant (intervals within {0} points), at 8 seeds.",
        ),
        ({"cosine": (0,)}, -20, "cosine is identical to constant, at 8 seeds."),
        ({"cosine": (0.001,)}, -20, "cosine is equivalent to constant, at 8 seeds."),
        ({"cosine": (2,)}, 2, "cosine beats constant, by 2.00 points."),
    ],
)
def test_a_mean_that_later_seeds_have_moved_is_not_what_was_shown(gains, late, answer):
    """Of ten seeds the look is at eight: the last two are `late` points from the reference."""
    found = conclude(gains)
    runs = found.blocks.runs
    own = (runs["scheduler"] != "constant") & (runs["seed"] >= 8)
    runs.loc[own, "test_accuracy"] = 0.9 + late / 100
    moved = analysis.conclude(runs, None, found.criteria)
    level = 0.8 * 0.05 / len(gains)
    ends = [
        abs(end)
        for (gain,) in gains.values()
        for end in stats.ttest_1samp(
            gain + 100 * (NOISE - NOISE.mean())[:8], 0
        ).confidence_interval(1 - level)
    ]
    assert write_answer(moved) == answer.format(format_interval(min(ends), max(ends)))


@pytest.mark.parametrize(
    ("gains", "answer"),
    [
        (
            {"step": (2, None), "cosine": (2, NAN), "plateau": (NAN, NAN)},
            "step and cosine beat constant at dropout 0, by 2.00 points; the rest is open.",
        ),
        (
            {"step": (2, 2, None), "cosine": (2, 2, -2)},
            "step and cosine beat constant at dropout 0 and dropout 0.1, by 2.00 points; constant "
            "beats cosine at dropout 0.2, by 2.00 points.",
        ),
        (
            {"step": (2, None), "cosine": (None, 2)},
            "step beats constant at dropout 0, by 2.00 points; cosine beats constant at dropout "
            "0.1, by 2.00 points.",
        ),
        (
            {"step": (2, 2, 2, None), "cosine": (2, 2, 2, 2), "plateau": (2, 2, 2, NAN)},
            "step and plateau beat constant at 3 of 4 dropouts, by 2.00 points; cosine beats "
            "constant at all 4 dropouts, by 2.00 points; plateau is open at dropout 0.3.",
        ),
    ],
)
def test_places_are_those_of_each_scheduler_where_these_are_not_the_same(gains, answer):
    """None is a scheduler that is not there at that dropout."""
    every = {name: [2 if gain is None else gain for gain in own] for name, own in gains.items()}
    found = conclude(every)
    runs, there = found.blocks.runs, found.blocks.runs["scheduler"] == "constant"
    for name, own in gains.items():
        rates = [round(0.1 * place, 1) for place, gain in enumerate(own) if gain is not None]
        there |= (runs["scheduler"] == name) & runs["dropout"].isin(rates)
    assert write_answer(analysis.conclude(runs[there], None, found.criteria)) == answer


def test_more_schedulers_than_a_sentence_holds_are_counted():
    gains = {f"a scheduler of number {n}": (2, NAN, -2) for n in range(9)}
    gains["another"] = (0.0001, NAN, NAN)
    assert write_answer(conclude(gains)) == (
        "Of 30 differences from constant: 9 for the better, 9 for the worse, 1 equivalent to none "
        "and 11 open."
    )


def test_a_loss_is_better_where_it_is_lower_and_a_gap_neither():
    metric = find_metric("test_loss")
    assert (name_outcome("lower", metric), name_outcome("higher", metric)) == ("better", "worse")
    metric = find_metric("test_accuracy")
    assert (name_outcome("lower", metric), name_outcome("higher", metric)) == ("worse", "better")
    metric = find_metric("gap")
    assert (name_outcome("lower", metric), name_outcome("higher", metric)) == ("lower", "higher")
    assert name_outcome("unresolved", metric) == "not resolved"


def test_how_sure_all_verdicts_are_is_said():
    text = "comparison: {margin: 0.2, confidence: 0.9}\n"
    found = conclude({"step": (NAN, 2)}, text)
    assert write_confidence(found) == "All 2 verdicts are right together with 90% confidence."
    assert write_confidence(conclude({"step": (2,)})) == "The verdict is right with 95% confidence."
    text = "comparison: {confidence: 0.9999999}"
    assert write_confidence(conclude({"step": (2,)}, text)) == (
        "The verdict is right with 99.99999% confidence."
    )


def test_other_axes_are_places_too():
    found = conclude({"cosine": (2, 2)}, batch_size=[32, 64])
    assert write_answer(found) == "cosine beats constant at all 4 settings, by 2.00 points."


def test_seeds_that_are_too_few_and_one_scheduler_are_said():
    runs, epochs = make_tables(("constant", "step"), (0.0,), 3, n_epochs=1)
    criteria = read_criteria("name: x\n")
    few = analysis.conclude(runs, epochs, criteria)
    assert write_answer(few) == "No difference from constant can be judged yet."
    assert describe_resolution(few) == ""
    assert write_confidence(few) == ""
    alone = analysis.conclude(runs[runs["scheduler"] == "step"], epochs, criteria)
    assert write_answer(alone) == "There is one scheduler, step, so nothing to compare it with."
    assert describe_largest(alone) == ""


def test_an_answer_that_is_too_long_names_what_is_better_and_worse():
    """Without sizes, and with the rest lumped; where no side is shown, all are counted."""
    names = [f"a_schedule_of_this_name_{letter}" for letter in "abcd"]
    gains = {names[0]: (2, NAN, -2), names[1]: (2, 0, -2), names[2]: (NAN, 0.0001, NAN)}
    assert write_answer(conclude(gains)) == (
        f"{names[0]} and {names[1]} beat constant at dropout 0; constant beats {names[0]} and "
        f"{names[1]} at dropout 0.2; the rest is identical, equivalent or open."
    )
    none = dict.fromkeys(names, (NAN, 0, 0.0001))
    assert write_answer(conclude(none)) == (
        "Of 12 differences from constant: 4 none at any seed, 4 equivalent to none and 4 open."
    )


def test_a_schedule_that_came_out_as_the_reference_is_said_to_have_its_rates():
    runs, epochs = make_tables(("constant", "plateau"), (0.0, 0.1), 8, n_epochs=1)
    cells = runs.set_index(["scheduler", "dropout"]).index
    same = cells.isin([("constant", 0.1), ("plateau", 0.1)])
    for name in runs.columns.intersection(OUTCOME):
        runs.loc[cells == ("plateau", 0.1), name] = runs.loc[cells == ("constant", 0.1), name].array
    gain = 0.02 + np.resize(NOISE, 8)
    before = runs.loc[cells == ("constant", 0.0), "test_accuracy"].to_numpy()
    runs.loc[cells == ("plateau", 0.0), "test_accuracy"] = before + gain
    runs["rates_digest"] = np.where(same, "a", runs["scheduler"])
    criteria = read_criteria("name: x\n")
    answer = write_answer(analysis.conclude(runs, epochs, criteria))
    assert answer == (
        f"plateau beats constant at dropout 0, by {100 * gain.mean():.2f} points; plateau has the "
        "same rates as constant at dropout 0.1."
    )
    alone = analysis.conclude(runs[same], epochs, criteria)
    assert write_answer(alone) == "plateau has the same rates as constant."


def test_what_diverged_is_not_judged_and_no_seed_will_change_that():
    runs, epochs = make_tables(("constant", "step", "cosine"), (0.0,), 8, n_epochs=1)
    gone = runs.assign(status=runs["status"].where(runs["scheduler"] != "step", "diverged"))
    criteria = read_criteria("name: x\n")
    answer = write_answer(analysis.conclude(gone, epochs, criteria))
    assert answer.endswith("step is not judged.")
    alone = gone[gone["scheduler"] != "cosine"]
    assert write_answer(analysis.conclude(alone, epochs, criteria)) == (
        "No difference from constant can be judged."
    )


def test_the_largest_difference_seen_is_called_chance():
    found = conclude({"step": (NAN, 0.3), "cosine": (-0.2, 0)})
    assert describe_largest(found) == (
        "The largest difference seen is that of step at dropout 0.1, +0.30 points in the mean of "
        "10 seeds, which may be chance."
    )
    same = conclude({"step": (0,)})
    assert describe_largest(same) == "No difference was seen at any seed."


def test_what_is_resolved_is_the_radius_of_the_interval():
    found = conclude({"step": (0.3, NAN)})
    rows = found.primary
    radius = t_radius(rows["look"], rows["sd_at_look"], rows["level"])
    low, high = (f"{x:.2f}" if x >= 0.1 else f"{x:.2g}" for x in (radius.min(), radius.max()))
    assert describe_resolution(found) == (
        f"At 8 seeds a difference is resolved from {low} to {high} points on."
    )
