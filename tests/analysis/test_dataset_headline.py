"""The answer of several sweeps: what it says of which outcomes, and in how many characters."""

import pytest
from helpers.datasets import conclude_effects, draw_effects, make_runs

from lrdecay.analysis import average_datasets, conclude
from lrdecay.analysis.dataset_headline import write_dataset_answer
from lrdecay.analysis.headline import LONGEST
from lrdecay.analysis.settings import Criteria

BETTER, WORSE = draw_effects(1, 8, 3.0, 0.1), draw_effects(2, 8, -3.0, 0.1)
OPEN, NONE, CLOSE = draw_effects(3, 8, 0.0, 1.0), [0.0] * 8, draw_effects(4, 8, 0.0, 0.01)


def answer(*sweeps, **criteria):
    """Of sweeps as scheduler: the differences at each dropout."""
    found = {}
    for name, sweep in zip(("mnist", "digits", "svhn"), sweeps, strict=False):
        effects = {
            (scheduler, 0.1 * place): own
            for scheduler, at in sweep.items()
            for place, own in enumerate(at)
        }
        found[f"sweep of {name}"] = conclude_effects(name, effects, **criteria)
    text = write_dataset_answer(average_datasets(found))
    assert len(text) <= LONGEST
    return text


@pytest.mark.parametrize(
    ("sweeps", "text"),
    [
        (
            [{"cosine": [BETTER], "step": [BETTER]}, {"cosine": [BETTER], "step": [OPEN]}],
            "cosine beats constant on both datasets; step only on mnist; the rest is open.",
        ),
        (
            [{"a": [BETTER], "b": [BETTER]}, {"a": [BETTER], "b": [BETTER]}],
            "a and b beat constant on both datasets.",
        ),
        (
            [{"a": [WORSE]}, {"a": [BETTER]}, {"a": [WORSE]}],
            "a beats constant only on digits; constant beats a only on mnist and svhn.",
        ),
        (
            [{"a": [BETTER, OPEN], "b": [BETTER, BETTER]}, {"a": [BETTER, BETTER]}],
            "a beats constant on both datasets (3 of 4 differences); b only on mnist (2 of 2); "
            "the rest is open.",
        ),
        (
            [{"a": [BETTER]}, {"a": [NONE]}],
            "a beats constant only on mnist; the rest is identical.",
        ),
        ([{"a": [NONE]}, {"a": [NONE]}], "a is identical to constant on both datasets."),
        (
            [{"a": [OPEN]}, {"a": [OPEN]}],
            "No difference from constant is resolved in any of the datasets.",
        ),
        (
            [{"a": [OPEN[:3]]}, {"a": [OPEN[:3]]}],
            "No difference from constant can be judged yet in any of the datasets.",
        ),
        (
            [{"a": [BETTER]}, {"a": [OPEN[:3]]}],
            "a beats constant only on mnist; the rest is not judged yet.",
        ),
    ],
)
def test_it_says_on_which_datasets(sweeps, text):
    assert answer(*sweeps) == text


def conclude_diverged(dataset, diverged, effects=BETTER):
    """Of a sweep of which all runs of some schedulers diverged."""
    runs = make_runs(dataset, {("a", 0.0): effects, ("b", 0.0): effects})
    out = runs["scheduler"].isin(diverged)
    runs.loc[out, "status"] = "diverged"
    runs.loc[out, "test_accuracy"] = float("nan")
    return conclude(runs, None, Criteria())


def test_what_more_seeds_cannot_help_is_not_said_to_wait_for_them():
    whole = conclude_effects("mnist", {("a", 0.0): BETTER, ("b", 0.0): BETTER})
    out, gone = (conclude_diverged(each, ["constant", "a", "b"]) for each in ("digits", "svhn"))
    assert write_dataset_answer(average_datasets({"one": whole, "two": out})) == (
        "a and b beat constant only on mnist; the rest is not judged."
    )
    assert write_dataset_answer(average_datasets({"one": out, "two": gone})) == (
        "No difference from constant can be judged in any of the datasets."
    )
    # with others that do wait for seeds, all are not judged
    few = conclude_diverged("digits", ["a"], OPEN[:3])
    assert write_dataset_answer(average_datasets({"one": whole, "two": few})) == (
        "a and b beat constant only on mnist; the rest is not judged."
    )


def test_equivalence_is_named_where_nothing_has_a_side():
    sweeps = [{"a": [CLOSE], "b": [OPEN]}, {"a": [CLOSE], "b": [OPEN]}]
    assert answer(*sweeps, margin=0.5) == (
        "a is equivalent to constant on both datasets; the rest is open."
    )


def test_sweeps_of_one_dataset_are_called_sweeps():
    a = conclude_effects("mnist", {("a", 0.0): BETTER})
    b = conclude_effects("mnist", {("a", 0.0): OPEN})
    found = average_datasets({"one": a, "two": b})
    assert write_dataset_answer(found) == "a beats constant only in one; the rest is open."
    found = average_datasets({"one": a, "two": a})
    assert write_dataset_answer(found) == "a beats constant in both sweeps."


def test_of_too_many_it_says_how_many():
    names = [f"a scheduler of a long name, number {place}" for place in range(8)]
    one = {name: [BETTER if place % 2 else OPEN] for place, name in enumerate(names)}
    other = {name: [WORSE if place % 3 else OPEN] for place, name in enumerate(names)}
    assert answer(one, other) == (
        "Of 16 differences from constant: 4 for the better, 5 for the worse and 7 open, "
        "on 2 datasets."
    )
