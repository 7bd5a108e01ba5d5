"""What is said of schedules before anything trains: each warning on its own example."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.paths import SWEEPS
from helpers.training import digits, sweep
from typer.testing import CliRunner

from lrdecay.cli import schedule_preview
from lrdecay.cli.app import app
from lrdecay.components.datasets.dataset import make_dataset
from lrdecay.components.schedulers import Horizon, Part
from lrdecay.store.reader import read_plan
from lrdecay.sweep import schedule_lint
from lrdecay.sweep.argument_lint import lint_floors
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import load_sweep

SHIPPED = sorted(SWEEPS.rglob("*.yaml"))
EPOCHS, STEPS = 10, 190  # 1,198 images in batches of 64


def parsed(schedulers: str, text: str = "") -> Sweep:
    """A sweep of the digits with schedulers given as `label: {class: ...}`, by line."""
    lines = "".join(f"  {line.strip()}\n" for line in schedulers.strip().splitlines())
    return sweep(f"epochs: {EPOCHS}\n{text}", f"schedulers:\n{lines}")


def foreseen(schedulers: str, text: str = "") -> list[schedule_lint.PlannedCurve]:
    """What is foreseen of them."""
    return schedule_lint.simulate_schedules(list_runs(parsed(schedulers, text), digits()), 1198)


def warnings(schedulers: str, text: str = "") -> list[str]:
    given = parsed(schedulers, text).schedulers
    return schedule_lint.lint_schedules(foreseen(schedulers, text), given)


ODD = {
    "{class: ReduceLROnPlateau}": "ReduceLROnPlateau with patience 10 can never change the rate "
    "within 10 epochs, whatever the loss; give a patience of at most 7",
    "{class: ReduceLROnPlateau, patience: 8}": "ReduceLROnPlateau with patience 8 can never change "
    "the rate within 10 epochs, whatever the loss; give a patience of at most 7",
    "{class: WarmupLR, warmup_iters: 10%, then: {class: ReduceLROnPlateau, patience: 7}}":
    "ReduceLROnPlateau with patience 7 can never change the rate within 9 epochs, whatever the "
    "loss; give a patience of at most 6",
    "{class: CosineAnnealingLR, T_max: 20}": "CosineAnnealingLR over 20 epochs stops halfway, "
    "since it has 10 epochs; give T_max: epochs",
    "{class: CosineAnnealingLR, T_max: 15}": "CosineAnnealingLR over 15 epochs stops on the way, "
    "since it has 10 epochs; give T_max: epochs",
    "{class: CosineAnnealingLR, T_max: 6}": "CosineAnnealingLR over 6 epochs comes to its end and "
    "goes up again, since it has 10 epochs; give T_max: epochs",
    "{class: CosineAnnealingLR, T_max: epochs, interval: step}": "CosineAnnealingLR over 10 steps "
    "comes to its end and goes up again, since it has 190 steps (10 is its number of epochs; it is "
    "stepped after every step); give T_max: steps",
    "{class: CosineAnnealingLR, T_max: steps}": "CosineAnnealingLR over 190 epochs stops on the "
    "way, since it has 10 epochs (190 is its number of steps; it is stepped after every epoch); "
    "give T_max: epochs",
    "{class: OneCycleLR, max_lr: 0.01, total_steps: steps, interval: epoch}": "OneCycleLR over 190 "
    "epochs stops on the way, since it has 10 epochs (190 is its number of steps; it is stepped "
    "after every epoch); give total_steps: epochs",
    "{class: OneCycleLR, max_lr: 0.01, epochs: 10, steps_per_epoch: 20}": "OneCycleLR over 200 "
    "steps stops on the way, since it has 190 steps; give total_steps: steps",
    "{class: LinearToZeroLR, total_iters: epochs}": "LinearToZeroLR over 10 steps ends early, "
    "since it has 190 steps (10 is its number of epochs; it is stepped after every step); "
    "give total_iters: steps",
    "{class: StepLR, step_size: 30}": "step_size 30 of StepLR lies past its end, after 10 epochs; "
    "give a step_size below 10, such as 50%",
    "{class: StepLR, step_size: 5, interval: step}": "step_size 5 of StepLR counts steps, of which "
    "an epoch has 19; give 5 epochs or 5 steps, whichever is meant",
    "{class: MultiStepLR, milestones: [3, 10, 12]}": "milestone 10, 12 of MultiStepLR lies past "
    "its end, after 10 epochs; give a milestone below 10, such as 50%",
    "{class: CyclicLR, base_lr: 0.0001, max_lr: 0.001}": "step_size_up 2000 of CyclicLR lies past "
    "its end, after 190 steps; give a step_size_up below 190, such as 50%",
    "{class: StepLR, step_size: 3, gamma: 2.0}": "gamma 2 of StepLR raises the rate every time; "
    "give one below 1",
    "{class: StepLR, step_size: 3, gamma: 1.0}": "its rate is 0.001 in all of 10 epochs; leave it "
    "out, or give arguments that change it",
    "{class: PolynomialLR, total_iters: 5}": "its rate reaches zero early: nothing is learnt in "
    "the last 5 epochs of 10; give it the length of the run",
    "{class: CosineAnnealingLR, T_max: epochs, eta_min: -0.001}": "its rate is negative, "
    "-0.000309017, from epoch 7 on, and the loss climbs then; give arguments that keep it above 0",
    "{class: StepLR, step_size: 4, gamma: -0.5}": "its rate is negative, -0.0005, from epoch 5 on, "
    "and the loss climbs then; give arguments that keep it above 0",
    "{class: SequentialLR, milestones: [5], schedulers: [{class: ExponentialLR, gamma: 0.5}, "
    "{class: CosineAnnealingLR, T_max: epochs}]}": "its rate jumps up from 6.25e-05 to 0.001 at "
    "epoch 6; give arguments that let it go on from 6.25e-05, or leave out what comes before",
    "{class: SequentialLR, milestones: [12], schedulers: [{class: ExponentialLR, gamma: 0.5}, "
    "{class: constant}]}": "milestone 12 of SequentialLR lies past its end, after 10 epochs; "
    "give a milestone below 10, such as 50%",
    "{class: SequentialLR, milestones: [5], schedulers: [{class: constant}, "
    "{class: CosineToFloorLR, floor: 0.2}]}": "milestone 5 of SequentialLR counts steps, of which "
    "an epoch has 19; give 5 epochs or 5 steps, whichever is meant",
    "{class: MultiStepLR, milestones: [5, 8], interval: step}": "milestone 8 of MultiStepLR counts "
    "steps, of which an epoch has 19; give 8 epochs or 8 steps, whichever is meant",
    # less than an epoch of steps, and as many epochs fit into half of the run
    "{class: WarmupLR, warmup_iters: 5, then: {class: CosineAnnealingLR, T_max: epochs}}":
    "warmup_iters 5 of WarmupLR counts steps, of which an epoch has 19; give 5 epochs or 5 steps, "
    "whichever is meant",
    "{class: InverseSquareRootLR, warmup_iters: 2}": "warmup_iters 2 of InverseSquareRootLR counts "
    "steps, of which an epoch has 19; give 2 epochs or 2 steps, whichever is meant",
    "{class: WarmupStableDecayLR, decay_iters: 3}": "decay_iters 3 of WarmupStableDecayLR counts "
    "steps, of which an epoch has 19; give 3 epochs or 3 steps, whichever is meant",
    "{class: CyclicLR, base_lr: 0.0001, max_lr: 0.001, step_size_up: 4}": "step_size_up 4 of "
    "CyclicLR counts steps, of which an epoch has 19; give 4 epochs or 4 steps, whichever is meant",
    "{class: CosineAnnealingWarmRestarts, T_0: 5, interval: step}": "T_0 5 of "
    "CosineAnnealingWarmRestarts counts steps, of which an epoch has 19; give 5 epochs or 5 steps, "
    "whichever is meant",
    "{class: SequentialLR, milestones: [2 epochs], schedulers: [{class: constant}, "
    "{class: InverseSquareRootLR, warmup_iters: 3}]}": "warmup_iters 3 of InverseSquareRootLR "
    "counts steps, of which an epoch has 19; give 3 epochs or 3 steps, whichever is meant",
    # those within go by steps for the last of them
    "{class: SequentialLR, milestones: [5 epochs], schedulers: [{class: LinearLR, "
    "total_iters: 5}, {class: RexLR}]}": "total_iters 5 of LinearLR counts steps, of which an "
    "epoch has 19; give 5 epochs or 5 steps, whichever is meant",
    "{class: SequentialLR, milestones: [50%], schedulers: [{class: ConstantLR, factor: 0.5, "
    "total_iters: 4}, {class: LinearToZeroLR}]}": "total_iters 4 of ConstantLR counts steps, of "
    "which an epoch has 19; give 4 epochs or 4 steps, whichever is meant",
    "{class: WarmupLR, warmup_iters: 500, interval: epoch, then: {class: constant}}":
    "warmup_iters 500 of WarmupLR lies past its end, after 10 epochs; give a warmup_iters below "
    "10, such as 50%",
    "{class: ReduceLROnPlateau, monitor: val_accuracy}": "ReduceLROnPlateau with patience 10 can "
    "never change the rate within 10 epochs, whatever the accuracy; give a patience of at most 7",
    "{class: ReduceLROnPlateau, patience: 80%}": "ReduceLROnPlateau with patience 8 can never "
    "change the rate within 10 epochs, whatever the loss; give a patience of at most 7",
    "{class: SequentialLR, interval: epoch, milestones: [4], schedulers: [{class: constant}, "
    "{class: OneCycleLR, max_lr: 0.01, total_steps: epochs}]}": "constant within SequentialLR "
    "starts at 0.0004 and not at 0.001, since torch has it start from a rate of OneCycleLR; let "
    "WarmupLR hold that, or give it a label of its own",
    "{class: SequentialLR, interval: epoch, milestones: [8], schedulers: [{class: CyclicLR, "
    "base_lr: 0.0001, max_lr: 0.001, step_size_up: 4}, {class: constant}]}": "constant within "
    "SequentialLR starts at 0.0001 and not at 0.001, since torch has it start from a rate of "
    "CyclicLR; let WarmupLR hold that, or give it a label of its own",
    "{class: CosineAnnealingLR, T_max: epochs, eta_min: 0.01}": "eta_min 0.01 of CosineAnnealingLR "
    "lies above the base rate, 0.001, so the rate rises to it; give one below, such as "
    "eta_min: 0.1 lr",
    "{class: CosineAnnealingWarmRestarts, T_0: 5, eta_min: 0.002}": "eta_min 0.002 of "
    "CosineAnnealingWarmRestarts lies above the base rate, 0.001, so the rate rises to it; give "
    "one below, such as eta_min: 0.1 lr",
    "{class: CosineAnnealingLR, T_max: epochs, eta_min: 1 lr}": "eta_min 0.001 of "
    "CosineAnnealingLR is the base rate itself, so the rate never falls; give one below, such as "
    "eta_min: 0.1 lr",
    "{class: ReduceLROnPlateau, patience: 2, min_lr: 0.01}": "min_lr 0.01 of ReduceLROnPlateau "
    "lies above the base rate, 0.001, so it never falls; give one below, such as min_lr: 0.1 lr",
    "{class: ReduceLROnPlateau, patience: 2, min_lr: [0.001]}": "min_lr 0.001 of "
    "ReduceLROnPlateau is the base rate itself, so the rate never falls; give one below, such as "
    "min_lr: 0.1 lr",
    "{class: CyclicLR, base_lr: 0.01, max_lr: 0.1, step_size_up: 20}": "base_lr 0.01 of CyclicLR "
    "lies above the base rate, 0.001, so all of its rates do; give one below, such as "
    "base_lr: 0.1 lr",
    "{class: CyclicLR, base_lr: 0.001, max_lr: 0.0001, step_size_up: 20}": "max_lr 0.0001 of "
    "CyclicLR lies below its base_lr, 0.001; exchange them",
    "{class: CosineToFloorLR, floor: 1.0}": "floor 1 of CosineToFloorLR is the base rate itself, "
    "so the rate never falls; give one below",
    "{class: WarmupStableDecayLR, warmup_iters: 9, decay_iters: 90, final: 1.0}": "final 1 of "
    "WarmupStableDecayLR is the base rate itself, so the rate never falls; give one below",
    "{class: WarmupLR, warmup_iters: 9, then: {class: CosineAnnealingLR, T_max: epochs, "
    "eta_min: 10 lr}}": "eta_min 0.01 of CosineAnnealingLR lies above the base rate, 0.001, so the "
    "rate rises to it; give one below, such as eta_min: 0.1 lr",
    "{class: SequentialLR, milestones: [4], schedulers: [{class: constant}, "
    "{class: CosineAnnealingLR, T_max: epochs, eta_min: 0.01}]}": "eta_min 0.01 of "
    "CosineAnnealingLR lies above the base rate, 0.001, so the rate rises to it; give one below, "
    "such as eta_min: 0.1 lr",
    "{class: MultiStepLR, milestones: [3, 5, 5, 50%]}": "milestone 5 of MultiStepLR is "
    "given 3 times, and the rate changes as often there; give it once",
    "{class: MultiStepLR, milestones: [8, 4]}": "milestones 8, 4 of MultiStepLR do not rise, and "
    "come in the order 4, 8; give them so",
    "{class: WarmupLR, warmup_iters: 9, then: {class: MultiStepLR, milestones: [75%, "
    "50%]}}": "milestones 75%, 50% of MultiStepLR do not rise, and come in "
    "the order 50%, 75%; give them so",
    "{class: ConstantLR, factor: 0.1, total_iters: 999}": "its rate is 0.0001 in all of 10 epochs; "
    "leave it out, or give arguments that change it",
    # a part that is to change the rate, and does not get there
    "{class: SequentialLR, milestones: [4], schedulers: [{class: LinearLR, total_iters: 8}, "
    "{class: constant}]}": "total_iters 8 of LinearLR lies past its end, after 4 epochs; give a "
    "total_iters below 4, such as 50%",
    "{class: SequentialLR, milestones: [4], schedulers: [{class: constant}, {class: StepLR, "
    "step_size: 8}]}": "step_size 8 of StepLR lies past its end, after 6 epochs; give a step_size "
    "below 6, such as 50%",
}  # fmt: skip


@pytest.mark.parametrize("given", ODD)
def test_each_check_fires_on_its_own_example(given):
    assert warnings(f"tried: {given}") == [f"schedulers.tried: {ODD[given]}"]


def test_no_milestones_are_none_too_many():
    """Nothing else is odd about it than that it is level."""
    assert [
        text.partition(";")[0]
        for text in warnings("tried: {class: MultiStepLR, milestones: [], interval: step}")
    ] == ["schedulers.tried: its rate is 0.001 in all of 190 steps"]


def test_in_an_epoch_nothing_is_told_to_fall_before_its_first():
    schedulers = "schedulers:\n  tried: {class: StepLR, step_size: 4}\n"
    runs = list_runs(sweep("epochs: [1, 4]\n", schedulers), digits())
    assert schedule_lint.lint_schedules(schedule_lint.simulate_schedules(runs, 1198)) == [
        "schedulers.tried: step_size 4 of StepLR lies past its end, after 1 epoch; give the "
        "run more epochs, or interval: step and a step_size in steps (in runs of 1 epoch)",
        "schedulers.tried: step_size 4 of StepLR lies past its end, after 4 epochs; give a "
        "step_size below 4, such as 50% (in runs of 4 epochs)",
    ]


@pytest.mark.parametrize(
    "given",
    [
        "{class: constant}",
        "{class: ReduceLROnPlateau, patience: 7}",
        "{class: StepLR, step_size: 9}",
        "{class: StepLR, step_size: 95, interval: step}",
        "{class: MultiStepLR, milestones: [50%, 75%]}",
        "{class: CosineAnnealingLR, T_max: epochs}",
        "{class: CosineAnnealingLR, T_max: steps, interval: step}",
        "{class: CosineAnnealingWarmRestarts, T_0: 5}",
        "{class: CyclicLR, base_lr: 0.0001, max_lr: 0.001, step_size_up: 25%}",
        "{class: OneCycleLR, max_lr: 0.01, total_steps: steps}",
        "{class: OneCycleLR, max_lr: 0.01, epochs: epochs, steps_per_epoch: 19}",
        "{class: ExponentialLR, gamma: 0.8}",
        "{class: LinearLR, total_iters: 3}",
        "{class: ConstantLR, factor: 0.3, total_iters: 2}",
        "{class: PolynomialLR, total_iters: epochs}",
        "{class: LinearToZeroLR}",
        "{class: LinearToZeroLR, interval: epoch}",
        "{class: RexLR}",
        "{class: CosineToFloorLR}",
        "{class: InverseSquareRootLR, warmup_iters: 10%}",
        "{class: WarmupStableDecayLR, warmup_iters: 10%, decay_iters: 20%}",
        "{class: WarmupStableDecayLR, decay_iters: steps}",
        "{class: WarmupLR, warmup_iters: 9, then: {class: CosineAnnealingLR, T_max: epochs}}",
        "{class: WarmupLR, warmup_iters: 3, interval: epoch, then: {class: RexLR}}",
        "{class: SequentialLR, milestones: [3], schedulers: [{class: LinearLR, "
        "total_iters: epochs}, {class: CosineAnnealingLR, T_max: epochs}]}",
        "{class: SequentialLR, interval: epoch, milestones: [4], schedulers: [{class: constant}, "
        "{class: CyclicLR, base_lr: 0.0001, max_lr: 0.001, step_size_up: 3}]}",
        "{class: SequentialLR, interval: epoch, milestones: [6], schedulers: [{class: CyclicLR, "
        "base_lr: 1 lr, max_lr: 3 lr, step_size_up: 3}, {class: ExponentialLR, gamma: 0.5}]}",
        "{class: SequentialLR, milestones: [50%], schedulers: [{class: LinearToZeroLR}, "
        "{class: OneCycleLR, max_lr: 0.002, total_steps: steps}]}",
        "{class: SequentialLR, interval: step, milestones: [10], schedulers: [{class: LinearLR, "
        "total_iters: 10}, {class: CosineAnnealingLR, T_max: steps}]}",
        "{class: MultiStepLR, milestones: [95], interval: step}",
        "{class: ChainedScheduler, schedulers: [{class: LinearLR, total_iters: 2}, "
        "{class: ExponentialLR, gamma: 0.9}]}",
        # lengths that name their unit, or are of one unit alone
        "{class: WarmupLR, warmup_iters: 5 steps, then: {class: RexLR}}",
        "{class: WarmupLR, warmup_iters: 5 epochs, then: {class: RexLR}}",
        "{class: WarmupLR, warmup_iters: 5, interval: step, then: {class: RexLR}}",
        "{class: WarmupLR, warmup_iters: 5, interval: epoch, then: {class: RexLR}}",
        "{class: WarmupLR, warmup_iters: 20, then: {class: RexLR}}",
        "{class: SequentialLR, interval: step, milestones: [5], schedulers: [{class: LinearLR, "
        "total_iters: 5}, {class: CosineAnnealingLR, T_max: steps}]}",
        "{class: SequentialLR, interval: step, milestones: [5], schedulers: [{class: LinearLR, "
        "total_iters: 5}, {class: RexLR}]}",
        "{class: SequentialLR, milestones: [5 epochs], schedulers: [{class: LinearLR, "
        "total_iters: 5 epochs}, {class: RexLR}]}",
        "{class: SequentialLR, milestones: [50%], schedulers: [{class: constant}, "
        "{class: CosineToFloorLR, floor: 0.2}]}",
        "{class: SequentialLR, milestones: [5 epochs], schedulers: [{class: constant}, "
        "{class: RexLR}]}",
        "{class: MultiStepLR, milestones: [2 epochs, 95 steps, 75%]}",
        "{class: StepLR, step_size: 5 epochs, interval: step}",
        "{class: StepLR, step_size: 1, gamma: 0.999, interval: step}",
        "{class: CyclicLR, base_lr: 0.0001, max_lr: 0.001, step_size_up: 2 epochs}",
        "{class: CosineAnnealingWarmRestarts, T_0: 2 epochs, interval: step}",
        "{class: WarmupStableDecayLR, warmup_iters: 1 epoch, decay_iters: 2 epochs}",
        "{class: InverseSquareRootLR}",
        "{class: ReduceLROnPlateau, monitor: val_accuracy, patience: 2 epochs}",
        # parts that hold a rate to their end, and are given one that lies past it
        "{class: SequentialLR, milestones: [4, 8], schedulers: [{class: ConstantLR, factor: 0.1, "
        "total_iters: 999}, {class: ConstantLR, factor: 1, total_iters: 999}, {class: ConstantLR, "
        "factor: 0.1, total_iters: 999}]}",
        "{class: SequentialLR, milestones: [4], schedulers: [{class: LinearLR, start_factor: 0.5, "
        "end_factor: 0.5, total_iters: 99}, {class: ExponentialLR, gamma: 0.9}]}",
        "{class: SequentialLR, milestones: [5], schedulers: [{class: StepLR, step_size: 99, "
        "gamma: 1}, {class: CosineAnnealingLR, T_max: epochs}]}",
        "{class: SequentialLR, milestones: [5], schedulers: [{class: MultiStepLR, "
        "milestones: [99], gamma: 1}, {class: PolynomialLR, total_iters: epochs}]}",
        "{class: WarmupLR, warmup_iters: 9, then: {class: ConstantLR, factor: 0.5, "
        "total_iters: 99}}",
        "{class: ChainedScheduler, schedulers: [{class: ConstantLR, factor: 0.5, total_iters: 99}, "
        "{class: ExponentialLR, gamma: 0.9}]}",
        # floors below the base rate
        "{class: CosineAnnealingLR, T_max: epochs, eta_min: 0.1 lr}",
        "{class: CosineAnnealingWarmRestarts, T_0: 5, eta_min: 0.0009}",
        "{class: ReduceLROnPlateau, patience: 2, min_lr: 0.0001}",
        "{class: CosineToFloorLR, floor: 0.99}",
    ],
)
def test_what_is_meant_is_not_warned_of(given):
    assert warnings(f"tried: {given}") == []


@pytest.mark.parametrize(
    ("text", "given", "warned"),
    [
        # a few steps of a short run, a warmup that its epochs could not hold
        ("epochs: 1\n", "{class: WarmupLR, warmup_iters: 10, then: {class: RexLR}}", False),
        ("epochs: 3\n", "{class: WarmupLR, warmup_iters: 3, then: {class: RexLR}}", False),
        ("epochs: 10\n", "{class: WarmupLR, warmup_iters: 9, then: {class: RexLR}}", False),
        # more than an epoch
        (
            "epochs: 100\nbatch_size: 512\n",
            "{class: WarmupLR, warmup_iters: 5, then: {class: RexLR}}",
            False,
        ),
        # as many steps as warmups have, and more epochs than they have
        (
            "epochs: 250\nbatch_size: 8\n",
            "{class: WarmupLR, warmup_iters: 120, then: {class: LinearToZeroLR}}",
            False,
        ),
        (
            "epochs: 100\n",
            "{class: WarmupLR, warmup_iters: 10, then: {class: RexLR}}",
            True,
        ),
        ("epochs: 20\n", "{class: WarmupLR, warmup_iters: 1, then: {class: RexLR}}", True),
        # a cycle of a few steps, a decay after the last of them
        (
            "epochs: 4\n",
            "{class: CyclicLR, base_lr: 0.0001, max_lr: 0.001, step_size_up: 3}",
            False,
        ),
        ("epochs: 4\n", "{class: WarmupStableDecayLR, decay_iters: 3}", False),
    ],
)
def test_a_bare_number_of_steps_is_doubted_where_as_many_epochs_are_plausible(text, given, warned):
    runs = list_runs(sweep(text, f"schedulers:\n  tried: {given}\n"), digits())
    specs = sweep(text, f"schedulers:\n  tried: {given}\n").schedulers
    found = schedule_lint.lint_schedules(schedule_lint.simulate_schedules(runs, 1198), specs)
    assert any("counts steps" in each for each in found) == warned
    assert warned == bool(found)


def test_each_scheduler_of_an_axis_has_its_own_warnings():
    given = "warm: {class: WarmupLR, warmup_iters: [5, 60], then: {class: RexLR}}"
    assert warnings(given) == [
        "schedulers.warm warmup_iters=5: warmup_iters 5 of WarmupLR counts steps, of which an "
        "epoch has 19; give 5 epochs or 5 steps, whichever is meant"
    ]


def test_the_patience_that_is_named_is_the_first_that_works():
    def falls(patience: int) -> bool:
        [each] = foreseen(f"tried: {{class: ReduceLROnPlateau, patience: {patience}}}")
        return len(set(each.curve.rates)) > 1

    assert [falls(patience) for patience in (6, 7, 8)] == [True, True, False]


def test_a_schedule_that_ignores_the_base_rate():
    given = """
        absolute: {class: OneCycleLR, max_lr: 0.01, total_steps: steps}
        relative: {class: OneCycleLR, max_lr: 2 lr, total_steps: steps}
        cosine: {class: CosineAnnealingLR, T_max: epochs}
    """
    assert warnings(given) == []
    rates = "optimizer: {name: Adam, lr: [0.001, 0.01]}"
    texts = schedule_lint.lint_schedules(foreseen(given, rates))
    assert texts == [
        "schedulers.absolute: its rates are the same at every base rate; give the rates that "
        "it sets as multiples of the base rate, such as max_lr: 2 lr"
    ]


@pytest.mark.parametrize("lr", ["[0.01, 0.003, 0.0005]", "{choose: [0.01, 0.0005]}"])
def test_a_floor_is_held_against_the_lowest_base_rate(lr):
    given = """
        absolute: {class: CosineAnnealingLR, T_max: epochs, eta_min: 0.001}
        relative: {class: CosineAnnealingLR, T_max: epochs, eta_min: 0.2 lr}
    """
    assert warnings(given, f"optimizer: {{name: Adam, lr: {lr}}}") == [
        "schedulers.absolute: eta_min 0.001 of CosineAnnealingLR lies above the base rate, 0.0005, "
        "so the rate rises to it; give one below, such as eta_min: 0.1 lr"
    ]


def test_a_plug_in_s_floor_goes_by_its_name():
    part = Part("CosineWithWarmupLR", {"min_lr": 0.5, "T": 10}, Horizon.of(10, 19, 0.1), "epoch")
    assert list(lint_floors(part)) == [
        "min_lr 0.5 of CosineWithWarmupLR lies above the base rate, 0.1, so the rate rises to it; "
        "give one below, such as min_lr: 0.1 lr"
    ]


def test_two_labels_with_one_curve():
    same = """
        one: {class: LinearToZeroLR, interval: epoch}
        two: {class: PolynomialLR, total_iters: epochs}
        three: {class: RexLR, interval: epoch}
        four: {class: OneCycleLR, max_lr: 0.001, total_steps: steps}
    """
    assert warnings(same) == [
        "schedulers.two: its rates are those of one in every step of 10 epochs; leave one of them "
        "out, or change its arguments"
    ]


def test_a_curve_by_epochs_can_be_one_by_steps():
    # 95 steps are the first five epochs
    same = """
        epochs: {class: StepLR, step_size: 5}
        steps: {class: StepLR, step_size: 95, interval: step}
    """
    [text] = warnings(same)
    assert text.startswith("schedulers.steps: its rates are those of epochs in every step")


def test_a_plateau_that_can_fall_is_no_twin_whatever_its_worst_case():
    assert warnings("""
        plateau: {class: ReduceLROnPlateau, factor: 0.5, patience: 3}
        same: {class: MultiStepLR, gamma: 0.5, milestones: [5, 9]}
    """) == []  # fmt: skip


def test_the_length_of_run_is_named_where_there_are_several():
    runs = sweep("epochs: [5, 10]", "schedulers:\n  half: {class: CosineAnnealingLR, T_max: 10}\n")
    assert schedule_lint.lint_schedules(
        schedule_lint.simulate_schedules(list_runs(runs, digits()), 1198)
    ) == [
        "schedulers.half: CosineAnnealingLR over 10 epochs stops halfway, since it has 5 epochs; "
        "give T_max: epochs (in runs of 5 epochs)"
    ]


def test_a_schedule_too_long_to_walk_is_not_foreseen(monkeypatch):
    monkeypatch.setattr(schedule_lint, "MOST", 9)
    assert foreseen("half: {class: CosineAnnealingLR, T_max: 20}") == []


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_silent_on_the_sweeps_that_come_with_it(path):
    loaded = load_sweep(path)
    if loaded.dataset.name == "digits":
        data = digits()
    else:  # as many images as MNIST and Fashion-MNIST have
        images = torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8)
        part = (images, torch.arange(60_000) % 10)
        data = make_dataset(str(loaded.dataset.name), part, (images[:100], part[1][:100]))
    runs = list_runs(loaded, data)
    found = schedule_lint.simulate_schedules(runs, data.train_count - runs[0].validation)
    told = {name for name, spec in loaded.schedulers.items() if spec.class_ != "GreedyLR"}
    assert {each.label for each in found} == told  # of GreedyLR no rate is known before
    assert schedule_lint.lint_schedules(found, loaded.schedulers) == []


# What is shown


def test_rates_are_those_of_each_epoch_or_step():
    step, rex = foreseen("step: {class: StepLR, step_size: 5}\nrex: {class: RexLR}")
    assert list(step.curve.rates) == pytest.approx([1e-3] * 5 + [1e-4] * 5)
    z = np.arange(STEPS) / STEPS
    assert list(rex.curve.rates) == pytest.approx(1e-3 * (1 - z) / (1 - z / 2))


def test_curves_as_a_frame():
    frame = schedule_preview.curves_to_frame(
        foreseen("step: {class: StepLR, step_size: 5}\nrex: {class: RexLR}")
    )
    assert frame.groupby("scheduler").size().to_dict() == {"step": EPOCHS + 1, "rex": STEPS + 1}
    step = frame[frame.scheduler == "step"]
    assert step.trained.tolist() == list(range(EPOCHS + 1))
    assert step.learning_rate.tolist() == pytest.approx([1e-3] * 5 + [1e-4] * 6)
    rex = frame[frame.scheduler == "rex"]
    assert rex.trained.iloc[19] == 1.0
    assert rex.learning_rate.iloc[0] == 1e-3


def test_lines_are_to_one_scale():
    rows = schedule_preview.draw_lines(
        foreseen("all: {class: constant}\nhalf: {class: ConstantLR, factor: 0.5}")
    )
    assert [row[0] for row in rows] == ["all", "half"]
    assert rows[0][1] == "█" * 40
    assert rows[1][1] == "▅" * 20 + "█" * 20
    assert [row[2] for row in rows] == ["0.001", "0.0005 to 0.001"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_the_terminal(width):
    longest = foreseen(
        "a_long_label: {class: RexLR}\nb: {class: InverseSquareRootLR, warmup_iters: 30}"
    )
    rows = schedule_preview.draw_lines(longest, width)
    assert {len(curve) for _, curve, _ in rows} == {min(width - 12 - 26 - 4, 40)}
    assert max(len(words) for _, _, words in rows) == 26


def test_negative_rates_stay_on_the_lowest_line():
    assert (
        schedule_preview.draw_sparkline(
            [1.0, -1.0], top=1.0, width=2, levels=schedule_preview.ASCII
        )
        == "@_"
    )


@pytest.mark.parametrize(
    ("rates", "drawn"),
    [([0.0, 0.0], "__"), ([-1.0, -2.0], "__"), ([1e308, 1e308], "@@"), ([0.001, -1e308], "@_")],
)
def test_a_curve_of_odd_rates(rates, drawn):
    assert (
        schedule_preview.draw_sparkline(rates, max(rates), width=2, levels=schedule_preview.ASCII)
        == drawn
    )


def test_the_picture_shows_the_rates(tmp_path):
    from lrdecay.plots import plot_schedules

    frame = schedule_preview.curves_to_frame(
        foreseen("step: {class: StepLR, step_size: 5}\nrex: {class: RexLR}")
    )
    ax = plot_schedules(frame)
    drawn = {len(line.get_ydata()): line for line in ax.get_lines()}
    assert drawn[EPOCHS + 1].get_ydata().tolist() == pytest.approx([1e-3] * 5 + [1e-4] * 6)
    assert drawn[STEPS + 1].get_xdata()[-1] == EPOCHS


# The commands

SWEEP = """
dataset: digits
epochs: 2
seeds: 1
schedulers:
  constant: {class: constant}
  half: {class: CosineAnnealingLR, T_max: 4}
