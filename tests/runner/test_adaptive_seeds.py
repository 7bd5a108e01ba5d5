"""Seeds that are added where a difference is open, and nowhere else."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from helpers.by_hand import judge_by_hand, looks_by_hand
from helpers.results import assert_same
from helpers.training import digits

from lrdecay.core.first_plan import FirstPlan
from lrdecay.report.compare import compare_folder
from lrdecay.runner import adaptive_seeds
from lrdecay.runner.adaptive_seeds import SeedPlan, SeedRound, plan_seeds
from lrdecay.runner.agenda import build_agenda
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_plan, read_runs
from lrdecay.sweep.matrix import expand_matrix
from lrdecay.sweep.reading import parse_sweep

TEXT = """\
name: grows
dataset: digits
epochs: 2
schedulers:
  constant: {class: constant}
  far:      {class: StepLR, step_size: 1, gamma: 0.01}
  near:     {class: StepLR, step_size: 1, gamma: 0.98}
dropout: [0.0, 0.3]
seeds: {min: 8, max: 28, until: resolved}
comparison: {margin: 0.1, confidence: 0.9}
"""
SWEEP = parse_sweep(TEXT)
MATRIX = expand_matrix(SWEEP, digits())
RUNS = MATRIX.comparison({})
PLANNED = FirstPlan(8, 28)


def points(scheduler: str, dropout: float, seed: int) -> float:
    """Percent right: far is 5 points below constant; near is as good, at dropout 0 steadily so, at
    0.3 by chance of what these seeds draw."""
    common = 90 + np.random.default_rng(seed).normal()
    own = np.random.default_rng([seed, len(scheduler), round(10 * dropout)]).normal()
    match scheduler, dropout:
        case "far", _:
            return common - 5 + 0.1 * own
        case "near", 0.0:
            return common + 0.16 * own
        case "near", _:
            return common - 0.4 + own
        case _:
            return common


def rows(runs, **changed) -> pd.DataFrame:
    columns = list(RUNS[0].__annotations__)
    frame = pd.DataFrame([{name: getattr(run, name) for name in columns} for run in runs])
    accuracies = [points(run.scheduler, run.dropout, run.seed) / 100 for run in runs]
    digests = {name: frame["seed"].astype(str) for name in ("init_digest", "order_digest")}
    return frame.assign(
        run_id=[run.run_id for run in runs],
        status="completed",
        **{"test_accuracy": accuracies} | digests | changed,
    )


def added(ended: pd.DataFrame, first_plan: FirstPlan = PLANNED) -> SeedPlan:
    assert SWEEP.adding is not None
    return plan_seeds(
        MATRIX.compared({}),
        MATRIX.seeds,
        SWEEP.adding,
        SWEEP.comparison,
        SWEEP.reference,
        first_plan,
        ended,
    )


def by_name(found: SeedPlan) -> dict[tuple[str, float], int]:
    return {(cell.scheduler, cell.dropout): n for cell, n in found.counts.items()}


def is_open(scheduler: str, dropout: float, n: int, first_plan: FirstPlan) -> bool:
    """In plain loops, of four differences."""
    d = [points(scheduler, dropout, s) - points("constant", dropout, s) for s in range(n)]
    looks = looks_by_hand(n, first_plan.first, first_plan.most)
    return judge_by_hand(d, looks, 0.1 / 4, 0.1).verdict == "unresolved"


def by_hand(looks: Sequence[int], first_plan: FirstPlan = PLANNED) -> dict[tuple[str, float], int]:
    counts = {(s, d): 8 for s in ("constant", "far", "near") for d in (0.0, 0.3)}
    for dropout in (0.0, 0.3):
        for scheduler in ("far", "near"):
            counts[scheduler, dropout] = next(
                (n for n in looks if not is_open(scheduler, dropout, n, first_plan)), looks[-1]
            )
            most = max(counts["constant", dropout], counts[scheduler, dropout])
            counts["constant", dropout] = most
    return counts


def test_only_what_is_open_gets_more_seeds():
    found = added(rows(RUNS))
    expected = by_hand((8, 12, 16, 24, 28))
    assert by_name(found) == expected
    assert found.over
    # far is settled at once, near at dropout 0 later, at dropout 0.3 never
    assert expected["far", 0.0] == expected["far", 0.3] == 8
    assert 8 < expected["near", 0.0] < expected["near", 0.3] == 28
    assert found.contrasts == 4
    # from look to look
    assert [each.seeds for each in found.rounds] == [8, 12, 16, 24, 28]
    settled = expected["near", 0.0]
    still_open = [2 if each.seeds < settled else 1 for each in found.rounds]
    assert [len(each.still_open) for each in found.rounds] == still_open
    # the widest interval first
    assert found.rounds[0].still_open[0] == "near against constant at dropout 0.3"


def test_they_may_start_anywhere():
    sweep = parse_sweep(TEXT.replace("max: 28", "max: 28, start: 100"))
    matrix = expand_matrix(sweep, digits())
    runs = matrix.comparison({})
    assert sorted({run.seed for run in runs}) == list(range(100, 128))
    shifted = [points(run.scheduler, run.dropout, run.seed - 100) / 100 for run in runs]
    known = rows(runs, test_accuracy=shifted)
    agenda = build_agenda(sweep, matrix, PLANNED, lambda some, name: known, set(known["run_id"]))
    assert agenda.added is not None
    assert by_name(agenda.added) == by_name(added(rows(RUNS)))


def test_a_metric_that_is_asked_for_decides_as_an_accuracy_of_its_values_does():
    declared = "metrics: [macro_f1]\ncomparison: {metric: test_macro_f1, "
    sweep = parse_sweep(TEXT.replace("comparison: {", declared))
    matrix = expand_matrix(sweep, digits())

    def outcomes(runs, name):
        if not runs:
            return pd.DataFrame(columns=["run_id"])
        if name == "runs":
            return rows(runs, test_accuracy=0.5)
        values = [points(run.scheduler, run.dropout, run.seed) / 100 for run in runs]
        frame = pd.DataFrame({"run_id": [run.run_id for run in runs], "value": values})
        return frame.assign(epoch=10, split="test", metric="macro_f1")

    done = {run.run_id for run in RUNS}
    agenda = build_agenda(sweep, matrix, PLANNED, outcomes, done)
    assert agenda.added is not None
    assert by_name(agenda.added) == by_name(added(rows(RUNS)))


def test_seeds_are_added_up_to_the_looks_of_the_first_plan_not_of_the_file():
    """A comparison that was planned at 8 seeds, whose file now says until 28."""
    first_plan = FirstPlan(8)
    found = added(rows(RUNS), first_plan)
    # the look after 24 would be at 32, for which the file allows no seeds
    assert [each.seeds for each in found.rounds] == [8, 12, 16, 24]
    assert by_name(found) == by_hand((8, 12, 16, 24), first_plan)
    assert by_name(found)["near", 0.3] == 24
    assert found.over
    # planned at 20 at first: looks at fewer seeds have a small share
    planned = FirstPlan(20, 28)
    found = added(rows(RUNS), planned)
    assert [each.seeds for each in found.rounds] == [8, 12, 16, 20, 24, 28]
    assert by_name(found) == by_hand((8, 12, 16, 20, 24, 28), planned)
    # these were many more contrasts once, so intervals are wider
    wide = added(rows(RUNS), FirstPlan(8, 28, family=10**9))
    assert by_name(wide)["near", 0.0] == 28 > by_name(added(rows(RUNS)))["near", 0.0]


def test_seeds_between_looks_wait_for_the_next_one():
    """A file of at least 10 seeds, in a folder that was planned at 8."""
    text = TEXT.replace("min: 8", "min: 10")
    sweep = parse_sweep(text)
    assert sweep.adding is not None
    matrix = expand_matrix(sweep, digits())
    asked = matrix.compared({}), matrix.seeds, sweep.adding, sweep.comparison, sweep.reference
    found = plan_seeds(*asked, FirstPlan(8), rows(matrix.comparison({})))
    assert [each.seeds for each in found.rounds] == [10, 12, 16, 24]
    assert found.rounds[0].still_open == added(rows(RUNS), FirstPlan(8)).rounds[0].still_open


def test_a_round_is_over_when_all_of_its_runs_have_ended():
    first = [run for run in RUNS if run.seed < 8]
    assert set(by_name(added(rows(first[:-1]))).values()) == {8}
    assert len(by_name(added(rows(first[:-1])))) == 6
    whole = added(rows(first))
    assert set(by_name(whole).values()) == {8, 12}
    # runs of a later round that are there already change nothing
    others = [run for run in RUNS if run.seed >= 12]
    assert added(rows([*first, *others])) == whole
    assert not whole.over


def test_what_cannot_be_compared_gets_no_more_seeds():
    ended = rows(RUNS)
    hit = (ended["scheduler"] == "near") & (ended["dropout"] == 0.3) & (ended["seed"] == 2)
    ended.loc[hit, ["status", "test_accuracy"]] = ["diverged", None]
    assert by_name(added(ended))["near", 0.3] == 8


def test_the_lines_say_what_is_open_and_what_follows():
    found = added(rows(RUNS))
    lines = adaptive_seeds.describe_rounds(found)
    assert len(lines) == 5
    assert lines[0] == (
        "after 8 seeds: 2 of 4 differences open (near against constant at dropout 0.3; near "
        "against constant at dropout 0); more seeds for these"
    )
    assert lines[-1] == (
        "after 28 seeds: 1 of 4 differences open (near against constant at dropout 0.3); no "
        "more seeds are allowed"
    )
    rounds = SeedRound(8, ("a",)), SeedRound(12, ())
    easy = SeedPlan({}, rounds, 3, over=True)
    assert adaptive_seeds.describe_rounds(easy)[-1] == (
        "after 12 seeds: each of 3 differences is resolved"
    )
    one = SeedPlan({}, rounds, 1, over=True)
    assert adaptive_seeds.describe_rounds(one) == [
        "after 8 seeds: 1 of 1 difference open (a); more seeds for these",
        "after 12 seeds: the difference is resolved",
    ]


SMALL = TEXT.replace("dropout: [0.0, 0.3]", "dropout: 0.0").replace("max: 28", "max: 16")


class Stops:
    """Interrupts a sweep after so many runs."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.grown: list[int] = []

    def start(self, *_: object) -> None:
        """Nothing is shown."""

    note = epoch = start

    def grow(self, runs) -> None:
        self.grown.append(len(runs))

    def finished(self, _: object) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_on_digits_an_easy_difference_takes_fewer_seeds_than_a_hard_one(tmp_path):
    sweep = parse_sweep(SMALL)
    watched = Stops(after=0)
    summary = run_sweep(sweep, tmp_path / "whole", workers=0, progress=watched)
    counts = read_runs(summary.folder).groupby("scheduler").size().to_dict()
    assert counts == {"constant": 16, "far": 8, "near": 16}
    assert (summary.total, summary.completed) == (40, 40)
    assert watched.grown == [32, 40]  # looks at 12 and at 16
    assert read_plan(summary.folder).runs == 40
    far, near = (
        compare_folder(summary.folder).found.table.query("family == 'scheduler'").to_dict("records")
    )
    assert (far["verdict"], far["n"]) == ("lower", 8)
    assert (near["verdict"], near["n"]) == ("unresolved", 16)
    assert "; this one is open at all 16 seeds. For new images" in near["sentence"]
    assert (far["look"], near["look"]) == (8, 16)
    asked = "test_accuracy", "constant", ('constant {"interval":"epoch"}',), 0.1, 0.9
    planned = FirstPlan(8, 16, 2, *asked, seeds=tuple(range(16)))
    assert read_plan(summary.folder).first_plan == planned
    # interrupted in the second round, it goes on to the same tables
    for after in (26, 10):
        with pytest.raises(KeyboardInterrupt):
            run_sweep(sweep, tmp_path / "parts", workers=0, progress=Stops(after))
    assert run_sweep(sweep, tmp_path / "parts", workers=0).completed == 4
    assert_same(tmp_path / "parts" / "grows", summary.folder)
    assert run_sweep(sweep, tmp_path / "parts", workers=0).completed == 0


