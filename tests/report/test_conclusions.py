"""The top of the page says what `compare` says under the sweep's own settings, and what is open."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.frames import make_tables, write_folder
from helpers.tiers import slow_but
from pandas.testing import assert_frame_equal

from lrdecay import analysis
from lrdecay.analysis import Conclusions
from lrdecay.analysis.settings import SeedsUntil, read_criteria
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.core.text import join_words
from lrdecay.report import conclusions, next_step
from lrdecay.report.compare import as_json, compare_folder
from lrdecay.report.page import write_report
from lrdecay.report.side_by_side import write_comparison

SWEEP = """\
name: x
dataset: digits
comparison: {reference: step, metric: test_loss, margin: 0.2, confidence: 0.9}
"""


def answer_of(
    runs: pd.DataFrame, epochs: pd.DataFrame, text: str, planned: pd.DataFrame | None
) -> Conclusions:
    return analysis.conclude(runs, epochs, read_criteria(text), planned=planned)


def found(
    seeds: int = 12,
    text: str = "name: x\ncomparison: {margin: 0.2}\n",
    planned: pd.DataFrame | None = None,
    **more: object,
) -> Conclusions:
    """At dropout 0.3 step is close to constant."""
    runs, epochs = make_tables(
        ("constant", "step", "cosine"), (0.0, 0.3), seeds=seeds, n_epochs=1, **more
    )
    own, reference = (
        runs.index[(runs["scheduler"] == label) & (runs["dropout"] == 0.3)]
        for label in ("step", "constant")
    )
    near = np.random.default_rng(0).normal(0.0004, 0.003, seeds)
    runs.loc[own, "test_accuracy"] = runs.loc[reference, "test_accuracy"].to_numpy() + near
    return answer_of(runs, epochs, text, planned)


def test_of_a_margin_within_which_nothing_lies_nothing_is_said() -> None:
    for margin, begin in (
        (0.2, "Differences below 0.2 points are to count as none; that any of the 4 "),
        (0, "by test accuracy. That any of the 4 "),
    ):
        text = f"name: x\ncomparison: {{margin: {margin}}}\n"
        assert begin in conclusions.write_question(found(text=text))


def test_settings_are_those_of_the_sweep_file() -> None:
    runs, epochs = make_tables(("constant", "step", "cosine"), (0.0, 0.3), seeds=9, n_epochs=1)
    of_loss = answer_of(runs, epochs, SWEEP, None)
    asked = {"reference": "step", "metric": "test_loss", "margin": 0.2, "confidence": 0.9}
    assert_frame_equal(of_loss.table, analysis.compare(runs, **asked))
    assert_frame_equal(of_loss.history, analysis.verdicts_by_look(runs, **asked))
    best = analysis.best_set(runs, metric="test_loss", confidence=0.9)
    assert of_loss.best is not None
    assert_frame_equal(of_loss.best, best)
    assert conclusions.write_question(of_loss) == (
        "constant and cosine against step at dropout 0 and 0.3, by test loss. Differences below "
        "0.2 nats are to count as none; that any of the 4 verdicts is wrong has a probability of "
        "at most 10%, at all looks together."
    )
    for nothing_said in ("", "name: x\n", "# only a remark\n"):
        plain = answer_of(runs, epochs, nothing_said, None)
        assert_frame_equal(plain.table, analysis.compare(runs, margin=0.05))


@pytest.mark.parametrize("text", ["comparison: {metric: speed}", "comparison: [", "comparison: 3"])
def test_settings_that_cannot_be_read_are_no_settings(text: str) -> None:
    runs, epochs = make_tables(seeds=2, n_epochs=1)
    with pytest.raises(InputError, match="has no comparison that this version reads"):
        answer_of(runs, epochs, text, None)


@pytest.mark.slow
def test_a_stored_file_is_read_whose_lengths_are_written_as_they_were_once(tmp_path: Path) -> None:
    """`0.5 epochs` is refused where runs are planned; reading plans none."""
    text = (
        "name: x\ndataset: digits\n"
        "schedulers: {constant: {class: constant}, step: {class: StepLR, step_size: 0.5 epochs}}\n"
        "comparison: {metric: test_loss, margin: 0.2}\n"
    )
    tables = make_tables(("constant", "step"), (0.3,), seeds=9, n_epochs=1)
    folder = write_folder(tmp_path / "x", tables, text)
    answer = json.loads(as_json(compare_folder(folder)))
    asked = {"metric": "test_loss", "margin": 0.2, "reference": "constant"}
    assert {key: answer[key] for key in asked} == asked
    assert "step_size: 0.5 epochs" in write_report(folder).read_text()


def items_after(page: str, mark: str, end: str) -> list[str]:
    """The items of the lists that stand between two marks of a page."""
    lists = [part.partition(end)[0] for part in page.split(mark)[1:]]
    found = [item for part in lists for item in re.findall(r"<li[^>]*>(.*?)</li>", part)]
    return sorted(map(html.unescape, found))


@pytest.mark.parametrize(
    "asks",
    slow_but(
        ["metric: gap, margin: 0.2, confidence: 0.8"],
        [
            "reference: step, margin: 0.3, confidence: 0.9",
            "metric: test_loss, margin: 0.01",
            "metric: gap, margin: 0.2, confidence: 0.8",
        ],
    ),
)
@pytest.mark.usefixtures("empty_figures")
def test_pages_and_the_command_say_the_same_of_a_folder(tmp_path: Path, asks: str) -> None:
    tables = make_tables(
        ("constant", "step", "cosine"),
        (0.0, 0.3),
        seeds=12,
        n_epochs=2,
        status=lambda *cell: "diverged" if cell == ("cosine", 0.3, 4) else "completed",
    )
    seeds = "seeds: {min: 8, max: 20, until: resolved}\n"
    folder = write_folder(tmp_path / "x", tables, f"name: x\n{seeds}comparison: {{{asks}}}\n")
    said = json.loads(as_json(compare_folder(folder)))
    primary = [row for row in said["contrasts"] if row["family"] == analysis.PRIMARY]
    assert len({row["verdict"] for row in primary}) > 1
    sentences = sorted(row["sentence"] for row in primary)
    page = write_report(folder).read_text(encoding="utf-8")
    assert items_after(page, '<div class="verdicts">', "</section>") == sentences
    side_by_side = write_comparison([folder]).read_text(encoding="utf-8")
    assert items_after(side_by_side, '<section id="verdicts">', "</section>") == sentences
    # a scheduler that no pair could be made of is not evaluated
    columns = ["dropout", "scheduler", "n_compared", "in_set"]
    best = pd.DataFrame(said["best"] or [], columns=columns)
    lines = []
    for dropout, rows in best.groupby("dropout"):
        there = rows["n_compared"] > 0
        names, others = (rows.loc[each, "scheduler"] for each in (there & rows["in_set"], ~there))
        rest = f"; not evaluated: {join_words(list(others))}" if len(others) else ""
        lines.append(f"dropout {dropout:g}: {join_words(list(names))}{rest}")
    assert (lines == []) is ("gap" in asks)
    assert items_after(page, "<h3>Not excluded as best</h3>", "</ul>") == sorted(lines)


def test_the_summary_counts_verdicts_and_the_groups_have_each_sentence_once() -> None:
    answer = found()
    verdicts = answer.primary["verdict"].value_counts()
    differ = verdicts.get("higher", 0) + verdicts.get("lower", 0)
    assert 0 < differ < 4
    summary = conclusions.write_summary(answer)
    assert summary.startswith(f"Of 4 differences at 12 seeds: {differ} shown to differ from 0")
    assert ("not resolved" in summary) is bool(verdicts.get("unresolved", 0))
    assert "not evaluated" not in summary
    groups = conclusions.group_sentences(answer, 10)
    said = [sentence.text for _, sentences in groups for sentence in sentences]
    assert sorted(said) == sorted(answer.primary["sentence"])
    resolved = answer.primary["verdict"].isin(["higher", "lower", "equivalent", "identical"])
    first = sorted(sentence.text for sentence in groups[0][1])
    assert first == sorted(answer.primary.loc[resolved, "sentence"])
    assert groups[0][0] == "Resolved"
    assert sum(len(sentences) for _, sentences in conclusions.group_sentences(answer, 3)) == 3


def test_too_few_seeds_are_said_to_be_too_few() -> None:
    answer = found(seeds=3)
    assert conclusions.write_summary(answer) == (
        "Too few seeds to say whether a difference is real: a pair has 3 seeds at most, and "
        "verdicts begin at 8."
    )
    (line,) = next_step.write_outlook(answer)
    # 6 cells take 5 seeds more, at 2.5 seconds a run
    assert line.startswith(
        "To begin to judge 4 open differences takes about 5 seeds more: some 75 s of training time"
    )
    assert "{min: 8, max: 64, until: resolved}" in line
    assert list(conclusions.list_best_sentences(answer)) == []


def test_what_diverged_is_not_taken_for_too_few_seeds() -> None:
    answer = found(seeds=3, status=lambda *cell: "diverged")
    assert conclusions.write_summary(answer) == "Of 4 differences: 4 not evaluated."
    assert next_step.write_outlook(answer) == []
    assert answer.history.empty


def test_what_seeds_cannot_fix_is_counted_and_not_called_too_few_seeds() -> None:
    def status(scheduler: str, dropout: float, seed: int) -> str:
        return "diverged" if (scheduler, dropout, seed) == ("step", 0.3, 1) else "completed"

    answer = found(seeds=7, status=status)
    assert conclusions.write_summary(answer) == "Of 4 differences: 4 not evaluated."
    assert next_step.write_outlook(answer)[0].startswith("To begin to judge 3 open differences")
    [said] = [text for text in answer.primary["sentence"] if "diverged" in text]
    assert said == (
        "dropout 0.3, step against constant: Not evaluated, since 1 of 7 seeds diverged for step."
    )


def test_the_outlook_is_what_compare_says_each_needs() -> None:
    answer = found(text="comparison: {margin: 0.0001}")
    still_open = analysis.open_questions(answer.table)
    assert len(still_open) > 0
    finite = still_open[np.isfinite(still_open["more_seeds"])]
    lines = next_step.write_outlook(answer)
    assert len(lines) == (len(finite) > 0) + (len(finite) < len(still_open))
    if len(finite):
        least, most = int(finite["more_seeds"].min()), int(finite["more_seeds"].max())
        needed = f"{most}" if least == most else f"{least} to {most}"
        assert f"takes about {needed} seeds more, if they stay as they are" in lines[0]
    # each cell is trained once, whatever number of differences it is part of
    rows = pd.DataFrame(
        {
            "scheduler": ["step", "cosine"],
            "versus_scheduler": ["constant", "constant"],
            "dropout": [0.3, 0.3],
            "more_seeds": [10.0, 4.0],
        }
    )
    assert next_step._more_runs(rows) == 10 + 4 + 10


def test_seeds_that_the_sweep_asks_for_already_are_not_asked_for_again() -> None:
    runs, epochs = make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1)
    begun = runs[runs["seed"] < 3]
    assert next_step.write_outlook(answer_of(begun, epochs, "", runs)) == [
        # two cells, at 2.5 seconds a run
        "To begin to judge 1 open difference takes about 5 seeds more: some 25 s of training time, "
        "at what these runs took. The sweep is still to train them."
    ]
    few = runs[runs["seed"] < 7]
    (line,) = next_step.write_outlook(answer_of(begun, epochs, "", few))
    assert "{min: 8, max: 64, until: resolved}" in line


def test_what_the_outlook_proposes_is_a_sweep_file_that_is_right() -> None:
    """Also where more seeds were planned than there are, or they begin elsewhere or skip some."""
    runs, epochs = make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1)
    own = runs["scheduler"] == "step"
    near = np.random.default_rng(0).normal(0.001, 0.003, 8)
    runs.loc[own, "test_accuracy"] = runs.loc[~own, "test_accuracy"].to_numpy() + near
    criteria = read_criteria("comparison: {margin: 0.2}")
    later = analysis.conclude(runs, epochs, criteria, first_plan=FirstPlan(64))
    assert later.primary["verdict"].tolist() == ["unresolved"]
    (line,) = next_step.write_outlook(later)
    proposed = yaml.safe_load(re.search("seeds: ({.*}) in the sweep file", line)[1])
    assert SeedsUntil.model_validate(proposed).min == 64
    more, _ = make_tables(("constant", "step"), (0.3,), seeds=200, n_epochs=1)
    waiting = analysis.conclude(runs, epochs, criteria, planned=more, first_plan=FirstPlan(64))
    (line,) = next_step.write_outlook(waiting)
    assert line.endswith("The sweep is still to train them.")
    runs["seed"] += 100
    elsewhere = analysis.conclude(runs, epochs, criteria, first_plan=FirstPlan(64))
    (line,) = next_step.write_outlook(elsewhere)
    proposed = yaml.safe_load(re.search("seeds: ({.*}) in the sweep file", line)[1])
    assert SeedsUntil.model_validate(proposed).start == 100
    runs["seed"] *= 2
    apart = analysis.conclude(runs, epochs, criteria, first_plan=FirstPlan(64))
    (line,) = next_step.write_outlook(apart)
    assert line.endswith("Add them at the end of `seeds` in the sweep file.")


def test_where_no_run_has_a_time_none_is_made_up() -> None:
    runs, epochs = make_tables(
        ("constant", "step"), (0.0, 0.3), 8, 1, status=lambda *cell: "failed"
    )
    first = runs[(runs["seed"] == 0) & (runs["dropout"] == 0.0)]
    assert next_step.write_outlook(answer_of(first, epochs, "", runs)) == [
        "To begin to judge 1 open difference takes about 8 seeds more. The sweep is still to train "
        "them."
    ]


def test_the_outlook_has_the_budget_of_the_sweep_file() -> None:
    seeds = "seeds: {min: 8, max: 20, until: resolved}\n"
    close = found(text=seeds + "comparison: {margin: 0.0001}")
    beyond = analysis.open_questions(close.table)["more_seeds"].map(np.isinf).sum()
    assert beyond > 0
    assert next_step.write_outlook(close)[-1].endswith("may not be resolvable within 20 seeds.")


def test_at_all_seeds_of_the_sweep_file_nothing_is_said_of_so_many() -> None:
    seeds = "seeds: {min: 8, max: 12, until: resolved}\n"
    close = found(text=seeds + "comparison: {margin: 0.0001}")
    assert analysis.open_questions(close.table)["n"].tolist() == [12]
    more = "at all 12 seeds; a larger `max` in the sweep file allows more."
    assert list(next_step.write_next_step(close))[-1] == f"What is open is so {more}"
    assert next_step.write_outlook(close) == [f"1 difference is open {more}"]


def test_a_difference_that_is_one_number_is_not_promised_to_be_settled() -> None:
    """As it is, no look would give it an interval."""
    runs, epochs = make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1)
    step = runs["scheduler"] == "step"
    runs.loc[step, "test_accuracy"] = runs.loc[~step, "test_accuracy"].to_numpy() + 0.002
    answer = answer_of(runs, epochs, "", None)
    assert answer.primary["verdict"].tolist() == ["unresolved"]
    assert list(next_step.write_next_step(answer)) == [
        "What is open may not be resolvable within 1,000 seeds."
    ]
    assert next_step.write_outlook(answer) == [
        "1 difference may not be resolvable within 1,000 seeds."
    ]


def test_one_verdict_is_the_verdict() -> None:
    runs, epochs = make_tables(("constant", "step"), (0.3,), seeds=8, n_epochs=1)
    question = conclusions.write_question(answer_of(runs, epochs, "", None))
    assert "that the verdict is wrong has a probability of at most 5%" in question


def test_best_lines_name_those_that_no_pair_excludes() -> None:
    answer = found(seeds=30)
    assert answer.best is not None
    lines = list(conclusions.list_best_sentences(answer))
    assert len(lines) == 2
    for dropout, line in zip((0.0, 0.3), lines, strict=True):
        rows = answer.best[answer.best["dropout"] == dropout]
        names = rows.loc[rows["in_set"], "scheduler"].tolist()
        assert line.about == {"dropout": f"{dropout:g}"}
        assert line.text == f"dropout {dropout:g}: {join_words(names)}"
    assert not answer.best["in_set"].all()


def test_runs_still_to_come_do_not_count_as_missing() -> None:
    runs, epochs = make_tables(("constant", "step"), (0.3,), seeds=10, n_epochs=1)
    part = runs[runs["seed"] < 9]
    known, unknown = (answer_of(part, epochs, "", plan) for plan in (runs, None))
    assert known.table["n_waiting"].tolist() == [1]
    assert unknown.table["n_asked"].tolist() == [9]
    # a reference that has no run yet is no mistake
    begun = answer_of(
        runs[runs["scheduler"] == "step"], epochs, "comparison: {reference: constant}", runs
    )
    assert begun.reference == "constant"
    assert begun.table["n"].tolist() == [0]


def test_one_scheduler_has_none_to_be_compared_with() -> None:
    runs, epochs = make_tables(("step",), (0.3,), seeds=1, n_epochs=1)
    answer = answer_of(runs, epochs, "", None)
    assert conclusions.write_question(answer) == (
        "There is one scheduler, step, so none to compare it with."
    )
    assert conclusions.write_summary(answer) == ""
    assert next_step.write_outlook(answer) == []
    assert conclusions.group_sentences(answer, 5) == []


def test_seeds_that_differ_are_told_from_the_fewest_to_the_most() -> None:
    runs, epochs = make_tables(("constant", "step"), (0.0, 0.3), seeds=16, n_epochs=1)
    runs = runs[(runs["dropout"] == 0.3) | (runs["seed"] < 8)]
    answer = answer_of(runs, epochs, "comparison: {margin: 0.0001, confidence: 0.999999}", runs)
    assert answer.primary["n"].tolist() == [8, 16]
    assert conclusions.write_summary(answer).startswith("Of 2 differences at 8 to 16 seeds: ")
    lines = next_step.write_outlook(answer)
    dry = runs.index[(runs["dropout"] == 0.0) & (runs["scheduler"] == "step")]
    runs.loc[dry[0], ["status", "test_accuracy"]] = ["diverged", None]
    part = answer_of(runs, epochs, "comparison: {margin: 0.0001, confidence: 0.999999}", runs)
    assert conclusions.write_summary(part).startswith("Of 2 differences at 16 seeds: ")
    # the cell with fewer is not to train more than it needs
    assert sum("{min: 8, max: " in line for line in lines) == 1
