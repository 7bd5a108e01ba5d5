"""What one process of lrdecay does in the benchmarks: train K runs for some epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Data, Split
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.models.build import build_model
from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.engine.precision import use_training_settings
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.engine.stacked.train import train_stacked
from lrdecay.sweep.config import parse_sweep
from lrdecay.sweep.matrix import list_runs

SWEEP = """
dataset: {name}
dropout: 0.3
schedulers: {{step: {{class: StepLR, step_size: 5, gamma: 0.5}}}}
"""


@dataclass(frozen=True)
class Task:
    """A piece of training. `count` runs (0: one by one with the reference engine)."""

    dataset: str
    folder: str | None
    images: int
    epochs: int
    count: int
    device: str = "cpu"


@cache
def prepared(dataset: str, folder: str | None, images: int, device: str) -> tuple[Run, Data]:
    """The run of the tutorial, and the dataset cut to so many training images, the other splits in
    proportion."""
    whole = sources.load_dataset(DatasetSpec(name=dataset), folder)
    (run,) = list_runs(parse_sweep(SWEEP.format(name=dataset)), whole)
    data = whole.split(run.validation, device)
    share = images / len(data.train)

    def cut(part: Split) -> Split:
        count = max(1, round(share * len(part)))
        return Split(part.images[:count], part.labels[:count])

    assert data.validation is not None
    parts = (data.train, data.train_eval, data.validation, data.test)
    return run, Data(*map(cut, parts), data.classes)


def prepare(task: Task) -> None:
    prepared(task.dataset, task.folder, task.images, task.device)


def train(task: Task) -> None:
    run, data = prepared(task.dataset, task.folder, task.images, task.device)
    run = replace(run, epochs=task.epochs)
    device = torch.device(task.device)
    with use_training_settings():
        if task.count == 0:
            reference.train_one(run, data, device)
        else:
            train_stacked([replace(run, seed=n) for n in range(task.count)], data, device)
        if task.device == "cuda":
            torch.cuda.synchronize()


def multiply(device: str) -> float:
    """The floating-point operations of what `peak` is measured with."""
    size, times = (8192, 10) if device == "cuda" else (1024, 10)
    with use_training_settings():
        a = torch.ones(size, size, device=device)
        for _ in range(times):
            a @ a
        if device == "cuda":
            torch.cuda.synchronize()
    return 2.0 * size**3 * times


def flops_per_image(side: int) -> float:
    """The floating-point operations of training on one image, forward and backward."""
    model = build_model("cnn", (1, side, side), 10, seed=0, dropout=0.0, batch_norm=False)
    images = torch.zeros(64, 1, side, side)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return counter.get_total_flops() / 64


def random_split(size: int, count: int, device: str) -> Split:
    """So many random images of size x size."""
    images = torch.randn(count, 1, size, size, device=device)
    labels = torch.randint(10, (count,), device=device)
    return Split(images.contiguous(memory_format=torch.channels_last), labels)


@cache
def stepper(size: int, count: int, steps: int, device: str) -> Callable[[], object]:
    """What takes so many training steps of `count` runs (0: one run with the reference engine)."""
    run, _ = prepared("digits", None, 1198, "cpu")
    split = random_split(size, steps * run.batch_size, device)
    where = torch.device(device)
    if count > 0:
        runs = [replace(run, seed=seed) for seed in range(count)]
        return Lockstep(runs, split, 10, where).train_epoch
    model = build_model("cnn", (1, size, size), 10, seed=0, dropout=0.3, batch_norm=False)
    model = reference._placed(model, where, run.precision)
    return lambda: list(reference._fit(replace(run, epochs=1), model, split, None, None))


def take_steps(size: int, count: int, steps: int, device: str) -> None:
    with use_training_settings():
        stepper(size, count, steps, device)()


def peak_memory(size: int, count: int, device: str) -> int:
    """The most bytes this process has had after `count` runs trained and were evaluated."""
    run, _ = prepared("digits", None, 1198, "cpu")
    split = random_split(size, 1000, device)
    with use_training_settings():
        runs = [replace(run, seed=seed) for seed in range(count)]
        group = Lockstep(runs, split, 10, torch.device(device))
        group.train_epoch()
        group.evaluate(split)
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    # of this process alone; getrusage's peak begins with its parent's
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) * 1024