@pytest.mark.slow
def test_seeds_are_added_only_once_all_base_rates_are_chosen(tmp_path):
    grid = "optimizer: {name: Adam, lr: {choose: [0.001, 0.003], seeds: 1}}\n"
    sweep = parse_sweep(SMALL + grid)
    watched = Stops(after=0)
    summary = run_sweep(sweep, tmp_path, workers=0, progress=watched)
    runs = read_runs(summary.folder)
    assert len(runs[runs["phase"] == "choose"]) == 3 * 2
    assert runs[runs["phase"] == "compare"].groupby("scheduler").size().to_dict() == {
        "constant": 16,
        "far": 8,
        "near": 16,
    }
    assert watched.grown == [6 + 32, 6 + 40]


def test_without_a_base_rate_for_the_reference_there_is_nothing_to_decide():
    assert SWEEP.adding is not None
    cells = [cell for cell in MATRIX.compared({}) if cell.scheduler != "constant"]
    asked = cells, MATRIX.seeds, SWEEP.adding, SWEEP.comparison, "constant"
    found = plan_seeds(*asked, PLANNED, rows(RUNS))
    assert found == SeedPlan(dict.fromkeys(cells, 8), (), 0, over=True)


@pytest.mark.slow
def test_the_gap_is_decided_with_the_epochs_table(tmp_path):
    sweep = parse_sweep(SMALL.replace("margin: 0.1", "metric: gap, margin: 90"))
    summary = run_sweep(sweep, tmp_path, workers=0)
    # within 90 points all is equivalent at once
    assert read_runs(summary.folder).groupby("scheduler").size().tolist() == [8, 8, 8]
    table = compare_folder(summary.folder).found.table.query("family == 'scheduler'")
    assert set(table["verdict"]) <= {"equivalent", "identical", "lower", "higher"}
