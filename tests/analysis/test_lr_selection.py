"""Each scheduler's own base rate: how it is chosen, that the choice is fair, and what it makes."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.frames import Tables, make_tables, write_folder
from helpers.training import digits
from matplotlib import pyplot as plt
from typer.testing import CliRunner

from lrdecay import analysis, plots
from lrdecay.analysis import lr_selection
from lrdecay.cli.app import app
from lrdecay.core.errors import InputError
from lrdecay.engine.stacked import train
from lrdecay.plots.style import style_schedulers
from lrdecay.report.page import write_report
from lrdecay.runner.agenda import build_agenda
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_plan, read_runs
from lrdecay.sweep.config import parse_sweep
from lrdecay.sweep.matrix import expand_matrix, list_runs

GRID = (0.001, 0.01, 0.1)
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
# what may differ between two trainings of one run
TIMES = ["seconds", "samples_per_second", "group_size", "finished_at", "git_commit"]


def trials(per: str = "scheduler", **axes: object) -> Tables:
    """Trials of three rates with losses at random; by mean loss no two are equal."""
    runs, epochs = make_tables(phase=["choose"], lr_chosen_per=[per], lr=list(GRID), **axes)
    losses = np.random.default_rng(5).uniform(0.1, 2.0, len(runs))
    return runs.assign(val_loss=losses), epochs


def rates_of(frame: pd.DataFrame, *by: str) -> dict[object, float]:
    """The chosen rate by the columns that are named."""
    chosen = lr_selection.compare_rates(frame).query("chosen")
    index = chosen.set_index(list(by))["lr"]
    assert index.index.is_unique
    return dict(index)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return read_runs(folder).drop(columns=TIMES), read_epochs(folder)


def assert_same(left: Path, right: Path) -> None:
    for one, other in zip(tables(left), tables(right), strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert read_plan(left) == read_plan(right)


# ---- the choice, a function of the trials' rows


@pytest.mark.parametrize("per", ["scheduler", "scheduler, dropout"])
def test_the_rate_with_the_lowest_mean_validation_loss_is_chosen(per: str) -> None:
    runs, _ = trials(per, n_epochs=2)
    by = per.split(", ")
    means = runs.groupby([*by, "lr"], sort=False)["val_loss"].mean()
    table = lr_selection.compare_rates(runs.sample(frac=1, random_state=1))
    got = table.set_index([*by, "lr"])["val_loss"]
    pd.testing.assert_series_equal(got.sort_index(), means.sort_index())
    assert set(table["n"]) == {3 if len(by) == 2 else 6}
    assert rates_of(runs, *by) == dict(means.unstack("lr").idxmin(axis=1))
    assert len(set(rates_of(runs, *by).values())) > 1


def test_every_other_axis_has_a_choice_of_its_own() -> None:
    runs, _ = trials(epochs=[3, 10], batch_norm=[False, True], n_epochs=2)
    by = ["batch_norm", "epochs", "scheduler"]
    means = runs.groupby([*by, "lr"])["val_loss"].mean()
    assert rates_of(runs, *by) == dict(means.unstack("lr").idxmin(axis=1))
    assert len(rates_of(runs, *by)) == 2 * 2 * 3


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_rate_of_which_one_trial_did_not_complete_is_out(status: str) -> None:
    runs, _ = trials(n_epochs=2)
    first = rates_of(runs, "scheduler")
    hit = (runs["scheduler"] == "step") & (runs["lr"] == first["step"]) & (runs["seed"] == 2)
    assert hit.sum() == 2  # one at each dropout
    runs.loc[hit, ["status", "val_loss"]] = [status, np.nan]
    means = runs[runs["scheduler"] == "step"].groupby("lr")["val_loss"].mean()
    second = means.drop(first["step"]).idxmin()
    assert rates_of(runs, "scheduler") == {**first, "step": second}
    (out,) = lr_selection.compare_rates(runs).query("n_out > 0").to_dict("records")
    assert (out["scheduler"], out["lr"], out["n"], out["n_out"]) == ("step", first["step"], 6, 2)
    assert np.isnan(out["val_loss"])


def test_no_rate_is_chosen_where_none_completed_and_losses_must_be_finite() -> None:
    runs, _ = trials(n_epochs=2)
    step, cosine = runs["scheduler"] == "step", runs["scheduler"] == "cosine"
    runs.loc[step & (runs["lr"] == 0.1) & (runs["seed"] == 0), "status"] = "diverged"
    runs.loc[step & (runs["lr"] != 0.1) & (runs["seed"] == 2), "val_loss"] = np.inf
    runs.loc[cosine & (runs["lr"] != 0.1) & (runs["seed"] == 1), "val_loss"] = np.inf
    assert rates_of(runs, "scheduler") == {
        "constant": rates_of(trials(n_epochs=2)[0], "scheduler")["constant"],
        "cosine": 0.1,
    }


def test_of_equal_losses_the_smaller_rate_is_chosen() -> None:
    runs, _ = trials(n_epochs=2)
    by_seed = {0: 0.3, 1: 0.1, 2: 0.7}
    runs["val_loss"] = runs["seed"].map(by_seed)
    assert set(rates_of(runs[::-1], "scheduler").values()) == {0.001}
    runs.loc[runs["lr"] == 0.001, "val_loss"] += 1e-9
    assert set(rates_of(runs, "scheduler").values()) == {0.01}


def test_test_data_never_enter_the_choice() -> None:
    runs, _ = trials(n_epochs=2)
    of_test = [name for name in runs if "test" in name] + ["best_val_loss", "val_accuracy"]
    assert {"test_loss", "test_accuracy", "best_test_loss", "test_correct"} <= set(of_test)
    expected = lr_selection.compare_rates(runs)
    for blind in (
        runs.drop(columns=of_test),
        runs.assign(test_loss=-runs["val_loss"], test_accuracy=runs["val_loss"]),
    ):
        pd.testing.assert_frame_equal(lr_selection.compare_rates(blind), expected)


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

        return build_agenda(sweep, matrix, rows, done)

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


KILLED = """
import os, sys
from lrdecay.runner import loop, run_sweep
from lrdecay.sweep import parse_sweep

