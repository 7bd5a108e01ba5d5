"""One run's network and optimizer in the kernel: its steps, and its evaluation."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import Split
from lrdecay.core.run import Run
from lrdecay.engine.confusion import Names, measure_classes
from lrdecay.engine.measured import Metrics
from lrdecay.engine.native.library import load_kernel
from lrdecay.engine.native.weights import Layout, Shape
from lrdecay.engine.stacked import optimizers

_FUSED = {"Adam": 0, "AdamW": 1, "SGD": 2}
"""Optimizer -> its number in kernel/interface.hpp."""
_NOT_FUSED = 3
_NUMBERS = 6  # coefficients of a fused optimizer's step
_PIXELS_PER_CALL = 2**20
"""A call that long takes about a tenth of a second, in which this process answers no signal."""


@dataclass(frozen=True)
class Steps:
    """What steps in a row came to: each one's loss (float64, nats, the mean of its images), and how
    many of its images were right (int64). After one whose loss is not finite there are no more."""

    losses: Tensor
    right: Tensor


class Network:
    """The weights of a run, in the kernel's memory layout, with its optimizer's state.

    Adam, AdamW and SGD move the weights within the kernel; for any other optimizer the kernel gives
    gradients, and the stacked engine's optimizers move them.
    """

    def __init__(
        self, run: Run, model: nn.Module, shape: tuple[int, int, int], classes: int, **which: Any
    ) -> None:
        """`model` has the first weights; `which` is what `load_kernel` takes.

        Raises `MemoryError` where there is no memory for a step.
        """
        self._kernel = load_kernel(**which)
        self._run = run
        self._classes = classes
        sizes = Shape(*shape, classes)
        layout = Layout(self._kernel, sizes)
        self.weights = layout.pack(model.parameters())
        """All parameters (n,), to be changed in place only."""
        if self.weights.itemsize != self._kernel.number_bytes:
            raise TypeError(f"the kernel does not compute in {self.weights.dtype}")
        self.gradients = torch.zeros_like(self.weights)
        weights, biases = self.weights[: layout.biases], self.weights[layout.biases :]
        # the kinds that weight decay tells apart, with the run axis of the stacked engine
        self._moved = [weights[None, None], biases[None]]
        self._of_moved = [
            self.gradients[: layout.biases][None, None],
            self.gradients[layout.biases :][None],
        ]
        fused = run.optimizer in _FUSED
        self._state = [torch.zeros_like(self.weights) for _ in range(2 if fused else 0)]
        self._update = optimizers.build_update(
            run.optimizer, [] if fused else self._moved, [run.optimizer_arguments]
        )
        pixels = run.batch_size * sizes.channels * sizes.height * sizes.width
        self._steps_per_call = max(1, _PIXELS_PER_CALL // pixels)
        self._key = rng.make_key(run.seed, "dropout")
        self._memory = self._kernel.create(*sizes.numbers, run.batch_size)
        if not self._memory:
            raise MemoryError(f"no memory for steps of {run.batch_size} images")
        weakref.finalize(self, self._kernel.destroy, self._memory)

    def take_steps(
        self, images: Split, order: Tensor, first: int, rates: Tensor, momenta: Tensor
    ) -> Steps:
        """Train on images in this order, in batches of the run's size, the last one what is left.

        `first` is the number of the first step, from 0; `rates` and `momenta` are float64, one for
        each step. Ask for each step once, in order.
        """
        rows = self._update.coefficients(rates[:, None], momenta[:, None], first)[:, :, 0]
        # a fused optimizer takes several steps a call, and any other one moves the weights itself
        steps = self._steps_per_call if self._state else 1
        taken = []
        for number, part in enumerate(order.split(steps * self._run.batch_size)):
            of_part = rows[number * steps : (number + 1) * steps]
            taken.append(self._call(images, part, first + number * steps, of_part.contiguous()))
            if not taken[-1].losses.isfinite().all():
                break
            if not self._state:
                row = of_part[0, :, None].to(self.weights.dtype)
                self._update.apply(self._moved, self._of_moved, row)
        return Steps(
            torch.cat([each.losses for each in taken]), torch.cat([each.right for each in taken])
        )

    def _call(self, images: Split, order: Tensor, first: int, rows: Tensor) -> Steps:
        size, rate = self._run.batch_size, self._run.dropout or 0.0
        steps = -(-len(order) // size)
        losses = torch.empty(steps, dtype=torch.float64)
        right = torch.empty(steps, dtype=torch.int64)
        if self._state and rows.shape != (steps, _NUMBERS):
            raise ValueError(f"{tuple(rows.shape)} coefficients for {steps} steps")
        images = self._lay_out(images)
        states: list[int | None] = [state.data_ptr() for state in self._state] or [None, None]
        taken = self._kernel.train(
            *(self._memory, self.weights.data_ptr(), self.gradients.data_ptr()),
            *states,
            *(images.images.data_ptr(), images.labels.data_ptr()),
            *(order.data_ptr(), len(order), size),
            *(self._key, first, rate > 0, rng.mask_threshold(rate), 1 / (1 - rate)),
            *(_FUSED[self._run.optimizer] if self._state else _NOT_FUSED, rows.data_ptr()),
            *(losses.data_ptr(), right.data_ptr()),
        )
        return Steps(losses[:taken], right[:taken])

    @contextmanager
    def average_weights(self) -> Iterator[None]:
        """Within the block the weights are those that evaluations are at, where the optimizer has
        such; afterwards they are back to the bit: evaluating steers nothing."""
        averaged = self._update.averaged(self._moved)
        if averaged is None:
            yield
            return
        of_training = self.weights.clone()
        for moved, value in zip(self._moved, averaged, strict=True):
            moved.copy_(value)
        yield
        self.weights.copy_(of_training)

    def evaluate(self, split: Split, class_metrics: Names = ()) -> tuple[Metrics, Tensor]:
        """Return metrics on a split with dropout off, and the class that each image was taken for
        (n,)."""
        losses = torch.empty(len(split), dtype=torch.float64)
        likeliest = torch.empty(len(split), dtype=torch.int64)
        at_once = self._steps_per_call * self._run.batch_size
        split = self._lay_out(split)
        parts = (split.images, split.labels, losses, likeliest)
        for images, labels, some_losses, some_likeliest in zip(
            *(each.split(at_once) for each in parts), strict=True
        ):
            self._kernel.evaluate(
                *(self._memory, self.weights.data_ptr(), images.data_ptr(), labels.data_ptr()),
                *(len(labels), some_losses.data_ptr(), some_likeliest.data_ptr()),
            )
        right = int((likeliest == split.labels).sum())
        (further,) = measure_classes(class_metrics, split.labels, likeliest[None], self._classes)
        return Metrics(float(losses.mean()), right / len(split), further), likeliest

    def _lay_out(self, split: Split) -> Split:
        """Return the images with channels last in memory and the labels side by side, as a dataset
        has them but for labels that are a column of a table."""
        images = split.images.contiguous(memory_format=torch.channels_last)
        kept = images.dtype, images.device
        if kept != (self.weights.dtype, self.weights.device):
            raise TypeError(f"images are {kept[0]} on {kept[1]}, and weights {self.weights.dtype}")
        return Split(images, split.labels.contiguous())
