"""Convolution, pooling and ReLU with gradients by hand against torch's own, run by run."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from lrdecay.engine.stacked.convolution import convolve
from lrdecay.engine.stacked.pooling import take_largest
from lrdecay.engine.stacked.windows import Layout

RUNS, IMAGES, CHANNELS, OUTPUTS = 3, 5, 2, 4
EXACT = {torch.float64: (1e-12, 1e-12), torch.float32: (1e-5, 1e-6)}
NUMBERS = {relu: torch.arange(relu, relu + 4) for relu in (0, 1)}

GEOMETRIES = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3},
    {"kernel_size": 5, "padding": 2},
    {"kernel_size": 1},
    {"kernel_size": (3, 2), "padding": (0, 1)},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 5, "stride": 2, "padding": (2, 0)},
    {"kernel_size": (3, 4), "stride": (3, 1), "padding": (2, 1)},
    {"kernel_size": 3, "dilation": 2, "padding": 2},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (2, 1), "dilation": (1, 2)},
    {"kernel_size": 2, "stride": 3, "dilation": (2, 3)},
]
TILED = [geometry for geometry in GEOMETRIES if not {"stride", "dilation"} & geometry.keys()]
SIZES = [(8, 8), (9, 7), (8, 11), (7, 6)]


def draw(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def inputs(layer: nn.Conv2d, size: tuple[int, int], dtype: torch.dtype, bias: bool):
    """Images (R, C, B, H, W), kernels and biases."""
    x = draw(RUNS, CHANNELS, IMAGES, *size, dtype=dtype)
    weight = draw(RUNS, *layer.weight.shape, dtype=dtype, seed=1)
    return [x, weight, draw(RUNS, OUTPUTS, dtype=dtype, seed=2) if bias else None]


def by_torch(layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Each run's images through torch's own convolution: (R, O, B, H, W)."""
    how = layer.stride, layer.padding, layer.dilation
    each = [
        F.conv2d(x[r].transpose(0, 1), weight[r], None if bias is None else bias[r], *how)
        for r in range(len(x))
    ]
    return torch.stack(each).transpose(1, 2)


def run_both(mine, theirs, given: list[Tensor | None], tolerance) -> None:
    """Assert that two functions of the same tensors agree, in values and in all gradients."""
    results = []
    for function in (mine, theirs):
        leaves = [None if g is None else g.clone().requires_grad_() for g in given]
        y = function(*leaves)
        weights = draw(*y.shape, dtype=y.dtype, seed=9)
        (y * weights).sum().backward()
        results.append([y.detach(), *(leaf.grad for leaf in leaves if leaf is not None)])
    rtol, atol = tolerance
    assert len(results[0]) == len(results[1]) > 1
    for found, expected in zip(*results, strict=True):
        scale = max(1.0, float(expected.abs().max()))
        assert expected.abs().max() > 0
        assert_close(found, expected, rtol=rtol, atol=atol * scale)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_a_run_s_convolution_is_torch_s(geometry, size, bias, dtype):
    layer = nn.Conv2d(CHANNELS, OUTPUTS, **geometry)

    def mine(x, weight, b=None):
        return convolve(x, weight, b, None, layer, 1, framed=False, with_zeros=False)

    def theirs(x, weight, b=None):
        return by_torch(layer, x, weight, b)

    run_both(mine, theirs, inputs(layer, size, dtype, bias), EXACT[dtype])


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("geometry", TILED, ids=str)
def test_so_it_is_with_a_pool_and_relu_after_it(geometry, size, relu, dtype):
    layer = nn.Conv2d(CHANNELS, OUTPUTS, **geometry)

    def mine(x, weight, b):
        planes = convolve(x, weight, b, None, layer, 2, framed=False, with_zeros=relu)
        return take_largest(planes, NUMBERS[relu], relu, Layout())

    def theirs(x, weight, b):
        y = by_torch(layer, x, weight, b)
        y = F.max_pool2d(y.flatten(0, 1), 2).unflatten(0, y.shape[:2])
        return y.relu() if relu else y

    run_both(mine, theirs, inputs(layer, size, dtype, bias=True), EXACT[dtype])


