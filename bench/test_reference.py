"""The tutorial's loop as a user would write it, beside the reference engine: seconds per epoch.

Both train one epoch of the digits in one process with one thread. The loop pays for a DataLoader
that hands over one image at a time and for the layout and layer order of a first draft.
"""

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrdecay import sources
from lrdecay.engine import reference
from lrdecay.precision import training_settings
from lrdecay.sweep import parse_sweep

SWEEP = """
dataset: digits
epochs: 1
schedulers: {step: {class: StepLR, step_size: 5, gamma: 0.5}}
"""


def tutorial_epoch() -> None:
    images, labels = load_digits(return_X_y=True)
    pixels = torch.tensor(images[:1198], dtype=torch.float32).view(-1, 1, 8, 8) / 16
    dataset = TensorDataset(pixels, torch.tensor(labels[:1198]))
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    for batch, target in DataLoader(dataset, batch_size=64, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(model(batch), target).backward()
        optimizer.step()


def reference_epoch(run, split) -> None:
    reference.train(run, split, torch.device("cpu"))


@pytest.fixture(autouse=True)
def _one_thread():
    with training_settings():
        yield


@pytest.mark.benchmark(group="one epoch of the digits")
def test_tutorial_loop(benchmark):
    benchmark.pedantic(tutorial_epoch, rounds=20, warmup_rounds=2)


@pytest.mark.benchmark(group="one epoch of the digits")
def test_reference_engine(benchmark):
    sweep = parse_sweep(SWEEP)
    dataset = sources.load(sweep.dataset)
    (run,) = sweep.runs(dataset)
    split = dataset.split(run.validation)
    benchmark.pedantic(reference_epoch, args=(run, split), rounds=20, warmup_rounds=2)
