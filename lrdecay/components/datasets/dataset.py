"""Datasets as tensors: loaded once, normalised, split; a batch is then an index into them."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from lrdecay.components import rng
from lrdecay.core.data_facts import DataFacts


@dataclass(frozen=True)
class Split:
    """Images (n, channels, height, width) float32, normalised, and labels (n,) int64; `black` is
    what a black pixel is in each channel, or in all."""

    images: Tensor
    labels: Tensor
    black: tuple[float, ...] = (0.0,)

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Self:
        """Return the first so many, or all where there are fewer."""
        return replace(self, images=self.images[:count], labels=self.labels[:count])


@dataclass(frozen=True)
class Data:
    """What one run trains on. `validation` is None when the sweep holds no images out."""

    train: Split
    train_eval: Split
    validation: Split | None
    test: Split
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width


@dataclass(frozen=True)
class Dataset:
    """A dataset as it was read: uint8 images (n, channels, height, width) and int64 labels.

    `full_scale` is the grey value of white (255; 16 for the digits). `digest` names the content:
    the first 16 hex digits of the SHA-256 of shapes, images and labels. The last
    `validation_count` of the training images are a validation split of its own, if it has one.
    `notes` say how it was read, and `warnings` what is probably wrong with it.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    full_scale: int
    digest: str
    validation_count: int | None = None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def train_count(self) -> int:
        """How many training images there are before any are held out."""
        return len(self.train_labels)

    @cached_property
    def classes(self) -> int:
        """How many classes the labels name."""
        return int(torch.cat([self.train_labels, self.test_labels]).max()) + 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    def split(self, validation: int, device: torch.device | str = "cpu") -> Data:
        """Hold `validation` training images out, the same ones in every run, and normalise.

        Each channel is shifted and scaled by the whole training set's mean and deviation; a
        validation split of the dataset's own is no part of that set. `train_eval` is a fixed sample
        of the images trained on, as many as validation holds (as many as it would hold by default,
        when it holds none).

        Raises `ValueError` for another number than the dataset's own split has.
        """
        held, left = self._divide(validation)
        kept = left.sort().values
        whole = self.train_images if self.validation_count is None else self.train_images[kept]
        mean, deviation = measure_channels(whole, self.full_scale)
        black = tuple(((0 - mean) / deviation).flatten().tolist())

        def split_of(images: Tensor, labels: Tensor) -> Split:
            scaled = ((images.float() / self.full_scale - mean) / deviation).to(device)
            # channels_last is the layout in which CPU convolutions run twice as fast
            images = scaled.contiguous(memory_format=torch.channels_last)
            return Split(images, labels.to(device), black)

        sample = left[: validation or default_validation(self.train_count) or None]

        def part(index: Tensor) -> Split:
            return split_of(self.train_images[index], self.train_labels[index])

        return Data(
            train=part(kept),
            train_eval=part(sample),
            validation=part(held) if validation else None,
            test=split_of(self.test_images, self.test_labels),
            classes=self.classes,
        )

    def count_images(self, validation: int) -> DataFacts:
        """Return how many images of each class each split has if so many are held out."""
        held, left = self._divide(validation)

        def count(labels: Tensor) -> tuple[int, ...]:
            return tuple(labels.bincount(minlength=self.classes).tolist())

        return DataFacts(
            classes=self.class_names or tuple(map(str, range(self.classes))),
            train=count(self.train_labels[left]),
            validation=count(self.train_labels[held]),
            test=count(self.test_labels),
            notes=self.notes,
        )

    def _divide(self, validation: int) -> tuple[Tensor, Tensor]:
        """Return which training images are held out, and the others in a fixed, shuffled order."""
        if self.validation_count is None:
            chosen = draw_fixed_order(self.train_count, "validation")
            return chosen[:validation], chosen[validation:]
        if validation != self.validation_count:
            raise ValueError(f"its own validation split has {self.validation_count} images")
        left = self.train_count - validation
        return torch.arange(left, self.train_count), draw_fixed_order(left, "validation")


def default_validation(train_count: int) -> int:
    """Return how many training images are held out unless the sweep says: 5,000, or a sixth."""
    return min(5000, train_count // 6)


def measure_channels(images: Tensor, full_scale: int) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and deviation in 0..1, each of shape (channels, 1, 1).

    >>> images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    >>> [x.item() for x in measure_channels(images, 255)]
    [0.5, 0.5]
    """
    levels = torch.arange(256, dtype=torch.float64) / full_scale
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        share = counts / counts.sum()
        mean = (share * levels).sum()
        means.append(mean)
        deviations.append((share * (levels - mean) ** 2).sum().sqrt())
    # a channel of one grey value has no deviation to divide by
    deviation = torch.stack([d if d > 0 else torch.ones_like(d) for d in deviations])
    return torch.stack(means).float().view(-1, 1, 1), deviation.float().view(-1, 1, 1)


def make_dataset(
    name: str,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    full_scale: int = 255,
    validation_count: int | None = None,
) -> Dataset:
    """Return a dataset of (images, labels) for training and for testing, with its digest.

    The last `validation_count` of the training images are a validation split, if it is given.
    """
    sha = hashlib.sha256(str(full_scale).encode())
    if validation_count is not None:
        sha.update(f"validation {validation_count}".encode())
    for tensor in (*train, *test):
        sha.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        sha.update(tensor.contiguous().numpy().tobytes())
    digest = sha.hexdigest()[:16]
    return Dataset(name, *train, *test, full_scale, digest, validation_count)


def draw_fixed_order(count: int, purpose: str) -> Tensor:
    """Return a shuffle that is the same in every run: it belongs to the data, not to a seed."""
    return torch.argsort(rng.draw_bits(rng.make_key(0, purpose), count), stable=True)


def hold_out(
    images: Tensor, labels: Tensor, count: int, purpose: str
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return a training and a test part of (images, labels), the latter of `count` fixed ones."""
    chosen = draw_fixed_order(len(labels), purpose)
    test, train = chosen[:count].sort().values, chosen[count:].sort().values
    return (images[train], labels[train]), (images[test], labels[test])


def draw_of_each_class(labels: Tensor, one_in: int, purpose: str) -> Tensor:
    """Return the places of a fixed choice of one in so many of each class, to the nearest whole
    number and at least one, in ascending order.

    >>> draw_of_each_class(torch.tensor([0] * 10 + [1] * 4), 5, "example").tolist()
    [1, 6, 12]
    """
    order = draw_fixed_order(len(labels), purpose)
    chosen = []
    for label in labels.unique():
        own = order[labels[order] == label]
        chosen.append(own[: max(1, (len(own) + one_in // 2) // one_in)])
    return torch.cat(chosen).sort().values
