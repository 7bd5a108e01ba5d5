"""A sweep that chooses base rates: its trials, what follows from them, and what it trains."""

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers import results
from helpers.commands import call
from helpers.tiers import slow_but
from helpers.tiny import in_process
from helpers.training import digits

from lrdecay import analysis
from lrdecay.analysis import lr_selection
from lrdecay.core.errors import InputError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.engine.stacked import train
from lrdecay.runner import loop
from lrdecay.runner.agenda import build_agenda
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_plan, read_runs
from lrdecay.sweep.matrix import expand_matrix, list_runs
from lrdecay.sweep.reading import parse_sweep

TEXT = """\
name: chosen
dataset: digits
validation: 200
optimizer: {name: SGD, lr: {choose: [0.1, 0.001, 0.01], seeds: 2}}
epochs: 2
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
dropout: [0.0, 0.3]
seeds: 2
"""
TRIALS, COMPARED = 2 * 2 * 3 * 2, 2 * 2 * 2


def assert_same(left: Path, right: Path) -> None:
    results.assert_same(left, right)
    assert read_plan(left) == read_plan(right)


def outcomes_of(runs: list, losses: dict[float, float]) -> pd.DataFrame:
    """Rows of trials that completed, with a loss for each rate."""
    columns = [*analysis.AXES, "run_id", "lr_chosen_per", "phase"]
    rows = [{name: getattr(run, name) for name in columns} for run in runs]
    frame = pd.DataFrame(rows, columns=[*columns])
    return frame.assign(status="completed", val_loss=frame["lr"].map(losses))


def test_what_a_sweep_asks_for_grows_as_its_trials_end() -> None:
    sweep = parse_sweep(TEXT)
    matrix = expand_matrix(sweep, digits())
    first = matrix.trials()
    assert list_runs(parse_sweep(TEXT), digits()) == first

    def asked_with(done):
        def rows(runs, name="runs"):
            return outcomes[outcomes["run_id"].isin([run.run_id for run in runs])]

        return build_agenda(sweep, matrix, FirstPlan(), rows, done)

    outcomes = outcomes_of(first, {0.1: 0.5, 0.001: 0.9, 0.01: 0.2})
    ids = outcomes["run_id"].tolist()
    # nothing has ended, all but one trial of step, all
    asked = asked_with(set())
    assert (asked.runs, asked.pending, asked.rates) == (first, first, {})
    late = next(run for run in reversed(first) if run.scheduler == "step")
    asked = asked_with(set(ids) - {late.run_id})
    assert asked.pending[0] == late
    assert {run.scheduler for run in asked.pending[1:]} == {"constant"}
    asked = asked_with(ids)
    assert asked.runs[:TRIALS] == first
    assert asked.pending == asked.runs[TRIALS:] == matrix.comparison(asked.rates)
    assert [(r.phase, r.seed, r.scheduler, r.dropout, r.lr) for r in asked.pending] == [
        ("compare", seed, scheduler, dropout, 0.01)
        for seed in (0, 1)
        for scheduler in ("constant", "step")
        for dropout in (0.0, 0.3)
    ]
    assert asked.planned == len(asked.pending) == COMPARED
    # step is out of the comparison
    outcomes.loc[outcomes["scheduler"] == "step", "status"] = "diverged"
    asked = asked_with(ids)
    assert {run.scheduler for run in asked.pending} == {"constant"}
    assert asked.planned == COMPARED / 2
    assert lr_selection.list_without_rate(matrix.cells, asked.rates) == ("step",)


def test_cells_are_called_by_what_tells_them_apart() -> None:
    text = TEXT.replace("seeds: 2}", "per: [dropout, scheduler]}").replace(
        "s: 2\ns", "s: [1, 2]\ns"
    )
    cells = expand_matrix(parse_sweep(text), digits()).cells
    names = list(lr_selection.name_cells(cells).values())
    assert len(names) == 2 * 2 * 2
    assert names[1] == "constant, epochs 1, dropout 0.3"
    rates = {lr_selection.cell_key(run): 0.01 for run in cells if run.scheduler == "step"}
    assert lr_selection.describe_rates(cells, rates)[0] == (
        "step, epochs 1, dropout 0: base rate 0.01, chosen on validation from 0.1, 0.001, 0.01"
    )
    plain = list_runs(parse_sweep("dataset: digits\nschedulers: {a: {class: constant}}"), digits())[
        0
    ]
    assert lr_selection.name_cells([plain]) == {}
    with pytest.raises(ValueError, match="not chosen"):
        lr_selection.cell_key(plain)


