"""What a scheduler needs of the training: declared, or found by the probe and refused."""

import pytest
import torch
from helpers.training import digits

from lrdecay.components import schedulers
from lrdecay.components.schedulers import Horizon, probe
from lrdecay.components.schedulers.classes import CLASSES
from lrdecay.core.errors import InputError
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

HEAD = """\
import random
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LRScheduler, ReduceLROnPlateau


def weights(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]

"""


pytestmark = pytest.mark.usefixtures("fresh")


@pytest.fixture
def plug(plug):
    """Load a file of a class X that has these lines, or of this text."""

    def load(lines: str, base: str = "LRScheduler") -> None:
        text = lines
        if not lines.startswith(("class ", "def X")):
            text = f"class X({base}):\n    " + lines.replace("\n", "\n    ")
        plug(f'{HEAD}\n{text}\n\nSCHEDULERS = {{"X": X}}\n')

    return load


def get_lr(value: str) -> str:
    return f"def get_lr(self):\n    return [rate * ({value}) for rate in self.base_lrs]"


READS = {
    "its gradients": (
        get_lr(
            "1 + sum(float(p.grad.norm()) for p in weights(self.optimizer) if p.grad is not None)"
        ),
        'it reads gradients while it steps: say needs = ("gradients",)',
    ),
    "its weights": (
        get_lr("1 + float(weights(self.optimizer)[0].detach().abs().sum())"),
        'it reads weights while it steps (detach): say needs = ("weights",)',
    ),
    "how many weights there are": (
        get_lr("weights(self.optimizer)[0].numel()"),
        'it reads weights while it steps (numel): say needs = ("weights",)',
    ),
    "the data of a weight": (
        get_lr("1 + float(weights(self.optimizer)[0].data[0])"),
        'it reads weights while it steps (data): say needs = ("weights",)',
    ),
    "both": (
        get_lr(
            "1 + float(weights(self.optimizer)[0].grad.sum() + "
            "weights(self.optimizer)[-1].detach().sum())"
        ),
        "it reads gradients while it steps and it reads weights while it steps (detach): say "
        'needs = ("gradients", "weights")',
    ),
    "how many parameters there are": (
        get_lr("len(weights(self.optimizer))"),
        'its rates depend on weights or gradients: say needs = ("gradients",)',
    ),
    "the optimizer's state": (
        get_lr("1 + len(self.optimizer.state)"),
        # looked at without a name, it still makes another rate
        'its rates depend on weights or gradients: say needs = ("gradients",)',
    ),
    "the moments in it": (
        get_lr("1 + sum(float(s['exp_avg'].sum()) for s in self.optimizer.state.values())"),
        'it reads the optimizer\'s state while it steps: say needs = ("gradients",)',
    ),
    "a moment of it": (
        get_lr("1 + float(self.optimizer.state[weights(self.optimizer)[0]].get('step', 0))"),
        'it reads the optimizer\'s state while it steps: say needs = ("gradients",)',
    ),
    "chance": (
        get_lr("random.random()"),
        "its rates differ from one time to the next; make them a function of the step",
    ),
    "the loss, if it is given one": (
        "def step(self, loss=None):\n    super().step()\n" + get_lr("1"),
        'its step() takes loss: say needs = ("loss",)',
    ),
    "a metric by its name": (
        "def step(self, epoch=None, *, metric=None):\n    super().step()\n" + get_lr("1"),
        'its step() takes metric: say needs = ("loss",)',
    ),
    "the optimizer's steps": (
        "def __init__(self, optimizer: Optimizer) -> None:\n"
        "    optimizer.register_step_post_hook(lambda *_: None)\n"
        "    super().__init__(optimizer)\n" + get_lr("1"),
        'it hooks into the optimizer\'s steps: say needs = ("gradients",)',
    ),
    "gradients, by a function": (
        "def X(optimizer: Optimizer) -> LRScheduler:\n"
        "    first = weights(optimizer)[0]\n"
        "    return LambdaLR(optimizer, lambda t: 1.0 if first.grad is None else 0.5)",
        'it reads gradients while it steps: say needs = ("gradients",)',
    ),
    "the loss, by a function": (
        "class Y(LRScheduler):\n"
        "    def step(self, loss=None):\n        super().step()\n\n"
        "    def get_lr(self):\n        return self.base_lrs\n\n\n"
        "def X(optimizer: Optimizer) -> LRScheduler:\n    return Y(optimizer)",
        'its step() takes loss: say needs = ("loss",)',
    ),
}


