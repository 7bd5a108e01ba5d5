"""Every scheduler's whole curve against its formula, torch's own object or a loop by hand, over
short and long runs, past their end, and as both engines apply it."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from helpers.tiers import slow_but
from helpers.training import CPU
from torch import nn
from torch.optim import lr_scheduler

from lrdecay.components import schedulers
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.models.build import MODELS
from lrdecay.components.schedulers import Horizon, simulate_schedule
from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.engine.measured import Epoch
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.rates import Rates
from lrdecay.store.schema import Record
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

BASE = 0.04
STEPS = 3
"""Optimizer steps in an epoch."""
HORIZONS = (1, 2, 10, 100)
PAST = 4
"""Epochs by which a curve is followed past the end of the run."""
LOSSES = [1.0, 0.9, 0.95, 0.92, 0.91, 0.8, 0.8, 0.79995, 0.8, 0.8, 0.7]

Losses = Sequence[float]


@dataclass(frozen=True)
class Case:
    """A scheduler as a sweep file gives it, and what it means.

    `meant` returns the rate of each step of a run of so many epochs, whose validation losses are
    given, and of the epochs `past` its end. Formulas are compared within rounding, what torch's own
    objects say to the last bit.
    """

    name: str
    given: dict
    meant: Callable[[int, Losses], list[float]]
    exact: bool
    past: int = PAST


def by_hand(share: Callable[[int, int], float], interval: str, past: int = PAST):
    """The rates of a schedule that is a share of the base rate at tick t of a run of n ticks."""

    def meant(epochs: int, losses: Losses) -> list[float]:
        ticks = epochs * STEPS if interval == "step" else epochs
        every = 1 if interval == "step" else STEPS
        return [BASE * share(t // every, ticks) for t in range((epochs + past) * STEPS)]

    return meant


def by_object(make: Callable, interval: str, past: int = PAST):
    """The rates of what `make` returns for an optimizer and the ticks of the run."""

    def meant(epochs: int, losses: Losses) -> list[float]:
        optimizer = adam()
        scheduler = make(optimizer, epochs * STEPS if interval == "step" else epochs)
        rates = []
        optimizer.step()  # torch warns where a scheduler comes first
        for epoch in range(epochs + past):
            for _ in range(STEPS):
                rates.append(optimizer.param_groups[0]["lr"])
                if interval == "step":
                    scheduler.step()
            if interval == "epoch":
                plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
                scheduler.step(*([losses[epoch]] if plateau else []))
        return rates

    return meant


def adam() -> torch.optim.Optimizer:
    return torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=BASE)


def decay(shape: str, final: float) -> Callable[[int, int], float]:
    """Nine ticks: two of warmup, level, then four of decay."""

    def share(t: int, n: int) -> float:
        if t < 2:
            return (t + 1) / 2
        z = min(max(t - 5, 0), 4) / 4
        left = {
            "linear": 1 - z,
            "cosine": 0.5 * (1 + math.cos(math.pi * z)),
            "1-sqrt": 1 - z**0.5,
        }[shape]
        return final + (1 - final) * left

    return share


def half_level(t: int, n: int) -> float:
    down = max(1, math.floor(n / 2 + 0.5))
    return max(0.0, min(1.0, (n - t) / down))


FORMULAS = [
    ("constant", {}, lambda t, n: 1.0),
    ("LinearToZeroLR", {}, lambda t, n: max(n - t, 0) / n),
    ("LinearToZeroLR", {"total_iters": 3}, lambda t, n: max(3 - t, 0) / 3),
    ("CosineToFloorLR", {}, lambda t, n: 0.55 + 0.45 * math.cos(math.pi * min(t / n, 1))),
    (
        "CosineToFloorLR",
        {"total_iters": 5, "floor": 0.0},
        lambda t, n: math.cos(math.pi / 10 * min(t, 5)) ** 2,
    ),
    ("RexLR", {}, lambda t, n: 2 * max(n - t, 0) / (n + max(n - t, 0))),
    ("RexLR", {"total_iters": 7}, lambda t, n: 2 * max(7 - t, 0) / (7 + max(7 - t, 0))),
    ("InverseSquareRootLR", {}, lambda t, n: (t + 1) ** -0.5),
    (
        "InverseSquareRootLR",
        {"warmup_iters": 4},
        lambda t, n: 2 * min((t + 1) ** -0.5, (t + 1) * 4**-1.5),
    ),
    ("WarmupStableDecayLR", {"decay_iters": "50%"}, half_level),
    *(
        (
            "WarmupStableDecayLR",
            {"total_iters": 9, "warmup_iters": 2, "decay_iters": 4, "shape": shape, "final": final},
            decay(shape, final),
        )
        for shape, final in (("linear", 0.0), ("cosine", 0.25), ("1-sqrt", 0.1))
    ),
    # three of torch's by formula, too
    ("StepLR", {"step_size": 4, "gamma": 0.5}, lambda t, n: 0.5 ** (t // 4)),
    ("CosineAnnealingLR", {"T_max": "{}"}, lambda t, n: (1 + math.cos(math.pi * t / n)) / 2),
    ("PolynomialLR", {"total_iters": "{}"}, lambda t, n: max(n - t, 0) / n),
]
"""Class, arguments ({} is the word for the whole run), and the share of the base rate."""

TORCHS = [
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("CosineAnnealingLR", {"T_max": "{}", "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 7, "mode": "triangular2"}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 6}),
    ("MultiStepLR", {"milestones": [3, 3, 11], "gamma": 0.3}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 400, "three_phase": True}),
    ("PolynomialLR", {"total_iters": 12, "power": 2}),
    ("StepLR", {"step_size": 5, "gamma": 0.5}),
]

CYCLE = {"max_lr": 0.3, "total_steps": 400}
HELD = {
    "linear then step": (
        "SequentialLR",
        {
            "schedulers": [
                {"class": "LinearLR", "start_factor": 0.2, "total_iters": 4},
                {"class": "StepLR", "step_size": 3, "gamma": 0.5},
            ],
            "milestones": [4],
        },
        lambda o, n: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, 0.2, total_iters=4),
                lr_scheduler.StepLR(o, 3, 0.5),
            ],
            [4],
        ),
    ),
    "three with milestones in words": (
        "SequentialLR",
        {
            "schedulers": [
                {"class": "ConstantLR", "total_iters": 2},
                {"class": "CosineAnnealingLR", "T_max": 5},
                {"class": "ExponentialLR", "gamma": 0.9},
            ],
            "milestones": ["30%", 400],
        },
        lambda o, n: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.ConstantLR(o, total_iters=2),
                lr_scheduler.CosineAnnealingLR(o, 5),
                lr_scheduler.ExponentialLR(o, 0.9),
            ],
            [max(1, math.floor(0.3 * n + 0.5)), 400],
        ),
    ),
    "exponential then a cycle": (
        "SequentialLR",
        {
            "schedulers": [
                {"class": "ExponentialLR", "gamma": 0.9},
                {"class": "OneCycleLR", **CYCLE},
            ],
            "milestones": [5],
        },
        lambda o, n: lr_scheduler.SequentialLR(
            o, [lr_scheduler.ExponentialLR(o, 0.9), lr_scheduler.OneCycleLR(o, **CYCLE)], [5]
        ),
    ),
    "linear times exponential": (
        "ChainedScheduler",
        {
            "schedulers": [
                {"class": "LinearLR", "start_factor": 0.2, "total_iters": 4},
                {"class": "ExponentialLR", "gamma": 0.9},
            ]
        },
        lambda o, n: lr_scheduler.ChainedScheduler(
            [lr_scheduler.LinearLR(o, 0.2, total_iters=4), lr_scheduler.ExponentialLR(o, 0.9)]
        ),
    ),
    "a chain in a chain": (
        "ChainedScheduler",
        {
            "schedulers": [
                {"class": "StepLR", "step_size": 3, "gamma": 0.5},
                {
                    "class": "ChainedScheduler",
                    "schedulers": [
                        {"class": "PolynomialLR", "total_iters": "{}"},
                        {"class": "ConstantLR", "factor": 0.5, "total_iters": 2},
                    ],
                },
            ]
        },
        lambda o, n: lr_scheduler.ChainedScheduler(
            [
                lr_scheduler.StepLR(o, 3, 0.5),
                lr_scheduler.PolynomialLR(o, n),
                lr_scheduler.ConstantLR(o, 0.5, 2),
            ]
        ),
    ),
}

SEQUENCES = {
    # ours, one after the other, by formula: each begins anew at the base rate
    "linear then constant": (
        {
            "schedulers": [
                {"class": "LinearLR", "start_factor": 0.25, "total_iters": 3},
                {"class": "constant"},
            ],
            "milestones": [3],
        },
        lambda t, n: min(0.25 + 0.25 * t, 1.0),
    ),
    "constant then straight to zero": (
        {
            "schedulers": [{"class": "constant"}, {"class": "LinearToZeroLR"}],
            "milestones": ["50%"],
        },
        lambda t, n: zero_after(max(1, math.floor(n / 2 + 0.5)), t, n),
    ),
}


def zero_after(milestone: int, t: int, n: int) -> float:
    left = max(1, n - milestone)
    return 1.0 if t < milestone else max(left - (t - milestone), 0) / left


def warmup(length: int, every: str, then: Callable, then_every: str):
    """A loop by hand: up to the rate with which the other begins, then the other from its start.

    `then(epochs, steps)` gives its rate at a tick, for what is left of the run. Of an epoch in
    which the warmup ends, the rest is the other's first epoch.
    """

    def meant(epochs: int, losses: Losses) -> list[float]:
        first = length // STEPS if every == "step" else length
        begin = length if every == "step" else length * STEPS
        left = max(1, epochs * STEPS - begin), max(1, epochs - first)
        rate = then(*left, losses[first:])
        rates = []
        for step in range((epochs + PAST) * STEPS):
            if step < begin:
                done = step if every == "step" else step // STEPS
                rates.append(rate(0) * (done + 1) / length)
            else:
                rates.append(rate(step - begin if then_every == "step" else step // STEPS - first))
        return rates

    return meant


def halved(steps: int, epochs: int, losses: Losses):
    return lambda t: BASE * 0.5 ** (t // 2)


def straight(steps: int, epochs: int, losses: Losses):
    return lambda t: BASE * max(steps - t, 0) / steps


def straight_by_epochs(steps: int, epochs: int, losses: Losses):
    return lambda t: BASE * max(epochs - t, 0) / epochs


def plateau(steps: int, epochs: int, losses: Losses):
    rates, best = [BASE], math.inf
    for loss in losses:
        better = loss < best * (1 - 0.5)
        halved = rates[-1] if better or rates[-1] * 0.5 < 1e-8 else rates[-1] * 0.5
        best = loss if better else best
        rates.append(halved)
    return lambda t: rates[t]


THENS = [
    ({"class": "StepLR", "step_size": 2, "gamma": 0.5}, halved, "epoch"),
    ({"class": "StepLR", "step_size": 2, "gamma": 0.5, "interval": "step"}, halved, "step"),
    ({"class": "LinearToZeroLR"}, straight, "step"),
    ({"class": "LinearToZeroLR", "interval": "epoch"}, straight_by_epochs, "epoch"),
    (
        {"class": "ReduceLROnPlateau", "factor": 0.5, "patience": 0, "threshold": 0.5},
        plateau,
        "epoch",
    ),
]
WARMUPS = [
    (2, "step"),  # ends within the first epoch
    (3, "step"),  # at its end
    (4, "step"),
    (7, "step"),
    (400, "step"),  # longer than any run here
    (1, "epoch"),
    (3, "epoch"),
]


def worded(given: object, word: str):
    """Arguments with a word for {}."""
    return json.loads(json.dumps(given).replace("{}", word))


def cases() -> Iterator[tuple[str, Case]]:
    for interval in ("epoch", "step"):
        word = f"{interval}s"
        for number, (name, given, share) in enumerate(FORMULAS):
            chosen = (
                {**worded(given, word), "interval": interval} if given else {"interval": interval}
            )
            case = Case(name, chosen, by_hand(share, interval), exact=False)
            yield f"{name} {number} by {interval}", case
        for name, given in TORCHS:

            def make(o, n, name=name, given=given):
                numbers = {k: n if v == "{}" else v for k, v in given.items()}
                return getattr(lr_scheduler, name)(o, **numbers)

            chosen = {**worded(given, word), "interval": interval}
            yield f"{name} by {interval}", Case(name, chosen, by_object(make, interval), True)

        def one_cycle(o, n):
            return lr_scheduler.OneCycleLR(o, 0.3, total_steps=n)

        whole = {"max_lr": 0.3, "total_steps": word, "interval": interval}
        case = Case("OneCycleLR", whole, by_object(one_cycle, interval, 0), True, past=0)
        yield f"a whole cycle by {interval}", case  # torch goes no further than its end
        for label, (name, given, make) in HELD.items():
            chosen = {**worded(given, word), "interval": interval}
            yield f"{label} by {interval}", Case(name, chosen, by_object(make, interval), True)
        for label, (given, share) in SEQUENCES.items():
            chosen = {**worded(given, word), "interval": interval}
            case = Case("SequentialLR", chosen, by_hand(share, interval), exact=False)
            yield f"{label} by {interval}", case

    def reduce(o, n):
        return lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=1, threshold=0.2)

    given = {"factor": 0.5, "patience": 1, "threshold": 0.2}
    yield "plateau", Case("ReduceLROnPlateau", given, by_object(reduce, "epoch"), True)
    for length, every in WARMUPS:
        for then, rate, then_every in THENS:
            given = {"warmup_iters": length, "interval": every, "then": then}
            label = f"{length} {every}s then {then['class']} by {then_every}"
            meant = warmup(length, every, rate, then_every)
            yield label, Case("WarmupLR", given, meant, exact=False)


CASES = dict(cases())


def resolved(case: Case, epochs: int) -> dict:
    """The arguments of a run of so many epochs, through JSON, as a run carries them."""
    arguments = schedulers.resolve_arguments(case.name, case.given, Horizon.of(epochs, STEPS, BASE))
    return json.loads(json.dumps(arguments))


def stepped(case: Case, epochs: int, losses: Losses) -> list[float]:
    """The rate of each step of the run and past its end, from what the engines build."""
    optimizer = adam()
    stepper = schedulers.build_scheduler(case.name, resolved(case, epochs), optimizer)
    rates = []
    optimizer.step()
    for epoch in range(epochs + case.past):
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            stepper.after_step()
        stepper.after_epoch(losses[epoch])
    return rates


def assert_meant(rates: list[float], case: Case, epochs: int, losses: Losses) -> None:
    expected = case.meant(epochs, losses)[: len(rates)]
    if case.exact:
        assert rates == expected
    else:
        assert rates == pytest.approx(expected, rel=1e-11, abs=1e-16)


def test_every_class_is_here():
    # GreedyLR has no form: test_adaptive has its sequences
    assert {case.name for case in CASES.values()} == set(schedulers.CLASSES) - {"GreedyLR"}
    both = {"epoch", "step"}
    for name in set(schedulers.CLASSES) - {"GreedyLR", "ReduceLROnPlateau"}:
        given = [case.given["interval"] for case in CASES.values() if case.name == name]
        assert set(given) == both


@pytest.mark.parametrize("epochs", HORIZONS)
@pytest.mark.parametrize("label", CASES)
def test_the_whole_curve_is_what_is_meant(label, epochs):
    case = CASES[label]
    losses = [LOSSES[i % len(LOSSES)] for i in range(epochs + PAST)]
    rates = stepped(case, epochs, losses)
    assert len(rates) == (epochs + case.past) * STEPS
    assert_meant(rates, case, epochs, losses)
    arguments = resolved(case, epochs)
    horizon = Horizon.of(epochs + case.past, STEPS, BASE)
    assert list(simulate_schedule(case.name, arguments, horizon, 1).rates) == rates[:1]
    if epochs <= 10:
        whole = simulate_schedule(case.name, arguments, horizon, losses=losses)
        assert len(whole.rates) == horizon.length(schedulers.find_clock(case.name, arguments))
        assert list(whole.step_rates) == rates


def test_curves_differ():
    """Or a comparison above would show nothing: over ten epochs no two cases are one."""
    curves: dict[tuple[float, ...], str] = {}
    for label, case in CASES.items():
        rates = tuple(stepped(case, 10, [LOSSES[i % len(LOSSES)] for i in range(10 + PAST)]))
        same = "constant", "a whole cycle"
        twin = curves.setdefault(rates, label)
        assert twin == label or label.startswith(same) or case.given.get("warmup_iters") == 400


def test_a_cycle_that_is_held_cycles_the_momentum_too():
    """As torch's own objects do."""
    name, given, make = HELD["exponential then a cycle"]
    optimizer, hands = adam(), adam()
    arguments = schedulers.resolve_arguments(name, given, Horizon.of(10, STEPS, BASE))
    stepper = schedulers.build_scheduler(name, arguments, optimizer)
    scheduler = make(hands, 30)
    betas = []
    for _ in range(200):
        assert optimizer.param_groups[0]["betas"] == hands.param_groups[0]["betas"]
        betas.append(optimizer.param_groups[0]["betas"][0])
        for each in (optimizer, hands):
            each.step()
        stepper.after_step()
        scheduler.step()
    assert len(set(betas)) > 100


