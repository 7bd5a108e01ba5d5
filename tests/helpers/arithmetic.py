"""Whether what is computed here has, to the bit, the numbers that the pages were written with."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from helpers.training import digits, sweep

from lrdecay.core.errors import DamagedError
from lrdecay.engine.native.library import explain_absence
from lrdecay.engine.native.train import train_native
from lrdecay.engine.precision import use_training_settings
from lrdecay.store.versions import read_table
from lrdecay.sweep.matrix import list_runs

_OF_TORCH = "77940c007c125ab2"
_OF_KERNEL = "8ea7b2d3e8aadae0"  # of any x86 processor with AVX2 and FMA, or more


@contextlib.contextmanager
def watch_torch() -> Iterator[Callable[[], bool]]:
    """Within the block the function that is given says whether torch has trained anything since it
    was asked last."""
    trained: list[object] = []

    def has_trained() -> bool:
        found = bool(trained)
        trained.clear()
        return found

    def noting(function: Callable[..., object]) -> Callable[..., object]:
        return lambda *args, **kwargs: (trained.append(function), function(*args, **kwargs))[1]

    with pytest.MonkeyPatch.context() as patch:
        for name in ("backward", "grad"):
            patch.setattr(torch.autograd, name, noting(getattr(torch.autograd, name)))
        yield has_trained


def reads_torch(text: str, folder: Path) -> bool:
    """Return whether a text names results in a folder that torch trained here."""
    engines: set[str] = set()
    for path in folder.glob("results/*/runs.parquet"):  # not results/reference: copies
        results = path.parent.relative_to(folder).as_posix()
        if results in text:
            with contextlib.suppress(DamagedError):  # a page may damage one: no number is read
                engines |= set(read_table(path, ["engine"])["engine"].to_pylist())
    return bool(engines - {"native", "imported"})


def is_alike(in_torch: bool) -> bool:
    """Return whether numbers are those of the pages, where torch trains or only the kernel does."""
    return _is_kernel_alike() and (not in_torch or _is_torch_alike())


@cache
def _is_torch_alike() -> bool:
    """Return whether torch gives the bits that it gave there, on one thread as in a sweep."""
    with use_training_settings():
        return _probe_torch() == _OF_TORCH


@cache
def _is_kernel_alike() -> bool:
    return explain_absence() is None and _probe_kernel() == _OF_KERNEL


def _probe_torch() -> str:
    random = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten()),
        torch.nn.Linear(512, 10),
    )
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.1 * torch.randn(weight.shape, generator=random))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    images = torch.randn((64, 1, 8, 8), generator=random)
    labels = torch.randint(10, (64,), generator=random)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item().hex())
    return hashlib.sha256(" ".join(losses).encode()).hexdigest()[:16]


def _probe_kernel() -> str:
    """Return a digest of the losses of a few runs on the native engine."""
    text = "optimizer: {name: [Adam, SGD], lr: 0.01}\nepochs: 4\nseeds: 1\n"
    runs = list_runs(
        sweep(text, "schedulers: {c: {class: CosineAnnealingLR, T_max: epochs}}\n"), digits()
    )
    data = digits().split(runs[0].validation)
    losses = [float(row["loss"]).hex() for run in runs for row in train_native(run, data).epochs]
    return hashlib.sha256(" ".join(losses).encode()).hexdigest()[:16]