class Killer:
    done = 0
    def start(self, runs, done, workers): assert len(runs) == {all}
    def epoch(self, done): pass
    def note(self, text): pass
    def finished(self, record):
        self.done += 1
        if self.done == {after}:
            os._exit(9)

loop._COMMIT_SECONDS = 0.0
run_sweep(parse_sweep({text!r}), {results!r}, workers=0, progress=Killer())
"""


@pytest.mark.parametrize("after", [5, TRIALS, TRIALS + 3])
def test_a_killed_sweep_goes_on_to_the_same_tables(fresh: Path, tmp_path: Path, after: int) -> None:
    """During the trials, at their end, and during the comparison."""
    code = KILLED.format(after=after, text=TEXT, results=str(tmp_path), all=TRIALS + COMPARED)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 9, ended.stderr
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
    command = ["sweep", str(file), "--results", str(tmp_path), "--workers", "0"]
    for _ in range(2):  # the second time nothing trains, and it is still so
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
        assert result.exit_code == 1, result.output
        assert (
            "no base rate for constant: a trial diverged or failed at every rate of the grid, so "
            "it is not in the comparison; give smaller rates"
        ) in result.output
        assert "cycle: base rate 1e+06, chosen on validation from 1e+06, 1e+07" in result.output
    runs = read_runs(tmp_path / "wild")
    assert analysis.compared(runs)["scheduler"].tolist() == ["cycle"]
    assert read_plan(tmp_path / "wild").runs == 1


def test_a_failed_trial_is_tried_once_and_again_the_next_time(tmp_path: Path, monkeypatch) -> None:
    text = TEXT.replace("epochs: 2", "epochs: 1").replace("dropout: [0.0, 0.3]", "dropout: 0.0")
    real, broken = train.train_stacked, []

    def breaks(runs, *args):
        if any((run.scheduler, run.lr, run.seed) == ("step", 0.1, 1_000_001) for run in runs):
            broken.append(len(runs))
            raise RuntimeError("no such luck")
        return real(runs, *args)

    with monkeypatch.context() as patch:
        patch.setattr("lrdecay.execution.trainer.train_stacked", breaks)
        summary = run_sweep(parse_sweep(text), tmp_path, workers=0)
    assert broken.count(1) == 1
    assert (summary.failed, summary.completed) == (1, 15)
    rates = analysis.compared(read_runs(summary.folder)).groupby("scheduler")["lr"].unique()
    assert {label: list(rate) for label, rate in rates.items()} == {
        "constant": [0.1],
        "step": [0.01],
    }
    again = run_sweep(parse_sweep(text), tmp_path, workers=0)
    assert (again.reused, again.completed) == (13, 1 + 2)  # the trial, and step at its better rate
    assert set(analysis.compared(read_runs(again.folder))["lr"]) == {0.1}


def test_plan_says_how_many_trials_and_runs_and_how_long_each_takes(tmp_path: Path) -> None:
    file = tmp_path / "chosen.yaml"
    file.write_text(TEXT)
    command = ["plan", str(file), "--workers", "1", "--device", "cpu"]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
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


# ---- reading


def both(chosen: dict[str, float], **axes: object) -> Tables:
    """Trials, and a comparison with a rate for each scheduler."""
    tried, tried_epochs = trials(seeds=2, n_epochs=2, **axes)
    of_trials = dict(zip(tried["run_id"], "t" + tried["run_id"].str[1:], strict=True))
    runs, epochs = make_tables(lr_chosen_per=["scheduler"], n_epochs=2, **axes)
    runs["lr"] = runs["scheduler"].map(chosen)
    frames = [
        (tried.assign(run_id=tried["run_id"].map(of_trials), seed=tried["seed"] + 10**6), runs),
        (tried_epochs.assign(run_id=tried_epochs["run_id"].map(of_trials)), epochs),
    ]
    return tuple(pd.concat(pair, ignore_index=True) for pair in frames)  # type: ignore[return-value]


CHOSEN = {"constant": 0.01, "step": 0.1, "cosine": 0.001}


def test_a_chosen_rate_is_no_axis_and_a_list_of_rates_is_one() -> None:
    runs, epochs = both(CHOSEN)
    compared = analysis.compared(runs)
    assert analysis.extra_axes(compared) == []
    assert analysis.rates_chosen(compared)
    cells = analysis.cell_summary(compared)
    assert cells[["scheduler", "dropout", "n"]].to_numpy().tolist() == [
        [label, dropout, 3] for label in CHOSEN for dropout in (0.0, 0.3)
    ]
    # whatever is filtered, and whatever the trials look like
    assert analysis.extra_axes(compared[compared["seed"] == 0]) == []
    assert analysis.extra_axes(runs[runs["phase"] == "choose"]) == ["lr"]
    rates = analysis.learning_rate_curves(compared, epochs).groupby("scheduler")
    assert rates["learning_rate_first"].max().to_dict() == dict.fromkeys(CHOSEN, 0.001)
    listed, _ = make_tables(lr=[0.1, 0.01], n_epochs=2)
    assert analysis.extra_axes(listed) == ["lr"]
    assert not analysis.rates_chosen(listed)


def test_a_mean_over_trials_and_comparison_is_refused() -> None:
    runs, epochs = both(CHOSEN)
    for function in (
        analysis.extra_axes,
        analysis.cell_summary,
        lambda rows: analysis.learning_curves(rows, epochs),
        plots.plot_accuracy_by_dropout,
    ):
        with pytest.raises(InputError, match=r"take one of them first.*compared\(runs\)"):
            function(runs)


def page(folder: Path, frames: Tables, planned: int | None = None) -> str:
    text = write_report(write_folder(folder, frames, planned=planned)).read_text()
    return re.sub(r"\s+", " ", text)


def section(text: str, name: str) -> str:
    (found,) = re.findall(rf'<section id="{name}">(.*?)</section>', text)
    return found


def test_the_report_shows_the_choice_and_compares_without_the_trials(tmp_path: Path) -> None:
    runs, epochs = both({})
    of_trials = runs["phase"] == "choose"
    chosen = {row[0]: row[1] for row in rates_of(runs[of_trials], "scheduler").items()}
    assert set(chosen.values()) != set(GRID)
    runs["lr"] = runs["lr"].where(of_trials, runs["scheduler"].map(chosen))
    text = page(tmp_path, (runs, epochs), planned=20)
    said = (
        "18 runs in the tables: 18 completed, 0 diverged, 0 failed. "
        "2 of the sweep's 20 runs are still to come. Before them, 36 trials chose base rates"
    )
    assert said in " ".join(text.split())
    plain = page(tmp_path / "plain", tuple(f[f["phase"] == "compare"] for f in (runs, epochs)))
    for name in ("answer", "means", "by_dropout", "loss", "accuracy", "gap", "rates"):
        assert section(text, name) == section(plain, name)
    assert 'id="choice"' not in plain
    choice = section(text, "choice")
    means = runs[of_trials].groupby(["scheduler", "lr"])["val_loss"].mean()
    rows = re.findall(r'<tr data-scheduler="(\w+)"><td>\w+</td>(.*?)</tr>', choice)
    assert [label for label, _ in rows] == ["constant", "step", "cosine"]
    for label, cells in rows:
        shown = re.findall(r'<td class="number">(.*?)</td>', cells)
        assert re.findall(r"\d\.\d{4}", cells) == [f"{means[label, rate]:.4f}" for rate in GRID]
        assert [rate for cell, rate in zip(shown, GRID, strict=True) if "chosen" in cell] == [
            chosen[label]
        ]
    for label, rate in chosen.items():
        end = {0.001: "smallest", 0.1: "largest"}.get(rate)
        warning = f"{label}: {rate:g} is the {end} of the grid; the best rate may lie outside"
        assert (warning in choice) is (end is not None)
    assert "1000000, 1000001" in choice
    assert re.search(
        r"<th scope=.row.>lr</th><td[^>]*>[\d., ]+ \(chosen\)</td>", section(text, "matrix")
    )


def test_the_report_says_where_no_rate_was_chosen_or_needed(tmp_path: Path) -> None:
    runs, epochs = both(dict.fromkeys(CHOSEN, 0.001))
    tried = runs["phase"] == "choose"
    constant, cosine = (tried & (runs["scheduler"] == label) for label in ("constant", "cosine"))
    runs.loc[constant, "val_loss"] = 0.5
    hit = cosine & (runs["dropout"] == 0.3)
    runs.loc[hit, ["status", "val_loss"]] = ["diverged", np.nan]
    runs = runs[tried | (runs["scheduler"] != "cosine")]
    late = tried & (runs["scheduler"] == "step") & (runs["lr"] == 0.1)
    choice = section(page(tmp_path, (runs[~late.reindex(runs.index)], epochs)), "choice")
    assert "constant: every rate gives the same loss, since it sets its own rates; 0.001" in choice
    assert "cosine: no rate is chosen, since a trial diverged or failed at every rate" in choice
    assert choice.count("2 of 4 diverged or failed") == 3
    assert "step: no rate is chosen yet; trials are still to come." in choice


def test_trials_alone_make_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only 54 trials of base rates in"):
        write_report(write_folder(tmp_path, trials(n_epochs=1)))


def test_a_list_of_rates_shows_the_sensitivity_to_them(tmp_path: Path) -> None:
    frames = make_tables(lr=[0.01, 0.1], batch_size=[32, 64], n_epochs=2)
    text = section(page(tmp_path, frames), "by_rate")
    assert (
        text.count("<figure data-batch_size=") == 2
    )  # one for each size of batch, a panel for each dropout
    assert (
        re.findall(r'aria-label="([^"]*)"', text)
        == [f"test accuracy by base learning rate at dropout {dropout}" for dropout in ("0", "0.3")]
        * 2
    )
    one = page(tmp_path / "one", make_tables(lr=[0.01], n_epochs=2))
    assert 'id="by_rate"' not in one
    assert 'id="by_rate"' not in page(tmp_path / "chosen", both(CHOSEN))


def test_accuracy_by_rate_draws_means_and_deviations_over_a_log_scale() -> None:
    runs, _ = make_tables(dropouts=(0.3,), lr=[0.1, 0.001, 0.01], n_epochs=2)
    ax = plots.plot_accuracy_by_rate(runs)
    percent = runs.assign(percent=100 * runs["test_accuracy"])
    cells = percent.groupby(["scheduler", "lr"])["percent"].agg(["mean", "std"])
    assert ax.get_xscale() == "log"
    assert ax.get_xticks().tolist() == list(GRID)
    for label, style in style_schedulers(runs).items():
        mean, *bars = (line for line in ax.lines if line.get_color() == style.color)
        own = cells.loc[label]
        assert np.asarray(mean.get_ydata()) == pytest.approx(own["mean"].to_numpy())
        # shifted sideways by the same factor at each rate, far less than the step to the next
        factor = np.asarray(mean.get_xdata()) / np.array(GRID)
        assert factor == pytest.approx([factor[0]] * 3)
        assert 0.5 < factor[0] < 2
        ends = [np.asarray(bar.get_ydata()).tolist() for bar in bars]
        expected = np.column_stack([own["mean"] - own["std"], own["mean"] + own["std"]])
        assert ends == pytest.approx(expected)
    assert plt.get_fignums() == []
    two = make_tables(lr=[0.1, 0.01], n_epochs=2)[0]
    with pytest.raises(InputError, match=r"one dropout and the table has 0.0, 0.3"):
        plots.plot_accuracy_by_rate(two)
