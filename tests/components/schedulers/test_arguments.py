"""Every scheduler against torch's own, some against formulas, and what is refused."""

import json
import math

import pytest
import torch
from helpers.training import digits, sweep
from pydantic import ValidationError
from torch.optim import lr_scheduler

from lrdecay.components import schedulers
from lrdecay.components.schedulers import Horizon
from lrdecay.components.schedulers.classes import SETS_OUTRIGHT
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.sweep.matrix import list_runs

EPOCHS, STEPS = 20, 60
HORIZON = Horizon.of(EPOCHS, STEPS // EPOCHS)
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
OURS = {
    "CosineToFloorLR": {"total_iters": 40, "floor": 0.2},
    "InverseSquareRootLR": {"warmup_iters": 9},
    "LinearToZeroLR": {"total_iters": 40},
    "RexLR": {"total_iters": 40},
    "WarmupStableDecayLR": {"total_iters": 50, "decay_iters": 20, "warmup_iters": 5},
}
NESTED = {
    "ChainedScheduler": {
        "schedulers": [
            {"class": "LinearLR", "start_factor": 0.2, "total_iters": 6},
            {"class": "ExponentialLR", "gamma": 0.9},
        ]
    },
    "SequentialLR": {
        "schedulers": [
            {"class": "LinearLR", "start_factor": 0.2, "total_iters": 6},
            {"class": "StepLR", "step_size": 5, "gamma": 0.5},
        ],
        "milestones": [6],
    },
    "WarmupLR": {"warmup_iters": 7, "then": {"class": "StepLR", "step_size": 5, "gamma": 0.5}},
}
"""Their curves: test_families."""
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
    resolved = json.loads(json.dumps(schedulers.resolve_arguments(name, given, horizon)))
    optimizer = adam()
    stepper = schedulers.build_scheduler(name, resolved, optimizer)
    assert schedulers.find_clock(name, resolved) == resolved["interval"]

    def advance(loss: float) -> None:
        stepper.after_step()
        if resolved["interval"] == "epoch":
            stepper.after_epoch(loss)

    return states(optimizer, advance, horizon.length(resolved["interval"]))


def rates(name: str, given: dict, horizon: Horizon = HORIZON) -> list[float]:
    return [rate for rate, _ in ours(name, given, horizon)]


# The classes and their curves


def test_all_of_torchs_classes_that_yaml_can_write_are_there():
    in_yaml = set(lr_scheduler.__all__) - {"LRScheduler", "LambdaLR", "MultiplicativeLR"}
    ours = {"constant", "GreedyLR", "WarmupLR", *OURS}
    assert set(schedulers.CLASSES) == in_yaml | ours
    assert set(schedulers.CLASSES) == {*ARGUMENTS, *OURS, *NESTED, "GreedyLR"}
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
    got = rates("ReduceLROnPlateau", {"factor": 0.5, "patience": 1}, Horizon.of(15, 1))
    assert got == pytest.approx(expected, rel=1e-12)


def test_plateau_with_torchs_defaults_cannot_fall_within_ten_epochs():
    assert rates("ReduceLROnPlateau", {}, Horizon.of(10, 1)) == [0.1] * 10


def test_only_plateau_needs_validation_alone_or_held():
    alone = [name for name in schedulers.CLASSES if schedulers.needs_validation(name)]
    assert alone == ["ReduceLROnPlateau"]
    assert not schedulers.needs_validation("WarmupLR", NESTED["WarmupLR"])
    then = {"class": "ReduceLROnPlateau"}
    assert schedulers.needs_validation("WarmupLR", {"warmup_iters": 7, "then": then})


def test_what_goes_by_steps():
    by_step = {name for name in schedulers.CLASSES if schedulers.find_interval(name) == "step"}
    assert by_step == {"CyclicLR", "GreedyLR", "OneCycleLR", "WarmupLR", *OURS}


@pytest.mark.parametrize(
    ("given", "monitor"),
    [
        ({"class": "StepLR", "step_size": 5}, None),
        ({"class": "ReduceLROnPlateau"}, "val_loss"),
        ({"class": "ReduceLROnPlateau", "monitor": "val_loss"}, "val_loss"),
        ({"class": "ReduceLROnPlateau", "monitor": "val_accuracy"}, "val_accuracy"),
    ],
)
def test_what_a_plateau_monitors_alone_or_held(given, monitor):
    name, arguments = schedulers.read_node(given)
    assert schedulers.find_monitor(name, arguments) == monitor
    held = {"warmup_iters": 3, "then": given}
    assert schedulers.find_monitor("WarmupLR", held) == monitor
    # and so do the arguments that a run has
    resolved = schedulers.resolve_arguments("WarmupLR", held, HORIZON)
    assert schedulers.find_monitor("WarmupLR", resolved) == monitor
    assert ("monitor" in resolved["then"]) == (monitor == "val_accuracy")


def test_a_plateau_on_accuracy_takes_a_rise_for_the_better():
    resolved = schedulers.resolve_arguments(
        "ReduceLROnPlateau", {"monitor": "val_accuracy"}, HORIZON
    )
    assert (resolved["monitor"], resolved["mode"]) == ("val_accuracy", "max")
    with pytest.raises(ValueError, match=r"^interval: the validation accuracy is measured after"):
        schedulers.resolve_arguments(
            "ReduceLROnPlateau", {"monitor": "val_accuracy", "interval": "step"}, HORIZON
        )


CYCLE = {"class": "OneCycleLR", "max_lr": 0.3, "total_steps": "steps"}
SEQUENCE = {"schedulers": [{"class": "constant"}, CYCLE], "milestones": [6]}


@pytest.mark.parametrize(
    ("name", "given", "interval", "clock"),
    [
        ("StepLR", {"step_size": 5}, "epoch", "epoch"),
        ("StepLR", {"step_size": 5, "interval": "step"}, "step", "step"),
        ("OneCycleLR", {"max_lr": 0.3, "total_steps": 60}, "step", "step"),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 20, "interval": "epoch"}, "epoch", "epoch"),
        ("RexLR", {"interval": "epoch"}, "epoch", "epoch"),
        ("SequentialLR", NESTED["SequentialLR"], "epoch", "epoch"),
        ("SequentialLR", SEQUENCE, "step", "step"),
        ("SequentialLR", {**SEQUENCE, "interval": "epoch"}, "epoch", "epoch"),
        ("ChainedScheduler", NESTED["ChainedScheduler"], "epoch", "epoch"),
        ("WarmupLR", NESTED["WarmupLR"], "step", "step"),
        ("WarmupLR", {**NESTED["WarmupLR"], "interval": "epoch"}, "epoch", "epoch"),
        (
            "WarmupLR",
            {"warmup_iters": 2, "interval": "epoch", "then": {"class": "RexLR"}},
            "epoch",
            "step",
        ),
    ],
)
def test_the_interval_is_as_given_or_that_of_what_is_held(name, given, interval, clock):
    resolved = schedulers.resolve_arguments(name, given, HORIZON)
    assert resolved["interval"] == interval == schedulers.find_interval(name, given)
    assert schedulers.find_clock(name, resolved) == clock