@pytest.mark.parametrize("first", [Layout((1, 2)), Layout((2, 1)), Layout(), Layout(in_rows=True)])
def test_images_in_a_border_are_the_same_images(first):
    """What one block leaves for the next needs no copy: a convolution reads over its edges."""
    layers = [
        nn.Conv2d(CHANNELS, 3, 3, padding=1),
        nn.Conv2d(3, OUTPUTS, 3, padding=first.border),
    ]
    framed = first.border != (0, 0)

    def mine(x, w0, b0, w1, b1):
        planes = convolve(x, w0, b0, None, layers[0], 2, False, with_zeros=True)
        h = take_largest(planes, NUMBERS[1], True, first)
        assert h.transpose(1, 2).is_contiguous() == first.in_rows
        return convolve(h, w1, b1, None, layers[1], 1, framed, with_zeros=False)

    def theirs(x, w0, b0, w1, b1):
        y = by_torch(layers[0], x, w0, b0)
        y = F.max_pool2d(y.flatten(0, 1), 2).unflatten(0, y.shape[:2]).relu()
        return by_torch(layers[1], y, w1, b1)

    given = inputs(layers[0], (8, 10), torch.float64, bias=True)
    given[1], given[2] = draw(RUNS, 3, CHANNELS, 3, 3, seed=1), draw(RUNS, 3, seed=2)
    given += [draw(RUNS, OUTPUTS, 3, 3, 3, seed=3), draw(RUNS, OUTPUTS, seed=4)]
    run_both(mine, theirs, given, EXACT[torch.float64])


def test_a_layout_leaves_values_as_they_are():
    x = draw(RUNS, CHANNELS, IMAGES, 4, 5)
    for layout in (Layout(), Layout((2, 1)), Layout(in_rows=True)):
        assert layout.place(x).equal(x)
        assert layout.allocate(x, x.shape).shape == x.shape
    framed = Layout((2, 1)).place(x)
    assert framed.as_strided(
        (RUNS, CHANNELS, IMAGES, 8, 7), framed.stride(), framed.storage_offset() - 2 * 7 - 1
    ).equal(F.pad(x, (1, 1, 2, 2)))


def test_kernels_are_multiplied_with_a_sign():
    layer = nn.Conv2d(CHANNELS, OUTPUTS, 3, padding=1)
    sign = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64).expand(RUNS, -1)

    def mine(x, weight, b):
        return convolve(x, weight, b, sign, layer, 1, framed=False, with_zeros=False)

    def theirs(x, weight, b):
        return by_torch(layer, x, weight, b) * sign[..., None, None, None]

    run_both(mine, theirs, inputs(layer, (6, 7), torch.float64, True), EXACT[torch.float64])


def test_images_that_all_runs_see_are_looked_at_once():
    layer = nn.Conv2d(CHANNELS, OUTPUTS, 3, padding=1)
    x, weight, bias = inputs(layer, (8, 8), torch.float64, True)

    def mine(x, weight, b):
        planes = convolve(x, weight, b, None, layer, 2, False, with_zeros=True)
        return take_largest(planes, NUMBERS[1], True, Layout())

    def theirs(x, weight, b):
        y = by_torch(layer, x.expand(RUNS, -1, -1, -1, -1), weight, b)
        return F.max_pool2d(y.flatten(0, 1), 2).unflatten(0, (RUNS, OUTPUTS)).relu()

    run_both(mine, theirs, [x[:1], weight, bias], EXACT[torch.float64])


# Ties and what is no number, exactly as torch's


def pool_both(windows: Tensor, relu: bool) -> None:
    """Compare the pool of (n, 4) windows with torch's, to the bit, gradients too."""
    count = len(windows)
    results = []
    for ours in (True, False):
        x = windows.clone().requires_grad_()
        if ours:  # (R, Q O, B, H, W) behind a plane of zeros
            planes = torch.cat([torch.zeros(count, 1), x], 1).T.reshape(1, 5, 1, 1, count)[:, 1:]
            y = take_largest(planes, NUMBERS[relu], relu, Layout()).flatten()
        else:
            y = F.max_pool2d(x.view(count, 1, 2, 2), 2).flatten()
            y = y.relu() if relu else y
        y.backward(torch.arange(1.0, count + 1))
        results.append((y.detach(), x.grad))
    for found, expected in zip(*results, strict=True):
        assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("relu", [False, True])
def test_the_first_of_equals_wins(relu):
    values = (-1.0, 0.0, -0.0, 1.0, 2.0)
    pool_both(torch.tensor(list(product(values, repeat=4))), relu)


@pytest.mark.parametrize("relu", [False, True])
def test_no_number_is_larger_than_what_is_none(relu):
    values = (-torch.inf, -1.0, 0.5, torch.inf)
    windows = torch.tensor(list(product(values, repeat=4)))
    for place in range(4):
        changed = windows.clone()
        changed[::2, place] = torch.nan
        pool_both(changed, relu)
