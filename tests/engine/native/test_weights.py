"""Where the kernel has each parameter."""

import numpy as np
import pytest
import torch
from helpers.kernels import make_images, make_network, make_run
from numpy.lib.stride_tricks import sliding_window_view

from lrdecay.components.models import build
from lrdecay.engine.native.library import load_kernel
from lrdecay.engine.native.weights import Layout, Shape

pytestmark = pytest.mark.usefixtures("needs_kernel")

SHAPES = [Shape(1, 4, 4, 1), Shape(3, 9, 6, 10), Shape(2, 4, 13, 17), Shape(1, 8, 8, 100)]


def make_parameters(shape: Shape) -> list[torch.Tensor]:
    """A network's parameters, every element of them a number of its own, from 1."""
    image = shape.channels, shape.height, shape.width
    model = build.build_model("cnn", image, shape.classes, seed=0, dropout=0.0, batch_norm=False)
    sizes = [p.shape for p in model.parameters()]
    numbers = torch.arange(1, 1 + sum(size.numel() for size in sizes), dtype=torch.float64)
    parts = numbers.split([size.numel() for size in sizes])
    return [part.view(size) for part, size in zip(parts, sizes, strict=True)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_element_has_one_place_and_the_rest_is_zero(shape):
    parameters = make_parameters(shape)
    layout = Layout(load_kernel(), shape)
    flat = layout.pack(parameters)
    count = sum(p.numel() for p in parameters)
    padding = 129 * (shape.outputs - shape.classes)
    assert flat.dtype == torch.float64
    assert len(flat) == layout.total == count + padding
    assert flat.sort().values.tolist() == [0.0] * padding + list(range(1, count + 1))
    biases = torch.cat([p for p in parameters if p.dim() == 1])
    of_biases = flat[layout.biases :]
    assert of_biases[of_biases > 0].sort().values.equal(biases)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_variants_have_one_layout(shape, variant):
    parameters = make_parameters(shape)
    expected = Layout(load_kernel("portable"), shape).pack(parameters)
    assert Layout(load_kernel(variant), shape).pack(parameters).equal(expected)


def test_sizes_are_those_of_the_network():
    shape = Shape(3, 30, 45, 33)
    assert shape.numbers == (3, 30, 45, 33)
    assert (shape.positions, shape.outputs) == (7 * 11, 48)
    assert Shape(1, 4, 7, 32).outputs == 32


def convolve(maps: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """ReLU of the 2x2 maxima of a 3x3 convolution; maps (n, channels, height, width)."""
    framed = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    sums = np.einsum("ncyxij,ocij->noyx", sliding_window_view(framed, (3, 3), axis=(2, 3)), weights)
    sums += bias[:, None, None]
    n, channels, height, width = sums.shape
    whole = sums[:, :, : height // 2 * 2, : width // 2 * 2]
    windows = whole.reshape(n, channels, height // 2, 2, width // 2, 2)
    return np.maximum(windows.max(axis=(3, 5)), 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_packed_is_the_network(shape):
    """Its loss by numpy alone, from the flat array as kernel/shape.hpp describes it."""
    images = make_images((shape.channels, shape.height, shape.width), shape.classes, 30)
    network = make_network(make_run(), images, shape.classes)
    flat, start = network.weights.double().numpy(), 0

    def take(*sizes: int) -> np.ndarray:
        nonlocal start
        start += int(np.prod(sizes))
        return flat[start - int(np.prod(sizes)) : start].reshape(sizes)

    positions, outputs = shape.positions, shape.outputs
    hidden, first, second = (
        take(8, positions * 32, 16),
        take(shape.channels, 9, 16),
        take(32, 9, 16),
    )
    last = take(128, outputs)
    biases = take(16), take(32), take(128), take(outputs)
    assert start == len(flat)
    maps = images.images.double().numpy()
    maps = convolve(maps, first.transpose(2, 0, 1).reshape(16, -1, 3, 3), biases[0])
    maps = convolve(maps, second.transpose(0, 2, 1).reshape(32, 16, 3, 3), biases[1])
    features = maps.transpose(0, 2, 3, 1).reshape(30, -1)  # position by position
    units = np.maximum(
        np.concatenate([features @ block for block in hidden], axis=1) + biases[2], 0
    )
    logits = (units @ last + biases[3])[:, : shape.classes]
    labels = images.labels.numpy()
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(30), labels]
    metrics, likeliest = network.evaluate(images)
    assert metrics.loss == pytest.approx(losses.mean(), rel=2e-6, abs=1e-7)
    assert (likeliest.numpy() == logits.argmax(axis=1)).all()
    assert metrics.accuracy == (logits.argmax(axis=1) == labels).sum() / 30
