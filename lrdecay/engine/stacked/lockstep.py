"""Runs of one kind that train in lockstep: what they share, and how they move on together.

Each run has its own weights, data order, dropout masks, learning rate and scheduler; nothing
crosses from one run to another. Within an epoch nothing waits for the device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import Split
from lrdecay.components.losses.functions import CROSS_ENTROPY
from lrdecay.components.models import build
from lrdecay.components.models.dropout import read_applied_dropout
from lrdecay.components.optimizers.build import DECAY_BIASES
from lrdecay.components.transforms.augmentation import Augmentation
from lrdecay.core.run import Run
from lrdecay.engine.confusion import Names, measure_classes
from lrdecay.engine.measured import EVALUATION_BATCH, Metrics
from lrdecay.engine.stacked import cuda_graph, optimizers
from lrdecay.engine.stacked.clipping import Clipping
from lrdecay.engine.stacked.ensemble import Stack, choose_form
from lrdecay.engine.stacked.own_loss import OwnLoss
from lrdecay.engine.stacked.rates import Rates
from lrdecay.engine.stacked.smoothing import LabelSmoothing

T = TypeVar("T")
FindLosses = Callable[[Tensor, Tensor], Tensor]
"""Gives the loss of each image (runs, b), from logits (runs, b, classes) and labels (runs, b)."""
OnNote = Callable[[str], None]
"""Called with what a user should know of how runs train."""


@dataclass(frozen=True)
class Trained:
    """One epoch of training: rates and losses (steps, runs) in float64, and each run's metrics."""

    first_step: int
    rates: Tensor
    losses: Tensor
    metrics: list[Metrics]


