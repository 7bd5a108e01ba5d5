"""Every scheduler against torch's own, some against formulas, and what is refused."""

import json
import math

import pytest
import torch
from pydantic import ValidationError
from torch.optim import lr_scheduler
from training import digits, sweep

from lrdecay import schedulers
from lrdecay.errors import InputError
from lrdecay.run import Run
from lrdecay.schedulers import Horizon

EPOCHS, STEPS = 20, 60
HORIZON = Horizon(EPOCHS, STEPS)
ARGUMENTS = {
    "constant": {},
    "ConstantLR": {"factor": 0.5, "total_iters": 4},
    "CosineAnnealingLR": {"T_max": 15, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 3, "T_mult": 2},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 7, "mode": "triangular2"},
    "ExponentialLR": {"gamma": 0.8},
    "LinearLR": {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 6},
    "MultiStepLR": {"milestones": [3, 3, 11], "gamma": 0.3},
    "OneCycleLR": {"max_lr": 0.3, "total_steps": STEPS, "three_phase": True},
    "PolynomialLR": {"total_iters": 12, "power": 2},
    "ReduceLROnPlateau": {"factor": 0.5, "patience": 1},
    "StepLR": {"step_size": 5, "gamma": 0.5},
}
LOSSES = [1.0, 0.9, 0.95, 0.92, 0.91, 0.8, 0.8, 0.79995, 0.8, 0.8, 0.7] + [0.7] * 9


