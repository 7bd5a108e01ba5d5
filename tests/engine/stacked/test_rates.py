"""The rates of many runs against schedulers that step in a plain loop on real optimizers."""

import json
from dataclasses import replace

import pytest
import schedulefree
import torch
from torch.optim import lr_scheduler

from lrdecay.components import schedulers
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.engine.stacked.rates import Rates

EPOCHS, STEPS = 3, 5
LOSSES = [2.0, 2.0, 1.0]
ARGUMENTS = {
    "constant": {},
    "CosineToFloorLR": {"total_iters": 12},
    "InverseSquareRootLR": {"warmup_iters": 4},
    "LinearToZeroLR": {},
    "RexLR": {"interval": "epoch"},
    "WarmupStableDecayLR": {"decay_iters": "40%", "warmup_iters": 3},
    "WarmupLR": {"warmup_iters": 7, "then": {"class": "ReduceLROnPlateau", "patience": 0}},
    "ChainedScheduler": {
        "schedulers": [
            {"class": "LinearLR", "total_iters": 2},
            {"class": "ExponentialLR", "gamma": 0.7},
        ],
    },
    "ConstantLR": {"factor": 0.5, "total_iters": 2},
    "CosineAnnealingLR": {"T_max": "epochs"},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.02, "step_size_up": 4},
    "ExponentialLR": {"gamma": 0.7},
    "LinearLR": {"total_iters": 2},
    "MultiStepLR": {"milestones": [1, 2], "gamma": 0.5},
    "OneCycleLR": {"max_lr": 0.02, "total_steps": "steps"},
    "PolynomialLR": {"total_iters": "epochs"},
    "ReduceLROnPlateau": {"factor": 0.5, "patience": 0},
    "SequentialLR": {
        "schedulers": [
            {"class": "LinearLR", "total_iters": 6},
            {"class": "OneCycleLR", "max_lr": 0.02, "total_steps": "steps"},
        ],
        "milestones": [6],
    },
    "StepLR": {"step_size": 1, "gamma": 0.3},
}
CYCLING = ("CyclicLR", "OneCycleLR", "SequentialLR")
"""Those that cycle the momentum too."""
OPTIMIZERS = {
    "Adam": {"betas": [0.87, 0.999], "eps": 1e-8, "weight_decay": 0.0},
    "AdamW": {"betas": [0.6, 0.99], "eps": 1e-8, "weight_decay": 0.1},
    "SGD": {"momentum": 0.77, "nesterov": True, "weight_decay": 0.0},
    "RMSprop": {"momentum": 0.66, "alpha": 0.9, "centered": True},
    "Adadelta": {"rho": 0.8},
    "AdamWScheduleFree": {"betas": [0.95, 0.99], "warmup_steps": 4},
}
CLASSES = {**vars(torch.optim), "AdamWScheduleFree": schedulefree.AdamWScheduleFree}


def make(name: str, optimizer: str = "Adam", lr: float = 0.01, given=None, **fields) -> Run:
    horizon = schedulers.Horizon.of(EPOCHS, STEPS)
    arguments = schedulers.resolve_arguments(
        name, ARGUMENTS[name] if given is None else given, horizon
    )
    return Run(
        **{
            "dataset": "digits",
            "dataset_digest": "0123456789abcdef",
            "validation": 239,
            "model": "cnn",
            "batch_norm": False,
            "optimizer": optimizer,
            "optimizer_args": to_canonical_json(OPTIMIZERS[optimizer]),
            "lr": lr,
            "batch_size": 64,
            "epochs": EPOCHS,
            "scheduler": name,
            "scheduler_class": name,
            "scheduler_args": to_canonical_json(arguments),
            "dropout": 0.0,
            "precision": "float32",
            "seed": 0,
            **fields,
        }
    )


def uncycled(given: dict) -> dict:
    """The same arguments for an optimizer without a momentum to cycle."""
    held = [uncycled(each) for each in given.get("schedulers", [])]
    cycles = given.get("class") == "OneCycleLR" or {"max_lr", "base_lr"} & given.keys()
    return {
        **given,
        **({"schedulers": held} if held else {}),
        **({"cycle_momentum": False} if cycles else {}),
    }


def momentum_of(group: dict) -> float:
    """What a scheduler may cycle; nothing with Adadelta."""
    return group["momentum"] if "momentum" in group else group.get("betas", [0.0])[0]