def test_within_a_warmup_the_interval_is_that_of_what_is_held():
    given = {"warmup_iters": 10, "then": {"class": "SequentialLR", **SEQUENCE}}
    then = schedulers.resolve_arguments("WarmupLR", given, HORIZON)["then"]
    assert then["interval"] == "step"
    assert then["schedulers"][1]["total_steps"] == 60 - 10 - 6


@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize("name", sorted({**ARGUMENTS, **OURS, **NESTED}))
def test_stepping_is_as_the_file_says(name, interval):
    """Only where an epoch ends, or only after steps: the curve is the same, stretched."""
    given = {**ARGUMENTS, **OURS, **NESTED}[name] | {"interval": interval}
    if name == "ReduceLROnPlateau" and interval == "step":
        with pytest.raises(ValueError, match="interval: the validation loss is measured after"):
            schedulers.resolve_arguments(name, given, HORIZON)
        return
    if name == "WarmupLR":
        given["then"] = {**given["then"], "interval": interval}
    resolved = schedulers.resolve_arguments(name, given, HORIZON)
    optimizer = adam()
    stepper = schedulers.build_scheduler(name, resolved, optimizer)
    by_step = []
    for done in range(1, 19):
        by_step.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        stepper.after_step()
        if done % 3 == 0:
            stepper.after_epoch(1.0)
    walked = schedulers.simulate_schedule(name, resolved, Horizon.of(6, 3, 0.1)).rates
    assert by_step == [rate for rate in walked for _ in range(1 if interval == "step" else 3)]
    still = ("constant", "ConstantLR", "MultiStepLR", "OneCycleLR", "StepLR")
    assert len(set(walked)) > 2 or name in still


# Arguments


@pytest.mark.parametrize("name", sorted({**ARGUMENTS, **OURS, **NESTED}))
def test_resolving_fills_in_every_default(name):
    given = {**ARGUMENTS, **OURS, **NESTED}[name]
    resolved = schedulers.resolve_arguments(name, given, HORIZON)
    for (_, of_file), (_, filled) in zip(
        schedulers.walk_tree(name, given), schedulers.walk_tree(name, resolved), strict=True
    ):
        assert filled.keys() >= of_file.keys()
        for key in of_file.keys() - {"schedulers", "then"}:
            assert filled[key] == of_file[key]
    again = schedulers.resolve_arguments(name, resolved, HORIZON)
    # as JSON, where 0 and 0.0 differ: it names the run
    assert json.dumps(again) == json.dumps(resolved)
    assert json.loads(json.dumps(resolved)) == resolved


