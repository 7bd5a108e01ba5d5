"""The optimizers' kernels in Triton's interpreter against the plain classes, step by step."""

import pytest
import torch
from helpers.tiers import slow_but

from lrdecay.engine.stacked.kernels import sgd_step
from lrdecay.engine.stacked.optimizers import adam, build_update
from lrdecay.engine.stacked.optimizers.base import safe_root

# numpy warns of what a GPU computes without a word
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered")

RUNS, STEPS = 3, 3
SHAPES = (30, 40), (77,)
_ADAM = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
_SGD = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
ADAM = {
    "default": [_ADAM] * 3,
    "betas": [{**_ADAM, "betas": betas} for betas in [(0.5, 0.9), (0.3, 0.4), (0.0, 0.0)]],
    "eps": [{**_ADAM, "eps": eps} for eps in (1e-10, 1e-3, 0.5)],
    "decay": [{**_ADAM, "weight_decay": decay} for decay in (0.01, 0.0, 1.0)],
    "spared": [
        {**_ADAM, "weight_decay": 0.1, "decay_biases": kept} for kept in (True, False, False)
    ],
}
SGD = {
    "plain": [_SGD] * 3,
    "decay": [{**_SGD, "weight_decay": decay} for decay in (0.01, 0.0, 0.5)],
    "momentum": [{**_SGD, "momentum": momentum} for momentum in (0.9, 0.0, 0.5)],
    "nesterov": [{**_SGD, "momentum": 0.9, "nesterov": on} for on in (True, False, True)],
    "spared": [
        {**_SGD, "momentum": 0.9, "weight_decay": 0.1, "decay_biases": kept}
        for kept in (True, False, False)
    ],
}
CASES = [
    *(("Adam", case) for case in ADAM),
    *(("AdamW", case) for case in ADAM),
    *(("SGD", case) for case in SGD),
]
QUICK = [("Adam", "default"), ("AdamW", "spared"), ("SGD", "spared")]


@pytest.fixture(autouse=True)
def exact_roots(monkeypatch):
    """A CPU's vectorised root is not always the nearest number; a GPU's is."""

    def root(square):
        return safe_root(square.double()).float()

    monkeypatch.setattr(adam, "safe_root", root)


def run_both(name, arguments, gradients):
    """Yield the parameters and the state after each step, of the plain class and of the kernel,
    which goes on from where that one was."""
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.randn(RUNS, *shape, generator=generator) for shape in SHAPES]
    copies = [parameter.clone() for parameter in parameters]
    plain = build_update(name, parameters, arguments)
    fused = build_update(name, copies, arguments, "triton")
    rates = torch.tensor([[0.1, 0.01, 0.001]], dtype=torch.float64).repeat(STEPS, 1)
    momenta = [given.get("momentum", given.get("betas", (0,))[0]) for given in arguments]
    momenta = torch.tensor(momenta, dtype=torch.float64).repeat(STEPS, 1)
    rows = plain.coefficients(rates, momenta, 0).float()
    for row, of_step in zip(rows, gradients, strict=True):
        expected, found = [*parameters, *plain.state], [*copies, *fused.state]
        for ours, theirs in zip(found, expected, strict=True):
            ours.copy_(theirs)
        plain.apply(parameters, of_step, row)
        fused.apply(copies, of_step, row)
        yield expected, found


def draw_gradients(scale: float = 1.0):
    generator = torch.Generator().manual_seed(1)
    return [
        [scale * torch.randn(RUNS, *shape, generator=generator) for shape in SHAPES]
        for _ in range(STEPS)
    ]


@pytest.mark.parametrize(("name", "case"), slow_but(QUICK, CASES))
def test_a_step_is_that_of_the_plain_class_to_the_bit(name, case):
    arguments = (SGD if name == "SGD" else ADAM)[case]
    count = 0
    for expected, found in run_both(name, arguments, draw_gradients()):
        count += 1
        for theirs, ours in zip(expected, found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert count == STEPS


@pytest.mark.parametrize("value", slow_but([1e20], [float("nan"), float("inf"), 1e20, 1e-30]))
@pytest.mark.parametrize("name", slow_but(["Adam"], ["Adam", "AdamW", "SGD"]))
def test_what_cannot_be_held_is_as_in_the_plain_class(name, value):
    gradients = draw_gradients()
    gradients[1][0][0, 0, :5] = value
    gradients[2][1][1, :5] = -value
    arguments = SGD["momentum"] if name == "SGD" else ADAM["decay"]
    for expected, found in run_both(name, arguments, gradients):
        for theirs, ours in zip(expected, found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("name", "case"), [("Adam", "decay"), ("SGD", "momentum")])
def test_gradients_may_come_in_another_order(name, case):
    """Under vmap those of a product are transposed, and of a sum one number expanded."""
    arguments = (SGD if name == "SGD" else ADAM)[case]
    gradients = draw_gradients()
    for of_step in gradients:
        of_step[0] = of_step[0].transpose(1, 2).contiguous().transpose(1, 2)
        of_step[1] = of_step[1][:, :1].expand(RUNS, *SHAPES[1])
    for expected, found in run_both(name, arguments, gradients):
        for theirs, ours in zip(expected, found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_rows_may_be_parts_of_longer_ones():
    """As where weights and biases stand in one tensor, and their state does not."""
    generator = torch.Generator().manual_seed(2)
    row, gradient = torch.randn(2, RUNS, 1500, generator=generator)
    numbers = [torch.tensor(each) for each in ([0.9, 0.5, 0.0], [1.0] * 3, [-0.1] * 3, [0.0] * 3)]
    found, buffer = row.clone(), torch.ones(RUNS, 1200)
    sgd_step(found[:, None, :1200], gradient[:, None, :1200], buffer[:, None], *numbers)
    moved = row[:, :1200] - 0.1 * (numbers[0][:, None] + gradient[:, :1200])
    torch.testing.assert_close(found[:, :1200], moved)
    assert found[:, 1200:].equal(row[:, 1200:])
    with pytest.raises(ValueError, match=r"after the other, not .* in steps of \(1, 3\)"):
        sgd_step(torch.zeros(1500, RUNS).T, row, None, *numbers)
