"""oneDNN's layout against torch's usual one: the same network, values and gradients."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from lrdecay.components.models import dropout
from lrdecay.components.models.build import build_model
from lrdecay.components.models.dropout import StreamDropout
from lrdecay.engine.onednn import to_blocked


def cnn(batch_norm: bool = False, size: int = 28, channels: int = 1) -> nn.Module:
    return build_model(
        "cnn", (channels, size, size), 10, seed=0, dropout=0.3, batch_norm=batch_norm
    )


def images(count: int, size: int = 28, channels: int = 1) -> Tensor:
    drawn = torch.randn(
        count, channels, size, size, generator=torch.Generator().manual_seed(channels)
    )
    return drawn.contiguous(memory_format=torch.channels_last)


def in_blocks(network: nn.Module) -> int:
    """How many layers work on oneDNN's layout."""
    first = next(network.children())
    return len(first) if type(first).__name__ == "_Blocked" else 0  # type: ignore[arg-type]


def same(network: nn.Module, batch: Tensor) -> None:
    """Assert that the network computes the same in blocks, in training and in evaluation."""
    theirs, ours = deepcopy(network), to_blocked(deepcopy(network))
    results = []
    for one in (theirs, ours):
        dropout.set_dropout_step(one, seed=3, step=0)
        logits = one.train()(batch)
        logits.square().mean().backward()
        with torch.inference_mode():
            evaluated = one.eval()(batch)
        gradients = [parameter.grad for parameter in one.parameters()]
        results.append([logits, evaluated, *gradients, *one.buffers()])
    assert len(results[0]) == len(results[1]) > 2
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("size", "channels", "count"), [(28, 1, 64), (8, 1, 46), (13, 3, 5)])
def test_the_cnn_computes_the_same(batch_norm, size, channels, count):
    network = cnn(batch_norm, size, channels)
    assert in_blocks(to_blocked(network)) == 8
    same(network, images(count, size, channels))


def test_odd_widths_strides_and_a_network_without_an_end():
    network = nn.Sequential(
        nn.Conv2d(1, 5, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        nn.Conv2d(5, 7, 3, dilation=2, padding=1),
    )
    assert in_blocks(to_blocked(network)) == 5
    same(network, images(9, 28))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Conv2d(1, 16, 3), StreamDropout(0.5), nn.Conv2d(16, 16, 3)], 1),
        ([nn.Conv2d(1, 16, 3), nn.MaxPool2d(2, dilation=2), nn.ReLU()], 1),
        ([nn.Conv2d(1, 16, 3), nn.Flatten(), nn.Linear(16 * 26 * 26, 3)], 1),
        ([nn.Flatten(), nn.Linear(784, 3)], 0),
        ([nn.Conv2d(1, 16, 3), nn.GELU()], 0),
        ([nn.Conv2d(1, 16, 3), nn.Conv2d(16, 16, 3, groups=2)], 0),
    ],
)
def test_what_onednn_does_not_take_keeps_the_usual_layout(layers, expected):
    network = nn.Sequential(*layers)
    assert in_blocks(to_blocked(network)) == expected
    same(network, images(4))


def test_weights_stay_those_of_the_network():
    network = cnn()
    placed = to_blocked(network)
    assert list(map(id, placed.parameters())) == list(map(id, network.parameters()))
    assert dropout.read_applied_dropout(placed) == 0.3


def spoil(network: nn.Module, parameter: int, value: float) -> nn.Module:
    with torch.no_grad():
        list(network.parameters())[parameter].flatten()[0] = value
    return network


@pytest.mark.parametrize("parameter", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e38, -1e38])
def test_what_is_not_finite_is_not_hidden(parameter, value):
    """oneDNN's pooling would turn it into the least float, and ReLU that into zero."""
    network = spoil(cnn(), parameter, value)
    theirs, ours = network.eval()(images(16)), to_blocked(network).eval()(images(16))
    torch.testing.assert_close(ours, theirs, equal_nan=True)


def test_an_image_that_is_not_finite_is_not_hidden():
    batch = images(4)
    batch[1, 0, 3, 3] = float("nan")
    assert to_blocked(cnn())(batch).isnan().all(1).tolist() == [False, True, False, False]


def test_statistics_that_are_not_finite_are_not_hidden():
    network = cnn(batch_norm=True).eval()
    layer = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    layer.running_mean[0] = float("nan")
    assert to_blocked(network)(images(4)).isnan().all()
