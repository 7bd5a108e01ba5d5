"""The CPU kernel in tests: whether it must be there, builds of its own, and torch beside it."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.training import runs
from torch import Tensor

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import Split
from lrdecay.components.models import build
from lrdecay.components.models.dropout import set_dropout_step
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.core.run import Run
from lrdecay.engine.native import library
from lrdecay.engine.native.library import KernelError, explain_absence, load_kernel
from lrdecay.engine.native.network import Network
from lrdecay.engine.native.weights import Layout, Shape
from lrdecay.engine.stacked.rates import Rates

KERNEL = Path(library.__file__).parent / "kernel"
CONSTANT = "schedulers: {constant: {class: constant}}\n"


def find_compiler() -> str | None:
    """Return the C++ compiler that there is; CXX=false stands for a machine without."""
    named = shlex.split(os.environ.get("CXX", ""))[:1]
    if named == ["false"]:
        return None
    return next(filter(None, map(shutil.which, [*named, "g++", "c++", "clang++"])), None)


def need_compiler() -> str:
    """Return the C++ compiler, or skip the test."""
    compiler = find_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler")
    return compiler


def need_kernel() -> None:
    """Skip the test where lrdecay was installed without a compiler; elsewhere the kernel must be
    there, so that a broken build does not go unnoticed."""
    absence = explain_absence()
    if absence and find_compiler():
        pytest.fail(f"a compiler is here, and no kernel: {absence}")
    if absence:
        pytest.skip(absence)


def is_there(variant: str) -> bool:
    """Whether the processor has the instructions of the variant."""
    try:
        load_kernel(variant)
    except KernelError as error:
        if str(error) != f"this processor cannot run its variant {variant}":
            raise
        return False
    return True


def compile_kernel(folder: Path, *options: str) -> Path:
    """Compile all variants of the kernel into a library of its own, with more options."""
    return _compile(folder / "kernel.so", *options, *sorted(KERNEL.glob("*.cpp")))


def compile_double(folder: Path) -> Path:
    """Compile the portable variant in float64 into a library of its own."""
    alone = folder / "alone.cpp"
    alone.write_text(
        '#include "interface.hpp"\n'
        'extern "C" const LrdecayKernel* lrdecay_find_kernel(const char*) {\n'
        "  return &lrdecay_portable;\n"
        "}\n"
    )
    options = ("-O2", "-DLRDECAY_REAL=double", f"-I{KERNEL}")
    return _compile(folder / "kernel.so", *options, KERNEL / "portable.cpp", alone)


def _compile(library: Path, *options: str | Path) -> Path:
    command = [need_compiler(), "-shared", "-fPIC", "-std=c++17", "-Wno-psabi", *options]
    done = subprocess.run([*command, "-o", library], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library


def make_run(optimizer: str = "{name: Adam, lr: 0.001}", **changed: Any) -> Run:
    """A run at a constant rate; what it says of its data is of no account here."""
    run = runs(f"optimizer: {optimizer}\ndropout: 0\nbatch_size: 16", CONSTANT)["constant"]
    return replace(run, **changed)


@cache
def make_images(shape: tuple[int, int, int], classes: int, count: int, seed: int = 0) -> Split:
    """Images of noise around a pattern for each class, in the memory layout of real ones."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    patterns = torch.randn(classes, *shape, generator=generator)
    images = patterns[labels] + torch.randn(count, *shape, generator=generator)
    return Split(images.contiguous(memory_format=torch.channels_last), labels)


def in_double(split: Split) -> Split:
    return Split(split.images.double(), split.labels)


@dataclass(frozen=True)
class Course:
    """The first steps of a run: each one's loss and how many images were right in it; then, with
    dropout off, the loss on all images and which of them are right."""

    losses: Tensor
    right: Tensor
    loss: float
    judged: Tensor


