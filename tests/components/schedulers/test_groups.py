"""Schedulers on optimizers with two groups of parameters: one rate and momentum, or refused."""

import pytest
import torch
from helpers.training import CPU, curve, digits, split

from lrdecay.components import schedulers
from lrdecay.core.errors import InputError
from lrdecay.engine import reference
from lrdecay.engine.stacked.train import train_stacked
from lrdecay.sweep import resolution
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

pytestmark = pytest.mark.usefixtures("fresh")

HEAD = """\
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


"""
TENTH = "def get_lr(self):\n    return [r * 0.1**place for place, r in enumerate(self.base_lrs)]"
LATE = (
    "def get_lr(self):\n"
    "    late = self.last_epoch > 70\n"
    "    return [r * (0.5 if late and place else 1) for place, r in enumerate(self.base_lrs)]"
)
MOMENTUM = (
    "def get_lr(self):\n"
    "    group = self.optimizer.param_groups[-1]\n"
    "    group['betas'] = (0.5, 0.999)\n"
    "    return self.base_lrs"
)
EPSILON = (
    "def get_lr(self):\n"
    "    for group in self.optimizer.param_groups[1:]:\n"
    "        group['eps'] = 0.1\n"
    "    return self.base_lrs"
)
ADDED = (
    "def __init__(self, optimizer: Optimizer) -> None:\n"
    "    import torch\n"
    "    own = [torch.nn.Parameter(torch.zeros(1))]\n"
    "    optimizer.add_param_group({'params': own})\n"
    "    super().__init__(optimizer)\n"
    "def get_lr(self):\n"
    "    return self.base_lrs"
)
SPARING = "optimizer: {name: AdamW, decay_biases: false}\n"
FIX = (
    "and here all have one; have it give them the same, or leave out decay_biases: false, which "
    "makes two groups"
)


@pytest.fixture
def plug(plug):
    """Load a file of a class X that has these lines, or of this text."""

    def load(lines: str) -> None:
        text = lines
        if not lines.startswith("def X"):
            text = "class X(LRScheduler):\n    interval = 'step'\n    " + lines.replace(
                "\n", "\n    "
            )
        plug(f'{HEAD}{text}\n\n\nSCHEDULERS = {{"X": X}}\n')

    return load


def runs_of(optimizer: str = SPARING, scheduler: str = "{class: X}"):
    text = f"dataset: digits\nepochs: 4\nschedulers: {{one: {scheduler}}}\n{optimizer}"
    return list_runs(parse_sweep(text, source="a.yaml"), digits())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (TENTH, "it gives the groups of parameters different learning rates, 0.001 and 0.0001, "),
        (LATE, "it gives the groups of parameters different learning rates, 0.001 and 0.0005, "),
        (MOMENTUM, "it gives the groups of parameters different momenta, 0.9 and 0.5, "),
        (
            "needs = ('weights',)\n" + TENTH,
            "it gives the groups of parameters different learning rates, 0.001 and 0.0001, ",
        ),
        (
            "def X(optimizer: Optimizer) -> LRScheduler:\n"
            "    places = range(len(optimizer.param_groups))\n"
            "    return LambdaLR(optimizer, [lambda t, n=n: 0.5**n for n in places])",
            "it gives the groups of parameters different learning rates, 0.001 and 0.0005, ",
        ),
    ],
)
def test_groups_of_several_rates_are_refused_before_anything_trains(plug, lines, reason):
    plug(lines)
    with pytest.raises(InputError) as caught:
        runs_of()
    assert str(caught.value) == f"schedulers.one: the plug-in scheduler X: {reason}{FIX}"


def test_one_that_a_warmup_holds_is_refused_too(plug):
    plug(TENTH)
    with pytest.raises(InputError, match=r"different learning rates, 0\.001 and 0\.0001, and"):
        runs_of(scheduler="{class: WarmupLR, warmup_iters: 3, then: {class: X}}")


def test_what_changes_in_the_second_group_alone_is_seen(plug):
    plug(EPSILON)
    with pytest.raises(InputError, match="it changes eps beside the rate, which takes the true"):
        runs_of()


def test_a_group_of_its_own_is_seen_as_the_plug_in_loads(plug):
    with pytest.raises(InputError, match="it changes the number of groups of parameters beside"):
        plug(ADDED)


@pytest.mark.parametrize("lines", [TENTH, LATE, MOMENTUM])
def test_one_group_has_one_rate(plug, lines):
    plug(lines)
    (run,) = runs_of("optimizer: AdamW\n")
    record = reference.train_one(run, split(run.validation), CPU)
    assert record.run["status"] == "completed"
    assert set(curve(record, "train", "learning_rate_last")) == {0.001}


def test_groups_of_one_rate_train_alike_on_both_engines(plug):
    plug("def get_lr(self):\n    return [rate * 0.99**self.last_epoch for rate in self.base_lrs]")
    (run,) = runs_of()
    alone = reference.train_one(run, split(run.validation), CPU)
    (stacked,) = train_stacked([run], split(run.validation), CPU)
    assert alone.run["status"] == stacked.run["status"] == "completed"
    assert alone.run["rates_digest"] == stacked.run["rates_digest"]
    first = curve(alone, "train", "learning_rate_first")
    assert first == pytest.approx([0.001 * 0.99 ** (19 * epoch) for epoch in range(4)], rel=1e-12)


@pytest.mark.parametrize("lines", [TENTH, LATE, MOMENTUM])
def test_an_engine_trains_none_that_slipped_past(plug, monkeypatch, lines):
    """Which takes more steps than are tried beforehand."""
    plug(lines)
    monkeypatch.setattr(resolution, "_check_needs", lambda part, groups: None)
    (run,) = runs_of()
    wrong = "the scheduler gives the groups of parameters different (learning rates|momenta), "
    with pytest.raises(ValueError, match=wrong):
        reference.train_one(run, split(run.validation), CPU)
    with pytest.raises(ValueError, match=wrong):
        train_stacked([run], split(run.validation), CPU)


def test_a_tensor_is_a_rate_like_any_other():
    groups = [{"lr": torch.tensor(0.5)}, {"lr": 0.5}]
    assert schedulers.read_rate(groups) == 0.5
    groups[0]["lr"].mul_(0.5)
    with pytest.raises(ValueError, match=r"different learning rates, 0\.25 and 0\.5, and"):
        schedulers.read_rate(groups)


def test_the_momentum_is_that_of_sgd_or_adam_s_first_beta():
    for group, expected in (
        ({"momentum": 0.7}, 0.7),
        ({"betas": (0.8, 0.99), "momentum": 0.7}, 0.8),
        ({"rho": 0.9}, 0.0),
    ):
        assert schedulers.read_momentum(group) == expected
