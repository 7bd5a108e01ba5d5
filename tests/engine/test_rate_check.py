"""Runs whose rates were not those of their scheduler, and all the others."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from helpers.training import CPU, curve, digits, split, sweep

from lrdecay.components import schedulers
from lrdecay.components.datasets.dataset import Data, Split
from lrdecay.components.schedulers import Horizon, ScheduleCurve, Stepper
from lrdecay.core.run import Run
from lrdecay.engine import rate_check, reference
from lrdecay.engine.measured import Epoch, Metrics
from lrdecay.engine.stacked.rates import Rates
from lrdecay.engine.stacked.train import train_stacked
from lrdecay.store.schema import Record
from lrdecay.sweep.matrix import list_runs

STEPS = 2
SCHEDULERS = """\
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1, gamma: 0.5}
  plateau: {class: ReduceLROnPlateau, factor: 0.5, patience: 0, threshold: 0.5}
  warm: {class: WarmupLR, warmup_iters: 3, then: {class: ReduceLROnPlateau, patience: 0}}
  zero: {class: LinearToZeroLR, total_iters: 9}
"""


def data() -> Data:
    """Two batches of 64 at most, and little to evaluate on."""
    whole = split()
    parts = {
        name: Split(part.images[:count], part.labels[:count])
        for name, part, count in (
            ("train", whole.train, 100),
            ("train_eval", whole.train_eval, 20),
            ("validation", whole.validation, 20),
            ("test", whole.test, 20),
        )
    }
    return replace(whole, **parts)


def runs(text: str = "") -> list[Run]:
    return list_runs(sweep(f"epochs: 4\n{text}", SCHEDULERS), digits())


def train(engine: str, chosen: list[Run], told: Callable | None = None) -> list[Record]:
    if engine == "stacked":
        return train_stacked(chosen, data(), CPU, told)
    return [reference.train_one(run, data(), CPU, told) for run in chosen]


class Disturbed(Stepper):
    """A scheduler after whose step number `step` something else changes the rate, once."""

    def __init__(self, real: Stepper, optimizer: torch.optim.Optimizer, step: int) -> None:
        self.real, self.optimizer, self.left = real, optimizer, step

    def after_step(self, loss: float | None = None) -> None:
        self.real.after_step(loss)
        self.left -= 1
        if self.left == 0:
            self.optimizer.param_groups[0]["lr"] *= 1.5

    def after_epoch(self, validation_loss: float | None, loss: float | None = None) -> None:
        self.real.after_epoch(validation_loss, loss)


def disturb(monkeypatch: pytest.MonkeyPatch, engine: str, label: str, step: int) -> None:
    """Let the rate of one scheduler's run be half as high again after so many steps."""
    if engine == "reference":
        build = schedulers.build_scheduler
        disturbed = {run.scheduler: run for run in runs()}[label]

        def disturbing(name, given, optimizer):
            real = build(name, given, optimizer)
            trains = sum(p.numel() for p in optimizer.param_groups[0]["params"]) > 1
            if trains and (name, given) == (
                disturbed.scheduler_class,
                json.loads(disturbed.scheduler_args),
            ):
                return Disturbed(real, optimizer, step)
            return real

        monkeypatch.setattr(schedulers, "build_scheduler", disturbing)
        return
    next_epoch, epochs = Rates.next_epoch, [0]

    def disturbing_next(self):
        rates, momenta = next_epoch(self)
        place = step - epochs[0] * STEPS
        if 0 <= place < STEPS:
            rates[place, [run.scheduler for run in runs()].index(label)] *= 1.5
        epochs[0] += 1
        return rates, momenta

    monkeypatch.setattr(Rates, "next_epoch", disturbing_next)


@pytest.mark.parametrize("engine", ["reference", "stacked"])
def test_runs_have_the_rates_of_their_schedulers(engine):
    """So none has failed, the ones that their losses steer neither."""
    records = train(engine, runs())
    assert [record.run["status"] for record in records] == ["completed"] * 5
    changes = {record.run["scheduler"]: record.run["lr_changes"] for record in records}
    assert changes["constant"] == 0
    assert changes["step"] == 3
    assert changes["plateau"] > 0
    assert changes["warm"] >= 2
    assert changes["zero"] == 7


@pytest.mark.parametrize(
    ("label", "step", "name"),
    [
        ("constant", 5, "constant"),
        ("step", 3, "StepLR"),
        ("plateau", 1, "ReduceLROnPlateau"),
        ("warm", 7, "WarmupLR"),
        ("zero", 1, "LinearToZeroLR"),
    ],
)
@pytest.mark.parametrize("engine", ["reference", "stacked"])
def test_a_run_with_another_rate_has_failed(monkeypatch, engine, label, step, name):
    told: dict[str, list[Epoch]] = {run.scheduler: [] for run in runs()}
    chosen = runs() if engine == "stacked" else [r for r in runs() if r.scheduler == label]
    disturb(monkeypatch, engine, label, step)
    records = train(engine, chosen, lambda run, epoch: told[run.scheduler].append(epoch))
    for run, record in zip(chosen, records, strict=True):
        if run.scheduler != label:
            assert (record.run["status"], record.run["error"]) == ("completed", None)
            continue
        rates = [rate for epoch in told[label] for rate in epoch.rates]
        meant = rates[step] / 1.5
        assert record.run["status"] == "failed"
        assert record.run["error"] == (
            f"the learning rate of epoch {step // STEPS + 1}, step {step % STEPS + 1} was "
            f"{rates[step]!r}, and {name} means {meant!r}"
        )
        assert record.run["test_accuracy"] is None
        assert record.epochs == []


