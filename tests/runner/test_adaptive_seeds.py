"""Seeds that are added where a difference is open, and nowhere else."""

import numpy as np
import pandas as pd
import pytest
from helpers.results import assert_same
from helpers.training import digits

from lrdecay.analysis import sequence_radius
from lrdecay.report.compare import compare_folder
from lrdecay.runner import adaptive_seeds
from lrdecay.runner.adaptive_seeds import SeedPlan, plan_seeds
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_plan, read_runs
from lrdecay.sweep.config import parse_sweep
from lrdecay.sweep.matrix import expand_matrix

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


def points(scheduler: str, dropout: float, seed: int) -> float:
    """Percent right: far is 5 points below constant; near is as good, at dropout 0 steadily so."""
    common = 90 + np.random.default_rng(seed).normal()
    own = np.random.default_rng([seed, len(scheduler), round(10 * dropout)]).normal()
    match scheduler, dropout:
        case "far", _:
            return common - 5 + 0.1 * own
        case "near", 0.0:
            return common + 0.1 * own
        case "near", _:
            return common + 0.15 + own
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
        test_accuracy=accuracies,
        **digests,
        **changed,
    )


def added(ended: pd.DataFrame) -> SeedPlan:
    assert SWEEP.adding is not None
    return plan_seeds(
        MATRIX.compared({}), MATRIX.seeds, SWEEP.adding, SWEEP.comparison, SWEEP.reference, ended
    )


def by_name(found: SeedPlan) -> dict[tuple[str, float], int]:
    return {(cell.scheduler, cell.dropout): n for cell, n in found.counts.items()}


def is_open(scheduler: str, dropout: float, n: int) -> bool:
    """By the radius formula alone, of four differences."""
    d = np.array([points(scheduler, dropout, s) - points("constant", dropout, s) for s in range(n)])
    radius = float(sequence_radius(n, d.std(ddof=1), 0.1 / 4))
    low, high = d.mean() - radius, d.mean() + radius
    return not (low > 0 or high < 0 or (low > -0.1 and high < 0.1))


def by_hand() -> dict[tuple[str, float], int]:
    counts = {(s, d): 8 for s in ("constant", "far", "near") for d in (0.0, 0.3)}
    for dropout in (0.0, 0.3):
        for scheduler in ("far", "near"):
            n = 8
            while is_open(scheduler, dropout, n) and n < 28:
                n = min(n + 8, 28)
            counts[scheduler, dropout] = n
            counts["constant", dropout] = max(counts["constant", dropout], n)
    return counts


def test_only_what_is_open_gets_more_seeds():
    found = added(rows(RUNS))
    expected = by_hand()
    assert by_name(found) == expected
    assert found.over
    # far is settled at once, near at dropout 0 later, at dropout 0.3 never
    assert expected["far", 0.0] == expected["far", 0.3] == 8
    assert 8 < expected["near", 0.0] < expected["near", 0.3] == 28
    assert found.contrasts == 4
    assert [len(still_open) for still_open in found.rounds] == [2, 1, 1, 1]
    # the widest interval first
    assert found.rounds[0][0] == "near against constant at dropout 0.3"


def test_a_round_is_over_when_all_of_its_runs_have_ended():
    first = [run for run in RUNS if run.seed < 8]
    assert by_name(added(rows(first[:-1]))) == dict.fromkeys(by_hand(), 8)
    whole = added(rows(first))
    assert set(by_name(whole).values()) == {8, 16}
    # runs of a later round that are there already change nothing
    others = [run for run in RUNS if run.seed >= 16]
    assert added(rows([*first, *others])) == whole
    assert not whole.over


def test_what_cannot_be_compared_gets_no_more_seeds():
    ended = rows(RUNS)
    hit = (ended["scheduler"] == "near") & (ended["dropout"] == 0.3) & (ended["seed"] == 2)
    ended.loc[hit, ["status", "test_accuracy"]] = ["diverged", None]
    assert by_name(added(ended))["near", 0.3] == 8


def test_the_lines_say_what_is_open_and_what_follows():
    found = added(rows(RUNS))
    assert SWEEP.adding is not None
    lines = adaptive_seeds.describe_rounds(found, SWEEP.adding)
    assert lines[0] == (
        "after 8 seeds: 2 of 4 differences open (near against constant at dropout 0.3; near "
        "against constant at dropout 0); more seeds for these"
    )
    assert lines[-1] == (
        "after 28 seeds: 1 of 4 differences open (near against constant at dropout 0.3); no "
        "more seeds are allowed"
    )
    easy = SeedPlan({}, (("a",), ()), 3, over=True)
    assert adaptive_seeds.describe_rounds(easy, SWEEP.adding)[-1] == (
        "after 16 seeds: each of 3 differences is resolved"
    )
    one = SeedPlan({}, (("a",), ()), 1, over=True)
    assert adaptive_seeds.describe_rounds(one, SWEEP.adding) == [
        "after 8 seeds: 1 of 1 difference open (a); more seeds for these",
        "after 16 seeds: the difference is resolved",
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
    assert watched.grown == [40]
    assert read_plan(summary.folder).runs == 40
    far, near = (
        compare_folder(summary.folder).found.table.query("family == 'scheduler'").to_dict("records")
    )
    assert (far["verdict"], far["n"]) == ("lower", 8)
    assert (near["verdict"], near["n"]) == ("unresolved", 16)
    assert "it may not be resolvable within 16 seeds" in near["sentence"]
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
    assert watched.grown == [6 + 40]


def test_without_a_base_rate_for_the_reference_there_is_nothing_to_decide():
    assert SWEEP.adding is not None
    cells = [cell for cell in MATRIX.compared({}) if cell.scheduler != "constant"]
    found = plan_seeds(cells, MATRIX.seeds, SWEEP.adding, SWEEP.comparison, "constant", rows(RUNS))
    assert found == SeedPlan(dict.fromkeys(cells, 8), (), 0, over=True)


@pytest.mark.slow
def test_the_gap_is_decided_with_the_epochs_table(tmp_path):
    sweep = parse_sweep(SMALL.replace("margin: 0.1", "metric: gap, margin: 90"))
    summary = run_sweep(sweep, tmp_path, workers=0)
    # within 90 points all is equivalent at once
    assert read_runs(summary.folder).groupby("scheduler").size().tolist() == [8, 8, 8]
    table = compare_folder(summary.folder).found.table.query("family == 'scheduler'")
    assert set(table["verdict"]) <= {"equivalent", "identical", "lower", "higher"}