# As the engines apply them


class Linear(nn.Module):
    """As little to train as there can be."""

    def __init__(self, shape, classes, dropout, batch_norm):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes))

    def forward(self, x):
        return self.layers(x)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Thirty images to train on, of which ten are held out: three batches of eight at most."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 4, 4), dtype=torch.uint8, generator=generator)
    labels = torch.arange(40) % 3
    return Dataset("noise", images[:30], labels[:30], images[30:], labels[30:], 255, "0" * 16)


def few() -> dict[str, Case]:
    """Of each class one case by epochs and one by steps, and one of each warmup's length."""
    found = {}
    for label, case in CASES.items():
        kind = case.name, case.given.get("interval"), case.given.get("warmup_iters")
        found.setdefault(kind, label)
    return {label: CASES[label] for label in found.values()}


def fewest() -> dict[str, Case]:
    """Of each class one case."""
    first = {case.name: label for label, case in reversed(few().items())}
    return {label: CASES[label] for label in first.values()}


def runs(dataset: Dataset, epochs: int, chosen: dict[str, Case]) -> list[Run]:
    """One run of each case."""
    found = []
    for label, case in chosen.items():  # one by one: over a short run some are the same
        spec = {"class": case.name, **case.given}
        text = f"dataset: digits\nvalidation: 10\nbatch_size: 8\nepochs: {epochs}\n"
        text += (
            f"optimizer: {{lr: {BASE}}}\ndropout: 0.0\nschedulers: {json.dumps({label: spec})}\n"
        )
        found += list_runs(parse_sweep(text), dataset)
    return [replace(run, model="linear") for run in found]