def test_defaults_are_torchs():
    assert schedulers.resolve_arguments("StepLR", {"step_size": 5}, HORIZON) == {
        "step_size": 5,
        "gamma": 0.1,
        "interval": "epoch",
    }
    assert schedulers.resolve_arguments("ReduceLROnPlateau", {}, HORIZON) == {
        "mode": "min",
        "factor": 0.1,
        "patience": 10,
        "threshold": 1e-4,
        "threshold_mode": "rel",
        "cooldown": 0,
        "min_lr": 0,
        "eps": 1e-8,
        "interval": "epoch",
    }


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("StepLR", {"step_size": 5, "gamma": 1}, {"step_size": 5, "gamma": 1.0}),
        ("ReduceLROnPlateau", {}, {"min_lr": 0}),
        ("ReduceLROnPlateau", {"min_lr": 0}, {"min_lr": 0.0}),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 9}, {"max_lr": 1.0, "total_steps": 9}),
        ("OneCycleLR", {"max_lr": [1], "total_steps": 9}, {"max_lr": 1.0, "total_steps": 9}),
        ("OneCycleLR", {"max_lr": "100 lr", "total_steps": 9}, {"max_lr": 0.1, "total_steps": 9}),
        ("CosineAnnealingLR", {"T_max": 9, "eta_min": -0.0}, {"T_max": 9}),
        ("MultiStepLR", {"milestones": [7, 3, 3]}, {"milestones": [3, 7, 3]}),
        ("StepLR", {"step_size": "6 steps"}, {"step_size": 2}),
        (
            "StepLR",
            {"step_size": "2 epochs", "interval": "step"},
            {"step_size": 6, "interval": "step"},
        ),
        ("ReduceLROnPlateau", {}, {"monitor": "val_loss"}),
        ("ReduceLROnPlateau", {}, {"monitor": "val_loss", "mode": "min"}),
        (
            "ReduceLROnPlateau",
            {"monitor": "val_accuracy"},
            {"monitor": "val_accuracy", "mode": "max"},
        ),
        (
            "WarmupLR",
            {"warmup_iters": 7, "then": {"class": "ReduceLROnPlateau"}},
            {"warmup_iters": 7, "then": {"class": "ReduceLROnPlateau", "monitor": "val_loss"}},
        ),
        ("LinearToZeroLR", {}, {"total_iters": "steps"}),
        ("LinearToZeroLR", {}, {"total_iters": 60, "interval": "step"}),
        ("LinearToZeroLR", {"interval": "epoch"}, {"total_iters": 20, "interval": "epoch"}),
        ("RexLR", {"total_iters": "50%"}, {"total_iters": 30}),
        ("WarmupLR", NESTED["WarmupLR"], dict(reversed(NESTED["WarmupLR"].items()))),
        (
            "WarmupLR",
            {"warmup_iters": "10%", "then": {"class": "StepLR", "step_size": 2}},
            {
                "interval": "step",
                "then": {"step_size": 2, "gamma": 1e-1, "class": "StepLR", "interval": "epoch"},
                "warmup_iters": 6,
            },
        ),
        (
            "SequentialLR",
            {
                "schedulers": [
                    {"class": "constant"},
                    {"class": "MultiStepLR", "milestones": [4, 2]},
                ],
                "milestones": ["25%"],
            },
            {
                "schedulers": [
                    {"class": "constant"},
                    {"milestones": [2, 4], "gamma": 0.1, "class": "MultiStepLR"},
                ],
                "milestones": [5],
                "interval": "epoch",
            },
        ),
    ],
)
def test_what_means_the_same_is_the_same_text(name, one, other):
    texts = {
        to_canonical_json(schedulers.resolve_arguments(name, given, HORIZON))
        for given in (one, other)
    }
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
        ("StepLR", {"step_size": "25%"}, "step_size", 5),
        ("StepLR", {"step_size": "33%"}, "step_size", 7),
        ("StepLR", {"step_size": "0.1%"}, "step_size", 1),
        (
            "MultiStepLR",
            {"milestones": ["75%", 3, "50%"]},
            "milestones",
            [3, 10, 15],
        ),
        ("RexLR", {}, "total_iters", 60),
        ("RexLR", {"interval": "epoch"}, "total_iters", 20),
        ("CyclicLR", {"base_lr": "lr", "max_lr": 1}, "base_lr", 0.001),
        ("StepLR", {"step_size": "100%"}, "step_size", 20),
        ("StepLR", {"step_size": "2 epochs"}, "step_size", 2),
        ("StepLR", {"step_size": "1.0 epochs"}, "step_size", 1),
        ("StepLR", {"step_size": "6 steps"}, "step_size", 2),
        ("StepLR", {"step_size": "2 epochs", "interval": "step"}, "step_size", 6),
        ("StepLR", {"step_size": "25%", "interval": "step"}, "step_size", 15),
        ("RexLR", {"total_iters": "2 epochs"}, "total_iters", 6),
        ("RexLR", {"total_iters": "30 steps", "interval": "epoch"}, "total_iters", 10),
        ("InverseSquareRootLR", {"warmup_iters": "1 epoch"}, "warmup_iters", 3),
        ("CosineAnnealingWarmRestarts", {"T_0": "30 steps"}, "T_0", 10),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "step_size_up": "2 epochs"}, "step_size_up", 6),
        ("ReduceLROnPlateau", {"patience": "3 epochs"}, "patience", 3),
        ("ReduceLROnPlateau", {"patience": "9 steps"}, "patience", 3),
        ("ReduceLROnPlateau", {"cooldown": "10%"}, "cooldown", 2),
        ("MultiStepLR", {"milestones": ["45 steps", "50%", "2 epochs"]}, "milestones", [2, 10, 15]),
        ("OneCycleLR", {"max_lr": 1, "epochs": "100%", "steps_per_epoch": 3}, "epochs", 20),
        (
            "OneCycleLR",
            {"max_lr": 1, "epochs": "60 steps", "steps_per_epoch": "1 epoch"},
            "steps_per_epoch",
            3,
        ),
        ("WarmupStableDecayLR", {"decay_iters": "1.0 epochs"}, "decay_iters", 3),
    ],
)
def test_words_and_shares_are_the_horizons(name, given, key, value):
    assert schedulers.resolve_arguments(name, given, HORIZON)[key] == value


