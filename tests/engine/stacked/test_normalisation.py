"""Batch normalisation of many runs against torch's own, run by run, and against float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from lrdecay.engine.stacked import blocks, in_batch, in_channels, normalisation
from lrdecay.engine.stacked.windows import Layout

RUNS, IMAGES, CHANNELS = 3, 5, 4
EXACT = {torch.float64: (1e-11, 1e-12), torch.float32: (2e-5, 2e-6)}
NAMES = ("weight", "bias", "running_mean", "running_var")


def draw(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def values_of(channels: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Scales of both signs, shifts, means and variances, each (R, C)."""
    drawn = [draw(RUNS, channels, dtype=dtype, seed=seed) for seed in range(4)]
    drawn[3] = drawn[3].square() + 0.5
    return {f"n.{name}": value for name, value in zip(NAMES, drawn, strict=True)}


def by_torch(layer: nn.BatchNorm2d, x: Tensor, values: dict[str, Tensor], training: bool):
    """Each run's images (B, C, H, W) through torch's own, which changes the running statistics."""
    each = [
        F.batch_norm(
            x[r],
            *(values["n.running_mean"][r], values["n.running_var"][r]),
            *(values["n.weight"][r], values["n.bias"][r]),
            *(training, layer.momentum, layer.eps),
        )
        for r in range(RUNS)
    ]
    return torch.stack(each)


def run_both(mine, theirs, x: Tensor, dtype: torch.dtype) -> None:
    results = []
    for function in (mine, theirs):
        values = values_of(CHANNELS, dtype)
        leaves = [x.clone().requires_grad_()]
        leaves += [values[f"n.{name}"].requires_grad_() for name in ("weight", "bias")]
        y = function(leaves[0], values)
        (y * draw(*y.shape, dtype=dtype, seed=9)).sum().backward()
        running = [values[f"n.{name}"] for name in NAMES[2:]]
        results.append([y.detach(), *(leaf.grad for leaf in leaves), *running])
    rtol, atol = EXACT[dtype]
    for found, expected in zip(*results, strict=True):
        scale = max(1.0, float(expected.abs().max()))
        assert_close(found, expected, rtol=rtol, atol=atol * scale)


def drops(x: Tensor, place: int) -> Tensor:
    raise AssertionError("no dropout here")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(6, 4), (5, 7), (1, 3), (1, 1)])
@pytest.mark.parametrize("form", [in_channels, in_batch])
@pytest.mark.parametrize("dtype", EXACT)
def test_each_run_is_normalised_as_by_torch(dtype, form, size, training):
    layer = nn.BatchNorm2d(CHANNELS, eps=0.01, momentum=0.3)

    def mine(x, values):
        given = blocks.Pass(values, RUNS, drops if training else None)
        if form is in_channels:
            y = in_channels.ChannelNorm("n", layer)(in_channels.to_channels(x), given)
            return in_channels.from_channels(y, RUNS)
        return in_batch.Norm("n", layer)(x.transpose(1, 2), given).transpose(1, 2)

    x = 2 * draw(RUNS, IMAGES, CHANNELS, *size, dtype=dtype, seed=5) + 3
    run_both(mine, lambda x, values: by_torch(layer, x, values, training), x, dtype)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("size", [(6, 4), (5, 7)])
@pytest.mark.parametrize("dtype", EXACT)
def test_so_it_is_between_a_convolution_and_its_pool(dtype, size, pool, relu, training):
    """Of odd sizes the pool leaves out what the statistics are of."""
    norm, layer = nn.BatchNorm2d(CHANNELS, momentum=0.2), nn.Conv2d(2, CHANNELS, 3, padding=1)
    weight, bias = draw(RUNS, CHANNELS, 2, 3, 3, dtype=dtype, seed=7), draw(RUNS, CHANNELS)
    convolved = {"c.weight": weight, "c.bias": bias.to(dtype)}
    block = in_batch.Convolution("c", layer, ("n", norm), pool, relu, layout=Layout((1, 1)))

    def mine(x, values):
        given = blocks.Pass({**values, **convolved}, RUNS, drops if training else None)
        return block(x.transpose(1, 2), given).transpose(1, 2)

    def theirs(x, values):
        each = [F.conv2d(x[r], weight[r], bias[r].to(dtype), padding=1) for r in range(RUNS)]
        y = by_torch(norm, torch.stack(each), values, training)
        y = F.max_pool2d(y.flatten(0, 1), 2).unflatten(0, (RUNS, -1)) if pool else y
        return y.relu() if relu else y

    x = draw(RUNS, IMAGES, 2, *size, dtype=dtype, seed=5)
    run_both(mine, theirs, x, dtype)


def test_a_single_number_has_no_variance():
    layer = nn.BatchNorm2d(CHANNELS)
    given = blocks.Pass(values_of(CHANNELS, torch.float64), RUNS, drops)
    x = draw(RUNS, 1, CHANNELS, 1, 1)
    with pytest.raises(ValueError, match="more than one number per channel"):
        in_batch.Norm("n", layer)(x.transpose(1, 2), given)
    with pytest.raises(ValueError, match="more than one number per channel"):
        in_channels.ChannelNorm("n", layer)(in_channels.to_channels(x), given)


@pytest.mark.parametrize("mean", [0.0, 10.0])
def test_many_numbers_are_added_up_accurately(mean):
    """64 images of 28x28, where torch's own kernel for channels that lie last errs by more."""
    x = draw(2, 64, 16, 28, 28, seed=3) + mean
    scale, shift = draw(32, seed=1), draw(32, seed=2)
    g = draw(64, 32, 28, 28, seed=4)

    def run(dtype: torch.dtype, function) -> list[Tensor]:
        leaves = [each.to(dtype, copy=True).requires_grad_() for each in (x, scale, shift)]
        y = function(in_channels.to_channels(leaves[0]), *leaves[1:])
        y.backward(g.to(dtype))
        return [y.detach(), *(leaf.grad for leaf in leaves)]

    def ours(h, *values):
        return normalisation.normalise_channels(h, *values, 1e-5)[0]

    def by_torch_itself(h, *values):
        return F.batch_norm(h, None, None, *values, training=True, momentum=0.0, eps=1e-5)

    exact = run(torch.float64, by_torch_itself)
    errors = []
    for function in (ours, by_torch_itself):
        found = run(torch.float32, function)
        errors.append(
            [float((a - e).abs().max() / e.abs().max()) for a, e in zip(found, exact, strict=True)]
        )
    assert max(errors[0]) < 2e-6 * (1 + mean)
    assert max(errors[1]) > 5 * max(errors[0])
