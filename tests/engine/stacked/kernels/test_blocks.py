"""Which layers are taken for a fused block: exactly those that it computes."""

import pytest
from helpers.folders import RUN
from torch import nn

from lrdecay.components.models.build import build_network
from lrdecay.engine.layers import list_layers
from lrdecay.engine.stacked.in_kernels import FusedConvolution
from lrdecay.engine.stacked.sequential import InKernels

CONVOLUTION = {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "padding": 1}
POOL = {"kernel_size": 2}


def list_fused(layers) -> list[str]:
    blocks = InKernels(layers, "float32")._blocks
    return [block.name for block in blocks if isinstance(block, FusedConvolution)]


def fused(convolution=(), pool=(), between=()) -> bool:
    first = nn.Conv2d(**CONVOLUTION | dict(convolution))
    layers = [first, *between, nn.MaxPool2d(**POOL | dict(pool)), nn.ReLU()]
    return list_fused([(str(place), layer) for place, layer in enumerate(layers)]) == ["0"]


@pytest.mark.parametrize(
    ("convolution", "pool"),
    [
        ({}, {}),
        ({"kernel_size": (3, 3), "padding": (1, 1), "stride": (1, 1)}, {"kernel_size": (2, 2)}),
        ({}, {"stride": 2, "padding": (0, 0), "dilation": 1}),
        ({"in_channels": 1, "out_channels": 100}, {"stride": (2, 2)}),
    ],
)
def test_what_the_kernels_compute_is_fused(convolution, pool):
    assert fused(convolution, pool)


@pytest.mark.parametrize(
    "convolution",
    [
        {"kernel_size": 5},
        {"kernel_size": (3, 1)},
        {"padding": 0},
        {"padding": "same"},
        {"stride": 2},
        {"dilation": 2},
        {"groups": 1, "bias": False},
        {"in_channels": 8, "groups": 8},
        {"padding_mode": "circular"},
    ],
)
def test_other_convolutions_are_not(convolution):
    assert not fused(convolution=convolution)


@pytest.mark.parametrize(
    "pool",
    [
        {"kernel_size": 3},
        {"kernel_size": (2, 1)},
        {"stride": 1},
        {"stride": (2, 1)},
        {"padding": 1},
        {"dilation": 2},
        {"ceil_mode": True},
        {"return_indices": True},
    ],
)
def test_other_pools_are_not(pool):
    assert not fused(pool=pool)


def test_a_block_without_a_relu_or_with_more_is_not():
    convolution, pool = nn.Conv2d(**CONVOLUTION), nn.MaxPool2d(2)
    assert list_fused([("a", convolution), ("b", nn.ReLU()), ("c", pool)]) == ["a"]
    assert list_fused([("a", convolution), ("b", pool)]) == []
    assert list_fused([("a", convolution), ("b", nn.ReLU())]) == []
    assert not fused(between=[nn.BatchNorm2d(8)])


def test_both_blocks_of_the_cnn_are_fused():
    layers = list_layers(build_network(RUN, (1, 28, 28), 10))
    names = [name for name, layer in layers if isinstance(layer, nn.Conv2d)]
    assert list_fused(layers) == names
    assert len(names) == 2
