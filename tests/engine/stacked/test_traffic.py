"""What a training step would have a GPU do, counted: launches, and bytes for each run."""

import pytest
import torch
from torch import nn

from bench import gpu_traffic


def count(function) -> tuple[int, float]:
    """Launches and bytes of what a function does."""
    counts = gpu_traffic.Counts(1)
    with gpu_traffic.Traffic(counts):
        function()
    return counts.total_launches, counts.moved.total()


def test_what_is_counted_is_read_once_and_written_once():
    x, y = torch.ones(10, 4), torch.ones(4)
    assert count(lambda: x + x) == (1, 2 * 160)
    assert count(lambda: x * y) == (1, 2 * 160 + 16)
    assert count(lambda: x.add_(1)) == (1, 2 * 160)
    assert count(lambda: x.zero_()) == (1, 160)
    assert count(lambda: x.copy_(y.expand(10, 4))) == (1, 160 + 16)
    assert count(lambda: torch.mul(x, 2, out=torch.empty(10, 4))) == (1, 2 * 160)
    assert count(lambda: x.view(4, 10).t()[1:].unflatten(0, (3, 3))) == (0, 0)
    assert count(lambda: torch.empty(1000)) == (0, 0)
    assert count(lambda: x.sum(0)) == (1, 160 + 16)
    # of a table, only the rows that are taken
    assert count(lambda: torch.ones(0) if x[torch.tensor([1, 2])] is None else None)[1] >= 2 * 32
    assert count(lambda: y.as_strided((4, 4), (0, 1)).clone()) == (1, 16 + 64)


def test_gradients_are_counted_too():
    layer = nn.Linear(3, 2, bias=False)
    x, g = torch.ones(5, 3), torch.ones(5, 2)
    forward, _ = count(lambda: layer(x))
    both, _ = count(lambda: torch.autograd.grad(layer(x), layer.weight, g))
    assert (forward, both) == (1, 2)


@pytest.mark.parametrize(
    ("batch_norm", "launches", "megabytes"), [(False, 90, 95.0), (True, 175, 120.0)]
)
def test_a_step_of_the_cnn_moves_no_more_than_is_said(batch_norm, launches, megabytes):
    counts = gpu_traffic.count_step(runs=4, batch_norm=batch_norm)
    assert counts.total_launches <= launches
    assert counts.megabytes <= megabytes
    # what any form of it must move: images under the kernels, weights and their averages
    assert counts.megabytes > 40


@pytest.mark.parametrize(
    ("more", "launches", "megabytes"),
    [
        ("loss: {label_smoothing: 0.1}\n", 10, 0.1),
        ("clip_grad_norm: 1.0\n", 8, 2.6),
        ("loss: {label_smoothing: 0.1}\nclip_grad_norm: 1.0\n", 18, 2.7),
    ],
)
def test_smoothing_and_clipping_add_little(more, launches, megabytes):
    plain, counts = gpu_traffic.count_step(runs=4), gpu_traffic.count_step(runs=4, more=more)
    assert 0 < counts.total_launches - plain.total_launches <= launches
    assert 0 < counts.megabytes - plain.megabytes <= megabytes


def test_augmentation_moves_little():
    more = "augment: {random_crop: 2, horizontal_flip: 0.5, cutout: 3}\n"
    plain, counts = gpu_traffic.count_step(runs=4), gpu_traffic.count_step(runs=4, more=more)
    assert 0 < counts.total_launches - plain.total_launches <= 81
    assert 0 < counts.megabytes - plain.megabytes <= 2.9
