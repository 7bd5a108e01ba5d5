"""MLS-Bench's problem of learning-rate schedules: its settings, its schedules, and short runs."""

import math
from dataclasses import replace

import pytest
import torch
from helpers.made_up_data import made_up
from helpers.paths import SWEEPS

from lrdecay.components import schedulers
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import make_dataset
from lrdecay.components.models.build import build_network
from lrdecay.engine import reference
from lrdecay.sweep.config import load_sweep
from lrdecay.sweep.matrix import list_runs

PROBLEMS = {
    "resnet20_cifar10": ("cifar10", "resnet", 269_722),
    "resnet56_cifar100": ("cifar100", "resnet", 861_620),
    "mobilenet_fmnist": ("fashion_mnist", "mobilenet_v2", 2_236_682),
}
LENGTH, RATE = 200, 0.1


def load(name):
    return load_sweep(SWEEPS / "published" / f"mls_bench_{name}.yaml")


def few_images(name):
    channels, classes = (3, 100) if "cifar100" in name else (3, 10)
    return made_up((channels, 32, 32), 256, 64, classes)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_settings_are_those_that_are_known(name):
    sweep = load(name)
    assert (sweep.dataset.name, sweep.model.name[0]) == PROBLEMS[name][:2]
    assert sweep.optimizer.name == ("SGD",)
    assert sweep.optimizer.rates == (RATE,)
    assert sweep.optimizer.arguments() == {"weight_decay": [5e-4], "momentum": [0.9]}
    assert (sweep.epochs, sweep.batch_size) == ((LENGTH,), (128,))
    assert list(sweep.schedulers) == ["step", "cosine", "warmup cosine", "one-cycle"]
    run = list_runs(sweep, few_images(name).__class__ and _dataset(name))[0]
    assert run.augmentation == {"random_crop": 4, "horizontal_flip": 0.5}


def _dataset(name):
    return replace(few_images(name), name=PROBLEMS[name][0])


def rate_of(label, epoch):
    """The rates of an epoch (from 0), as the problem's baselines have them."""
    if label == "step":
        return RATE * 0.1 ** ((epoch >= LENGTH // 2) + (epoch >= 3 * LENGTH // 4))
    if label == "cosine":
        return RATE * 0.5 * (1 + math.cos(math.pi * epoch / LENGTH))
    if epoch < 5:
        return RATE * (epoch + 1) / 5
    return RATE * 0.5 * (1 + math.cos(math.pi * (epoch - 5) / (LENGTH - 5)))
