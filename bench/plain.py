"""Plain loops, as a sensible PyTorch user writes them: the baseline that ratios refer to.

The tutorial's network and step, the dataset in memory, one thread, and one such process per core,
each with its own runs. After every epoch it measures what lrdecay measures: the sample of training
images, the validation images and the test set.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench import tutorial
from lrdecay.components.datasets.dataset import Data, Split

BATCH, EVALUATION_BATCH = 64, 250

Measured = dict[str, tuple[float, float]]
"""Split -> mean loss and accuracy."""


def train(data: Data, epochs: int, seed: int, device: str) -> list[Measured]:
    """Train one run and return what was measured after each epoch."""
    torch.manual_seed(seed)
    assert data.validation is not None
    train_set = _to_dataset(data.train)
    splits = {"train_eval": data.train_eval, "val": data.validation, "test": data.test}
    evaluated = {name: _to_dataset(split) for name, split in splits.items()}
    model = tutorial.network(data.shape[1]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    course: list[Measured] = []
    for _ in range(epochs):
        model.train()
        total, right = 0.0, 0
        for images, labels in DataLoader(train_set, batch_size=BATCH, shuffle=True):
            optimizer.zero_grad()
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            right += int((logits.argmax(1) == labels).sum())
        scheduler.step()
        measured = {"train": (total / len(data.train), right / len(data.train))}
        of_splits = {name: evaluate(model, dataset) for name, dataset in evaluated.items()}
        course.append(measured | of_splits)
    return course


@torch.no_grad()
def evaluate(model: nn.Module, dataset: TensorDataset) -> tuple[float, float]:
    """Return mean loss and accuracy."""
    model.eval()
    total, right = 0.0, 0
    for images, labels in DataLoader(dataset, batch_size=EVALUATION_BATCH):
        logits = model(images)
        total += float(F.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
    return total / len(dataset), right / len(dataset)


def _to_dataset(split: Split) -> TensorDataset:
    return TensorDataset(split.images.contiguous(), split.labels)