@pytest.mark.parametrize("epochs", slow_but((1, 2), HORIZONS, soak=HORIZONS[-1:]))
@pytest.mark.parametrize("engine", ["reference", "stacked"])
def test_a_run_is_trained_with_the_rates_that_are_meant(monkeypatch, dataset, engine, epochs):
    """To the last bit those of the curve that the tests above compare, for the losses it had."""
    monkeypatch.setitem(MODELS, "linear", Linear)
    data = dataset.split(10)
    all_runs = runs(dataset, epochs, few() if epochs <= 10 else fewest())
    told: dict[str, list[Epoch]] = {run.scheduler: [] for run in all_runs}

    def remember(run: Run, epoch: Epoch) -> None:
        told[run.scheduler].append(epoch)

    records: list[Record]
    if engine == "stacked":
        records = train.train_stacked(all_runs, data, CPU, remember)
    else:
        records = [reference.train_one(run, data, CPU, remember) for run in all_runs]
    for run, record in zip(all_runs, records, strict=True):
        assert (record.run["status"], record.run["error"]) == ("completed", None)
        measured = told[run.scheduler]
        losses = [epoch.metrics["val"].loss for epoch in measured] + [1.0] * PAST
        rates = [rate for epoch in measured for rate in epoch.rates]
        case = CASES[run.scheduler]
        assert json.loads(run.scheduler_args) == resolved(case, epochs)
        assert len(rates) == epochs * STEPS
        assert rates == stepped(case, epochs, losses)[: len(rates)]
        assert_meant(rates, case, epochs, losses)


@pytest.mark.parametrize("epochs", slow_but((1, 2, 10), HORIZONS))
def test_rates_ahead_of_the_steps_are_those_that_are_meant(dataset, epochs):
    """All side by side, each with losses of its own."""
    all_runs = runs(dataset, epochs, CASES)
    rates = Rates(all_runs, STEPS)
    losses = [
        [LOSSES[(place + epoch) % len(LOSSES)] for epoch in range(epochs + PAST)]
        for place in range(len(all_runs))
    ]
    found = []
    for epoch in range(epochs):
        found.append(rates.next_epoch()[0])
        rates.end_epoch([of_run[epoch] for of_run in losses])
    columns = torch.cat(found).T.tolist()
    for run, of_run, column in zip(all_runs, losses, columns, strict=True):
        assert column == stepped(CASES[run.scheduler], epochs, of_run)[: len(column)]
