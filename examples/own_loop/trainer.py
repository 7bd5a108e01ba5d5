"""The same as a loop of lrdecay's: eight lines are others."""

import torch
from torch import nn
from torch.utils.data import DataLoader, random_split
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor


def measure(model, loader):
    """Return mean loss and accuracy."""
    model.eval()
    loss, right = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += nn.functional.cross_entropy(logits, y, reduction="sum").item()
            right += (logits.argmax(1) == y).sum().item()
    return {"loss": loss / len(loader.dataset), "accuracy": right / len(loader.dataset)}


def train(trial, data: str = "data", channels: int = 16, images: int = 50_000):
    """Train one network and measure it after each epoch."""
    lr, dropout, epochs = trial.lr, trial.dropout, trial.epochs
    whole = MNIST(data, download=True, transform=ToTensor())
    sizes = [images, images // 5, len(whole) - images - images // 5]
    part, held_out, _ = random_split(whole, sizes, torch.Generator().manual_seed(1))
    test = MNIST(data, train=False, transform=ToTensor())
    loader = DataLoader(part, 64, shuffle=True, generator=trial.generator())
    body = nn.Conv2d(1, channels, 3), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten()
    head = nn.Dropout(dropout), nn.Linear(36 * channels, 10)
    model = trial.watch(nn.Sequential(*body, *head))
    optimizer = torch.optim.Adam(model.parameters(), lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=len(loader))
    for epoch in range(1, epochs + 1):
        model.train()
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        trial.log(epoch, "val", **measure(model, DataLoader(held_out, 500)))
    trial.log(epoch, "test", **measure(model, DataLoader(test, 500)))


TRAINERS = {"mnist_cnn": train}