def plain(run: Run, losses=LOSSES) -> tuple[list[float], list[float]]:
    """Rates and momenta by step, from an ordinary training loop; torch's own classes are stepped as
    torch means them to be, and the others as they say."""
    weight = torch.nn.Parameter(torch.ones(2))
    arguments = json.loads(run.optimizer_args)
    optimizer = CLASSES[run.optimizer]([weight], lr=run.lr, **arguments)
    if run.optimizer == "AdamWScheduleFree":
        optimizer.train()
    after_step, after_epoch = occasions(run, optimizer)
    (group,) = optimizer.param_groups
    rates, momenta = [], []
    for loss in losses:
        for _ in range(STEPS):
            rates.append(group["lr"])
            momenta.append(momentum_of(group))
            weight.grad = torch.ones(2)
            optimizer.step()
            after_step()
        after_epoch(loss)
    return rates, momenta


def occasions(run: Run, optimizer):
    """What to call after a step, and with the loss after an epoch: torch's own object where it is
    one, else what the reference engine has."""
    arguments = json.loads(run.scheduler_args)
    if run.scheduler_class not in vars(lr_scheduler) or "schedulers" in arguments:
        stepper = schedulers.build_scheduler(run.scheduler_class, arguments, optimizer)
        return stepper.after_step, stepper.after_epoch
    by_step = arguments.pop("interval") == "step"
    scheduler = getattr(lr_scheduler, run.scheduler_class)(optimizer, **arguments)
    if by_step:
        return scheduler.step, lambda loss: None
    if run.scheduler_class == "ReduceLROnPlateau":
        return lambda: None, scheduler.step
    return lambda: None, lambda loss: scheduler.step()


def walked(runs: list[Run], losses) -> tuple[torch.Tensor, torch.Tensor]:
    """Rates and momenta (steps, runs); losses are one row an epoch, one loss a run."""
    rates = Rates(runs, STEPS)
    epochs = []
    for of_epoch in losses:
        epochs.append(rates.next_epoch())
        assert [part.shape for part in epochs[-1]] == [(STEPS, len(runs))] * 2
        assert [part.dtype for part in epochs[-1]] == [torch.float64] * 2
        rates.end_epoch(of_epoch)
    return torch.cat([rate for rate, _ in epochs]), torch.cat([momentum for _, momentum in epochs])


def test_no_scheduler_class_is_left_out():
    together = {name for name in schedulers.CLASSES if not schedulers.list_needs(name)}
    assert ARGUMENTS.keys() == together


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_rates_are_those_of_a_plain_loop(name, optimizer):
    given = uncycled(ARGUMENTS[name]) if optimizer == "Adadelta" else ARGUMENTS[name]
    run = make(name, optimizer, given=given)
    rates, momenta = walked([run], [[loss] for loss in LOSSES])
    expected = plain(run)
    assert rates[:, 0].tolist() == expected[0]
    assert momenta[:, 0].tolist() == expected[1]
    assert (len(set(expected[0])) == 1) == (name == "constant")
    if name in CYCLING and optimizer != "Adadelta":
        assert len(set(expected[0])) > EPOCHS
        assert len(set(expected[1])) > EPOCHS  # or the momentum is not cycled at all
    else:
        assert set(expected[1]) == {momentum_of(OPTIMIZERS[optimizer])}


def test_all_schedulers_go_side_by_side():
    runs = [make(name, lr=0.01 + 0.001 * i) for i, name in enumerate(ARGUMENTS)]
    rates, momenta = walked(runs, [[loss] * len(runs) for loss in LOSSES])
    for place, run in enumerate(runs):
        assert (rates[:, place].tolist(), momenta[:, place].tolist()) == plain(run)
    assert len({tuple(column) for column in rates.T.tolist()}) == len(runs)


def test_a_cycled_momentum_may_reach_zero():
    given = {**ARGUMENTS["CyclicLR"], "base_momentum": 0.0, "max_momentum": 0.8}
    run = make("CyclicLR", "SGD", given=given)
    _, momenta = walked([run], [[None]] * EPOCHS)
    assert momenta[:, 0].tolist() == plain(run)[1]
    assert (momenta == 0).sum() == 2


