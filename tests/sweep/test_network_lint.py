"""Axes that change nothing of what a network computes, said before anything trains."""

import pytest
from helpers.plugged import as_in_a_new_process
from helpers.training import digits, sweep

from lrdecay.components import plugins
from lrdecay.sweep.matrix import expand_matrix
from lrdecay.sweep.network_lint import lint_networks

NETWORKS = """\
import torch.nn.functional as F
from torch import nn


class Plain(nn.Sequential):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        size = shape[0] * shape[1] * shape[2]
        super().__init__(nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, classes))


class Functional(nn.Module):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        self.first = nn.Linear(shape[0] * shape[1] * shape[2], 64)
        self.norm = nn.BatchNorm1d(64) if batch_norm else nn.Identity()
        self.last, self.rate = nn.Linear(64, classes), dropout

    def forward(self, x):
        h = self.norm(self.first(x.flatten(1)))
        return self.last(F.dropout(F.relu(h), self.rate, self.training))


class Layered(nn.Sequential):
    def __init__(self, shape, classes, dropout):
        size = shape[0] * shape[1] * shape[2]
        super().__init__(nn.Flatten(), nn.Dropout(dropout), nn.Linear(size, classes))


class Other(Layered):
    pass


MODELS = {"plain": Plain, "functional": Functional, "layered": Layered, "other": Other}
"""


@pytest.fixture(autouse=True)
def plugged(tmp_path):
    with as_in_a_new_process():
        path = tmp_path / "networks.py"
        path.write_text(NETWORKS)
        plugins.load_plugins([path])
        yield


def lint(text):
    cells = expand_matrix(
        sweep(text, "schedulers: {c: {class: constant}, e: {class: ExponentialLR, gamma: 0.9}}\n"),
        digits(),
    ).cells
    return lint_networks(cells, digits())


END = "so that runs would be the same; leave all but one of them out"


def test_a_dropout_that_changes_nothing_is_warned_of():
    assert lint("model: plain\ndropout: [0.0, 0.25, 0.5]") == [
        f"dropout: plain computes the same at 0, 0.25 and 0.5, {END}"
    ]


@pytest.mark.parametrize("model", ["functional", "layered", "cnn"])
def test_one_that_changes_something_is_not(model):
    assert lint(f"model: {model}\ndropout: [0.0, 0.001, 0.5]") == []


def test_so_is_batch_normalisation():
    assert lint("model: {name: plain, batch_norm: [false, true]}") == [
        f"batch_norm: plain computes the same at False and True, {END}"
    ]
    assert lint("model: {name: functional, batch_norm: [false, true]}") == []
    assert lint("model: {name: cnn, batch_norm: [false, true]}\ndropout: [0.0, 0.5]") == []


def test_so_is_a_network_under_two_names():
    assert lint("model: [layered, other]\ndropout: [0.0, 0.5]") == [
        f"model: layered and other compute the same, {END}"
    ]


def test_one_of_several_networks_is_named():
    assert lint("model: [cnn, plain]\ndropout: [0.0, 0.5]") == [
        f"dropout: plain computes the same at 0 and 0.5, {END}"
    ]


def test_one_value_of_each_axis_is_not_tried():
    assert lint("model: plain\ndropout: 0.5") == []
