"""The arguments of a run: parsed once, for reading only, and no part of its identity."""

import copy
import pickle
from dataclasses import asdict, replace

import pytest
from helpers.folders import RUN

from lrdecay.core.run import Run

STEPS = '{"gamma":0.1,"interval":"epoch","milestones":[2,4]}'


def a_run() -> Run:
    return replace(RUN, scheduler="steps", scheduler_class="MultiStepLR", scheduler_args=STEPS)


def test_arguments_are_those_of_the_text():
    run = a_run()
    assert dict(run.scheduler_arguments) == {
        "gamma": 0.1,
        "interval": "epoch",
        "milestones": [2, 4],
    }
    assert run.optimizer_arguments["betas"] == [0.9, 0.999]
    assert replace(run, scheduler_args='{"gamma":1.0}').scheduler_arguments == {"gamma": 1.0}


def test_arguments_are_for_reading_and_shared():
    run = a_run()
    with pytest.raises(TypeError, match="does not support item assignment"):
        run.scheduler_arguments["gamma"] = 0.5
    assert replace(run, seed=1).scheduler_arguments is run.scheduler_arguments


def test_reading_them_leaves_the_run_as_it_is():
    run, other = a_run(), a_run()
    before = run.run_id, hash(run), asdict(run), pickle.dumps(run)
    assert run.scheduler_arguments["milestones"]
    assert run.optimizer_arguments["betas"]
    assert run.schedule == other.schedule
    assert (run.run_id, hash(run), asdict(run), pickle.dumps(run)) == before
    assert run == other == pickle.loads(pickle.dumps(run)) == copy.deepcopy(run)
