"""Training on a pretended GPU, with graphs and without."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import torch
from helpers.pretended_device import PretendedGPU, Wait
from helpers.pretended_gpu import pretend_gpu
from helpers.results import TIMES
from helpers.training import data_of, digits, sweep
from torch import Tensor, nn
from torch.nn import functional as F

from lrdecay.components.datasets.dataset import Data
from lrdecay.components.models.build import MODELS
from lrdecay.core.run import Run
from lrdecay.engine.stacked import cuda_graph, train
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.store.schema import Record
from lrdecay.sweep.matrix import list_runs

CUDA = torch.device("cuda")
IMAGES = 38  # two batches of 16, and one of 6
STEPS, SHAPES = 3, 2
CONSTANT = "schedulers: {c: {class: constant}}\n"


@dataclass
class Trained:
    """What training on the pretended GPU has shown."""

    gpu: PretendedGPU
    records: list[Record]
    notes: list[str]
    waits: list[Wait]
    """Those within steps."""

    def outcomes(self) -> list[tuple[dict[str, object], list[dict[str, object]]]]:
        """All that may not depend on how the runs were computed."""
        rows = [{k: v for k, v in record.run.items() if k not in TIMES} for record in self.records]
        return [(row, record.epochs) for row, record in zip(rows, self.records, strict=True)]


def some(text: str = "", schedulers: str = CONSTANT, epochs: int = 2) -> list[Run]:
    """Runs of few images, in batches of 16."""
    text = f"{text}\nepochs: {epochs}\nbatch_size: 16\nvalidation: 239\n"
    return list_runs(sweep(text, schedulers), digits())


def take_few(data: Data, images: int = IMAGES) -> Data:
    assert data.validation is not None
    parts = {"train_eval": 20, "validation": 30, "test": 20}
    few = {name: getattr(data, name).first(count) for name, count in parts.items()}
    return replace(data, train=data.train.first(images), **few)


def to_cuda(data: Data) -> Data:
    parts = {name: getattr(data, name) for name in ("train", "train_eval", "validation", "test")}
    return replace(
        data,
        **{
            name: replace(part, images=part.images.to(CUDA), labels=part.labels.to(CUDA))
            for name, part in parts.items()
        },
    )


@contextmanager
def watch_steps(gpu: PretendedGPU) -> Iterator[list[Wait]]:
    """Give the waits within steps; a graph has none, or it would not have been captured."""
    waits: list[Wait] = []
    real = Lockstep._step

    def step(self: Lockstep, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        before = len(gpu.waits)
        made = real(self, *inputs)
        waits.extend(gpu.waits[before:])
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lockstep, "_step", step)
        yield waits


def train_there(
    together: list[Run],
    data: Data | None = None,
    eager: bool = False,
    class_metrics: Sequence[str] = (),
) -> Trained:
    """Train runs on the pretended GPU, with graphs or, if `eager`, without."""
    notes: list[str] = []
    few = take_few(data_of(together[0])) if data is None else data
    with pretend_gpu() as gpu, pytest.MonkeyPatch.context() as patch:
        if eager:
            patch.setattr(cuda_graph, "capture_step", lambda step, *given: step)
        with watch_steps(gpu) as waits:
            told = None, notes.append, class_metrics
            records = train.train_stacked(together, to_cuda(few), CUDA, *told)
    return Trained(gpu, records, notes, waits)


def assert_graphs_hold(together: list[Run], data: Data | None = None, shapes: int = SHAPES) -> None:
    """Assert that graphs were made and replayed, waited for nothing, and changed no bit."""
    found, expected = train_there(together, data), train_there(together, data, eager=True)
    assert (found.notes, found.waits, expected.waits) == ([], [], [])
    assert found.gpu.captures == shapes
    assert found.gpu.replays == STEPS * together[0].epochs
    assert expected.gpu.captures == expected.gpu.replays == 0
    assert found.outcomes() == expected.outcomes()
    assert {record.run["status"] for record in found.records} <= {"completed", "diverged"}
    # or nothing was shown: runs of several seeds or rates are not alike
    done = [record.epochs for record in found.records if record.run["status"] == "completed"]
    assert len(set(map(str, done))) == len(done) > 0


class Residual(nn.Module):
    """A network that is no plain sequence, so one under vmap: with a sum, statistics, and one
    dropout layer in two places."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        width = math.prod(shape)
        self.inner = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(dropout)
        self.outer = nn.Linear(width, classes)

    def forward(self, x):
        x = x.flatten(1)
        x = x + self.drop(self.norm(F.gelu(self.inner(x))))
        return self.outer(self.between(self.drop(x)))

    def between(self, h):
        return h


class Convolved(nn.Module):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        self.first = nn.Conv2d(shape[0], 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding="same", groups=3)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(6, classes)

    def forward(self, x):
        h = self.first(x).relu()
        return self.last(self.drop((h + self.second(h)).amax((2, 3))))


def own(monkeypatch, network: type[nn.Module], text: str = "", epochs: int = 2) -> list[Run]:
    monkeypatch.setitem(MODELS, "mine", network)
    found = some(f"{text}\nseeds: 3\ndropout: 0.4", epochs=epochs)
    return [replace(run, model="mine") for run in found]