def test_plateau_follows_each_runs_own_loss():
    runs = [make("ReduceLROnPlateau", seed=seed) for seed in (0, 1)]
    losses = [[2.0, 2.0], [1.0, 2.0], [1.5, 1.9]]
    rates, _ = walked(runs, [*losses, [9.0, 9.0]])
    for place, of_run in enumerate(zip(*losses, strict=True)):
        assert rates[:, place].tolist() == plain(runs[place], [*of_run, 9.0])[0]
    by_epoch = rates[::STEPS].T.tolist()
    assert by_epoch == [[0.01, 0.01, 0.01, 0.005], [0.01, 0.01, 0.005, 0.005]]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_runs_that_differ_in_seed_and_dropout_get_the_same(name):
    runs = [make(name), make(name, seed=7), make(name, dropout=0.5), make(name, scheduler="other")]
    rates, momenta = walked(runs, [[loss] * len(runs) for loss in LOSSES])
    expected = plain(runs[0])
    for place in range(len(runs)):
        assert rates[:, place].tolist() == expected[0]
        assert momenta[:, place].tolist() == expected[1]


def test_runs_share_a_scheduler_where_they_must_get_the_same_and_only_there(monkeypatch):
    build, built = schedulers.build_scheduler, []

    def counted(name, given, optimizer):
        built.append(name)
        return build(name, given, optimizer)

    seeds = range(4)
    groups = {
        1: [make("StepLR", seed=seed, dropout=seed / 10) for seed in seeds],
        4: [make("StepLR", lr=0.01 * (1 + seed)) for seed in seeds],
        3: [make("ReduceLROnPlateau", seed=seed) for seed in (0, 1, 2, 2)],  # the last is a twin
    }
    monkeypatch.setattr(schedulers, "build_scheduler", counted)
    for count, runs in groups.items():
        built.clear()
        Rates(runs, STEPS)
        assert built == [runs[0].scheduler_class] * count


@pytest.mark.parametrize(
    "changed",
    [
        {"lr": 0.02},
        {"given": {"step_size": 2, "gamma": 0.3}},
        {"optimizer": "SGD"},
        {"optimizer_args": to_canonical_json({**OPTIMIZERS["Adam"], "betas": [0.5, 0.999]})},
    ],
)
def test_what_changes_rates_or_momenta_is_not_shared(changed):
    runs = [make("StepLR"), make("StepLR", **changed)]
    rates, momenta = walked(runs, [[None, None]] * EPOCHS)
    for place, run in enumerate(runs):
        assert (rates[:, place].tolist(), momenta[:, place].tolist()) == plain(run)
    assert not (rates[:, 0].equal(rates[:, 1]) and momenta[:, 0].equal(momenta[:, 1]))


@pytest.mark.parametrize("places", [[0], [2, 0], [3, 4], [1, 1], [4, 3, 2, 1, 0]])
def test_those_who_are_kept_go_on_as_before(places):
    runs = [
        make("StepLR"),
        make("OneCycleLR"),
        make("ReduceLROnPlateau", seed=1),
        make("ReduceLROnPlateau", seed=2),
        make("StepLR", seed=5),
    ]
    losses = [[2.0, 2.0, 2.0, 2.0, 2.0], [2.0, 2.0, 1.0, 2.0, 2.0], [2.0, 2.0, 1.0, 1.0, 2.0]]
    rates = Rates(runs, STEPS)
    rates.next_epoch()
    rates.end_epoch(losses[0])
    # as in training: what an epoch left over is left out before the schedulers are stepped
    rates.next_epoch()
    rates.keep(places)
    rates.end_epoch([losses[1][place] for place in places])
    found = rates.next_epoch()
    expected = [plain(runs[place], [row[place] for row in losses]) for place in places]
    for part, column in zip(found, zip(*expected, strict=True), strict=True):
        assert part.T.tolist() == [values[-STEPS:] for values in column]


def test_an_epoch_is_the_callers_to_keep():
    rates = Rates([make("OneCycleLR")] * 2, STEPS)
    first, momenta = rates.next_epoch()
    before = first.clone(), momenta.clone()
    rates.end_epoch([None, None])
    rates.next_epoch()
    assert first.equal(before[0])
    assert momenta.equal(before[1])


def test_runs_of_one_schedule_step_it_once():
    """Shared by four runs, it must not be stepped four times."""
    run = make("ExponentialLR")
    four = [replace(run, seed=seed) for seed in range(4)]
    rates, _ = walked(four, [[None] * 4] * EPOCHS)
    assert rates[::STEPS, 3].tolist() == pytest.approx([0.01, 0.007, 0.0049])
