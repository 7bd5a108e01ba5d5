"""Trials one after the other: committed whole or not at all, however the loop ends."""

import random

import numpy as np
import pytest
import torch
from helpers.own_loops import run, train

from lrdecay.runner.trials import iterate_trials
from lrdecay.store.reader import read_epochs, read_metrics, read_runs
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
    return iterate_trials(store, lambda: [r for r in RUNS if r.run_id not in store.done()])


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
