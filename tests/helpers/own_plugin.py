"""A plug-in with loops of the user's own, as a file on disk."""

from pathlib import Path

PLUGIN = """\
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


def points(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=generator)
    return TensorDataset(x, (x[:, 0] * x[:, 1] > 0).long())


def train(trial, width: int = 8, fail_at: list[int] = [], explode_at: int = -1, slow: float = 0.0):
    trial.seed_everything()
    part, held = points(96, 1), points(64, 2)
    model = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.0), nn.Linear(width, 2))
    trial.watch(model)
    if trial.dropout is not None:
        trial.set_dropout(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr)
    loader = DataLoader(part, 32, shuffle=True, generator=trial.generator())
    scheduler = trial.scheduler(optimizer, steps_per_epoch=len(loader))
    for epoch in range(1, trial.epochs + 1):
        model.train()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        if trial.seed == explode_at:
            loss = loss * float("nan")
        trial.log(epoch, "train", loss=loss)
        if trial.seed in fail_at:
            raise RuntimeError("disk on fire")
        time.sleep(slow)
        model.eval()
        with torch.no_grad():
            x, y = held.tensors
            logits = model(x)
        right = (logits.argmax(1) == y).double().mean()
        trial.log(epoch, "val", loss=F.cross_entropy(logits, y), f1=right / 2)
        trial.log(epoch, "test", loss=F.cross_entropy(logits, y), accuracy=right, f1=right)


def forget(trial):
    trial.log(1, "val", los=1.0)


TRAINERS = {"mine": train, "forgetful": forget}
"""

SWEEP = """\
name: own
trainer: {name: mine, width: 8}
steps_per_epoch: 3
metrics:
  test_f1: {higher_is_better: true}
optimizer: {lr: 0.1}
epochs: 2
schedulers:
  constant: {class: constant}
  onecycle: {class: OneCycleLR, max_lr: 2 lr, total_steps: steps, cycle_momentum: false}
dropout: [0.0, 0.2]
seeds: 2
comparison: {reference: constant, metric: test_f1, margin: 0.05}
"""


def write_plugin(folder: Path, text: str = PLUGIN) -> Path:
    """The plug-in as `mine.py` in a folder."""
    path = folder / "mine.py"
    path.write_text(text)
    return path


def sweep_text(**changes: str) -> str:
    """The sweep with other values of some keys; one that is empty is left out."""
    text = SWEEP
    for key, value in changes.items():
        lines = text.splitlines()
        places = [n for n, line in enumerate(lines) if line.startswith(f"{key}:")]
        if places:
            start = places[0]
            end = next(
                (n for n in range(start + 1, len(lines)) if not lines[n].startswith(" ")),
                len(lines),
            )
            lines[start:end] = [f"{key}: {value}"] if value else []
        else:
            lines.append(f"{key}: {value}")
        text = "\n".join(lines) + "\n"
    return text
