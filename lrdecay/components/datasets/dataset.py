"""Datasets as tensors: loaded once, normalised, split; a batch is then an index into them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from lrdecay.components import rng


@dataclass(frozen=True)
class Split:
    """Images (n, channels, height, width) float32, normalised, and labels (n,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Self:
        """Return the first so many, or all where there are fewer."""
        return type(self)(self.images[:count], self.labels[:count])


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
    the first 16 hex digits of the SHA-256 of shapes, images and labels.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    full_scale: int
    digest: str

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

        Each channel is shifted and scaled by the whole training set's mean and deviation.
        `train_eval` is a fixed sample of the images trained on, as many as validation holds
        (as many as it would hold by default, when it holds none).
        """
        mean, deviation = measure_channels(self.train_images, self.full_scale)

        def split_of(images: Tensor, labels: Tensor) -> Split:
            scaled = ((images.float() / self.full_scale - mean) / deviation).to(device)
            # channels_last is the layout in which CPU convolutions run twice as fast
            return Split(scaled.contiguous(memory_format=torch.channels_last), labels.to(device))

        chosen = draw_fixed_order(self.train_count, "validation")
        held, kept = chosen[:validation], chosen[validation:].sort().values
        sample = chosen[validation:][: validation or default_validation(self.train_count) or None]

        def part(index: Tensor) -> Split:
            return split_of(self.train_images[index], self.train_labels[index])

        return Data(
            train=part(kept),
            train_eval=part(sample),
            validation=part(held) if validation else None,
            test=split_of(self.test_images, self.test_labels),
            classes=self.classes,
        )


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
    name: str, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], full_scale: int = 255
) -> Dataset:
    """Return a dataset of (images, labels) for training and for testing, with its digest."""
    sha = hashlib.sha256(str(full_scale).encode())
    for tensor in (*train, *test):
        sha.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        sha.update(tensor.contiguous().numpy().tobytes())
    return Dataset(name, *train, *test, full_scale=full_scale, digest=sha.hexdigest()[:16])


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