def test_a_time_goes_by_what_steps_a_scheduler_that_is_held():
    step = {"class": "StepLR", "step_size": "6 steps"}
    cosine = {"class": "CosineAnnealingLR", "T_max": "50%"}
    given = {"schedulers": [step, cosine], "milestones": ["2 epochs"]}
    by_epoch = schedulers.resolve_arguments("SequentialLR", given, HORIZON)
    assert by_epoch["milestones"] == [2]
    assert by_epoch["schedulers"][0]["step_size"] == 2
    assert by_epoch["schedulers"][1]["T_max"] == 9  # of 18 epochs
    by_step = schedulers.resolve_arguments("SequentialLR", {**given, "interval": "step"}, HORIZON)
    assert by_step["milestones"] == [6]
    assert by_step["schedulers"][0]["step_size"] == 6
    assert by_step["schedulers"][1]["T_max"] == 27  # of 54 steps
    given = {"warmup_iters": "2 epochs", "then": step}
    resolved = schedulers.resolve_arguments("WarmupLR", given, HORIZON)
    assert (resolved["warmup_iters"], resolved["then"]["step_size"]) == (6, 2)
    given["then"] = {**step, "interval": "step"}
    assert schedulers.resolve_arguments("WarmupLR", given, HORIZON)["then"]["step_size"] == 6
    chain = {"schedulers": [{"class": "ConstantLR", "total_iters": "9 steps"}]}
    resolved = schedulers.resolve_arguments("ChainedScheduler", chain, HORIZON)
    assert resolved["schedulers"][0]["total_iters"] == 3


def test_the_whole_numbers_of_a_plug_in_are_its_lengths(monkeypatch):
    class HalvingLR(lr_scheduler.LRScheduler):
        def __init__(
            self, optimizer, every: int, at: list[int], factor: float = 0.5, shape: str = "step"
        ):
            super().__init__(optimizer)

        def get_lr(self):
            return list(self.base_lrs)

    monkeypatch.setitem(schedulers.CLASSES, "HalvingLR", HalvingLR)
    schedulers.argument_model.cache_clear()
    given = {"every": "50%", "at": ["6 steps", "2 epochs", 4]}
    resolved = schedulers.resolve_arguments("HalvingLR", given, HORIZON)
    assert (resolved["every"], resolved["at"]) == (10, [2, 2, 4])
    held = {"schedulers": [{"class": "constant"}, {"class": "HalvingLR", **given}]}
    by_step = {**held, "milestones": [6], "interval": "step"}
    resolved = schedulers.resolve_arguments("SequentialLR", by_step, HORIZON)["schedulers"][1]
    assert (resolved["every"], resolved["at"]) == (27, [6, 6, 4])
    with pytest.raises(ValidationError) as caught:
        schedulers.resolve_arguments("HalvingLR", {**given, "factor": "50%"}, HORIZON)
    assert [error["loc"] for error in caught.value.errors()] == [("factor",)]
    schedulers.argument_model.cache_clear()


