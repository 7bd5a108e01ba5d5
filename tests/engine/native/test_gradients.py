"""The kernel in float64, where no rounding hides or feigns a difference: gradients against finite
differences and torch's own, and whole runs against the reference engine's."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.every_kind import OPTIMIZERS, SCHEDULERS, every_scheduler
from helpers.kernels import (
    Oracle,
    find_kernel_gradients,
    in_double,
    make_images,
    make_network,
    make_run,
    pack,
    train_in_kernel,
    train_in_torch,
)
from helpers.tiers import slow_but
from helpers.training import CPU, curve, data_of, digits, in_precision, runs, split
from torch import Tensor, nn

from lrdecay.components.models.dropout import set_dropout_step
from lrdecay.engine import reference
from lrdecay.engine.native import network
from lrdecay.engine.native.library import load_kernel
from lrdecay.engine.native.train import train_native
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import load_sweep

pytestmark = pytest.mark.usefixtures("needs_kernel")

NOT_FUSED = "{name: RMSprop, lr: 0.001}"  # the kernel then gives gradients
SHAPES = [((1, 4, 4), 1), ((1, 8, 8), 10), ((3, 9, 7), 17), ((2, 5, 14), 100)]
STEP = 1e-5


def find_pattern(oracle: Oracle, images: Tensor) -> list[Tensor]:
    """Which place wins each pool, and what each ReLU lets through."""
    seen: list[Tensor] = []

    def note(layer: nn.Module, given: tuple[Tensor], _: Tensor) -> None:
        if isinstance(layer, nn.MaxPool2d):
            _, winners = F.max_pool2d(*given, 2, return_indices=True)
            seen.append(winners)
        else:
            seen.append(given[0] > 0)

    layers = [m for m in oracle.model.modules() if isinstance(m, nn.MaxPool2d | nn.ReLU)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    set_dropout_step(oracle.model, 0, 3)
    with torch.no_grad():
        oracle.model.train()(images)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 5
    return seen


@pytest.mark.parametrize("dropout", slow_but([0.5], [0.0, 0.5]))
@pytest.mark.parametrize(("shape", "classes"), slow_but(SHAPES[1:3], SHAPES))
def test_gradients_are_central_differences(double_kernel, shape, classes, dropout):
    run = make_run(NOT_FUSED, dropout=dropout, batch_size=12)
    images = in_double(make_images(shape, classes, 11))
    mine = make_network(run, images, classes, variant="portable", path=double_kernel)
    oracle = Oracle(run, shape, classes)
    find_kernel_gradients(mine, images, step=3)
    gradients = mine.gradients.clone()
    pattern = find_pattern(oracle, images.images)
    parameters = list(oracle.model.parameters())
    numbers = torch.arange(1, 1 + sum(p.numel() for p in parameters), dtype=torch.float64)
    of_each = numbers.split([p.numel() for p in parameters])
    flat = pack(
        [n.view(p.shape) for n, p in zip(of_each, parameters, strict=True)], images, classes
    )
    places = flat.argsort()[-len(numbers) :]  # of each number, in the kernel's order
    generator = torch.Generator().manual_seed(1)
    assert len(parameters) == 8
    for parameter, own in zip(parameters, of_each, strict=True):
        smooth = 0
        values = parameter.data.view(-1)
        for _ in range(12):
            index = int(torch.randint(len(own), (1,), generator=generator))
            place = int(places[int(own[index]) - 1])
            before = values[index].item()
            assert mine.weights[place].item() == before
            losses, flips = [], False
            for moved in (before + STEP, before - STEP):
                mine.weights[place] = values[index] = moved
                losses.append(find_kernel_gradients(mine, images, step=3)[0].item())
                there = find_pattern(oracle, images.images)
                flips |= not all(a.equal(b) for a, b in zip(there, pattern, strict=True))
            mine.weights[place] = values[index] = before
            if flips:
                continue
            smooth += 1
            slope = (losses[0] - losses[1]) / (2 * STEP)
            assert slope == pytest.approx(gradients[place].item(), rel=1e-6, abs=2e-9)
        assert smooth >= 8
    assert gradients.count_nonzero() > len(gradients) // 4 or classes == 1  # or nothing was shown


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(
    ("shape", "classes"), [*SHAPES, ((1, 12, 15), 10), ((1, 28, 28), 10), ((3, 64, 63), 33)]
)
def test_gradients_are_torch_s(double_kernel, shape, classes, dropout):
    run = make_run(NOT_FUSED, dropout=dropout, batch_size=8)
    images = in_double(make_images(shape, classes, 7))
    mine = make_network(run, images, classes, variant="portable", path=double_kernel)
    oracle = Oracle(run, shape, classes)
    loss, right = find_kernel_gradients(mine, images, step=3)
    expected_loss, expected_right = oracle.find_gradients(images, step=3)
    assert loss.item() == pytest.approx(expected_loss.item(), abs=1e-12)
    assert right == expected_right
    expected = pack([p.grad for p in oracle.model.parameters()], images, classes)
    torch.testing.assert_close(mine.gradients, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("shape", "classes"), slow_but(SHAPES[2:3], SHAPES))
def test_first_steps_are_torch_s(double_kernel, shape, classes, optimizer):
    run = make_run(OPTIMIZERS[optimizer], dropout=0.3, batch_size=8)
    images = in_double(make_images(shape, classes, 36))
    which = {"variant": "portable", "path": double_kernel}
    mine = train_in_kernel(run, images, classes, 30, **which)
    expected = train_in_torch(run, images, classes, 30)
    torch.testing.assert_close(mine.losses, expected.losses, rtol=1e-9, atol=1e-12)
    assert mine.right.equal(expected.right)


@pytest.fixture
def double_precision(monkeypatch, double_kernel):
    """Both engines in float64."""
    monkeypatch.setattr(network, "load_kernel", lambda: load_kernel("portable", double_kernel))
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


FEW = ("adam_decay", "adamw", "momentum")
TIMED = ("CyclicLR", "OneCycleLR", "ReduceLROnPlateau")  # with momenta or losses of their own


@pytest.mark.parametrize(
    ("optimizer", "schedulers"),
    slow_but(
        [("nesterov", TIMED), ("free_all", TIMED[2:])],
        [("nesterov", TIMED), ("free_all", TIMED[2:]), *product(OPTIMIZERS, [tuple(SCHEDULERS)])],
        soak=list(product([name for name in OPTIMIZERS if name not in FEW], [tuple(SCHEDULERS)])),
    ),
)
@pytest.mark.usefixtures("double_precision")
def test_runs_are_those_of_the_reference(optimizer, schedulers):
    """What is recorded of each epoch, over 57 steps."""
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nepochs: 3\ndropout: 0.3\n"
    by_label = runs(text, every_scheduler(optimizer), few=True)
    assert by_label.keys() == SCHEDULERS.keys()
    for run in (by_label[name] for name in schedulers):
        data = data_of(run)
        record, expected = train_native(run, data), reference.train_one(run, data, CPU)
        for name in ("train", "train_eval", "val", "test"):
            for column in ("loss", "accuracy", "learning_rate", "learning_rate_last"):
                values = curve(record, name, column), curve(expected, name, column)
                np.testing.assert_allclose(*values, rtol=1e-9, err_msg=run.scheduler)
        for column in (
            "init_digest",
            "order_digest",
            "applied_dropout",
            "lr_changes",
            "best_epoch",
        ):
            assert record.run[column] == expected.run[column]
        assert record.run["test_correct"] == expected.run["test_correct"]


@pytest.mark.slow
@pytest.mark.usefixtures("double_precision")
def test_whole_runs_of_the_default_sweep_are_those_of_the_reference():
    """Their every test image, at two seeds.

    Without dropout, momentum at the rate that they begin with makes up to 10,000 times as much of a
    difference each epoch, so that there even float64 ends elsewhere, in the stacked engine too.
    """
    together = [run for run in list_runs(load_sweep("digits"), digits()) if run.seed < 2]
    assert len(together) == 4 * 3 * 2
    data = in_precision(split(together[0].validation))
    for run in together:
        record, expected = train_native(run, data), reference.train_one(run, data, CPU)
        losses = curve(record, "train"), curve(expected, "train")
        np.testing.assert_allclose(losses[0][:4], losses[1][:4], rtol=1e-9, err_msg=str(run))
        if run.dropout or run.scheduler in ("step", "cosine"):
            np.testing.assert_allclose(*losses, rtol=1e-7, err_msg=str(run))
            assert record.run["test_correct"] == expected.run["test_correct"], run
