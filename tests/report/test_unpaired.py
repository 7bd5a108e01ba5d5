"""What is said of imported runs without a common seed: two samples, judged once, without looks."""

import numpy as np
import pandas as pd
import pytest
from helpers.imports import make_table, take
from helpers.latex import read_latex

from lrdecay.analysis import Conclusions, Criteria, average_datasets, conclude, verdicts_by_look
from lrdecay.analysis.headline import describe_largest
from lrdecay.core.errors import InputError
from lrdecay.report.conclusions import list_shares, write_question, write_summary
from lrdecay.report.figures import differences
from lrdecay.report.latex_tables import write_tables
from lrdecay.report.next_step import write_next_step, write_outlook

CONDITION = "if the numbers of unpaired runs were fixed beforehand."


def make_samples(seeds: int, gain: float, labels: str = "ab") -> pd.DataFrame:
    """Runs of each label at seeds of its own; of sd 0.5, and `gain` better than the label
    before."""
    swing = np.resize([-1.0, 1.0], seeds)
    swing *= 0.5 / swing.std(ddof=1)
    tables = [
        make_table(seeds)
        .query("label == 'a'")
        .assign(label=label, seed=100 * place + np.arange(seeds), acc=90 + gain * place + swing)
        for place, label in enumerate(labels)
    ]
    return pd.concat(tables, ignore_index=True)


def judge(table: pd.DataFrame, **options: object) -> Conclusions:
    found = take(table).conclude(**options)
    assert (found.primary["pairing"] == "not paired").any()
    return found


def test_a_verdict_of_a_number_fixed_beforehand_asks_for_no_more_runs() -> None:
    found = judge(make_samples(5, 0.5))
    (row,) = found.primary.to_dict("records")
    assert (row["verdict"], row["look"]) == ("unresolved", 5)
    assert list(write_next_step(found)) == []
    assert write_outlook(found) == []
    number = 5 + int(row["more_seeds"])
    assert row["sentence"].endswith(
        f"About {number} new runs a side would resolve this one if it stays as it is; added to "
        f"these they would not be a number fixed beforehand."
    )
    few = judge(make_samples(2, 0.5))
    assert list(write_next_step(few)) == [
        "Cheapest next step: 1 more seed would begin to judge b against a."
    ]


def test_where_there_are_no_looks_none_are_spoken_of() -> None:
    found = judge(make_samples(5, 5.0))
    assert found.primary["verdict"].tolist() == ["higher"]
    assert write_question(found) == (
        "b against a, by test accuracy. That the verdict is wrong has a probability of at most 5%, "
        f"{CONDITION}"
    )
    caption = read_latex(write_tables(found, "s")).captions[1]
    assert rf"the interval is right with 95\% confidence, {CONDITION}" in caption
    assert differences._bar(found) == f"Intervals: right with 95% confidence, {CONDITION}"
    assert list_shares(found) == []
    assert write_summary(found) == "Of 1 difference: 1 shown to differ from 0."
    assert differences._describe_means(found.primary) == (
        "of the means of runs that are no pairs",
        "n = 5 runs a side",
    )


def test_looks_of_what_is_paired_are_spoken_of_beside_it() -> None:
    paired = make_samples(8, 5.0, "ac").assign(seed=lambda table: table["seed"] % 100)
    samples = make_samples(8, 5.0).query("label == 'b'")
    found = judge(pd.concat([paired, samples]))
    assert sorted(found.primary["pairing"]) == ["by seed", "not paired"]
    assert write_question(found).endswith(f"at most 5%, at all looks together, {CONDITION}")
    assert list_shares(found)[0] == "8 seeds: 80%"
    assert write_summary(found).startswith("Of 2 differences: ")
    assert differences._describe_means(found.primary) == (
        "mean over pairs of runs with the same seed or of the means of runs that are no pairs",
        "n = 8 pairs; n = 8 runs a side",
    )


def test_runs_of_either_side_are_counted_where_there_are_no_pairs() -> None:
    few = judge(make_samples(2, 0.5))
    assert write_summary(few) == (
        "Too few seeds to say whether a difference is real: the smaller side has 2 runs at most, "
        "and verdicts begin at 3."
    )
    largest = "The largest difference seen is that of b, +0.50 points in the means of {} runs, "
    assert describe_largest(few) == f"{largest.format('2 and 2')}which may be chance."
    table = make_samples(6, 0.5)
    more = judge(table[(table["label"] == "a") | (table["seed"] < 104)])
    assert describe_largest(more).startswith(largest.format("4 and 6"))


def test_too_few_of_pairs_and_of_samples_are_those_of_pairs() -> None:
    paired = make_samples(5, 0.5, "ac").assign(seed=lambda table: table["seed"] % 100)
    found = judge(pd.concat([paired, make_samples(2, 0.5).query("label == 'b'")]))
    assert "a pair has 5 seeds at most, and verdicts begin at 8." in write_summary(found)


def test_no_run_of_an_import_is_still_to_come() -> None:
    """Of the seeds of the other side nobody asked for a run."""
    found = judge(make_samples(5, 5.0))
    assert "to come" not in write_tables(found, "s")
    table = make_table(9)
    gap = take(table[table.index != 3]).conclude()
    assert "to come" not in write_tables(gap, "s")


def test_samples_are_not_averaged_over_datasets_since_they_are_no_pairs() -> None:
    table = make_samples(12, 5.0).rename(columns={"label": "scheduler", "acc": "test_accuracy"})
    table = table.assign(status="completed", test_accuracy=table["test_accuracy"] / 100)
    sweeps = {name: conclude(table.assign(dataset=name), None, Criteria()) for name in ("A", "B")}
    assert all(found.primary["verdict"].tolist() == ["higher"] for found in sweeps.values())
    (row,) = average_datasets(sweeps).table.to_dict("records")
    assert row["why"] == row["like_why"] == "the runs on A and B are not paired"
    assert row["mean"] == pytest.approx(5.0)


def test_samples_have_no_verdicts_by_look_to_draw() -> None:
    table = make_samples(12, 5.0)
    assert verdicts_by_look(take(table).runs).empty
    with pytest.raises(InputError, match="the runs are not paired, so there are no looks"):
        take(table).plot("closing")
