"""What is said of schedulers that are there, but at no place where the reference is."""

import numpy as np
import pandas as pd
import pytest

from lrdecay.analysis import Conclusions, Criteria, average_datasets, conclude
from lrdecay.analysis.headline import write_answer
from lrdecay.report.conclusions import write_question
from lrdecay.report.frame_import import from_frame
from lrdecay.report.remarks import write_notes

Place = tuple[str, float]


def make_frame(axis: str, gains: dict[Place, float]) -> pd.DataFrame:
    """Eight runs of each scheduler at a value of the axis, and its gain in points."""
    swing = 0.001 * np.array([-1.0, 1.0] * 4)
    parts = [
        pd.DataFrame(
            {
                "scheduler": scheduler,
                axis: value,
                "seed": range(8),
                "status": "completed",
                "test_accuracy": 0.9 + gain / 100 + place * swing,
            }
        )
        for place, ((scheduler, value), gain) in enumerate(gains.items())
    ]
    return pd.concat(parts, ignore_index=True)


def find(axis: str, gains: dict[Place, float]) -> Conclusions:
    return conclude(make_frame(axis, gains), None, Criteria(margin=0.1))


CASES = [
    (
        "lr",
        {("constant", 0.1): 0, ("step", 0.1): 1, ("cosine", 0.05): 2},
        "step beats constant, by 1.00 points; cosine at lr 0.05 is not compared.",
        "Not compared: cosine at lr 0.05, since constant has no run there.",
    ),
    (
        "lr",
        {("constant", 0.1): 0, ("cosine", 0.05): 2},
        "Nothing can be compared with constant, which has no run at lr 0.05.",
        "Not compared: cosine at lr 0.05, since constant has no run there.",
    ),
    (
        "dropout",
        {
            ("constant", 0.0): 0,
            ("step", 0.0): 1,
            ("cosine", 0.0): 1,
            ("step", 0.3): 1,
            ("cosine", 0.3): 1,
        },
        "step and cosine beat constant, by 1.00 points; step and cosine at dropout 0.3 are not "
        "compared.",
        "Not compared: step and cosine at dropout 0.3, since constant has no run there.",
    ),
    (
        "dropout",
        {("constant", 0.0): 0, ("step", 0.1): 1, ("step", 0.2): 1, ("cosine", 0.3): 1},
        "Nothing can be compared with constant, which has no run where the others have some.",
        "Not compared: step at dropout 0.1, step at dropout 0.2 and 1 more cell, since constant "
        "has no run at these.",
    ),
]


@pytest.mark.parametrize(("axis", "gains", "answer", "why"), CASES)
def test_what_the_reference_is_not_beside_is_named(axis, gains, answer, why):
    found = find(axis, gains)
    assert write_answer(found) == answer
    assert [note for note in write_notes(found) if "compare" in note] == [why]
    asked = write_question(found)
    assert asked == why if found.primary.empty else asked.endswith(f"looks together. {why}")


def test_rates_of_an_import_that_are_an_axis_keep_schedulers_apart():
    table = make_frame(*CASES[0][:2])
    names = {"scheduler": "scheduler", "seed": "seed", "metric": "test_accuracy"}
    assert write_answer(from_frame(table, axes=["lr"], **names).conclude()) == CASES[0][2]


def test_cells_of_one_scheduler_are_not_one_cell():
    (note,) = write_notes(find("lr", {("step", 0.1): 0, ("step", 0.2): 0}))
    assert note == "There is one scheduler only, so nothing to compare."
    (note,) = write_notes(find("lr", {("step", 0.1): 0}))
    assert note == "There is one cell only, so nothing to compare."


def test_a_sweep_without_a_difference_is_left_out_of_averages_for_the_right_reason():
    apart = {("constant", 0.0): 0.0, ("cosine", 0.3): 1.0}
    found = average_datasets({"one": find("dropout", apart)})
    assert found.shared.apart == ["one has nothing to compare with constant"]
    alone = average_datasets({"one": find("dropout", {("constant", 0.0): 0.0})})
    assert alone.shared.apart == ["one has one scheduler only"]