def test_within_a_sequence_words_stand_for_the_part_between_two_milestones():
    cosine = {"class": "CosineAnnealingLR", "T_max": "epochs"}
    straight = {"class": "LinearToZeroLR"}
    given = {"schedulers": [cosine, straight, cosine], "milestones": ["25%", 12]}
    by_epoch = schedulers.resolve_arguments("SequentialLR", {**given, "interval": "epoch"}, HORIZON)
    first, second, third = by_epoch["schedulers"]
    assert by_epoch["milestones"] == [5, 12]
    assert (first["T_max"], second["total_iters"], third["T_max"]) == (5, 7, 8)
    given["milestones"] = [5, 12]
    by_step = schedulers.resolve_arguments("SequentialLR", given, HORIZON)
    first, second, third = by_step["schedulers"]
    assert by_step["interval"] == "step"
    # 5 and 7 steps are 2 and 3 epochs begun, and 4 whole epochs lie before the third
    assert (first["T_max"], second["total_iters"], third["T_max"]) == (2, 7, 16)


@pytest.mark.parametrize(
    ("interval", "warmup", "epochs", "steps"),
    [
        ("step", 6, 18, 54),
        ("step", 7, 18, 53),
        ("step", "50%", 10, 30),
        ("step", 100, 1, 1),
        ("epoch", 4, 16, 48),
        ("epoch", 20, 1, 1),
    ],
)
def test_after_a_warmup_words_stand_for_what_is_left(interval, warmup, epochs, steps):
    for then, key, left in (
        ({"class": "CosineAnnealingLR", "T_max": "epochs"}, "T_max", epochs),
        ({"class": "CosineAnnealingLR", "T_max": "steps"}, "T_max", steps),
        ({"class": "LinearToZeroLR"}, "total_iters", steps),
        ({"class": "LinearToZeroLR", "interval": "epoch"}, "total_iters", epochs),
    ):
        given = {"warmup_iters": warmup, "interval": interval, "then": then}
        assert schedulers.resolve_arguments("WarmupLR", given, HORIZON)["then"][key] == left


@pytest.mark.parametrize(
    ("name", "given", "fixed"),
    [
        ("StepLR", {"step_size": 5}, True),
        ("StepLR", {"step_size": "epochs"}, False),
        ("StepLR", {"step_size": "50%"}, False),
        ("StepLR", {"step_size": "1 epoch", "interval": "step"}, False),
        ("MultiStepLR", {"milestones": [3, "50%"]}, False),
        ("OneCycleLR", {"max_lr": "2 lr", "total_steps": 9}, False),
        ("OneCycleLR", {"max_lr": ["lr"], "total_steps": 9}, False),
        ("RexLR", {}, False),
        ("WarmupLR", NESTED["WarmupLR"], True),
        ("WarmupLR", {"warmup_iters": 5, "then": {"class": "RexLR"}}, False),
        ("SequentialLR", NESTED["SequentialLR"], True),
        ("SequentialLR", {**NESTED["SequentialLR"], "milestones": ["50%"]}, False),
        ("ChainedScheduler", {"schedulers": [{"class": "StepLR", "step_size": "epochs"}]}, False),
    ],
)
def test_arguments_are_fixed_where_no_run_s_length_or_rate_changes_them(name, given, fixed):
    assert schedulers.has_fixed_arguments(name, given) is fixed
    horizons = [Horizon.of(20, 3), Horizon.of(40, 5, lr=0.7)]
    first, second = (schedulers.resolve_arguments(name, given, horizon) for horizon in horizons)
    assert (first == second) is fixed