# ---- the sweep: a fair number of trials, on seeds of their own


def test_trials_are_as_many_for_each_scheduler_on_seeds_of_their_own() -> None:
    sweep = parse_sweep(TEXT)
    runs = pd.DataFrame([vars(run) for run in expand_matrix(sweep, digits()).trials()])
    assert len(runs) == sweep.trials == TRIALS
    assert sweep.cells * len(sweep.seeds) == COMPARED
    cells = runs.groupby("scheduler")[["dropout", "lr", "seed"]].apply(
        lambda own: sorted(map(tuple, own.to_numpy().tolist()))
    )
    assert cells["constant"] == cells["step"]
    assert len(set(cells["step"])) == 2 * 3 * 2
    assert set(runs["seed"]) == {1_000_000, 1_000_001}
    assert set(runs["phase"]) == {"choose"}


def test_more_seeds_leave_the_trials_as_they_are() -> None:
    def seeds(text: str) -> tuple[int, ...]:
        sweep = parse_sweep(TEXT.replace("\nseeds: 2", f"\nseeds: {text}"))
        assert not set(sweep.trial_seeds) & set(sweep.seeds)
        return sweep.trial_seeds

    assert seeds("2") == seeds("64") == seeds("[7, 2000000]") == (1_000_000, 1_000_001)
    assert seeds("[1000000, 1000002]") == (1_000_001, 1_000_003)
    assert parse_sweep(re.sub(r"\{choose.*?\}", "0.1", TEXT)).trial_seeds == ()


def test_a_trial_is_the_same_run_whatever_it_is_used_for() -> None:
    run = list_runs(parse_sweep(TEXT), digits())[0]
    assert replace(run, phase="compare", lr_chosen_per=None).run_id == run.run_id
    given = re.sub(r"\{choose.*?\}", "0.1", TEXT).replace("\nseeds: 2", "\nseeds: [1000000]")
    plain = list_runs(parse_sweep(given), digits())[0]
    assert (run.phase, plain.phase) == ("choose", "compare")
    assert plain.run_id == run.run_id


def test_images_too_few_for_a_validation_part_are_refused() -> None:
    few = replace(
        digits(),
        train_images=digits().train_images[:5],
        train_labels=digits().train_labels[:5],
    )
    with pytest.raises(InputError, match=r"too few to hold .* since optimizer\.lr is chosen"):
        expand_matrix(parse_sweep(TEXT.replace("validation: 200\n", "")), few)


