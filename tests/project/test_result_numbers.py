"""The numbers on the pages of results/ that have a formula of their own."""

import pandas as pd
import pytest
import result_numbers
from result_numbers import find_changes, find_detectable, find_trial_rates
from result_tables import fill_tables
from scipy import stats

from lrdecay.analysis import AXES


def test_a_change_is_that_of_the_gain_with_the_length_of_training(monkeypatch, tmp_path):
    """The differences of the gains are 1, 2 and 3 points for step; for cosine 0.5, 0.5 and 2."""
    gains = {("step", 3): (0, 1, 0), ("step", 10): (1, 3, 3)}
    gains |= {("cosine", 3): (0.5, 0, 0), ("cosine", 10): (1, 0.5, 2)}
    gains |= {("constant", 3): (0, 0, 0), ("constant", 10): (0, 0, 0)}
    rows = [
        (name, epochs, seed, 0.9 + seed / 50 + epochs / 1000 + gain / 100)
        for (name, epochs), each in gains.items()
        for seed, gain in enumerate(each)
    ]
    runs = pd.DataFrame(rows, columns=["scheduler", "epochs", "seed", "test_accuracy"])
    monkeypatch.setattr(result_numbers, "read_compared", lambda folder: runs)
    found = find_changes(tmp_path).set_index(["scheduler", "epochs"])
    # two intervals: of Student's t with 2 degrees of freedom 6.2053 leaves 1.25% above it
    half = 6.2053 / 3**0.5
    assert found.loc[("step", 10)].tolist() == pytest.approx([2, 2 - half, 2 + half], abs=1e-4)
    half *= 0.75**0.5
    assert found.loc[("cosine", 10)].tolist() == pytest.approx([1, 1 - half, 1 + half], abs=1e-4)
    assert len(found) == 2


def test_rates_of_trials_are_those_with_the_lowest_loss_at_each_dropout(monkeypatch, tmp_path):
    runs = pd.DataFrame(
        [
            ("choose", "step", 0.0, 0.1, 0, 0.2, 0.91),
            ("choose", "step", 0.0, 0.1, 1, 0.4, 0.93),
            ("choose", "step", 0.0, 0.2, 0, 0.1, 0.95),
            ("choose", "step", 0.0, 0.2, 1, 0.6, 0.95),
            ("choose", "step", 0.5, 0.1, 0, 0.3, 0.90),
            ("choose", "step", 0.5, 0.1, 1, 0.3, 0.90),
            ("choose", "step", 0.5, 0.2, 0, 0.2, 0.79),
            ("choose", "step", 0.5, 0.2, 1, 0.2, 0.81),
            ("compare", "step", 0.5, 0.4, 0, 0.0, 0.99),
        ],
        columns=["phase", "scheduler", "dropout", "lr", "seed", "val_loss", "test_accuracy"],
    )
    axes = {axis: "one" for axis in AXES if axis not in runs}
    runs = runs.assign(**axes, status="completed")
    monkeypatch.setattr(result_numbers.lrdecay, "read_runs", lambda folder: runs)
    found = find_trial_rates(tmp_path)
    assert found.loc[("step", 0.0), ["lr", "test_accuracy"]].tolist() == pytest.approx([0.1, 0.92])
    assert found.loc[("step", 0.5), ["lr", "test_accuracy"]].tolist() == pytest.approx([0.2, 0.8])
    assert len(found) == 2


def test_what_is_found_is_found_with_four_fifths():
    """By the noncentral t: of 16 planned seeds the look at 16 has three quarters of the error."""
    primary = pd.DataFrame({"sd": [0.2, 0.0, 0.1, 0.4]})
    middle, largest = find_detectable(primary, 16)
    assert (middle, largest) == (pytest.approx(largest / 2), pytest.approx(middle * 2))
    critical = stats.t.isf(0.75 * 0.05 / 4 / 2, 15)
    assert stats.nct.sf(critical, 15, middle / 0.2 * 4) == pytest.approx(0.8, abs=1e-6)


def test_a_table_without_its_end_takes_nothing_with_it(tmp_path):
    page = "<!-- answer digits -->\nA paragraph.\n<!-- costs digits -->\n<!-- end -->\n"
    with pytest.raises(ValueError, match="answer digits: its <!-- end --> is missing"):
        fill_tables(page, tmp_path)