def list_batches(run: Run, count: int, steps: int) -> list[Tensor]:
    """Return the first so many batches of a run on `count` images, over as many epochs."""
    each = -(-count // run.batch_size)
    epochs = (rng.draw_order(run.seed, epoch, count) for epoch in range(-(-steps // each)))
    return [batch for order in epochs for batch in order.split(run.batch_size)][:steps]


class Oracle:
    """A run in torch, in float64: the project's network and torch's own optimizer."""

    def __init__(self, run: Run, shape: tuple[int, int, int], classes: int) -> None:
        self._run = run
        self.model = build.build_network(run, shape, classes).double()
        given = run.optimizer_arguments
        self._optimizer = build_optimizer(run.optimizer, self.model.parameters(), run.lr, given)

    def find_gradients(self, images: Split, step: int = 0) -> tuple[Tensor, int]:
        """Leave a step's gradients in the network; return its loss and how many were right."""
        set_dropout_step(self.model, self._run.seed, step)
        logits = self.model.train()(images.images.double())
        loss = F.cross_entropy(logits, images.labels)
        self._optimizer.zero_grad()
        loss.backward()
        return loss.detach(), int((logits.argmax(1) == images.labels).sum())

    def take_steps(self, images: Split, steps: int) -> Course:
        losses, right = [], []
        for step, batch in enumerate(list_batches(self._run, len(images), steps)):
            of_batch = Split(images.images[batch], images.labels[batch])
            loss, correct = self.find_gradients(of_batch, step)
            losses.append(loss)
            right.append(correct)
            self._optimizer.step()
        return Course(torch.stack(losses), torch.tensor(right), *self._evaluate(images))

    @torch.no_grad()
    def _evaluate(self, images: Split) -> tuple[float, Tensor]:
        logits = self.model.eval()(images.images.double())
        loss = F.cross_entropy(logits, images.labels).item()
        return loss, logits.argmax(1)


@cache
def train_in_torch(run: Run, images: Split, classes: int, steps: int) -> Course:
    """The first steps of a run in float64; kept, since every variant is held to them."""
    return Oracle(run, images.images.shape[1:], classes).take_steps(images, steps)


def make_network(run: Run, images: Split, classes: int, **which: Any) -> Network:
    """A run in the kernel, before its first step, in the precision of its images."""
    shape = images.images.shape[1:]
    model = build.build_network(run, shape, classes).to(images.images.dtype)
    return Network(run, model, shape, classes, **which)


def train_in_kernel(run: Run, images: Split, classes: int, steps: int, **which: Any) -> Course:
    """The same steps in the kernel, an epoch at a time."""
    network, count = make_network(run, images, classes, **which), len(images)
    each = -(-count // run.batch_size)
    rates = Rates([run], each)
    taken = []
    for epoch, first in enumerate(range(0, steps, each)):
        some = min(each, steps - first)
        order = rng.draw_order(run.seed, epoch, count)[: some * run.batch_size]
        of_steps = [numbers[:some, 0].contiguous() for numbers in rates.next_epoch()]
        taken.append(network.take_steps(images, order, first, *of_steps))
        rates.end_epoch([None])
    metrics, judged = network.evaluate(images)
    losses = torch.cat([part.losses for part in taken])
    return Course(losses, torch.cat([part.right for part in taken]), metrics.loss, judged)


def find_kernel_gradients(network: Network, images: Split, step: int = 0) -> tuple[Tensor, int]:
    """Leave the gradients of a step on all images in the network; return its loss, and how many
    were right.

    The run's optimizer must be one that the kernel does not have, and moves nothing at a rate of 0.
    """
    rates = torch.zeros(1, dtype=torch.float64)
    taken = network.take_steps(images, torch.arange(len(images)), step, rates, rates)
    return taken.losses[0], int(taken.right[0])


def pack(parameters: Iterable[Tensor], images: Split, classes: int) -> Tensor:
    """Parameters of a network for such images in the kernel's order."""
    layout = Layout(load_kernel(), Shape(*images.images.shape[1:], classes))
    return layout.pack(parameters)
