"""The optimizers against torch's plain ones, and Adam and AdamWScheduleFree against formulas."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from lrdecay.components.optimizers.build import CLASSES, build_optimizer

STEPS = 30
CASES = [
    ("Adam", {}),
    ("Adam", {"weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("SGD", {}),
    ("SGD", {"weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.5, "eps": 1e-3, "weight_decay": 0.1}),
]
FREE = {
    "betas": (0.8, 0.95),
    "eps": 1e-4,
    "weight_decay": 0.1,
    "warmup_steps": 7,
    "r": 1.5,
    "weight_lr_power": 2.0,
}


def problem(dtype: torch.dtype) -> tuple[list[nn.Parameter], Tensor, Tensor]:
    """Two layers of weights, and inputs and targets that they do not fit yet."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return [nn.Parameter(draw(5, 7)), nn.Parameter(draw(7, 2))], draw(12, 5), draw(12, 2)


def train(build, dtype: torch.dtype) -> list[Tensor]:
    """Take the steps, the last ten at a tenth of the rate, and return the weights."""
    weights, inputs, targets = problem(dtype)
    optimizer = build(weights, lr=0.01)
    for step in range(STEPS):
        if step == STEPS - 10:
            optimizer.param_groups[0]["lr"] = 0.001
        optimizer.zero_grad()
        loss = ((inputs @ weights[0]).tanh() @ weights[1] - targets).square().mean()
        loss.backward()
        optimizer.step()
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(torch.float64, 1e-12, 1e-14), (torch.float32, 1e-5, 1e-6)]
)
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_fused_equals_plain(name, arguments, dtype, rtol, atol):
    plain = getattr(torch.optim, name)
    loop = (
        {"foreach": False}
        if name in ("RMSprop", "Adadelta")
        else {"foreach": False, "fused": False}
    )
    expected = train(lambda weights, lr: plain(weights, lr=lr, **loop, **arguments), dtype)
    got = train(lambda weights, lr: build_optimizer(name, weights, lr, arguments), dtype)
    for mine, theirs, start in zip(got, expected, problem(dtype)[0], strict=True):
        assert (mine - start).abs().min() > 1e-6
        assert_close(mine, theirs, rtol=rtol, atol=atol)


def test_arguments_matter():
    ends = [
        train(
            lambda w, lr, n=name, a=arguments: build_optimizer(n, w, lr, a),
            torch.float64,
        )[0]
        for name, arguments in CASES
    ]
    for i, one in enumerate(ends):
        for other in ends[:i]:
            assert (one - other).abs().max() > 1e-6


def test_adam_is_its_formula():
    rate, decay, betas, eps = 0.01, 0.1, (0.8, 0.95), 1e-4
    target = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64)
    weight = nn.Parameter(torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64))
    arguments = {"weight_decay": decay, "betas": betas, "eps": eps}
    optimizer = build_optimizer("Adam", [weight], rate, arguments)
    values, means, squares = weight.tolist(), [0.0] * 3, [0.0] * 3
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        (weight - target).pow(4).sum().backward()
        optimizer.step()
        for i, goal in enumerate(target.tolist()):
            gradient = 4 * (values[i] - goal) ** 3 + decay * values[i]
            means[i] = betas[0] * means[i] + (1 - betas[0]) * gradient
            squares[i] = betas[1] * squares[i] + (1 - betas[1]) * gradient**2
            mean, square = means[i] / (1 - betas[0] ** step), squares[i] / (1 - betas[1] ** step)
            values[i] -= rate * mean / (square**0.5 + eps)
        assert weight.tolist() == pytest.approx(values, rel=1e-10)


@pytest.mark.parametrize("arguments", [{}, FREE])
def test_schedule_free_is_its_recursion(arguments):
    """x, y and z of the paper, each kept for itself; the rate falls to a tenth on the way."""
    defaults = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "weight_lr_power": 2.0}
    given = {**defaults, "warmup_steps": 0, "r": 0.0, **arguments}
    (beta1, beta2), eps, decay = given["betas"], given["eps"], given["weight_decay"]
    target = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64)
    weight = nn.Parameter(torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64))
    optimizer = build_optimizer("AdamWScheduleFree", [weight], 0.1, arguments)
    x = y = z = weight.tolist()
    squares, highest, total = [0.0] * 3, 0.0, 0.0
    for step in range(1, STEPS + 1):
        rate = optimizer.param_groups[0]["lr"] = 0.1 if step <= 20 else 0.01
        optimizer.zero_grad()
        (weight - target).square().sum().backward()
        optimizer.step()
        rate *= min(1.0, step / given["warmup_steps"]) if given["warmup_steps"] else 1.0
        highest = max(highest, rate)
        share = step ** given["r"] * highest ** given["weight_lr_power"]
        total += share
        gradients = [2 * (at - goal) for at, goal in zip(y, target.tolist(), strict=True)]
        squares = [beta2 * s + (1 - beta2) * g**2 for s, g in zip(squares, gradients, strict=True)]
        moves = [
            g / ((s / (1 - beta2**step)) ** 0.5 + eps) + decay * at
            for g, s, at in zip(gradients, squares, y, strict=True)
        ]
        z = [at - rate * move for at, move in zip(z, moves, strict=True)]
        x = [at + share / total * (new - at) for at, new in zip(x, z, strict=True)]
        y = [(1 - beta1) * new + beta1 * at for at, new in zip(x, z, strict=True)]
        assert weight.tolist() == pytest.approx(y, rel=1e-9)
    optimizer.eval()
    assert weight.tolist() == pytest.approx(x, rel=1e-9)
    assert weight.tolist() != pytest.approx(y, rel=1e-3)


def test_what_is_built_is_ready_to_train():
    """The package's class refuses a step unless it was put into training mode."""
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    build_optimizer("AdamWScheduleFree", [weight], 0.1, {}).step()
    assert weight.item() == pytest.approx(0.9)


def test_one_kernel_updates_all_weights():
    for name in ("Adam", "AdamW", "SGD"):  # the others have none
        optimizer = build_optimizer(name, problem(torch.float32)[0], 0.01, {})
        assert [group["fused"] for group in optimizer.param_groups] == [True]


@pytest.mark.parametrize("name", CLASSES)
def test_decay_may_spare_biases(name):
    """Gradients are 0, so that nothing but weight decay can move anything."""
    given = {"weight_decay": 0.1, "decay_biases": False}
    weights = [nn.Parameter(torch.ones(shape)) for shape in [(2, 3), (3,), (2, 1, 3, 3), ()]]
    optimizer = build_optimizer(name, weights, 0.01, given)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert [bool((weight != 1).all()) for weight in weights] == [True, False, True, False]
    assert all(weight.equal(torch.ones(())) for weight in weights if weight.dim() == 0)
    assert weights[1].equal(torch.ones(3))
    alike = build_optimizer(name, weights, 0.01, {"weight_decay": 0.1, "decay_biases": True})
    assert [group["weight_decay"] for group in alike.param_groups] == [0.1]
