"""A training loop as a user may have one, around a trial."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrdecay.core.run import Run, to_canonical_json
from lrdecay.execution.own import Trial

STEPS = 3  # in an epoch


def run(scheduler: str = "constant", epochs: int = 4, **changes: object) -> Run:
    """A run of a loop of the user's own; `arguments` are the scheduler's, words unresolved."""
    arguments = changes.pop("arguments", {})
    lacking = ("dataset_digest", "validation", "model", "batch_norm", "optimizer")
    lacking += ("optimizer_args", "batch_size", "precision")
    asked = dict.fromkeys(lacking) | {
        "dataset": "mine",
        "lr": 0.1,
        "epochs": epochs,
        "scheduler": scheduler,
        "scheduler_class": scheduler,
        "scheduler_args": to_canonical_json({"interval": "epoch"} | arguments),
        "dropout": 0.25,
        "seed": 0,
        "trainer": "mine",
        "trainer_args": '{"width":4}',
    }
    return Run(**asked | changes)


def network(trial: Trial) -> nn.Module:
    """A small one; its dropout layer has the rate of the run."""
    width = trial["width"]
    return nn.Sequential(nn.Linear(2, width), nn.Dropout(trial.dropout or 0.0), nn.Linear(width, 2))


def batches(trial: Trial) -> DataLoader:
    """Three batches of four points each, in the order of the seed."""
    points = torch.linspace(-1, 1, 24).reshape(12, 2)
    data = TensorDataset(points, (points.sum(dim=1) > 0).long())
    return DataLoader(data, batch_size=4, shuffle=True, generator=trial.generator())


def train(trial: Trial, by_steps: bool = False, twice: bool = False) -> None:
    """A whole loop; with `twice` the scheduler is stepped once too often."""
    trial.seed_everything()
    model = trial.watch(network(trial))
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=STEPS if by_steps else None)
    for epoch in range(1, trial.epochs + 1):
        model.train()
        for x, y in batches(trial):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            if by_steps:
                scheduler.step()
        trial.log(epoch, "val", loss=1.0 / epoch, accuracy=0.5)
        trial.log(epoch, "test", loss=2.0 / epoch, accuracy=0.25, f1=0.125 * epoch)
        if not by_steps:
            for _ in range(1 + twice):
                scheduler.step()
    trial.log(energy=3.5)