# ---- end to end


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of an uninterrupted sweep."""
    return run_sweep(parse_sweep(TEXT), tmp_path_factory.mktemp("fresh"), workers=0).folder


def test_a_sweep_trains_trials_and_then_compares_at_the_chosen_rates(fresh: Path) -> None:
    runs = pd.read_parquet(fresh / "runs.parquet")
    assert runs["phase"].tolist() == ["choose"] * TRIALS + ["compare"] * COMPARED
    assert set(runs["lr_chosen_per"]) == {"scheduler"}
    of_trials, of_comparison = runs.iloc[:TRIALS], analysis.compared(runs)
    assert not set(of_trials["seed"]) & set(of_comparison["seed"])
    means = of_trials.groupby(["scheduler", "lr"])["val_loss"].mean().unstack()
    best = means.idxmin(axis=1)
    assert dict(best) == {"constant": 0.1, "step": 0.1}  # SGD of 12 to 24 steps wants a high rate
    assert of_comparison["lr"].tolist() == of_comparison["scheduler"].map(best).tolist()
    assert of_comparison[["seed", "scheduler", "dropout"]].to_numpy().tolist() == [
        [seed, scheduler, dropout]
        for seed in (0, 1)
        for scheduler in ("constant", "step")
        for dropout in (0.0, 0.3)
    ]
    assert read_plan(fresh).runs == COMPARED
    epochs = pd.read_parquet(fresh / "epochs.parquet")
    assert epochs.groupby("phase")["run_id"].nunique().to_dict() == {
        "choose": TRIALS,
        "compare": COMPARED,
    }
    # the comparison is a plain sweep at that rate
    plain = list_runs(parse_sweep(re.sub(r"\{choose.*?\}", "0.1", TEXT)), digits())
    assert [run.run_id for run in plain] == of_comparison["run_id"].tolist()


def sweep_until(told, results: Path, after: int) -> None:
    """Sweep, and be killed when so many runs are committed."""

    class Killer:
        done = 0

        def start(self, runs, done, workers) -> None:
            assert len(runs) == TRIALS + COMPARED

        def epoch(self, done) -> None: ...

        def note(self, text) -> None: ...

        def finished(self, record) -> None:
            self.done += 1
            if self.done == after:
                os.kill(os.getpid(), signal.SIGKILL)

    loop._COMMIT_SECONDS = 0.0
    run_sweep(parse_sweep(TEXT), results, workers=0, progress=Killer())


@pytest.mark.parametrize("after", slow_but([], [5, TRIALS, TRIALS + 3], soak=[5, TRIALS + 3]))
def test_a_killed_sweep_goes_on_to_the_same_tables(fresh: Path, tmp_path: Path, after: int) -> None:
    """During the trials, at their end, and during the comparison."""
    assert not in_process(sweep_until, tmp_path, after).itself
    found = read_runs(tmp_path / "chosen")
    assert len(found) == after
    assert (found["phase"] == "choose").sum() == min(after, TRIALS)
    assert read_plan(tmp_path / "chosen").runs == COMPARED
    summary = run_sweep(parse_sweep(TEXT), tmp_path, workers=0)
    assert (summary.total, summary.reused) == (TRIALS + COMPARED, after)
    assert summary.completed == TRIALS + COMPARED - after
    assert_same(summary.folder, fresh)


class Notes:
    """A progress display that remembers what it is told."""

    def __init__(self) -> None:
        self.runs = self.done = 0
        self.lines: list[str] = []

    def start(self, runs, done, workers) -> None:
        self.runs, self.done = len(runs), done

    def epoch(self, done) -> None: ...

    def note(self, text) -> None:
        self.lines.append(text)

    def finished(self, record) -> None:
        self.done += 1


@pytest.mark.slow
def test_one_more_seed_keeps_the_choice_and_the_words_are_said_once(tmp_path: Path) -> None:
    text = TEXT.replace("dropout: [0.0, 0.3]", "dropout: 0.0")
    told = Notes()
    first = run_sweep(parse_sweep(text), tmp_path, workers=0, progress=told)
    assert told.runs == told.done == first.total == 12 + 4
    assert told.lines == [
        f"{label}: base rate 0.1, chosen on validation from 0.1, 0.001, 0.01"
        for label in ("constant", "step")
    ]
    more = text.replace("\nseeds: 2", "\nseeds: 3")
    second = run_sweep(parse_sweep(more), tmp_path, workers=0)
    assert (second.total, second.reused, second.completed) == (12 + 6, 12 + 4, 2)
    # the same rate as a plain number: the same runs, which are no longer called chosen
    plain = run_sweep(parse_sweep(re.sub(r"\{choose.*?\}", "0.1", more)), tmp_path, workers=0)
    assert (plain.total, plain.reused) == (6, 6)
    assert read_runs(plain.folder)["lr_chosen_per"].isna().all()
    # the trials' seeds as seeds of the comparison: trials become runs to compare
    swapped = re.sub(r"\{choose.*?\}", "0.1", text).replace("\nseeds: 2", "\nseeds: [1000001]")
    other = run_sweep(parse_sweep(swapped), tmp_path, workers=0)
    assert (other.total, other.reused) == (2, 2)
    assert set(read_runs(other.folder)["phase"]) == {"compare"}
    assert set(read_epochs(other.folder)["phase"]) == {"compare"}


WILD = """\
name: wild
dataset: digits
optimizer: {name: SGD, lr: {choose: [1e6, %s], seeds: 1}}
epochs: 2
schedulers:
  constant: {class: constant}
  cycle: {class: OneCycleLR, max_lr: 0.1, total_steps: steps, cycle_momentum: false}
