"""Which runs the kernel is for."""

from dataclasses import replace

import pytest
from helpers.every_kind import OPTIMIZERS, every_scheduler
from helpers.kernels import make_run
from helpers.training import runs
from torch import nn, optim

from lrdecay.components import registry, schedulers
from lrdecay.components.models import build
from lrdecay.engine.native.coverage import find_obstacle, measure_native_bytes
from lrdecay.engine.native.library import load_kernel

SHAPE = (1, 8, 8)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_and_scheduler_is_covered(optimizer):
    by_label = runs(f"optimizer: {OPTIMIZERS[optimizer]}", every_scheduler(optimizer))
    assert {find_obstacle(run, SHAPE, 10) for run in by_label.values()} == {None}
    assert len(by_label) == 20


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("sides", [(4, 4), (4, 64), (64, 4), (7, 9), (64, 64)])
@pytest.mark.parametrize("classes", [1, 100])
def test_images_up_to_the_limits_are_covered(channels, sides, classes):
    for batch_size in (1, 10_000):
        for dropout in (0.0, 0.99):
            run = make_run(batch_size=batch_size, dropout=dropout)
            assert find_obstacle(run, (channels, *sides), classes) is None


@pytest.mark.parametrize(
    ("changed", "obstacle"),
    [
        ({"model": "mnist_example"}, "its kernel is for the network cnn"),
        ({"batch_norm": True}, "its kernel has no batch normalisation"),
        ({"augment": '{"cutout":2}'}, "its kernel augments no images"),
        ({"loss_function": "focal"}, "its kernel has the loss cross_entropy, not focal"),
        ({"label_smoothing": 0.1}, "its kernel has no label smoothing"),
        ({"clip_grad_norm": 1e6}, "its kernel has no gradient clipping"),
        ({"precision": "bfloat16"}, "its kernel computes in float32, not in bfloat16"),
        ({"precision": "tf32"}, "its kernel computes in float32, not in tf32"),
    ],
)
def test_what_keeps_a_run_from_it_is_said(changed, obstacle):
    assert find_obstacle(replace(make_run(), **changed), SHAPE, 10) == obstacle


@pytest.mark.parametrize(
    ("shape", "classes", "obstacle"),
    [
        ((4, 8, 8), 10, "its kernel is for images of up to 3 channels, not 4"),
        ((1, 3, 8), 10, "its kernel is for images from 4x4 to 64x64 pixels, not 3x8"),
        ((1, 8, 3), 10, "its kernel is for images from 4x4 to 64x64 pixels, not 8x3"),
        ((3, 65, 64), 10, "its kernel is for images from 4x4 to 64x64 pixels, not 65x64"),
        ((3, 64, 65), 10, "its kernel is for images from 4x4 to 64x64 pixels, not 64x65"),
        ((1, 8, 8), 101, "its kernel is for up to 100 classes, not 101"),
    ],
)
def test_images_beyond_its_limits_are_said(shape, classes, obstacle):
    assert find_obstacle(make_run(), shape, classes) == obstacle


def test_a_plug_in_in_the_network_s_place_is_another_network(monkeypatch):
    monkeypatch.setitem(build.MODELS, "cnn", nn.Identity)
    assert find_obstacle(make_run(), SHAPE, 10) == "its kernel is for the network cnn"


def test_an_optimizer_of_the_user_s_own_is_not_known(monkeypatch):
    run = replace(make_run(), optimizer="Own", optimizer_args="{}")
    plugged = {("optimizer", "Own"): optim.SGD}
    monkeypatch.setattr(registry, "find_plugin", lambda *which: plugged.get(which))
    assert find_obstacle(run, SHAPE, 10) == "it does not know the optimizer Own"


def test_a_scheduler_that_needs_each_step_s_loss_is_not_served(monkeypatch):
    monkeypatch.setattr(schedulers, "list_needs", lambda *of_run: ("loss",))
    run = replace(make_run(), scheduler="greedy")
    expected = "the scheduler greedy needs more of the training than it gives"
    assert find_obstacle(run, SHAPE, 10) == expected


@pytest.mark.usefixtures("needs_kernel")
@pytest.mark.parametrize(
    ("shape", "classes", "parameters"), [((1, 28, 28), 10, 206_922), ((3, 64, 64), 100, 1_066_692)]
)
def test_memory_is_that_of_weights_and_work(shape, classes, parameters):
    """Weights, gradients and the optimizer's state are 4 to 5 times the parameters."""
    model = build.build_model("cnn", shape, classes, seed=0, dropout=0.0, batch_norm=False)
    assert sum(each.numel() for each in model.parameters()) == parameters
    run = make_run(batch_size=128)
    working = load_kernel().count_bytes(*shape, classes, 128)
    of_weights = measure_native_bytes(run, shape, classes) - working
    assert 4 * 4 * parameters < of_weights < 6 * 4 * parameters
    # the maps of both layers, of each image
    maps = 4 * 128 * (16 * (shape[1] // 2) * (shape[2] // 2) + 32 * (shape[1] // 4) ** 2)
    assert maps < working < 4 * maps