@pytest.mark.parametrize("reads", READS)
def test_what_is_read_and_not_declared_is_found_as_the_plug_in_loads(plug, reads):
    lines, reason = READS[reads]
    with pytest.raises(InputError) as caught:
        plug(lines)
    assert str(caught.value).endswith(f"own.py: scheduler X: {reason}")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            "needs = 'loss'\n" + get_lr("1"),
            "its needs must be a tuple of loss, gradients and weights, not 'loss'",
        ),
        (
            "needs = ('momentum',)\n" + get_lr("1"),
            "its needs must be a tuple of loss, gradients and weights, not ('momentum',)",
        ),
        (
            "needs = ('loss',)\n" + get_lr("1"),
            "its needs have loss, and its step() does not take one first",
        ),
        (
            "needs = ('loss',)\ndef step(self):\n    super().step()\n" + get_lr("1"),
            "its needs have loss, and its step() does not take one first",
        ),
    ],
)
def test_a_declaration_that_is_none_is_refused(plug, lines, reason):
    with pytest.raises(InputError) as caught:
        plug(lines)
    assert str(caught.value).endswith(f"own.py: scheduler X: {reason}")


def test_a_plateau_gets_the_validation_loss_and_no_other(plug):
    with pytest.raises(InputError, match="is given the validation loss; leave loss out of its"):
        plug("needs = ('loss',)", base="ReduceLROnPlateau")


@pytest.mark.parametrize(
    "lines",
    [
        get_lr("0.9 ** self.last_epoch"),
        "def step(self, *args, **kwargs):\n    super().step(*args)\n" + get_lr("0.5"),
        get_lr("1 if weights(self.optimizer)[0].requires_grad else 0"),
        get_lr("self.optimizer.param_groups[0]['lr'] / self.optimizer.defaults['lr']"),
        "def X(optimizer: Optimizer, factor: float) -> LRScheduler:\n"
        "    return ConstantLR(optimizer, factor)",
    ],
)
def test_a_function_of_the_step_raises_no_alarm(plug, lines):
    plug(lines)
    assert schedulers.list_needs("X") == ()


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_none_of_those_that_are_there_raises_an_alarm(name):
    given = {
        "ChainedScheduler": {"schedulers": [{"class": "ExponentialLR", "gamma": 0.9}]},
        "ConstantLR": {},
        "CosineAnnealingLR": {"T_max": 50},
        "CosineAnnealingWarmRestarts": {"T_0": 7},
        "CyclicLR": {"base_lr": 0.001, "max_lr": 0.01},
        "ExponentialLR": {"gamma": 0.9},
        "MultiStepLR": {"milestones": [3, 9]},
        "OneCycleLR": {"max_lr": 0.01, "total_steps": 100},
        "SequentialLR": {
            "schedulers": [{"class": "ConstantLR"}, {"class": "ExponentialLR", "gamma": 0.9}],
            "milestones": [20],
        },
        "StepLR": {"step_size": 5},
        "WarmupStableDecayLR": {"decay_iters": 10},
    }.get(name, {})
    if name == "WarmupLR":  # lrdecay's own, which only passes on
        return
    resolved = schedulers.resolve_arguments(name, given, Horizon.of(100, 10))
    assert probe.find_undeclared_need(name, resolved, lr=0.001, steps=60) is None


def test_arguments_that_have_no_defaults_are_tried_as_the_sweep_file_gives_them(plug):
    plug(
        "def __init__(self, optimizer: Optimizer, what: str) -> None:\n"
        "    self.what = what\n    super().__init__(optimizer)\n"
        "def get_lr(self):\n"
        "    if self.what == 'grad':\n"
        "        return [float(weights(self.optimizer)[0].grad.sum())]\n"
        "    return self.base_lrs"
    )
    text = "dataset: digits\nschedulers: {one: {class: X, what: %s}}"
    assert len(list_runs(parse_sweep(text % "step", source="a.yaml"), digits())) == 1
    with pytest.raises(InputError) as caught:
        list_runs(parse_sweep(text % "grad", source="a.yaml"), digits())
    assert str(caught.value) == (
        "schedulers.one: the plug-in scheduler X: it reads gradients while it steps: say needs = "
        '("gradients",)'
    )


def test_what_needs_the_training_is_held_by_a_warmup_alone():
    with pytest.raises(
        SweepFileError,
        match="SequentialLR cannot hold GreedyLR, which needs the loss; WarmupLR can",
    ):
        parse_sweep(
            "dataset: digits\nschedulers: {one: {class: SequentialLR, milestones: [2], schedulers: "
            "[{class: GreedyLR}, {class: ConstantLR}]}}",
            source="a.yaml",
        )


class Told:
    """What a scheduler was told, held by a warmup."""

    def __init__(self):
        self.losses = []

    def after_step(self, loss=None):
        self.losses.append(("step", loss))

    def after_epoch(self, validation_loss, loss=None):
        self.losses.append(("epoch", validation_loss, loss))


