"""Trainings of few digits: the loss of each step on both engines, and whether bits are the same."""

import numpy as np
from helpers.every_kind import OPTIMIZERS
from helpers.results import TIMES
from helpers.training import CPU, data_of, digits, sweep

from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.sweep.matrix import list_runs

STEPS = 20
CONSTANT = "schedulers: {c: {class: constant}}\n"


def make_runs(optimizer: str, batch_norm: bool, seeds: int = 2, epochs: int = 2) -> list[Run]:
    """Runs of few digits, 19 steps an epoch."""
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nmodel: {{batch_norm: {str(batch_norm).lower()}}}\n"
    text += f"validation: 239\nbatch_size: 16\nepochs: {epochs}\ndropout: 0.3\nseeds: {seeds}\n"
    return list_runs(sweep(text, CONSTANT), digits())


def read_losses(run: Run) -> np.ndarray:
    """The loss of each step of the reference engine."""
    losses: list[float] = []

    def remember(epoch, batches, of_epoch):
        if len(of_epoch) == batches:
            losses.extend(loss.item() for loss in of_epoch)

    reference.train_one(run, data_of(run), CPU, on_batch=remember)
    return np.array(losses)


def stack_losses(together: list[Run]) -> np.ndarray:
    """The loss of each step of the stacked engine, a column a run."""
    data = data_of(together[0])
    group = Lockstep(together, data.train, data.classes, CPU)
    losses = []
    for _ in range(together[0].epochs):
        losses.append(group.train_epoch().losses.numpy()[:, : len(together)])
        group.end_epoch([None] * len(together))
    return np.concatenate(losses)


def assert_first_steps(together: list[Run]) -> None:
    found = stack_losses(together)
    for place, run in enumerate(together):
        expected = read_losses(run)
        assert len(expected) >= STEPS
        np.testing.assert_allclose(found[:STEPS, place], expected[:STEPS], rtol=1e-9)


def same_bits(one, other) -> bool:
    rows = [{k: v for k, v in record.run.items() if k not in TIMES} for record in (one, other)]
    return rows[0] == rows[1] and one.epochs == other.epochs
