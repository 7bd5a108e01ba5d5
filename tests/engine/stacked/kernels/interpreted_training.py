"""Whole training steps with kernels in Triton's interpreter, and the check before them."""

from dataclasses import replace

import pytest
import torch
from helpers.pretended_training import Residual, own, some
from helpers.training import CPU, data_of
from torch import nn

from lrdecay.core.errors import InputError
from lrdecay.engine.stacked import kernel_check, kernels
from lrdecay.engine.stacked.kernel_check import check_kernels
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.execution.grouping import check_stackable
from lrdecay.execution.memory import build_two

OPTIMIZERS = ("Adam", "{name: SGD, lr: 0.1, momentum: 0.9}", "RMSprop")


def train_briefly(runs):
    """The weights after an epoch of two steps, and the losses."""
    data = data_of(runs[0])
    group = Lockstep(runs, data.train.first(22), 10, CPU)
    trained = group.train_epoch()
    return group._stack.parameters, trained.losses


def assert_same_training(runs, rtol):
    with_kernels = [replace(run, kernels="triton") for run in runs]
    (plain, losses), (fused, found) = train_briefly(runs), train_briefly(with_kernels)
    torch.testing.assert_close(found, losses, rtol=1e-5, atol=0)
    for theirs, ours in zip(plain, fused, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_under_vmap_trains_with_them(monkeypatch, optimizer):
    """Gradients of its products come transposed."""
    runs = own(monkeypatch, Residual, f"optimizer: {optimizer}", epochs=1)
    assert_same_training(runs, rtol=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_gradients_are_clipped_before_their_step(monkeypatch, optimizer):
    found = own(monkeypatch, Residual, f"optimizer: {optimizer}", epochs=1)
    runs = [replace(run, label_smoothing=0.1, clip_grad_norm=0.05) for run in found]
    assert_same_training(runs, rtol=1e-4)
    (clipped, _), (free, _) = train_briefly(runs), train_briefly(found)
    assert all((one != other).any() for one, other in zip(clipped, free, strict=True))


def test_images_are_augmented_before_they_come_to_them(monkeypatch):
    found = own(monkeypatch, Residual, epochs=1)
    runs = [replace(run, augment='{"cutout":3,"random_crop":2}') for run in found]
    assert_same_training(runs, rtol=1e-4)
    (_, augmented), (_, plain) = train_briefly(runs), train_briefly(found)
    assert (augmented != plain).all()


@pytest.mark.slow
def test_the_cnn_trains_with_them():
    text = "optimizer: {name: SGD, lr: 0.1, momentum: 0.9}\nseeds: 2"
    assert_same_training(some(text, epochs=1), rtol=1e-3)


class Least(nn.Sequential):
    """A network with all that there are kernels for, as small as can be: they are interpreted."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        block = nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()
        super().__init__(*block, nn.Flatten(), nn.Dropout(dropout), nn.Linear(8, classes))


@pytest.fixture
def run(monkeypatch):
    (first, *_) = own(monkeypatch, Least)
    return replace(first, kernels="triton", batch_size=3)


@pytest.fixture
def images(run):
    return data_of(run).train.images[:4, :, 2:6, 2:6]


def check(run, images):
    check_kernels(run, build_two(run, images, 10), images, 10)


def test_kernels_that_compute_what_torch_does_are_taken(run, images):
    check(run, images)


def test_kernels_that_compute_something_else_are_refused(run, images, monkeypatch):
    real = kernels.drop
    monkeypatch.setattr(kernels, "drop", lambda *given: real(*given) * 1.1)
    with pytest.raises(InputError, match=r"^kernels: triton do not compute here what torch does: "):
        check(run, images)


@pytest.mark.parametrize("where", ["logits", "training"])
def test_kernels_that_cannot_be_compiled_are_refused(run, images, monkeypatch, where):
    def fail(*given):
        raise RuntimeError("Failed to find C compiler. Please specify via CC\nand more")

    name = "compute_both" if where == "logits" else "Lockstep"
    monkeypatch.setattr(kernel_check, name, fail)
    with pytest.raises(InputError) as raised:
        check_stackable(run, images, 10)
    assert str(raised.value) == (
        "kernels: triton cannot be used here (Failed to find C compiler. Please specify via CC); "
        "kernels: torch can"
    )


def test_an_error_of_the_device_is_raised_as_it_is(run, images, monkeypatch):
    error = torch.OutOfMemoryError("CUDA out of memory.")

    def fail(*given):
        raise error

    monkeypatch.setattr(kernel_check, "Lockstep", fail)
    with pytest.raises(torch.OutOfMemoryError) as raised:
        check(run, images)
    assert raised.value is error


def test_the_check_is_of_runs_that_ask_for_them(run, images, monkeypatch):
    def fail(*given):
        raise AssertionError("checked")

    monkeypatch.setattr("lrdecay.execution.grouping.check_kernels", fail)
    check_stackable(replace(run, kernels="torch"), images, 10)
    with pytest.raises(AssertionError, match="checked"):
        check_stackable(run, images, 10)
