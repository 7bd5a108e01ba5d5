"""The arguments of a run: parsed once, for reading only, and no part of its identity."""

import copy
import hashlib
import json
import math
import pickle
from dataclasses import asdict, replace

import pytest
from helpers.folders import RUN

from lrdecay.core.run import ROLES, SEMANTICS, Run, to_canonical_json

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


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"seed": 2**63 - 1, "lr": 1e-7, "batch_norm": True},
        {"dropout": None, "epochs": 1, "lr": 1.0, "lr_chosen_per": "scheduler", "phase": "choose"},
        {"plugins": '{"model mine":"0123456789abcdef"}', "model": "caf\u00e9 \U0001f600"},
        {"kernels": "triton", "precision": "tf32x3"},
        {"label_smoothing": 0.1},
        {"label_smoothing": 0.1, "clip_grad_norm": 1.0},
        {"clip_grad_norm": 5e-324},
        {"model": "resnet", "model_args": '{"depth":20}', "augment": '{"random_crop":4}'},
        {"loss_function": "focal"},
        {"trainer": "mine", "trainer_args": '{"width":64}'},
        {"trainer": "script", "model": None, "optimizer": None, "dataset_digest": None},
    ],
)
def test_the_id_is_the_hash_of_all_that_counts(changed):
    run = replace(a_run(), **changed)
    before = {
        "kernels": "torch",
        "trainer": None,
        "trainer_args": None,
        "label_smoothing": 0.0,
        "clip_grad_norm": math.inf,
        "model_args": "{}",
        "augment": "{}",
        "loss_function": "cross_entropy",
    }
    uncounted = {*ROLES, *(name for name in before if getattr(run, name) == before[name])}
    counted = {name: value for name, value in asdict(run).items() if name not in uncounted}
    text = json.dumps(
        counted | {"semantics": SEMANTICS}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    assert run.run_id == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_run_without_what_came_later_has_the_id_that_it_had():
    assert RUN.run_id == "ddd13e7288fce55d"
    assert not RUN.clips
    assert replace(RUN, clip_grad_norm=1e308).clips
    others = ({"label_smoothing": 0.1}, {"clip_grad_norm": 1.0}, {"clip_grad_norm": 2.0})
    assert len({RUN.run_id, *(replace(RUN, **other).run_id for other in others)}) == 4


def test_what_is_not_finite_has_no_canonical_text():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_canonical_json({"lr": float("nan")})