"""
WARNING = (
    "warning: schedulers.half: CosineAnnealingLR over 4 epochs stops halfway, since it has 2 "
    "epochs; give T_max: epochs"
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_text(SWEEP)
    return path


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_plan_warns_draws_and_exits_with_zero(file, tmp_path, suffix):
    picture = tmp_path / f"schedules{suffix}"
    result = invoke("plan", file, "--plot", picture)
    assert result.exit_code == 0
    assert WARNING in result.output
    assert "▁" not in result.output.split("half")[1].split("█")[0]
    assert picture.stat().st_size > 5000


def test_a_picture_in_a_pdf_has_truetype_fonts(file, tmp_path):
    assert invoke("plan", file, "--plot", tmp_path / "schedules.pdf").exit_code == 0
    written = (tmp_path / "schedules.pdf").read_bytes()
    assert b"/CIDFontType2" in written
    assert b"/Type3" not in written


def test_a_picture_takes_the_place_of_a_link(file, tmp_path):
    picture, victim = tmp_path / "schedules.png", tmp_path / "thesis.png"
    victim.write_bytes(b"mine")
    picture.symlink_to(victim)
    assert invoke("plan", file, "--plot", picture).exit_code == 0
    assert victim.read_bytes() == b"mine"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_plan_in_strict_is_an_error(file):
    result = invoke("plan", file, "--strict")
    assert result.exit_code == 2
    assert WARNING in result.output
    assert result.output.endswith("lrdecay: --strict: 1 warning\n")


def test_a_picture_of_no_known_format(file, tmp_path):
    result = invoke("plan", file, "--plot", tmp_path / "schedules.doc")
    assert result.exit_code == 2
    assert "the name must end with one of .svg, .png, .pdf" in result.output


def test_sweep_in_strict_trains_nothing(file, tmp_path):
    result = invoke("sweep", file, "--results", tmp_path / "results", "--strict")
    assert result.exit_code == 2
    assert result.output.strip() == f"lrdecay: {WARNING.removeprefix('warning: ')}"
    assert not (tmp_path / "results").exists()


def test_milestones_are_looked_at_as_the_file_has_them(tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_text(
        "dataset: digits\nepochs: 4\n"
        "schedulers:\n  down: {class: MultiStepLR, milestones: [3, 1]}\n"
    )
    warning = (
        "schedulers.down: milestones 3, 1 of MultiStepLR do not rise, and come in the order 1, 3; "
        "give them so"
    )
    assert f"warning: {warning}" in invoke("plan", path).output
    result = invoke("sweep", path, "--results", tmp_path / "results", "--strict")
    assert result.output.strip() == f"lrdecay: {warning}"


def test_sweep_says_it_and_goes_on(file, tmp_path):
    result = invoke("sweep", file, "--results", tmp_path / "results", "--workers", 0)
    assert result.exit_code == 0
    assert WARNING in result.output.replace("\n", " ")
    assert "2 trained now" in result.output
    (folder,) = (path.parent for path in (tmp_path / "results").glob("*/plan.parquet"))
    assert WARNING.removeprefix("warning: ") in read_plan(folder).warnings  # for the report


def test_a_seed_adds_nothing_to_what_is_foreseen():
    runs = list_runs(sweep("", "schedulers:\n  step: {class: StepLR, step_size: 5}\n"), digits())
    more = [replace(run, seed=seed) for seed in range(3) for run in runs]
    assert schedule_lint.simulate_schedules(more, 1198) == schedule_lint.simulate_schedules(
        runs, 1198
    )


@pytest.mark.slow
def test_what_fails_late_in_a_run_is_refused_in_one_line(tmp_path):
    """After more steps than are tried when the matrix is made: 1,198 in each of 35 epochs."""
    path = tmp_path / "late.yaml"
    path.write_text(
        "dataset: digits\nbatch_size: 1\nepochs: 35\nschedulers:\n"
        "  up: {class: ExponentialLR, gamma: 1.02, interval: step}\n"
    )
    result = CliRunner().invoke(app, ["plan", str(path)])
    assert result.exit_code == 2
    expected = "lrdecay: schedulers.up: the learning rate is inf after 36192 steps"
    assert result.output.splitlines()[-1] == expected