class Lockstep:
    """The weights, optimizers and schedulers of runs of one kind, and how they move on.

    With one run, and on some processors with three, kernels take other paths, and a run's bits
    would not be those that it has in other company. So the last run of one or three is trained
    twice.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        train: Split,
        classes: int,
        device: torch.device,
        on_note: OnNote | None = None,
    ) -> None:
        runs = _in_company(runs)
        networks = build_networks(runs, train, classes)
        digest = cache(build.digest_weights)
        self.init_digests = [digest(network) for network in networks]
        self.applied_dropout = [read_applied_dropout(network) for network in networks]
        self._runs = runs
        self._train = train
        self._device = device
        self._set_recipe()
        self._stack = Stack(
            networks, device, choose_form(device, runs[0].kernels, runs[0].precision)
        )
        count, size = len(train), runs[0].batch_size
        self._sizes = [min(size, count - start) for start in range(0, count, size)]
        self._rates = Rates(runs, len(self._sizes))
        self._done = 0
        arguments = [run.optimizer_arguments for run in runs]
        self._apart = any(not each.get(DECAY_BIASES, True) for each in arguments)
        moved = self._stack.list_moved(self._apart)
        self._update = optimizers.build_update(runs[0].optimizer, moved, arguments, runs[0].kernels)
        self._refreshes = build.has_running_statistics(networks[0])
        self._of_training: list[Tensor] = []
        self._graphs = cuda_graph.Graphs(_note_uncaptured(runs[0].model, on_note))

    def train_epoch(self) -> Trained:
        """Train every run for one epoch; after it the weights are those of evaluation."""
        self._to_training()
        epoch = self._done // len(self._sizes)
        rates, momenta = self._rates.next_epoch()
        rows = self._update.coefficients(rates, momenta, self._done)
        rows = rows.to(self._device, self._train.images.dtype)
        keys, order = self._keys(self._done), self._order(epoch)
        more = self._augment_keys(epoch)
        losses = rows.new_empty(len(rows), len(self._runs))
        correct = torch.zeros(len(self._runs), dtype=torch.int64, device=self._device)
        for number, batch in enumerate(order.split(self._sizes, dim=1)):
            inputs = batch, rows[number], keys[number], *more
            losses[number], right = self._step_for(*inputs)(*inputs)
            correct += right
        first, self._done = self._done, self._done + len(self._sizes)
        self._to_evaluation()
        by_step = losses.cpu().double()
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        means = ((by_step * sizes[:, None]).sum(0) / len(self._train)).tolist()
        shares = (correct.cpu().double() / len(self._train)).tolist()
        metrics = [Metrics(*each) for each in zip(means, shares, strict=True)]
        return Trained(first, rates, by_step, metrics)

    @torch.inference_mode()
    def evaluate(self, split: Split, class_metrics: Names = ()) -> tuple[list[Metrics], Tensor]:
        """Return each run's metrics with dropout off, and the class that each image was taken for
        (runs, n)."""
        losses, taken_for = [], []
        for images, labels in zip(
            split.images.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True
        ):
            logits = self._stack.logits(images, None)
            losses.append(_losses(logits, labels.expand(len(logits), -1)))
            taken_for.append(logits.argmax(2))
        means = torch.cat(losses, 1).double().mean(1).tolist()
        likeliest = torch.cat(taken_for, 1)
        right = (likeliest == split.labels).sum(1)
        shares = (right.double() / len(split)).tolist()
        further = measure_classes(class_metrics, split.labels, likeliest, logits.shape[2])
        return [Metrics(*each) for each in zip(means, shares, further, strict=True)], likeliest

    def end_epoch(self, monitored: Sequence[float | None]) -> None:
        """Step the schedulers that are stepped every epoch, with what each run's monitors."""
        self._rates.end_epoch(_in_company(monitored))

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the runs at these places."""
        places = _in_company(places)
        self._runs = [self._runs[place] for place in places]
        self._set_recipe()
        self._stack.keep(places)
        self._update.keep(places)
        self._rates.keep(places)
        self._of_training = [tensor[places] for tensor in self._of_training]
        self._graphs.clear()

    def _set_recipe(self) -> None:
        """Take how the runs augment, what they minimise and what they clip: all of a kind have the
        same transforms and the same loss, and smooth and clip or do not."""
        runs, like, first = self._runs, self._train.images, self._runs[0]
        self._augmentation: Augmentation | None = None
        if first.augmentation:
            self._augmentation = Augmentation(first.augmentation, self._train.black, like)
        self._find_losses: FindLosses = _losses
        if first.label_smoothing:
            self._find_losses = LabelSmoothing(runs, like).find_losses
        elif first.loss_function != CROSS_ENTROPY:
            self._find_losses = OwnLoss(first.loss_function).find_losses
        self._clipping = Clipping(runs, like) if first.clips else None

    @torch.no_grad()
    def _to_evaluation(self) -> None:
        """Move to the weights that evaluations are at, where training is at others."""
        moved = self._stack.list_moved(self._apart)
        averaged = self._update.averaged(moved)
        if averaged is None:
            return
        self._of_training = [tensor.clone() for tensor in self._stack.state]
        for parameter, value in zip(moved, averaged, strict=True):
            parameter.copy_(value)
        if not self._refreshes:
            return
        keys, batches = self._keys(0), self._order(0).split(self._sizes, dim=1)
        more = self._augment_keys(0)
        for number, batch in enumerate(batches[: build.REFRESHED_BATCHES]):
            self._stack.logits(self._take_images(batch, *more), keys[number])

    @torch.no_grad()
    def _to_training(self) -> None:
        """Move back, to the bit: evaluating steers nothing."""
        if self._of_training:
            # in place: a captured step knows its tensors by their addresses
            for tensor, value in zip(self._stack.state, self._of_training, strict=True):
                tensor.copy_(value)
            self._of_training = []

    def _step(
        self, batch: Tensor, row: Tensor, keys: Tensor, *augment: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Train every run on its batch, images given by index (runs, b); return the loss of each
        (the batch's mean), and how many of its images were right."""
        labels = self._train.labels[batch]
        logits = self._stack.logits(self._take_images(batch, *augment), keys, in_row=True)
        losses = self._find_losses(logits, labels)
        gradients = differentiate_losses(losses, self._stack.parameters, self._device)
        with torch.no_grad():
            moved = self._stack.list_moved(self._apart)
            lined_up = self._stack.line_up(gradients, self._apart)
            if self._clipping is not None:
                lined_up = self._clipping.clip(lined_up)
            self._update.apply(moved, lined_up, row)
            return losses.detach().mean(1), (logits.argmax(2) == labels).sum(1)

    def _take_images(self, batch: Tensor, *augment: Tensor) -> Tensor:
        """Return each run's images as training sees them, (runs, b, channels, height, width);
        `augment` are the keys of the transforms, where there are any."""
        images = self._train.images[batch]
        if self._augmentation is None:
            return images
        return self._augmentation.apply(images, batch, *augment)

    def _step_for(self, *inputs: Tensor) -> cuda_graph.Step:
        if self._device.type != "cuda":
            return self._step  # not kept: it would keep this object alive
        return self._graphs.find_step(self._step, inputs, self._stack.state + self._update.state)

    def _order(self, epoch: int) -> Tensor:
        """Return the images in the order in which each run visits them (runs, n)."""
        count, device = len(self._train), self._device
        of_seed = cache(lambda seed: rng.draw_order(seed, epoch, count, device))
        return torch.stack([of_seed(run.seed) for run in self._runs])

    def _augment_keys(self, epoch: int) -> tuple[Tensor, ...]:
        """Return the keys of an epoch's transforms (transforms, runs), where there are any."""
        if self._augmentation is None:
            return ()
        seeds = [run.seed for run in self._runs]
        return (self._augmentation.make_keys(seeds, epoch, self._device),)

    def _keys(self, first: int) -> Tensor:
        """Return the keys of the dropout masks of an epoch that begins with step `first`, (steps,
        layers, runs)."""
        runs = rng.make_keys([run.seed for run in self._runs], "dropout", self._device)
        numbers = torch.arange(first, first + len(self._sizes), device=self._device)
        layers = torch.arange(self._stack.dropout_layers, device=self._device)
        return rng.derive_keys(rng.derive_keys(runs, numbers[:, None, None]), layers[:, None])


