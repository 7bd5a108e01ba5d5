"""Trials one after the other: committed whole or not at all, however the loop ends."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.own_loops import run, train
from helpers.paths import HOME

import lrdecay
from lrdecay.execution.messages import Note
from lrdecay.runner.script_loop import iterate_trials
from lrdecay.store.lock import hold_folder
from lrdecay.store.reader import read_epochs, read_metrics, read_plan, read_runs
from lrdecay.store.verify import verify_results
from lrdecay.store.writer import Store

STEP = {"step_size": 1, "gamma": 0.5}
RUNS = [
    run(name, seed=seed, arguments=arguments)
    for seed in (0, 1)
    for name, arguments in (("constant", {}), ("StepLR", STEP))
]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.compact(RUNS, "name: mine\n")
    return store


def trials(store):
    return iterate_trials(
        store, lambda failed: [r for r in RUNS if r.run_id not in store.done() | failed]
    )


def test_all_of_them_in_order(store, tmp_path):
    seen = []
    for trial in trials(store):
        seen.append(trial.run)
        train(trial)
    assert seen == RUNS
    store.compact(RUNS, "name: mine\n")
    runs = read_runs(tmp_path)
    assert runs["run_id"].tolist() == [each.run_id for each in RUNS]
    assert set(runs["status"]) == {"completed"}
    assert runs["test_loss"].tolist() == [0.5] * 4
    # pairs: two schedules at one seed begin alike
    assert runs.groupby("seed")["init_digest"].nunique().tolist() == [1, 1]
    assert runs["init_digest"].nunique() == runs["order_digest"].nunique() == 2
    assert len(read_epochs(tmp_path)) == 4 * 8
    assert read_metrics(tmp_path).groupby("metric").size().to_dict() == {"energy": 4, "f1": 16}
    assert verify_results(tmp_path).findings == ()
    assert list(trials(store)) == []


@pytest.mark.parametrize("whole", [False, True])
def test_a_loop_that_is_left_has_its_trial_whole_or_not_at_all(store, whole):
    for trial in trials(store):
        if whole:
            train(trial)
        else:
            trial.log(1, "val", loss=1.0)
        break
    assert store.done() == ({RUNS[0].run_id} if whole else set())
    assert next(trials(store)).run == RUNS[whole]


def test_an_error_in_the_loop_leaves_what_was_finished_before(store):
    def loop():
        for number, trial in enumerate(trials(store)):
            if number:
                raise ZeroDivisionError
            train(trial)

    with pytest.raises(ZeroDivisionError):
        loop()
    assert store.done() == {RUNS[0].run_id}


def test_an_error_within_the_trial_fails_that_one_and_the_rest_goes_on(store, tmp_path):
    tried = []
    for trial in trials(store):
        with trial:
            tried.append(trial.run)
            if trial.run == RUNS[1]:
                raise RuntimeError("no data")
            train(trial)
    assert tried == RUNS
    runs = read_runs(tmp_path).set_index("run_id")
    assert runs["status"].value_counts().to_dict() == {"completed": 3, "failed": 1}
    assert "RuntimeError: no data" in runs.loc[RUNS[1].run_id, "error"]
    # at the next call it is tried again
    assert [trial.run for trial in trials(store)] == [RUNS[1]]


def test_a_mistake_in_the_loop_is_the_failure_of_its_run(store, tmp_path):
    for trial in trials(store):
        if trial.run != RUNS[2]:
            train(trial)
    runs = read_runs(tmp_path).set_index("run_id")
    assert "TrialError: the loop never asked for" in runs.loc[RUNS[2].run_id, "error"]


def test_a_diverged_run_is_done(store, tmp_path):
    for trial in trials(store):
        with trial:
            if trial.run == RUNS[0]:
                trial.log(1, "train", loss=float("inf"))
            train(trial)
    assert read_runs(tmp_path)["status"].tolist().count("diverged") == 1
    assert len(store.done()) == 4


def test_the_generators_are_afterwards_as_they_were(store):
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    for trial in trials(store):
        train(trial)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected


SCRIPT = """\
name: mine
trainer: {width: 4}
optimizer: {lr: 0.1}
epochs: 4
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1, gamma: 0.5}
seeds: 2
comparison: {metric: test_loss}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(SCRIPT)
    return path


def test_a_script_has_its_tables_whenever_it_stops(file, tmp_path):
    results = tmp_path / "results"
    for number, trial in enumerate(lrdecay.trials(file, results), start=1):
        train(trial)
        if number == 3:
            break
    plan = read_plan(results / "mine")
    assert (plan.runs, plan.sweep_text) == (4, SCRIPT)
    assert len(pd.read_parquet(results / "mine" / "runs.parquet")) == 3
    for trial in lrdecay.trials(file, results):
        train(trial)
    runs = read_runs(results / "mine")
    assert set(runs["status"]) == {"completed"}
    assert runs["trainer"].unique().tolist() == ["script"]
    assert runs[["seed", "scheduler"]].to_numpy().tolist() == [
        [0, "constant"],
        [0, "step"],
        [1, "constant"],
        [1, "step"],
    ]
    assert list(lrdecay.trials(file, results)) == []