def adam(lr: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def states(optimizer: torch.optim.Optimizer, advance, count: int) -> list[tuple[float, float]]:
    """Rate and first beta (some schedulers cycle it) in every epoch or step."""
    found = []
    for i in range(count):
        group = optimizer.param_groups[0]
        found.append((float(group["lr"]), group["betas"][0]))
        optimizer.step()
        advance(LOSSES[i % len(LOSSES)])
    return found


def ours(name: str, given: dict, horizon: Horizon = HORIZON) -> list[tuple[float, float]]:
    # through JSON, as a run carries them
    resolved = json.loads(json.dumps(schedulers.resolve(name, given, horizon)))
    optimizer = adam()
    scheduler = schedulers.build(name, resolved, optimizer)
    count = horizon.steps if schedulers.interval(name) == "step" else horizon.epochs
    return states(optimizer, lambda loss: schedulers.advance(scheduler, loss), count)


def rates(name: str, given: dict, horizon: Horizon = HORIZON) -> list[float]:
    return [rate for rate, _ in ours(name, given, horizon)]


# The classes and their curves


def test_all_of_torchs_classes_that_yaml_can_write_are_there():
    in_yaml = set(lr_scheduler.__all__) - {
        "LRScheduler",
        "LambdaLR",
        "MultiplicativeLR",
        "SequentialLR",
        "ChainedScheduler",
    }
    assert set(schedulers.CLASSES) == in_yaml | {"constant"}
    assert set(ARGUMENTS) >= set(schedulers.CLASSES)
    for name in in_yaml:
        assert schedulers.CLASSES[name] is getattr(lr_scheduler, name)


@pytest.mark.parametrize("name", sorted(set(ARGUMENTS) - {"constant"}))
def test_curves_are_torchs(name):
    optimizer = adam()
    scheduler = getattr(lr_scheduler, name)(optimizer, **ARGUMENTS[name])
    steered = name == "ReduceLROnPlateau"
    per_step = name in ("CyclicLR", "OneCycleLR")
    expected = states(
        optimizer,
        lambda loss: scheduler.step(loss) if steered else scheduler.step(),
        STEPS if per_step else EPOCHS,
    )
    got = ours(name, ARGUMENTS[name])
    assert got == expected
    assert len({rate for rate, _ in got}) > 1
    assert (len({beta for _, beta in got}) > 1) == per_step


def test_constant_stays():
    assert ours("constant", {}) == [(0.1, 0.9)] * EPOCHS


def test_step_is_its_formula():
    expected = [0.1 * 0.5 ** (epoch // 5) for epoch in range(EPOCHS)]
    assert rates("StepLR", {"step_size": 5, "gamma": 0.5}) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("period", [7, 20, 40])
def test_cosine_is_its_formula(period):
    low, high = 0.01, 0.1
    expected = [
        low + (high - low) * (1 + math.cos(math.pi * epoch / period)) / 2 for epoch in range(EPOCHS)
    ]
    got = rates("CosineAnnealingLR", {"T_max": period, "eta_min": low})
    assert got == pytest.approx(expected, rel=1e-9)


def test_one_cycle_rises_to_its_peak_and_falls_to_its_end():
    got = rates("OneCycleLR", {"max_lr": 0.3, "total_steps": "steps", "pct_start": 0.25})
    assert got[0] == pytest.approx(0.3 / 25)
    assert max(got) == got[14] == pytest.approx(0.3)
    assert got[-1] == pytest.approx(0.3 / 25 / 1e4)
    assert sorted(got[:15]) == got[:15]
    assert sorted(got[14:], reverse=True) == got[14:]


def test_plateau_halves_after_two_bad_epochs_in_a_row():
    # bad: not below the best so far by a ten-thousandth of it; 0.79995 is not
    expected = [0.1] * 4 + [0.05] * 4 + [0.025] * 2 + [0.0125] * 3 + [0.00625] * 2
    got = rates("ReduceLROnPlateau", {"factor": 0.5, "patience": 1}, Horizon(15, 15))
    assert got == pytest.approx(expected, rel=1e-12)


def test_plateau_with_torchs_defaults_cannot_fall_within_ten_epochs():
    assert rates("ReduceLROnPlateau", {}, Horizon(10, 10)) == [0.1] * 10


def test_only_plateau_needs_validation():
    assert [n for n in schedulers.CLASSES if schedulers.needs_validation(n)] == [
        "ReduceLROnPlateau"
    ]


def test_two_classes_go_by_steps():
    by_step = [name for name in schedulers.CLASSES if schedulers.interval(name) == "step"]
    assert by_step == ["CyclicLR", "OneCycleLR"]


# Arguments


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_resolving_fills_in_every_default(name):
    resolved = schedulers.resolve(name, ARGUMENTS[name], HORIZON)
    assert resolved.items() >= ARGUMENTS[name].items()
    again = schedulers.resolve(name, resolved, HORIZON)
    # as JSON, where 0 and 0.0 differ: it names the run
    assert json.dumps(again) == json.dumps(resolved)
    assert json.loads(json.dumps(resolved)) == resolved


def test_defaults_are_torchs():
    assert schedulers.resolve("StepLR", {"step_size": 5}, HORIZON) == {"step_size": 5, "gamma": 0.1}
    assert schedulers.resolve("ReduceLROnPlateau", {}, HORIZON) == {
        "mode": "min",
        "factor": 0.1,
        "patience": 10,
        "threshold": 1e-4,
        "threshold_mode": "rel",
        "cooldown": 0,
        "min_lr": 0,
        "eps": 1e-8,
    }


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("StepLR", {"step_size": 5, "gamma": 1}, {"step_size": 5, "gamma": 1.0}),
        ("ReduceLROnPlateau", {}, {"min_lr": 0}),
        ("ReduceLROnPlateau", {"min_lr": 0}, {"min_lr": 0.0}),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 9}, {"max_lr": 1.0, "total_steps": 9}),
    ],
)
def test_whole_numbers_are_the_same_arguments(name, one, other):
    texts = {json.dumps(schedulers.resolve(name, given, HORIZON)) for given in (one, other)}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("name", "given", "key", "value"),
    [
        ("CosineAnnealingLR", {"T_max": "epochs"}, "T_max", 20),
        ("CosineAnnealingLR", {"T_max": "steps"}, "T_max", 60),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": "steps"}, "total_steps", 60),
        ("OneCycleLR", {"max_lr": 1, "epochs": "epochs", "steps_per_epoch": 3}, "epochs", 20),
        ("LinearLR", {"total_iters": "epochs"}, "total_iters", 20),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "step_size_up": "steps"}, "step_size_up", 60),
    ],
)
def test_the_words_epochs_and_steps_are_the_horizons(name, given, key, value):
    assert schedulers.resolve(name, given, HORIZON)[key] == value