@pytest.mark.parametrize("engine", ["reference", "stacked"])
@pytest.mark.parametrize("disturbed", [False, True])
def test_a_run_that_diverges_is_compared_as_far_as_it_came(monkeypatch, engine, disturbed):
    """Its second epoch's rate explodes, as its scheduler means it."""
    explode = "schedulers: {e: {class: ExponentialLR, gamma: 1.0e+12}}\n"
    text = "epochs: 3\noptimizer: {name: SGD, lr: 0.01}\nseeds: 2\n"
    chosen = list_runs(sweep(text, explode), digits())
    if disturbed:
        meant = ScheduleCurve("ExponentialLR", {"interval": "step"}, Horizon.of(1, 2), (0.01, 0.02))
        monkeypatch.setattr(rate_check, "_simulate_once", lambda *args: meant)
    for record in train(engine, chosen):
        if disturbed:
            assert record.run["status"] == "failed"
            assert record.run["error"] == (
                "the learning rate of epoch 1, step 2 was 0.01, and ExponentialLR means 0.02"
            )
        else:
            assert record.run["status"] == "diverged"
            assert record.run["diverged_at_step"] in (2, 3)
            assert curve(record, "train", "learning_rate") == [0.01]


@pytest.mark.parametrize("engine", ["reference", "stacked"])
def test_a_run_that_diverges_at_once_has_no_rates_to_compare(engine):
    text = "epochs: 3\noptimizer: {name: SGD, lr: 1.0e+15}\nseeds: 2\n"
    chosen = list_runs(sweep(text, "schedulers: {c: {class: constant}}\n"), digits())
    for record in train(engine, chosen):
        assert (record.run["status"], record.epochs) == ("diverged", [])


# The comparison alone


def epochs(
    rates: list[list[float]], losses: list[float], accuracies: list[float] | None = None
) -> list[Epoch]:
    accuracies = accuracies or [0.5] * len(losses)
    return [
        Epoch(number, of_epoch, {"val": Metrics(loss, right), "train": Metrics(9.0, 0.5)})
        for number, (of_epoch, loss, right) in enumerate(
            zip(rates, losses, accuracies, strict=True), 1
        )
    ]


def test_the_smallest_difference_shows():
    [step] = [run for run in runs() if run.scheduler == "step"]
    rates = [[0.001, 0.001], [0.0005, 0.0005], [0.00025, 0.00025]]
    assert rate_check.find_rate_difference(step, epochs(rates, [1.0] * 3)) is None
    assert rate_check.find_rate_difference(step, []) is None
    near = math.nextafter(0.0005, 1)
    rates[1][1] = near
    assert rate_check.find_rate_difference(step, epochs(rates, [1.0] * 3)) == (
        f"the learning rate of epoch 2, step 2 was {near!r}, and StepLR means 0.0005"
    )


def test_plateau_is_replayed_with_the_validation_losses_of_the_run():
    [plateau] = [run for run in runs() if run.scheduler == "plateau"]
    rates = [[0.001] * 2, [0.001] * 2, [0.0005] * 2, [0.0005] * 2]
    assert rate_check.find_rate_difference(plateau, epochs(rates, [1.0, 0.9, 0.4, 0.3])) is None
    assert rate_check.find_rate_difference(plateau, epochs(rates, [1.0, 0.4, 0.3, 0.3])) == (
        "the learning rate of epoch 3, step 1 was 0.0005, and ReduceLROnPlateau means 0.001"
    )


def test_plateau_on_accuracy_is_replayed_with_the_validation_accuracies_of_the_run():
    given = "schedulers: {p: {class: ReduceLROnPlateau, factor: 0.5, patience: 0, MONITOR}}\n"
    [loss], [accuracy] = (
        list_runs(sweep("epochs: 4\n", given.replace("MONITOR", f"monitor: {monitor}")), digits())
        for monitor in ("val_loss", "val_accuracy")
    )
    # the loss gets worse in epoch 3, the accuracy in epoch 2
    losses, accuracies = [1.0, 0.9, 0.95, 0.5], [0.6, 0.5, 0.7, 0.8]
    by_loss = [[0.001] * 2, [0.001] * 2, [0.001] * 2, [0.0005] * 2]
    by_accuracy = [[0.001] * 2, [0.001] * 2, [0.0005] * 2, [0.0005] * 2]
    check = rate_check.find_rate_difference
    assert check(loss, epochs(by_loss, losses, accuracies)) is None
    assert check(accuracy, epochs(by_accuracy, losses, accuracies)) is None
    assert check(accuracy, epochs(by_loss, losses, accuracies)) == (
        "the learning rate of epoch 3, step 1 was 0.001, and ReduceLROnPlateau means 0.0005"
    )
