"""A usual recipe trained twice: as a torchvision user writes it, and by lrdecay's reference engine.

ResNet-20 on Fashion-MNIST with random crops and flips, label smoothing, clipped gradients, SGD with
Nesterov momentum, a warm-up and a cosine: the sweep `fmnist_resnet20`, and the same as a script.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Data
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.models.resnet import ResNet
from lrdecay.engine.reference import train_one
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import load_sweep

SWEEP = "fmnist_resnet20"
BATCH = 128
_MEAN, _DEVIATION = 0.2860, 0.3530


@dataclass(frozen=True)
class Work:
    """One epoch of so many of the training images, without an evaluation worth its name."""

    folder: str
    images: int


def train_script(work: Work) -> float:
    """Train as the script does; return the last loss."""
    torch.manual_seed(0)
    augmented = transforms.Compose(
        [
            transforms.RandomCrop(28, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(_MEAN, _DEVIATION),
        ]
    )
    whole = datasets.FashionMNIST(work.folder, train=True, transform=augmented)
    loader = DataLoader(Subset(whole, range(work.images)), batch_size=BATCH, shuffle=True)
    model = ResNet((1, 28, 28), 10)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    steps = len(loader)
    warmup = max(1, steps // 20)
    scheduler = lr_scheduler.SequentialLR(
        optimizer,
        [
            lr_scheduler.LinearLR(optimizer, 1 / warmup, total_iters=warmup),
            lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - warmup)),
        ],
        milestones=[warmup],
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    loss = torch.zeros(())
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        scheduler.step()
    return float(loss.detach())


def train_lrdecay(work: Work) -> float:
    """Train the same as a run of the sweep; return its training loss."""
    dataset = sources.load_dataset(DatasetSpec(name="fashion_mnist"), work.folder, download=False)
    sweep = load_sweep(SWEEP)
    run = next(run for run in list_runs(sweep, dataset) if run.scheduler == "cosine")
    data = dataset.split(run.validation)
    nothing = data.test.first(1)
    few = Data(data.train.first(work.images), nothing, None, nothing, data.classes)
    record = train_one(replace(run, epochs=1, validation=0), few, torch.device("cpu"))
    return float(next(row["loss"] for row in record.epochs if row["split"] == "train"))
