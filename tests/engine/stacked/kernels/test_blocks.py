"""Which layers are taken for a fused block: exactly those that it computes."""

import pytest
from helpers.folders import RUN
from torch import nn

from lrdecay.components.models.build import build_network
from lrdecay.engine.layers import list_layers
from lrdecay.engine.stacked.kernels import can_fuse

CONVOLUTION = {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "padding": 1}
POOL = {"kernel_size": 2}


def fused(convolution=(), pool=()) -> bool:
    return can_fuse(nn.Conv2d(**CONVOLUTION | dict(convolution)), nn.MaxPool2d(**POOL | dict(pool)))


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


def test_both_blocks_of_the_cnn_are_fused():
    layers = [layer for _, layer in list_layers(build_network(RUN, (1, 28, 28), 10))]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    pools = [layer for layer in layers if isinstance(layer, nn.MaxPool2d)]
    assert [can_fuse(*pair) for pair in zip(convolutions, pools, strict=True)] == [True, True]
