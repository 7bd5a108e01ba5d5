"""The runs and the data that are measured: made up, so that nothing has to be there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch

from lrdecay.components.datasets.dataset import Data, Dataset, make_dataset
from lrdecay.core.run import Run
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

BATCH = 64
SIDE = 28
TEST_IMAGES = 500
SWEEP = """
dataset: digits
model: {{name: {model}, batch_norm: {batch_norm}}}
{dropout}
batch_size: {batch}
optimizer: {{name: Adam, lr: 0.003}}
precision: {precision}
kernels: {kernels}
epochs: 2
schedulers:
  step: {{class: StepLR, step_size: 1, gamma: 0.5}}
seeds: 1
"""


@cache
def made_up(side: int = SIDE, train: int = 1280, test: int = TEST_IMAGES) -> Dataset:
    """Grey images of ten classes: a pattern for each class, and noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(0, 128, (10, 1, side, side), generator=generator)

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.randint(10, (count,), generator=generator)
        noise = torch.randint(0, 128, (count, 1, side, side), generator=generator)
        return (patterns[labels] + noise).to(torch.uint8), labels

    return make_dataset(f"made up, {side}x{side}", draw(train), draw(test))


def make_runs(
    count: int,
    model: str = "cnn",
    batch_norm: bool = False,
    precision: str = "float32",
    kernels: str = "torch",
    batch: int = BATCH,
    seeds: int | None = None,
) -> list[Run]:
    """Runs that differ in their seeds alone, at dropout 0.3 where the network takes a rate; with
    `seeds`, so many are used again and again."""
    dropout = "dropout: 0.3" if model == "cnn" else ""
    text = SWEEP.format(
        model=model,
        batch_norm=str(batch_norm).lower(),
        precision=precision,
        kernels=kernels,
        dropout=dropout,
        batch=batch,
    )
    data = made_up()
    (run,) = list_runs(parse_sweep(text), data)
    return [replace(run, seed=number % (seeds or count)) for number in range(count)]


def split(runs: Sequence[Run], device: torch.device, side: int = SIDE) -> Data:
    """The data that these runs train on."""
    return made_up(side).split(runs[0].validation, device)