@pytest.mark.parametrize(
    ("name", "given", "keys"),
    [
        ("StepLR", {}, {"step_size"}),
        ("StepLR", {"step": 5}, {"step", "step_size"}),
        ("StepLR", {"step_size": "5"}, {"step_size"}),
        ("StepLR", {"step_size": "epoch"}, {"step_size"}),
        ("StepLR", {"step_size": 5.0}, {"step_size"}),
        ("StepLR", {"step_size": True}, {"step_size"}),
        ("StepLR", {"step_size": None}, {"step_size"}),
        ("StepLR", {"step_size": 5, "gamma": float("nan")}, {"gamma"}),
        ("StepLR", {"step_size": 5, "gamma": float("inf")}, {"gamma"}),
        ("StepLR", {"step_size": 5, "last_epoch": 3}, {"last_epoch"}),
        ("StepLR", {"step_size": 5, "optimizer": "Adam"}, {"optimizer"}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "scale_fn": "exp"}, {"scale_fn"}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "mode": "square"}, {"mode"}),
        ("MultiStepLR", {"milestones": 5}, {"milestones"}),
        ("MultiStepLR", {"milestones": [5, 7.5]}, {"milestones"}),
        ("ReduceLROnPlateau", {"patience": 1.5, "mode": "low"}, {"patience", "mode"}),
        ("constant", {"gamma": 0.5}, {"gamma"}),
    ],
)
def test_wrong_arguments_are_named(name, given, keys):
    with pytest.raises(ValidationError) as caught:
        schedulers.resolve(name, given, HORIZON)
    assert {error["loc"][0] for error in caught.value.errors()} == keys


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("StepLR", {"step_size": 0}, "torch refuses these arguments: .*modulo"),
        ("CosineAnnealingLR", {"T_max": 0}, "torch refuses these arguments: .*modulo"),
        ("OneCycleLR", {"max_lr": 0.1}, "must define either total_steps OR"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "pct_start": 2}, "between 0 and 1"),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}, "positive integer T_0"),
        ("LinearLR", {"start_factor": 2.0}, "Starting multiplicative factor"),
        ("ReduceLROnPlateau", {"factor": 1.0}, r"Factor should be < 1\.0"),
        ("ReduceLROnPlateau", {"min_lr": [0.1, 0.2]}, "expected 1 min_lrs, got 2"),
        ("ReduceLROnPlateau", {"mode": "max"}, "mode must be min"),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 0}, "division by zero"),
    ],
)
def test_values_that_cannot_work_are_refused(name, given, message):
    with pytest.raises(ValueError, match=message) as caught:
        schedulers.resolve(name, given, HORIZON)
    assert not isinstance(caught.value, ValidationError)


# What only the whole run shows: 10 epochs of 19 batches of 64


def runs_with(scheduler: str) -> list[Run]:
    return sweep("", f"schedulers:\n  tried: {{{scheduler}}}\n").runs(digits())


@pytest.mark.parametrize("total_steps", ["epochs", "189", "1"])
def test_one_cycle_shorter_than_the_run_is_refused(total_steps):
    with pytest.raises(InputError, match="190"):
        runs_with(f"class: OneCycleLR, max_lr: 0.01, total_steps: {total_steps}")


def test_one_cycle_as_long_as_the_run_is_not():
    for given in ("total_steps: 190", "total_steps: steps", "epochs: epochs, steps_per_epoch: 19"):
        [run] = runs_with(f"class: OneCycleLR, max_lr: 0.01, {given}")
        got = rates("OneCycleLR", json.loads(run.scheduler_args), Horizon(10, 190))
        assert got[-1] == pytest.approx(0.01 / 25 / 1e4)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("class: OneCycleLR, max_lr: 0.01, total_steps: steps, pct_start: 1.0", "division by zero"),
        ("class: PolynomialLR, total_iters: 5, power: -1", "negative power"),
        ("class: StepLR, step_size: 1, gamma: 1.0e+100", "the learning rate is inf after 4 epochs"),
    ],
)
def test_what_fails_in_the_middle_of_a_run_is_refused_before(scheduler, message):
    with pytest.raises(InputError, match=rf"schedulers\.tried: .*{message}"):
        runs_with(scheduler)