def test_a_loop_that_draws_without_a_seed_of_its_own_is_another_at_another_seed(file, tmp_path):
    drawn = {}
    for trial in lrdecay.trials(file, tmp_path / "results"):
        with trial:
            drawn[trial.seed, trial.label] = torch.rand(1).item(), np.random.rand(), random.random()
            raise RuntimeError
    assert drawn[0, "constant"] == drawn[0, "step"] != drawn[1, "step"] == drawn[1, "constant"]


def test_what_an_error_has_left_half_done_is_ended_when_trials_are_asked_for_anew(file, tmp_path):
    """As in a notebook, which keeps the last error with all that it had in hand."""
    kept = []
    try:
        for trial in lrdecay.trials(file, tmp_path / "results"):
            train(trial)
            raise ZeroDivisionError
    except ZeroDivisionError as error:
        kept.append(error)
    first = next(iter(trials := lrdecay.trials(file, tmp_path / "results")))
    assert (first.seed, first.label) == (0, "step")
    trials.close()


def test_nobody_else_writes_while_trials_are_asked_for(file, tmp_path):
    for _ in lrdecay.trials(file, tmp_path / "results"):
        with pytest.raises(lrdecay.InputError, match="another sweep is writing to this folder"):
            hold_folder(tmp_path / "results" / "mine").__enter__()
        break


@pytest.mark.slow
def test_a_kill_loses_the_run_at_hand_and_no_other(file, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(HOME / 'tests')!r})\n"
        "from helpers.own_loops import train\n"
        "import lrdecay\n"
        "for number, trial in enumerate(lrdecay.trials('sweep.yaml')):\n"
        "    if number == 2:\n"
        "        trial.log(1, 'val', loss=1.0)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    train(trial)\n"
    )
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    done = []
    for _ in range(3):
        ended = subprocess.run(command, cwd=tmp_path, env=environment, check=False)
        done.append((ended.returncode, len(read_runs(tmp_path / "results" / "mine"))))
    assert done == [(-9, 2), (0, 4), (0, 4)]
    assert verify_results(tmp_path / "results" / "mine").findings == ()


def test_trials_are_of_a_file_with_a_trainer(tmp_path):
    with pytest.raises(lrdecay.InputError) as caught:
        lrdecay.trials("digits", tmp_path)
    assert str(caught.value) == (
        "digits: lrdecay's own loop trains this sweep, for it has a dataset; trials are of a sweep "
        "file that gives trainer in its place, such as trainer: script"
    )


def test_an_error_is_told_with_the_line_of_the_script(file, tmp_path):
    for trial in lrdecay.trials(file, tmp_path / "results"):
        with trial:
            trial.log(1, "validation", loss=1.0)  # the line that is named
    errors = read_runs(tmp_path / "results" / "mine")["error"].unique().tolist()
    line = Path(__file__).read_text().split("# the line that is named")[0].count("\n") + 1
    assert errors == [
        "TrialError: trial.log: split must be one of train, train_eval, val, test, not "
        f"'validation' (line {line} of test_script_loop.py)"
    ]


def test_what_fails_is_told_on_stderr_as_it_does(file, tmp_path, capsys):
    told = []
    for trial in lrdecay.trials(file, tmp_path / "results"):
        told.append(capsys.readouterr().err)
        with trial:
            if (trial.seed, trial.label) == (0, "step"):
                raise RuntimeError("no\x1bdata")
            if (trial.seed, trial.label) != (1, "constant"):
                train(trial)
    told.append(capsys.readouterr().err)
    line = Path(__file__).read_text().split("no\\x1bdata")[0].count("\n") + 1
    assert told == [
        "",
        "",
        f"failed: step, seed 0: RuntimeError: no\\x1bdata (line {line} of test_script_loop.py)\n",
        "failed: constant, seed 1: TrialError: the loop never asked for trial.scheduler("
        "optimizer): its rates would not be the schedule's\n",
        "",
    ]


def test_a_failure_after_which_the_loop_is_left_is_told_too(file, tmp_path, capsys):
    trials = lrdecay.trials(file, tmp_path / "results")
    for trial in trials:
        with trial:
            raise RuntimeError("no data")
        break
    trials.close()
    assert capsys.readouterr().err.startswith("failed: constant, seed 0: RuntimeError: no data (")


def test_notes_are_told_once_where_they_are_true_of_all(file, tmp_path, capsys):
    for trial in lrdecay.trials(file, tmp_path / "results"):
        train(trial)
        trial._tell(Note(f"a note on seed {trial.seed}", once=True))
    assert capsys.readouterr().err == "a note on seed 0\na note on seed 1\n"


def test_runs_of_one_seed_that_are_no_pair_are_told_of_in_a_script_too(file, tmp_path, capsys):
    for trial in lrdecay.trials(file, tmp_path / "results"):
        train(trial)
        trial.saw(len(trial.label))
    assert capsys.readouterr().err == (
        "warning: the runs constant, seed 0 and step, seed 0 saw different batches, so they are no "
        "pair: give the DataLoader generator=trial.generator(), or draw the order from it\n"
    )