@pytest.mark.parametrize(
    ("name", "given", "keys"),
    [
        ("StepLR", {}, {"step_size"}),
        ("StepLR", {"step": 5}, {"step", "step_size"}),
        ("StepLR", {"step_size": "5"}, {"step_size"}),
        ("StepLR", {"step_size": "epoch"}, {"step_size"}),
        ("StepLR", {"step_size": 5.0}, {"step_size"}),
        ("StepLR", {"step_size": True}, {"step_size"}),
        ("StepLR", {"step_size": "0.5 epochs"}, {"step_size"}),
        ("StepLR", {"step_size": "1.5 epochs"}, {"step_size"}),
        ("StepLR", {"step_size": "-0.5 epochs"}, {"step_size"}),
        ("StepLR", {"step_size": "0.5epochs"}, {"step_size"}),
        ("StepLR", {"step_size": "100.1%"}, {"step_size"}),
        ("StepLR", {"step_size": "-50%"}, {"step_size"}),
        ("RexLR", {"total_iters": "0.5 epochs"}, {"total_iters"}),
        ("ReduceLROnPlateau", {"patience": "2.5 epochs", "cooldown": "0.5 steps"}, None),
        ("MultiStepLR", {"milestones": [3, "0.5 epochs"]}, {"milestones"}),
        # words in what is no length
        ("StepLR", {"step_size": 5, "gamma": "epochs"}, {"gamma"}),
        ("StepLR", {"step_size": 5, "gamma": "50%"}, {"gamma"}),
        ("ReduceLROnPlateau", {"factor": "0.5 epochs"}, {"factor"}),
        ("PolynomialLR", {"power": "2 steps"}, {"power"}),
        ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": "2 epochs"}, {"T_mult"}),
        ("OneCycleLR", {"max_lr": "10%", "total_steps": 9}, {"max_lr"}),
        ("StepLR", {"step_size": "1" * 500_000}, {"step_size"}),
        ("StepLR", {"step_size": "lr"}, {"step_size"}),
        ("StepLR", {"step_size": 5, "interval": "epochs"}, {"interval"}),
        ("OneCycleLR", {"max_lr": "9" * 400 + " lr", "total_steps": 5}, {"max_lr"}),
        ("WarmupLR", {"warmup_iters": 3}, {"then"}),
        ("WarmupLR", {"warmup_iters": 3, "then": "constant"}, {"then"}),
        ("SequentialLR", {"schedulers": {"class": "constant"}, "milestones": []}, {"schedulers"}),
        (
            "SequentialLR",
            {"schedulers": ["constant"], "milestones": ["x"]},
            {"schedulers", "milestones"},
        ),
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
        schedulers.resolve_arguments(name, given, HORIZON)
    keys = given.keys() if keys is None else keys
    assert {error["loc"][0] for error in caught.value.errors()} == keys


@pytest.mark.parametrize(
    ("name", "given", "key"),
    [
        ("ReduceLROnPlateau", {"patience": "0 epochs", "cooldown": "0 steps"}, "patience"),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_down": 0}, "step_size_down"),
        ("ConstantLR", {"total_iters": "0 epochs"}, "total_iters"),
    ],
)
def test_a_length_of_nothing_stays_where_it_means_something(name, given, key):
    assert schedulers.resolve_arguments(name, given, HORIZON)[key] == 0


ABOVE_0 = "; give a whole number from 1 on, or a length such as 2 epochs or 50%$"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("StepLR", {"step_size": 0}, f"^step_size: must be at least 1 epoch, not 0{ABOVE_0}"),
        ("CosineAnnealingLR", {"T_max": "0 steps"}, f"^T_max: .* 1 epoch, not 0{ABOVE_0}"),
        ("OneCycleLR", {"max_lr": 0.1}, "must define either total_steps OR"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "pct_start": 2}, "between 0 and 1"),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}, f"^T_0: must be .* 1 epoch, not 0{ABOVE_0}"),
        (
            "OneCycleLR",
            {"max_lr": 0.1, "total_steps": "0 epochs"},
            f"^total_steps: must be at least 1 step, not 0{ABOVE_0}",
        ),
        (
            "ChainedScheduler",
            {"schedulers": [{"class": "StepLR", "step_size": "0.0 epochs"}]},
            f"^step_size: must be at least 1, not 0{ABOVE_0}",
        ),
        ("LinearLR", {"start_factor": 2.0}, "Starting multiplicative factor"),
        ("ReduceLROnPlateau", {"factor": 1.0}, r"Factor should be < 1\.0"),
        ("ReduceLROnPlateau", {"min_lr": [0.1, 0.2]}, "expected 1 min_lrs, got 2"),
        ("ReduceLROnPlateau", {"mode": "max"}, "validation loss falls; give monitor: val_accuracy"),
        ("ReduceLROnPlateau", {"mode": "min", "monitor": "val_accuracy"}, "; leave mode out, or"),
        ("StepLR", {"step_size": "0 epochs"}, f"^step_size: .* 1 epoch, not 0{ABOVE_0}"),
        (
            "StepLR",
            {"step_size": "0 epochs", "interval": "step"},
            f"^step_size: must be at least 1 step, not 0{ABOVE_0}",
        ),
        (
            "StepLR",
            {"step_size": "4 steps"},
            "^step_size: 4 steps is no whole number of epochs of 3 steps; give 3 steps or 6 steps$",
        ),
        ("StepLR", {"step_size": "2 steps"}, "of epochs of 3 steps; give 3 steps$"),
        (
            "RexLR",
            {"total_iters": "1.5 epochs"},
            "^total_iters: 1.5 epochs is no whole number of steps, of which an epoch has 3; give "
            "4 steps or 5 steps$",
        ),
        ("ReduceLROnPlateau", {"patience": "10 steps"}, "^patience: 10 steps is no .* 9 steps or"),
        ("MultiStepLR", {"milestones": [3, "31 steps"]}, "^milestones: 31 steps is no whole"),
        (
            "WarmupLR",
            {"warmup_iters": 3, "then": {"class": "CosineAnnealingLR", "T_max": "7 steps"}},
            "^T_max: 7 steps is no whole number of epochs of 3 steps; give 6 steps or 9 steps$",
        ),
        (
            "CyclicLR",
            {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 0},
            f"^step_size_up: must be at least 1 step, not 0{ABOVE_0}",
        ),
        ("LinearToZeroLR", {"total_iters": 0}, "total_iters: must be at least 1, not 0"),
        ("RexLR", {"total_iters": -1}, "total_iters: must be at least 1, not -1"),
        ("CosineToFloorLR", {"floor": 1.5}, r"floor: must be from 0 to 1, not 1\.5"),
        ("InverseSquareRootLR", {"warmup_iters": 0}, "warmup_iters: must be at least 1, not 0"),
        (
            "WarmupStableDecayLR",
            {"total_iters": 9, "decay_iters": 6, "warmup_iters": 4},
            "warmup_iters 4 and decay_iters 6 must fit into total_iters 9",
        ),
        ("WarmupStableDecayLR", {"decay_iters": 0}, "decay_iters: must be at least 1"),
        (
            "WarmupLR",
            {"warmup_iters": 0, "then": {"class": "constant"}},
            "warmup_iters: must be at",
        ),
        ("SequentialLR", {"schedulers": [], "milestones": []}, "at least one scheduler"),
        ("ChainedScheduler", {"schedulers": []}, "at least one scheduler"),
        (
            "SequentialLR",
            {"schedulers": [{"class": "constant"}] * 3, "milestones": [5, 5]},
            r"milestones: must rise from 1 on, not \[5, 5\]",
        ),
        (
            "SequentialLR",
            {"schedulers": [{"class": "constant"}] * 2, "milestones": [0]},
            r"milestones: must rise from 1 on, not \[0\]",
        ),
        (
            "SequentialLR",
            {"schedulers": [{"class": "constant"}] * 2, "milestones": []},
            "one more than the number of milestone",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(name, given, message):
    with pytest.raises(ValueError, match=message) as caught:
        schedulers.resolve_arguments(name, given, HORIZON)
    assert not isinstance(caught.value, ValidationError)


# What only the whole run shows: 10 epochs of 19 batches of 64


def runs_with(scheduler: str) -> list[Run]:
    return list_runs(sweep("", f"schedulers:\n  tried: {{{scheduler}}}\n"), digits())


@pytest.mark.parametrize("total_steps", ["epochs", "189", "1"])
def test_one_cycle_shorter_than_the_run_is_refused(total_steps):
    with pytest.raises(InputError, match="190"):
        runs_with(f"class: OneCycleLR, max_lr: 0.01, total_steps: {total_steps}")


def test_one_cycle_as_long_as_the_run_is_not():
    for given in ("total_steps: 190", "total_steps: steps", "epochs: epochs, steps_per_epoch: 19"):
        [run] = runs_with(f"class: OneCycleLR, max_lr: 0.01, {given}")
        got = rates("OneCycleLR", json.loads(run.scheduler_args), Horizon.of(10, 19))
        assert got[-1] == pytest.approx(0.01 / 25 / 1e4)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("class: OneCycleLR, max_lr: 0.01, total_steps: steps, pct_start: 1.0", "division by zero"),
        ("class: PolynomialLR, total_iters: 5, power: -1", "negative power"),
        ("class: StepLR, step_size: 1, gamma: 1.0e+100", "the learning rate is inf after 4 epochs"),
        (
            "class: WarmupLR, warmup_iters: 9, "
            "then: {class: OneCycleLR, max_lr: 0.1, total_steps: 9}",
            "OneCycleLR ends after 9 steps, and its part of the run has 181; give total_steps",
        ),
    ],
)
def test_what_fails_in_the_middle_of_a_run_is_refused_before(scheduler, message):
    with pytest.raises(InputError, match=rf"schedulers\.tried: .*{message}"):
        runs_with(scheduler)


