"""Tables where the seeds after a look are unlike the first: a mean of all seeds stands beside an
interval of the first, so it is said of how many seeds a verdict is."""

import numpy as np
import pytest
from helpers.late import EIGHT, make_runs
from helpers.latex import read_latex

from lrdecay.analysis import Conclusions, Criteria, average_datasets, conclude
from lrdecay.analysis.headline import write_answer
from lrdecay.report.conclusions import write_summary
from lrdecay.report.contrast_lines import format_brief, format_row
from lrdecay.report.dataset_averages import describe_datasets
from lrdecay.report.figures.differences import draw_differences
from lrdecay.report.figures.panels import Setting
from lrdecay.report.latex_tables import write_tables
from lrdecay.report.remarks import write_notes
from lrdecay.report.tables import tabulate_cells, tabulate_contrasts

NOTE = (
    "The mean of all seeds does not agree with the verdict on cosine at dropout 0.3, which is of "
    "the first ones: later seeds are unlike these."
)
BOLD = "goes by the pairs of the first seeds, up to a look"


def find(
    late: float, dataset: str = "digits", first: np.ndarray = EIGHT, seeds: int = 11
) -> Conclusions:
    """What is found of `make_runs`."""
    runs, _ = make_runs(late, dataset, first, seeds)
    return conclude(runs, None, Criteria(margin=0.1))


def write_caption(found: Conclusions) -> str:
    runs = found.blocks.runs
    return draw_differences(Setting(0, {}, runs, runs.iloc[:0], {}), found).caption


@pytest.mark.parametrize(
    ("late", "mean", "better", "higher"),
    [
        (-5.0, "-1.00", "better at 8 seeds", "higher at 8 seeds"),
        (0.0, "+0.36", "better at 8 seeds", "higher at 8 seeds"),
        (0.5, "+0.50", "better", "higher"),
    ],
)
def test_a_verdict_that_is_not_of_the_mean_beside_it_says_of_how_many_seeds(
    late, mean, better, higher
):
    found = find(late)
    row = found.primary.iloc[0].to_dict()
    name, shown, _, count, verdict = format_brief(row, found.metric)
    assert (name, shown, count, verdict) == ("cosine", mean, "11", better)
    assert format_row(row)[-1] == higher
    line = tabulate_contrasts(found)[0].lines[0]
    assert [cell.text for cell in line.cells[1:4]] == [higher, "11", mean.removeprefix("+")]
    apart = better != "better"
    assert (NOTE in write_notes(found)) is apart
    document = read_latex(write_tables(found, "s"))
    assert document.tabulars[1].rows[-1][-1] == better
    assert ("is of the first so many" in document.captions[1]) is apart
    assert ("A mean outside of its interval is of all seeds" in write_caption(found)) is apart


LATER = "later seeds are unlike these."
EXCLUDED = "Hollow: no interval, since the looks exclude each other."
ONE_NUMBER = "Hollow: no interval, since all differences up to the look are one number."


@pytest.mark.parametrize(
    ("first", "seeds", "caption"),
    [
        (EIGHT, 11, LATER),
        (EIGHT - EIGHT.mean(), 11, LATER),
        (0 * EIGHT, 11, ONE_NUMBER),
        (0 * EIGHT + 0.005, 11, ONE_NUMBER),
        (EIGHT, 16, EXCLUDED),
    ],
)
def test_a_caption_says_why_a_mean_is_not_in_its_interval(first, seeds, caption):
    assert write_caption(find(-5.0, first=first, seeds=seeds)).endswith(caption)


def test_identical_up_to_the_look_is_not_identical_at_every_seed():
    assert write_summary(find(-5.0, first=0 * EIGHT)) == (
        "Of 1 difference at 8 seeds: 1 identical at every seed up to the look."
    )
    assert write_summary(find(0.0, first=0 * EIGHT)) == (
        "Of 1 difference at 8 seeds: 1 identical at every seed."
    )


def test_the_seeds_of_a_verdict_are_those_of_the_look_that_gave_it():
    """At 12 seeds there is a look too, whose wide interval changes nothing."""
    found = find(-0.5, seeds=12)
    (row,) = found.primary.to_dict("records")
    assert (row["verdict"], row["look"], row["low_look"], row["n"]) == ("higher", 12, 8, 12)
    assert row["mean"] == pytest.approx(1 / 6)
    assert format_brief(row, found.metric)[-1] == "better at 8 seeds"
    assert write_answer(found).endswith(" points, at 8 seeds.")


def test_the_best_go_by_pairs_too_and_their_means_need_not_be_the_best():
    """Bold is cosine, though the mean of its runs is a point below that of constant."""
    found = find(-5.0)
    document = read_latex(write_tables(found, "s"))
    assert [cell[1:8] for _, cell in document.tabulars[0].rows[-2:]] == ["90.50 \\", "\\mathbf"]
    assert BOLD in document.captions[0]
    assert BOLD in tabulate_cells(found.blocks.runs, found.metric, False, found).caption
    agree = find(0.0)
    assert BOLD not in write_tables(agree, "s")
    assert BOLD not in tabulate_cells(agree.blocks.runs, agree.metric, False, agree).caption


def test_an_equivalent_and_an_identical_one_are_of_the_first_seeds_too():
    for first, verdict in ((EIGHT - EIGHT.mean(), "equivalent"), (0 * EIGHT, "identical")):
        found = find(-5.0, first=first)
        *_, shown = format_brief(found.primary.iloc[0].to_dict(), found.metric)
        assert shown == f"{verdict} at 8 seeds"


def test_an_average_whose_interval_is_of_the_first_seeds_says_so():
    outside = "; the mean of all seeds is outside of the interval."
    for late, mean, end in ((-5.0, "-1.00", outside), (0.5, "+0.50", ".")):
        sweeps = {name: find(late, name) for name in ("A", "B")}
        assert average_datasets(sweeps).table["verdict"].tolist() == ["higher"]
        section = describe_datasets(sweeps, {})
        (line,) = section.lines
        assert (line.mean, line.here[1]) == (mean, f"cosine beats constant, at 8 seeds each{end}")
