"""What is said of an accuracy over uneven classes, and of runs that have learned nothing."""

import math
from dataclasses import replace

import pytest
from helpers.frames import TEST_IMAGES, make_tables

from lrdecay.analysis.class_balance import describe_chance, describe_imbalance, list_doubts
from lrdecay.core.data_facts import DataFacts, describe_classes

EVEN = DataFacts(("cat", "dog"), (40, 40), (5, 5), (10, 10))


def facts(*test: int, validation: tuple[int, ...] | None = None) -> DataFacts:
    names = tuple("abcdefgh"[: len(test)])
    return DataFacts(names, (9,) * len(test), validation or (3,) * len(test), test)


@pytest.mark.parametrize(
    ("test", "said"),
    [((10, 10), False), ((20, 10), False), ((21, 10), True), ((5, 0), True), ((4, 8, 9), True)],
)
def test_classes_are_uneven_from_over_twice_as_many_on(test, said):
    assert bool(describe_imbalance(facts(*test), "test_accuracy")) == said


def test_the_sentence_names_both_classes_and_the_share_of_the_larger():
    assert describe_imbalance(facts(30, 10, 20), "best_test_accuracy") == [
        "The classes are uneven: of 60 test images 30 are of a and 10 of b. To always answer a is "
        "right for 50.0%, and test accuracy at the epoch with the lowest validation loss says "
        "little of the rarer classes; test_macro_f1 weighs all alike (metrics: [macro_f1] in the "
        "sweep file)"
    ]


@pytest.mark.parametrize("metric", ["test_loss", "val_loss", "gap"])
def test_only_a_plain_accuracy_is_doubted(metric):
    assert describe_imbalance(facts(90, 1), metric) == []


def test_a_metric_goes_by_the_images_that_it_is_measured_on():
    uneven = facts(10, 10, validation=(9, 1))
    assert describe_imbalance(uneven, "test_accuracy") == []
    (sentence,) = describe_imbalance(uneven, "val_accuracy")
    assert sentence.startswith("The classes are uneven: of 10 validation images 9 are of a and 1")
    assert "; val_macro_f1 weighs all alike (" in sentence
    assert describe_imbalance(facts(1, 9, validation=(0, 0)), "val_accuracy") == []


# Chance: at most the share of the most frequent class and two standard deviations

QUARTER = facts(*[TEST_IMAGES // 4] * 4)
MOST = 0.25 + 2 * math.sqrt(0.25 * 0.75 / TEST_IMAGES)


def runs_with(accuracy: dict[tuple[str, float], list[float]]):
    runs, _ = make_tables(("constant", "step"), (0.0, 0.5), seeds=3, n_epochs=1)
    for (scheduler, dropout), values in accuracy.items():
        cell = (runs["scheduler"] == scheduler) & (runs["dropout"] == dropout)
        runs.loc[cell, "test_accuracy"] = values
    return runs


def test_cells_of_which_no_run_is_better_than_chance_are_named():
    runs = runs_with({("constant", 0.5): [0.25, 0.1, 0.277], ("step", 0.0): [0.25, 0.25, 0.278]})
    assert 0.277 < MOST < 0.278
    assert describe_chance(runs, QUARTER) == [
        "No run is better than chance in: constant, dropout 0.5. To always answer the most "
        "frequent class is right for 25.0% of the test images, and up to 27.7% is no more than "
        "chance gives; a difference between such cells says nothing of schedulers"
    ]


def test_runs_that_did_not_complete_are_not_at_chance():
    runs = runs_with({("constant", 0.0): [0.25, 0.9, 0.25]})
    assert describe_chance(runs, QUARTER) == []
    learned = (runs["scheduler"] == "constant") & (runs["test_accuracy"] > 0.8)
    runs.loc[learned & (runs["dropout"] == 0.0), "status"] = "failed"
    (sentence,) = describe_chance(runs, QUARTER)
    assert "in: constant, dropout 0. To" in sentence
    runs["status"] = "diverged"
    assert describe_chance(runs, QUARTER) == []


def test_chance_is_the_most_frequent_class_and_not_one_in_so_many():
    runs = runs_with({("step", 0.5): [0.8, 0.79, 0.8]})
    assert describe_chance(runs, QUARTER) == []
    (sentence,) = describe_chance(runs, facts(800, 200))
    assert "in: step, dropout 0.5. To always answer the most frequent class is right for 80.0%" in (
        sentence
    )


def test_cells_are_named_with_every_axis_and_some_are_left_out():
    runs, _ = make_tables(("constant",), (0.1, 0.2), 2, 1, lr=[0.1, 0.2, 0.3, 0.4, 0.5])
    runs["test_accuracy"] = 0.2
    (sentence,) = describe_chance(runs, QUARTER)
    assert "in: constant, dropout 0.1, lr 0.1; " in sentence
    assert "; and 2 more. To" in sentence


def test_nothing_is_said_where_the_images_are_not_known():
    runs = runs_with({("step", 0.5): [0.0, 0.0, 0.0]})
    assert list_doubts(runs, None, "test_accuracy") == []
    assert len(list_doubts(runs, facts(800, 200), "test_accuracy")) == 2
    assert len(list_doubts(runs, facts(800, 200), "test_loss")) == 1


# The facts themselves


def test_facts_are_written_and_read_back():
    whole = DataFacts(("é", "b"), (1, 2), (0, 0), (3, 4), ("so it was read",))
    assert DataFacts.from_json(whole.to_json()) == whole
    hostile = replace(whole, classes=("\ud800", "\x1b[2J"))
    assert DataFacts.from_json(hostile.to_json()).classes == (r"\ud800", r"\x1b[2J")
    for broken in (
        "[]",
        "{}",
        '{"classes": ["a"], "train": [1, 2], "validation": [0], "test": [1], "notes": []}',
        '{"classes": ["a"], "train": [-1], "validation": [0], "test": [1], "notes": []}',
        '{"classes": ["a"], "train": ["x"], "validation": [0], "test": [1], "notes": []}',
        '{"classes": ["a"], "train": [Infinity], "validation": [0], "test": [1], "notes": []}',
        '{"classes": ["a"], "train": 5, "validation": [0], "test": [1], "notes": []}',
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            DataFacts.from_json(broken)


def test_classes_are_described_without_a_split_that_is_not_there():
    assert describe_classes(DataFacts(("a", "b"), (5, 6), (0, 0), (1, 1_000))) == (
        "2 classes; images for training and testing: a 5, 1; b 6, 1,000"
    )
    many = DataFacts(tuple(map(str, range(23))), (1,) * 23, (0,) * 23, (1,) * 23)
    assert describe_classes(many).endswith("; 18 1, 1; 19 1, 1; and 3 more")
    assert describe_classes(EVEN).startswith("2 classes; images for training, validation and test")