def test_a_cycle_by_epochs_needs_as_many_as_the_run():
    cycle = "class: OneCycleLR, max_lr: 0.01, interval: epoch, total_steps"
    [run] = runs_with(f"{cycle}: epochs")
    assert json.loads(run.scheduler_args)["total_steps"] == 10
    with pytest.raises(
        InputError, match="OneCycleLR ends after 9 epochs, and the run has 10; give"
    ):
        runs_with(f"{cycle}: 9")


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("StepLR", {"step_size": -3}, "step_size: must not be negative, as -3 is"),
        ("CosineAnnealingLR", {"T_max": -8}, "T_max: must not be negative, as -8 is"),
        ("MultiStepLR", {"milestones": [2, -4]}, "milestones: must not be negative, as -4 is"),
        (
            "CyclicLR",
            {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": -3, "step_size_down": 5},
            "step_size_up: must not be negative, as -3 is",
        ),
        ("ReduceLROnPlateau", {"patience": -1}, "patience: must not be negative, as -1 is"),
        ("ReduceLROnPlateau", {"cooldown": -2}, "cooldown: must not be negative, as -2 is"),
        (
            "WarmupLR",
            {"warmup_iters": 3, "then": {"class": "StepLR", "step_size": -1}},
            "step_size: must not be negative, as -1 is",
        ),
    ],
)
def test_lengths_below_zero_are_refused(name, given, said):
    """Torch takes them, and does something else with each."""
    with pytest.raises(ValueError, match=f"^{said}$"):
        schedulers.resolve_arguments(name, given, HORIZON)