def test_a_warmup_passes_losses_on():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    told = Told()
    warmup = schedulers.stepper.WarmupLR(optimizer, warmup_iters=2, then=told)
    for loss in (4.0, 3.0, 2.0, 1.0):
        warmup.after_step(loss)
    warmup.after_epoch(7.0, 8.0)
    assert told.losses == [("step", 2.0), ("step", 1.0), ("epoch", 7.0, 8.0)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            'self.optimizer.param_groups[0]["weight_decay"] = 0.1 * self.last_epoch',
            "it changes weight_decay beside the rate, which takes the true optimizer: say needs = "
            '("weights",)',
        ),
        (
            "self.optimizer.param_groups[0].update(betas=(0.9, 0.5), eps=1e-3)",
            "it changes betas and eps beside the rate, which takes the true optimizer: say needs = "
            '("weights",)',
        ),
    ],
)
def test_what_only_the_true_optimizer_follows_is_found(plug, line, reason):
    with pytest.raises(InputError) as caught:
        plug(f"def get_lr(self):\n    {line}\n    return self.base_lrs")
    assert str(caught.value).endswith(f"own.py: scheduler X: {reason}")


@pytest.mark.filterwarnings("ignore:Seems like")
def test_a_step_that_is_wrapped_is_found(plug):
    with pytest.raises(InputError, match="scheduler X: it changes gradients beside the rate"):
        plug(
            "def __init__(self, optimizer: Optimizer) -> None:\n"
            "    super().__init__(optimizer)\n"
            "    step, group = optimizer.step, optimizer.param_groups[0]\n"
            "    def own() -> None:\n"
            "        for p in group['params']:\n            p.grad.zero_()\n"
            "        step()\n"
            "    optimizer.step = own\n"
            "def get_lr(self):\n    return self.base_lrs"
        )


def test_a_momentum_may_change(plug):
    plug(
        "def get_lr(self):\n"
        "    self.optimizer.param_groups[0]['betas'] = (0.5, 0.999)\n"
        "    self.optimizer.param_groups[0]['momentum'] = 0.1 * self.last_epoch\n"
        "    return self.base_lrs"
    )


LATE = (
    "def get_lr(self):\n"
    "    late = self.last_epoch > 600\n"
    "    share = float(weights(self.optimizer)[0].grad.norm()) if late else 1.0\n"
    "    return [rate / (1 + share) for rate in self.base_lrs]"
)


def test_a_schedule_is_tried_to_the_end_of_the_run(plug):
    plug(LATE)  # it reads nothing in the steps that are tried as it loads
    text = "dataset: digits\nepochs: %d\nschedulers: {one: {class: X, interval: step}}\n"
    assert len(list_runs(parse_sweep(text % 30, source="a.yaml"), digits())) == 1
    with pytest.raises(InputError) as caught:
        list_runs(parse_sweep(text % 32, source="a.yaml"), digits())
    assert str(caught.value) == (
        "schedulers.one: the plug-in scheduler X: it reads gradients while it steps: say needs = "
        '("gradients",)'
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("[None]", "TypeError: float() argument must be a string or a real number, not 'NoneType'"),
        ("['high']", "ValueError: could not convert string to float: 'high'"),
        ("[1 / 0]", "ZeroDivisionError: division by zero (line "),
        ("exit()", "SystemExit"),
    ],
)
def test_rates_that_are_none_are_the_plug_in_s_fault(plug, value, reason):
    plug(f"def get_lr(self):\n    return self.base_lrs if self.last_epoch < 1 else {value}")
    text = "dataset: digits\nschedulers: {one: {class: X}}\n"
    with pytest.raises((InputError, SweepFileError)) as caught:
        list_runs(parse_sweep(text, source="a.yaml"), digits())
    assert "the plug-in scheduler X of " in str(caught.value)
    assert f"fails: {reason}" in str(caught.value)


def test_a_rate_that_changes_in_place_is_seen_as_it_changes(plug):
    plug(
        "def get_lr(self):\n"
        "    import torch\n"
        "    if not hasattr(self, 'rate'):\n"
        "        self.rate = torch.tensor(self.base_lrs[0], dtype=torch.float64)\n"
        "    elif self.last_epoch:\n        self.rate.mul_(0.5)\n"
        "    return [self.rate]"
    )
    curve = schedulers.simulate_schedule("X", {"interval": "epoch"}, Horizon.of(4, 5, lr=0.1))
    assert list(curve.rates) == pytest.approx([0.1, 0.05, 0.025, 0.0125], rel=1e-12)
