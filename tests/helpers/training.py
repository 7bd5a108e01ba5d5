"""Small sweeps and runs on the real digits, for tests that train."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import torch

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Data, Dataset
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.store.schema import Record
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

CPU = torch.device("cpu")
FEW_BATCH = 16

SCHEDULERS = """\
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 5, gamma: 0.5}
  cosine:   {class: CosineAnnealingLR, T_max: epochs}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
  onecycle: {class: OneCycleLR, max_lr: 0.003, total_steps: steps, cycle_momentum: false}
"""


@cache
def digits() -> Dataset:
    return sources.load_dataset(DatasetSpec(name="digits"))


@cache
def few_digits() -> Dataset:
    """A quarter of them: in batches of 16 an epoch has 19 steps, the last of fewer images, as all
    of them have in batches of 64."""
    whole = digits()
    train, test = slice(541), slice(90)
    return replace(
        whole,
        train_images=whole.train_images[train],
        train_labels=whole.train_labels[train],
        test_images=whole.test_images[test],
        test_labels=whole.test_labels[test],
    )


@cache
def split(validation: int = 239, few: bool = False) -> Data:
    return (few_digits() if few else digits()).split(validation)


def data_of(run: Run) -> Data:
    """The digits, or few of them for batches of 16, in the precision that is set."""
    return in_precision(split(run.validation, few=run.batch_size == FEW_BATCH))


def in_precision(data: Data) -> Data:
    """The same images in the precision that is set."""
    parts = {name: getattr(data, name) for name in ("train", "train_eval", "validation", "test")}
    dtype = torch.get_default_dtype()
    return replace(data, **{n: replace(p, images=p.images.to(dtype)) for n, p in parts.items()})


def sweep(text: str = "", schedulers: str = SCHEDULERS) -> Sweep:
    """A sweep on the digits, with more lines of YAML."""
    return parse_sweep(f"dataset: digits\n{schedulers}{text}", source="small.yaml")


def runs(text: str = "", schedulers: str = SCHEDULERS, few: bool = False) -> dict[str, Run]:
    """The runs of such a sweep by scheduler; it must have one run of each. A `few` are of few
    digits, in batches of 16."""
    if few:
        text += f"\nvalidation: 239\nbatch_size: {FEW_BATCH}\n"
    found = list_runs(sweep(text, schedulers), few_digits() if few else digits())
    by_label = {run.scheduler: run for run in found}
    assert len(by_label) == len(found)
    return by_label


def train(run: Run) -> Record:
    return reference.train_one(run, split(run.validation), CPU)


def curve(record: Record, split: str, column: str = "loss") -> list[object]:
    """A run's values by epoch."""
    return [row[column] for row in record.epochs if row["split"] == split]


def follow_plateau(losses: Iterable[float], lr: float, **arguments: float) -> list[float]:
    """The rate of each epoch that torch's own ReduceLROnPlateau gives, fed with these losses."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
    rates = []
    for loss in losses:
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
    return rates
