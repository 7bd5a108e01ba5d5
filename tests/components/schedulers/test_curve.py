"""The curve of a schedule: its length and clock, the losses it is walked with, its arguments."""

from itertools import product

import pytest
from torch.optim.lr_scheduler import MultiStepLR

from lrdecay.components.optimizers.build import build_still_optimizer
from lrdecay.components.schedulers import (
    CLASSES,
    Horizon,
    build_scheduler,
    resolve_arguments,
    simulate_schedule,
)

HORIZON = Horizon.of(3, 4, 0.1)
PLATEAU = {"factor": 0.5, "patience": 0, "threshold": 0.0}


def curve_of(name, given, *, horizon=HORIZON, **options):
    return simulate_schedule(name, resolve_arguments(name, given, horizon), horizon, **options)


def test_by_epochs_each_rate_is_that_of_all_steps_of_one():
    curve = curve_of("StepLR", {"step_size": 1, "gamma": 0.5})
    assert (curve.every, curve.is_steered) == ("epoch", False)
    assert list(curve.rates) == [0.1, 0.05, 0.025]
    assert list(curve.step_rates) == [0.1] * 4 + [0.05] * 4 + [0.025] * 4


def test_by_steps_each_step_has_its_own():
    curve = curve_of("StepLR", {"step_size": 5, "gamma": 0.5, "interval": "step"})
    assert curve.every == "step"
    assert list(curve.rates) == list(curve.step_rates) == [0.1] * 5 + [0.05] * 5 + [0.025] * 2


@pytest.mark.parametrize("count", [1, 2, 5])
def test_so_many_of_it_past_the_end_too(count):
    curve = curve_of("StepLR", {"step_size": 1, "gamma": 0.5}, count=count)
    assert list(curve.rates) == [0.1, 0.05, 0.025, 0.0125, 0.00625][:count]


@pytest.mark.parametrize(
    ("losses", "rates"),
    [
        (None, [0.1, 0.1, 0.05]),  # the first epoch is the best so far
        ([3.0, 2.0, 1.0], [0.1, 0.1, 0.1]),
        ([3.0, 4.0, 1.0], [0.1, 0.1, 0.05]),
    ],
)
def test_the_losses_steer_what_is_steered(losses, rates):
    curve = curve_of("ReduceLROnPlateau", PLATEAU, losses=losses)
    assert curve.is_steered
    assert list(curve.rates) == rates


@pytest.mark.parametrize(
    ("accuracies", "rates"),
    [
        (None, [0.1, 0.1, 0.05]),  # one that never improves
        ([0.3, 0.4, 0.5], [0.1, 0.1, 0.1]),
        ([0.4, 0.3, 0.5], [0.1, 0.1, 0.05]),
    ],
)
def test_the_accuracies_steer_what_monitors_them(accuracies, rates):
    given = {**PLATEAU, "monitor": "val_accuracy", "mode": "max"}
    curve = curve_of("ReduceLROnPlateau", given, losses=accuracies)
    assert curve.is_steered
    assert list(curve.rates) == rates


def test_within_a_warmup_the_loss_comes_after_every_epoch():
    given = {"warmup_iters": 2, "then": {"class": "ReduceLROnPlateau", **PLATEAU}}
    curve = curve_of("WarmupLR", given, losses=[3.0, 4.0, 1.0])
    assert [part.name for part in curve.parts] == ["WarmupLR", "ReduceLROnPlateau"]
    assert list(curve.rates) == [0.05] + [0.1] * 7 + [0.05] * 4


def test_a_class_that_changes_its_list_leaves_the_arguments(monkeypatch):
    class Eats(MultiStepLR):
        def __init__(self, optimizer, milestones):
            super().__init__(optimizer, milestones)
            milestones.clear()

    monkeypatch.setitem(CLASSES, "Eats", Eats)
    arguments = {"milestones": [1, 2], "interval": "epoch"}
    first, second = (simulate_schedule("Eats", arguments, HORIZON) for _ in range(2))
    assert arguments == {"milestones": [1, 2], "interval": "epoch"}
    assert first == second
    assert len(set(first.rates)) == 3


def test_the_steps_of_a_warmup_that_are_taken_at_once_are_those_taken_one_by_one():
    """To the bit, whether the epoch ends before the warmup, in it or after it."""
    for length, per_epoch, then, interval in product(
        (1, 2, 4, 7, 12, 13),
        (1, 4, 5),
        ("ReduceLROnPlateau", "StepLR", "constant"),
        ("step", "epoch"),
    ):
        one, other = (Warmup(length, then, interval) for _ in range(2))
        for loss in (3.0, 2.0, 4.0, 5.0, 1.0):
            expected = []
            for _ in range(per_epoch):
                one.stepper.after_step()
                expected.append(one.rate)
            held, before = other.stepper.holds_rate, other.rate
            found = other.stepper.take_steps(per_epoch)
            if held:
                assert expected == [before] * per_epoch
                assert found is None
            if found is None:
                for _ in range(per_epoch):
                    other.stepper.after_step()
            else:
                assert (found, interval) == (expected, "step")
            for each in (one, other):
                each.stepper.after_epoch(loss)
            assert one.rate == other.rate


def test_a_warmup_before_what_goes_by_steps_takes_them_one_by_one():
    stepper = Warmup(3, "ExponentialLR", "step", {"gamma": 0.5, "interval": "step"}).stepper
    assert stepper.take_steps(5) is None
    assert not stepper.holds_rate
    nested = {"warmup_iters": 2, "then": {"class": "constant"}}
    assert Warmup(3, "WarmupLR", "step", nested).stepper.take_steps(5) is None


class Warmup:
    """A warmup on an optimizer that never moves."""

    def __init__(self, length: int, then: str, interval: str, given: dict | None = None) -> None:
        arguments = {**{"StepLR": {"step_size": 1, "gamma": 0.3}}.get(then, {}), **(given or {})}
        held = resolve_arguments(then, arguments, HORIZON)
        self._optimizer = build_still_optimizer(0.07)
        every = {"warmup_iters": length, "interval": interval, "then": {"class": then, **held}}
        self.stepper = build_scheduler("WarmupLR", every, self._optimizer)
        self._optimizer.step()  # torch warns where a scheduler comes first

    @property
    def rate(self) -> float:
        return self._optimizer.param_groups[0]["lr"]
