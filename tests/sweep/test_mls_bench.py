"""MLS-Bench's problem of learning-rate schedules: its settings, its schedules, and short runs."""

import math

import pytest
import torch
from helpers.bright_squares import make_squares
from helpers.paths import SWEEPS

from lrdecay.components import schedulers
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import make_dataset
from lrdecay.components.models.build import build_network
from lrdecay.engine import reference
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import load_sweep

PROBLEMS = {
    "resnet20_cifar10": ("cifar10", "resnet", 269_722),
    "resnet56_cifar100": ("cifar100", "resnet", 858_868),
    "mobilenet_fmnist": ("fashion_mnist", "mobilenet_v2", 2_236_682),
}
LENGTH, RATE = 200, 0.1


def load(name):
    return load_sweep(SWEEPS / "published" / f"mls_bench_{name}.yaml")


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_settings_are_those_that_are_known(name):
    sweep = load(name)
    assert (sweep.dataset.name, sweep.model.name[0]) == PROBLEMS[name][:2]
    assert sweep.optimizer.name == ("SGD",)
    assert sweep.optimizer.rates == (RATE,)
    assert sweep.optimizer.arguments() == {"weight_decay": [5e-4], "momentum": [0.9]}
    assert (sweep.epochs, sweep.batch_size) == ((LENGTH,), (128,))
    assert list(sweep.schedulers) == ["step", "cosine", "warmup cosine", "one-cycle"]
    run = list_runs(sweep, few_images(name))[0]
    assert run.augmentation == {"random_crop": 4, "horizontal_flip": 0.5}
    assert run.validation == 5000


def few_images(name, count=5128):
    """A few more than the file holds out, unless told how many."""
    channels, side = (1, 28) if "fmnist" in name else (3, 32)
    return make_squares((channels, side, side), count, 64, PROBLEMS[name][0])


def rate_of(label, epoch):
    """The rates of an epoch (from 0), as the problem's baselines have them."""
    if label == "step":
        return RATE * 0.1 ** ((epoch >= LENGTH // 2) + (epoch >= 3 * LENGTH // 4))
    if label == "cosine":
        return RATE * 0.5 * (1 + math.cos(math.pi * epoch / LENGTH))
    if epoch < 5:
        return RATE * (epoch + 1) / 5
    return RATE * 0.5 * (1 + math.cos(math.pi * (epoch - 5) / (LENGTH - 5)))


@pytest.mark.parametrize("label", ["step", "cosine", "warmup cosine"])
def test_the_schedules_are_those_of_the_baselines(label):
    run = next(
        run
        for run in list_runs(load("resnet20_cifar10"), few_images("resnet20_cifar10"))
        if run.scheduler == label
    )
    horizon = schedulers.Horizon.of(LENGTH, 1, RATE)
    curve = schedulers.simulate_schedule(run.scheduler_class, run.scheduler_arguments, horizon)
    assert list(curve.rates) == pytest.approx([rate_of(label, epoch) for epoch in range(LENGTH)])


def test_one_cycle_rises_to_the_base_rate_and_ends_near_nothing():
    run = list_runs(load("resnet20_cifar10"), few_images("resnet20_cifar10"))[3]
    horizon = schedulers.Horizon.of(LENGTH, 1, RATE)
    curve = schedulers.simulate_schedule(run.scheduler_class, run.scheduler_arguments, horizon)
    assert curve.rates[0] == pytest.approx(RATE / 25)
    assert max(curve.rates) == pytest.approx(RATE)
    assert curve.rates[-1] < 1e-4 * RATE
    assert run.scheduler_arguments["cycle_momentum"] is False


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_networks_have_as_many_parameters_as_these(name):
    """Of CIFAR-10 He et al. say 0.27 million for depth 20; with 100 classes depth 56 has 0.86."""
    _, _, count = PROBLEMS[name]
    run = list_runs(load(name), few_images(name))[0]
    classes = 100 if "cifar100" in name else 10
    network = build_network(run, (3, 32, 32), classes)
    assert sum(each.numel() for each in network.parameters()) == count


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_each_trains_for_a_few_epochs(name, data_dir):
    """On few images: of Fashion-MNIST real ones, of CIFAR made-up ones."""
    dataset = few_images(name, 512)
    if "fmnist" in name:
        whole = sources.load_dataset(load(name).dataset, data_dir)
        parts = (whole.train_images, whole.train_labels), (whole.test_images, whole.test_labels)
        (images, labels), test = parts
        dataset = make_dataset(
            whole.name, (images[:512], labels[:512]), tuple(each[:200] for each in test)
        )
    shorter = {"epochs": (8,), "batch_size": (32,), "validation": 128}
    sweep = load(name).model_copy(update=shorter)
    run = next(run for run in list_runs(sweep, dataset) if run.scheduler == "warmup cosine")
    record = reference.train_one(run, dataset.split(128), torch.device("cpu"))
    assert record.run["status"] == "completed"
    if name == "mobilenet_fmnist":  # so few steps at so high a rate teach it nothing yet
        assert [row["epoch"] for row in record.epochs if row["split"] == "val"] == [*range(1, 9)]
        return
    losses = [row["loss"] for row in record.epochs if row["split"] == "train"]
    assert losses[-1] < losses[0]
    # by chance 0.1, with an sd of 0.04 at most
    assert record.run["val_accuracy"] > 0.2