dropout: 0.0
"""


def test_a_rate_that_diverges_is_left_out(tmp_path: Path) -> None:
    summary = run_sweep(parse_sweep(WILD % "0.01"), tmp_path, workers=0)
    assert (summary.diverged, summary.completed, summary.failed) == (1, 5, 0)
    assert summary.without_rate == ()
    runs = read_runs(summary.folder)
    assert analysis.compared(runs)[["scheduler", "lr"]].to_numpy().tolist() == [
        ["constant", 0.01],
        ["cycle", 0.01],  # which sets its own rates: of equal losses the smaller rate
    ]
    assert run_sweep(parse_sweep(WILD % "0.01"), tmp_path, workers=0).reused == summary.total


def test_a_scheduler_without_a_rate_ends_with_1_and_the_others_are_compared(tmp_path: Path) -> None:
    file = tmp_path / "wild.yaml"
    file.write_text(WILD % "1e7")
    for _ in range(2):  # the second time nothing trains, and it is still so
        result = call("sweep", file, "--results", tmp_path, "--workers", 0)
        assert result.exit_code == 1, result.output
        assert (
            "no base rate for constant: a trial diverged or failed at every rate of the grid, so "
            "it is not in the comparison; give smaller rates"
        ) in result.output
        assert "cycle: base rate 1e+06, chosen on validation from 1e+06, 1e+07" in result.output
    runs = read_runs(tmp_path / "wild")
    assert analysis.compared(runs)["scheduler"].tolist() == ["cycle"]
    assert read_plan(tmp_path / "wild").runs == 1


@pytest.mark.slow
def test_a_failed_trial_is_tried_once_and_again_the_next_time(tmp_path: Path, monkeypatch) -> None:
    text = TEXT.replace("epochs: 2", "epochs: 1").replace("dropout: [0.0, 0.3]", "dropout: 0.0")
    real, broken = train.train_stacked, []

    def breaks(runs, *args):
        if any((run.scheduler, run.lr, run.seed) == ("step", 0.1, 1_000_001) for run in runs):
            broken.append(len(runs))
            raise RuntimeError("no such luck")
        return real(runs, *args)

    with monkeypatch.context() as patch:
        patch.setattr("lrdecay.engine.stacked.train.train_stacked", breaks)
        summary = run_sweep(parse_sweep(text), tmp_path, workers=0, engine="stacked")
    assert broken.count(1) == 1
    assert (summary.failed, summary.completed) == (1, 15)
    rates = analysis.compared(read_runs(summary.folder)).groupby("scheduler")["lr"].unique()
    assert {label: list(rate) for label, rate in rates.items()} == {
        "constant": [0.1],
        "step": [0.01],
    }
    again = run_sweep(parse_sweep(text), tmp_path, workers=0, engine="stacked")
    assert (again.reused, again.completed) == (13, 1 + 2)  # the trial, and step at its better rate
    assert set(analysis.compared(read_runs(again.folder))["lr"]) == {0.1}


def test_plan_says_how_many_trials_and_runs_and_how_long_each_takes(tmp_path: Path) -> None:
    file = tmp_path / "chosen.yaml"
    file.write_text(TEXT)
    result = call("plan", file, "--workers", 1, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert re.search(r"lr +0.1, 0.001, 0.01 \(chosen per scheduler\)", result.output)
    assert "To choose base rates: 4 cells x 3 rates x 2 seeds of their own = 24 trials\n" in (
        result.output
    )
    assert "To compare: 4 cells x 2 seeds = 8 runs\n" in result.output
    assert re.search(
        r"About \d+ s to choose base rates and \d+ s to compare, on cpu with 1 worker, "
        r"and some seconds for them to start",
        result.output,
    )
