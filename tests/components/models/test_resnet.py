"""The residual networks against the paper's counts, and against a computation by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from helpers.tiers import slow_but
from torch import Tensor, nn
from torch.testing import assert_close

from lrdecay.components.models.build import build_model, check_shape

PAPER = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}
"""Depth -> millions of parameters, as in table 6 of He et al., with shortcuts A on CIFAR-10."""


def build(shape=(3, 32, 32), classes=10, seed=0, **arguments) -> nn.Module:
    rest = {"dropout": None, "batch_norm": False, "arguments": arguments}
    return build_model("resnet", shape, classes, seed=seed, **rest)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def count_by_hand(depth: int, channels: int, classes: int, shortcut: str) -> int:
    """Convolutions without biases, two numbers a plane for each batch normalisation."""
    blocks, total, inputs = (depth - 2) // 6, channels * 9 * 16 + 2 * 16, 16
    for planes in (16, 32, 64):
        total += inputs * 9 * planes + (2 * blocks - 1) * 9 * planes**2 + 2 * blocks * 2 * planes
        total += inputs * planes + 2 * planes if shortcut == "B" and inputs != planes else 0
        inputs = planes
    return total + 64 * classes + classes


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("depth", PAPER)
def test_there_are_as_many_parameters_as_in_the_paper(depth, shortcut):
    model = build(depth=depth, shortcut=shortcut)
    assert count(model) == count_by_hand(depth, 3, 10, shortcut)
    if shortcut == "A":
        digits = 1 if depth == 110 else 2
        assert round(count(model) / 1e6, digits) == PAPER[depth]
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    kernels = [m.kernel_size for m in layers if isinstance(m, nn.Conv2d)]
    assert kernels.count((1, 1)) == (2 if shortcut == "B" else 0)
    assert len(layers) - kernels.count((1, 1)) == depth
    assert count(build((1, 9, 8), 7, depth=depth, shortcut=shortcut)) == count_by_hand(
        depth, 1, 7, shortcut
    )


def compute_by_hand(model: nn.Module, depth: int, x: Tensor) -> Tensor:
    """The logits of a training step, from the weights in their order."""
    weights = iter(model.parameters())

    def convolve(h: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
        h = F.conv2d(h, next(weights), stride=stride, padding=padding)
        mean, variance = h.mean((0, 2, 3), True), h.var((0, 2, 3), False, True) + 1e-5
        scale, shift = (next(weights)[None, :, None, None] for _ in range(2))
        return (h - mean) / variance.sqrt() * scale + shift

    h = convolve(x).relu()
    for planes in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            stride = 2 if h.shape[1] != planes else 1
            inner = convolve(convolve(h, stride).relu())
            if stride == 2 and any(m.kernel_size == (1, 1) for m in convolutions(model)):
                h = convolve(h, stride, padding=0)
            elif stride == 2:
                h = F.avg_pool2d(h, 1, 2)  # as in the authors' code
                h = torch.cat([h, 0 * h], 1)
            h = (h + inner).relu()
    return F.linear(h.flatten(2).mean(2), next(weights), next(weights))


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    return [m for m in model.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 9, 15), (2, 8, 8)])
def test_it_computes_what_the_paper_says(shape, shortcut):
    generator = torch.Generator().manual_seed(1)
    model = build(shape, 7, depth=20, shortcut=shortcut).double().train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator).double()
    x = torch.randn(5, *shape, generator=generator).double()
    logits = model(x)
    assert logits.shape == (5, 7)
    assert_close(logits, compute_by_hand(model, 20, x), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("depth", slow_but([56], [56, 110]))
def test_initial_weights_are_he_s(depth):
    model = build(depth=depth, shortcut="B", seed=3)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            sd = math.sqrt(2 / layer.weight[0].numel())
            drawn = layer.weight.numel()
            assert layer.weight.std().item() == pytest.approx(sd, rel=4 / math.sqrt(2 * drawn))
            assert abs(layer.weight.mean().item()) < 4 * sd / math.sqrt(drawn)
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.eq(1).all()
        bias = getattr(layer, "bias", None)
        assert bias is None or bias.eq(0).all()


def test_images_have_to_be_8x8():
    check_shape("resnet", (1, 8, 8))
    with pytest.raises(ValueError, match=r"^resnet needs images of at least 8x8 pixels, not 7x28$"):
        check_shape("resnet", (1, 7, 28), arguments={"depth": 20, "shortcut": "A"})