# What may hold what


def held_by(holder: str, child: dict) -> dict:
    if holder == "WarmupLR":
        return {"warmup_iters": 2, "then": child}
    milestones = {"milestones": [3]} if holder == "SequentialLR" else {}
    return {"schedulers": [{"class": "ExponentialLR", "gamma": 0.9}, child], **milestones}


@pytest.mark.parametrize("holder", sorted(NESTED))
@pytest.mark.parametrize("name", sorted({**ARGUMENTS, **OURS, **NESTED}))
def test_a_scheduler_is_held_or_refused_with_the_reason(holder, name):
    """What is held is walked through past every milestone without an error or a warning."""
    sets_outright = {*OURS, "CyclicLR", "OneCycleLR", "CosineAnnealingWarmRestarts", "SequentialLR"}
    reason = None
    if name == "WarmupLR":
        reason = "WarmupLR cannot be held by another; let it hold the others"
    elif holder == "SequentialLR" and name in ("SequentialLR", "ChainedScheduler"):
        reason = f"SequentialLR cannot hold {name}, which torch starts at the wrong rate"
    elif name == "ReduceLROnPlateau" and holder != "WarmupLR":
        reason = f"{holder} cannot hold ReduceLROnPlateau, which is steered by validation; WarmupLR"
    elif holder == "ChainedScheduler" and name in sets_outright:
        reason = f"{name} sets the rate outright, which undoes the others"
    given = held_by(holder, {"class": name, **{**ARGUMENTS, **OURS, **NESTED}[name]})
    if reason is None:
        resolved = schedulers.resolve_arguments(holder, given, HORIZON)
        assert len(schedulers.simulate_schedule(holder, resolved, HORIZON, 41).rates) == 41
        return
    with pytest.raises(ValidationError, match=reason) as caught:
        schedulers.resolve_arguments(holder, given, HORIZON)
    place = ("then", "class") if holder == "WarmupLR" else ("schedulers", 1, "class")
    assert [error["loc"] for error in caught.value.errors()] == [place]


def test_those_that_set_the_rate_outright_are_all_that_undo_others():
    """A scheduler is refused in a chain if, and only if, the one before it leaves no trace."""
    for name, given in {**ARGUMENTS, **OURS, "SequentialLR": NESTED["SequentialLR"]}.items():
        if name == "ReduceLROnPlateau":
            continue
        optimizer = adam()
        half = lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=99)
        resolved = schedulers.resolve_arguments(name, {**given, "interval": "step"}, HORIZON)
        stepper = schedulers.build_scheduler(name, resolved, optimizer)
        alone = schedulers.simulate_schedule(name, resolved, Horizon.of(13, 1, 0.1)).rates
        kept = []
        for _ in range(12):
            optimizer.step()
            half.step()
            stepper.after_step()
            kept.append(optimizer.param_groups[0]["lr"])
        undone = any(
            whole > 0 and rate == pytest.approx(whole)
            for rate, whole in zip(kept, alone[1:], strict=True)
        )
        assert undone == (name in SETS_OUTRIGHT), name


@pytest.mark.parametrize(
    ("milestones", "total", "refused"),
    [
        ("[100]", 90, False),
        ("[100]", 89, True),
        ("[100, 150]", 50, False),
        ("[100, 150]", 49, True),
    ],
)
def test_a_cycle_must_last_as_long_as_its_part_of_the_run(milestones, total, refused):
    last = ", {class: constant}" if "," in milestones else ""
    text = (
        f"class: SequentialLR, milestones: {milestones}, schedulers: [{{class: constant}}, "
        f"{{class: OneCycleLR, max_lr: 0.01, total_steps: {total}}}{last}]"
    )
    if refused:
        with pytest.raises(InputError, match=f"OneCycleLR ends after {total} steps, and its part"):
            runs_with(text)
    else:
        [run] = runs_with(text)
        assert json.loads(run.scheduler_args)["schedulers"][1]["total_steps"] == total
