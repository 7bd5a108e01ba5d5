"""What one process does in the benchmarks: train runs for some epochs, take steps, multiply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Data, Split
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.models.build import build_model
from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.engine.precision import use_training_settings
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

SWEEP = """
dataset: {name}
dropout: 0.3
schedulers: {{step: {{class: StepLR, step_size: 5, gamma: 0.5}}}}
"""


@dataclass(frozen=True)
class Task:
    """What a process trains: `runs` at once, and that `times` one after the other."""

    dataset: str
    folder: str | None
    images: int
    epochs: int
    device: str = "cpu"
    runs: int = 1
    times: int = 1

    @property
    def trained(self) -> int:
        """Training images that the process sees, those of each run counted."""
        return self.images * self.epochs * self.runs * self.times


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


def prepare(task: Task) -> tuple[Run, Data]:
    """Return what the task is about, read once."""
    run, data = prepared(task.dataset, task.folder, task.images, task.device)
    return replace(run, epochs=task.epochs), data


def finish(task: Task) -> None:
    """Wait for what a GPU still computes."""
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


def count_flops(side: int) -> int:
    """Return the floating-point operations of training the tutorial's network on one image.

    Two for each weight and place, thrice: forward, the gradient of the weights and that of the
    inputs, which the first layer needs not. Counted densely: gradients that a pool or a ReLU makes
    zero count too. Biases, pools, dropout and the optimizer do not.
    """
    conv1, conv2 = 9 * 1 * 16 * side**2, 9 * 16 * 32 * (side // 2) ** 2
    linear1, linear2 = 32 * (side // 4) ** 2 * 128, 128 * 10
    return 2 * (2 * conv1 + 3 * (conv2 + linear1 + linear2))


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