def _note_uncaptured(model: str, on_note: OnNote | None) -> OnNote:
    def note(why: str) -> None:
        if on_note is not None:
            on_note(
                f"{model}: trains without CUDA graphs, so slower: no step can be captured ({why})"
            )

    return note


def build_networks(runs: Sequence[Run], train: Split, classes: int) -> list[nn.Module]:
    """Return each run's network before its first step; runs of one seed and rate share one."""
    _, channels, height, width = train.images.shape
    alike = {(run.seed, run.dropout): run for run in runs}
    networks = {
        key: build.build_network(run, (channels, height, width), classes)
        for key, run in alike.items()
    }
    return [networks[run.seed, run.dropout] for run in runs]


def differentiate_losses(
    losses: Tensor, parameters: Sequence[Tensor], device: torch.device
) -> tuple[Tensor | None, ...]:
    """Return the gradients of the sum of the runs' mean losses, from losses (runs, b)."""
    if device.type == "cuda":  # two launches fewer
        shares = torch.full_like(losses, 1 / losses.shape[1])
        return torch.autograd.grad(losses, parameters, shares, allow_unused=True)
    # torch checks the shape of gradients that it is given with sympy, which it imports for that
    return torch.autograd.grad(losses.mean(1).sum(), parameters, allow_unused=True)


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross entropy of each image (runs, b), from logits (runs, b, classes)."""
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(labels.shape)


def count_trained(runs: int) -> int:
    """Return how many runs train where so many are asked for: the last one of 1 or 3 twice.

    >>> [count_trained(runs) for runs in (1, 2, 3, 4, 5)]
    [2, 2, 4, 4, 5]
    """
    # three: oneDNN's weight gradient of a grouped convolution of grey images, where a processor has
    # AVX2 and no AVX-512; of 2 and of 4 to 33 runs all had the same bits
    return runs + 1 if runs in (1, 3) else runs


def _in_company(items: Sequence[T]) -> list[T]:
    more = count_trained(len(items)) - len(items)
    return [*items, *items[len(items) - more :]]
