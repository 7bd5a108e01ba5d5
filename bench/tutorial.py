"""The tutorial's loop as a user would write it: what lrdecay is measured against.

A DataLoader hands over one transformed image at a time, the network is in the order of a first
draft, everything has torch's defaults, and the test set is measured after every epoch.
"""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision import datasets, transforms


def digits(train_count: int, test_count: int, folder: str | None) -> tuple[Dataset, Dataset]:
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    whole = TensorDataset(images, torch.tensor(labels))
    last = train_count + test_count
    return Subset(whole, range(train_count)), Subset(whole, range(train_count, last))


def mnist(train_count: int, test_count: int, folder: str | None) -> tuple[Dataset, Dataset]:
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    train = datasets.MNIST(folder, train=True, transform=transform)
    test = datasets.MNIST(folder, train=False, transform=transform)
    return Subset(train, range(train_count)), Subset(test, range(test_count))


def network(side: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * (side // 4) ** 2, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, 10),
    )


def train(train_set: Dataset, test_set: Dataset, side: int, epochs: int, device: str) -> float:
    """Train for some epochs and return the last test accuracy."""
    model = network(side).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    accuracy = 0.0
    for _ in range(epochs):
        model.train()
        total = 0.0
        for images, labels in DataLoader(train_set, batch_size=64, shuffle=True):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        scheduler.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in DataLoader(test_set, batch_size=64):
                predicted = model(images.to(device)).argmax(1)
                correct += int((predicted == labels.to(device)).sum())
        accuracy = correct / len(test_set)  # type: ignore[arg-type]
    return accuracy
