"""Datasets as tensors: loaded once, normalised, split; a batch is then an index into them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrdecay import streams
from lrdecay.errors import InputError
from lrdecay.sweep import DatasetSpec

if TYPE_CHECKING:
    from PIL.Image import Image

DATA_VARIABLE = "LRDECAY_DATA"
_DIGITS_TEST = 360
_FOLDER_TEST_SHARE = 5  # one image in five, where a folder has no test part of its own


@dataclass(frozen=True)
class Split:
    """Images (n, channels, height, width) float32, normalised, and labels (n,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


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

    @property
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
        mean, deviation = channel_statistics(self.train_images, self.full_scale)

        def split_of(images: Tensor, labels: Tensor) -> Split:
            scaled = ((images.float() / self.full_scale - mean) / deviation).to(device)
            # channels_last is the layout in which CPU convolutions run twice as fast
            return Split(scaled.contiguous(memory_format=torch.channels_last), labels.to(device))

        chosen = _fixed_order(self.train_count, "validation")
        held, kept = chosen[:validation], chosen[validation:].sort().values
        sample = chosen[validation:][: validation or default_validation(self.train_count) or None]
        train = split_of(self.train_images[kept], self.train_labels[kept])
        return Data(
            train=train,
            train_eval=split_of(self.train_images[sample], self.train_labels[sample]),
            validation=split_of(self.train_images[held], self.train_labels[held])
            if validation
            else None,
            test=split_of(self.test_images, self.test_labels),
            classes=self.classes,
        )


def load(spec: DatasetSpec, data_dir: Path | str | None = None, download: bool = True) -> Dataset:
    """Read the dataset that a sweep names; download it first if it is absent and may be.

    The folder is `data_dir`, else the environment variable LRDECAY_DATA, else `data`.

    Raises `InputError` if the data are not there, cannot be had, or cannot be used.
    """
    if spec.folder is not None:
        return _load_folder(Path(spec.folder), spec.size, spec.channels)
    assert spec.name is not None
    if spec.name == "digits":
        return _load_digits()
    return _load_torchvision(spec.name, data_folder(data_dir), download)


def data_folder(data_dir: Path | str | None = None) -> Path:
    """Return the folder that holds the datasets: the argument, else LRDECAY_DATA, else `data`."""
    return Path(data_dir or os.environ.get(DATA_VARIABLE) or "data")


def default_validation(train_count: int) -> int:
    """Return how many training images are held out unless the sweep says: 5,000, or a sixth."""
    return min(5000, train_count // 6)


def channel_statistics(images: Tensor, full_scale: int) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and deviation in 0..1, each of shape (channels, 1, 1).

    >>> images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    >>> [x.item() for x in channel_statistics(images, 255)]
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


def _dataset(
    name: str, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], full_scale: int = 255
) -> Dataset:
    sha = hashlib.sha256(str(full_scale).encode())
    for tensor in (*train, *test):
        sha.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        sha.update(tensor.contiguous().numpy().tobytes())
    return Dataset(name, *train, *test, full_scale=full_scale, digest=sha.hexdigest()[:16])


def _fixed_order(count: int, purpose: str) -> Tensor:
    """Return a shuffle that is the same in every run: it belongs to the data, not to a seed."""
    return torch.argsort(streams.bits(streams.key(0, purpose), count), stable=True)


def _load_digits() -> Dataset:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy(images.astype(np.uint8)).view(-1, 1, 8, 8)
    classes = torch.from_numpy(labels).long()
    chosen = _fixed_order(len(classes), "digits test")
    test, train = chosen[:_DIGITS_TEST].sort().values, chosen[_DIGITS_TEST:].sort().values
    return _dataset(
        "digits", (pixels[train], classes[train]), (pixels[test], classes[test]), full_scale=16
    )


def _load_torchvision(name: str, root: Path, download: bool) -> Dataset:
    from torchvision import datasets

    classes: dict[str, Callable[..., Any]] = {
        "mnist": datasets.MNIST,
        "fashion_mnist": datasets.FashionMNIST,
        "kmnist": datasets.KMNIST,
        "cifar10": datasets.CIFAR10,
    }

    def read(train: bool, download: bool = False) -> Any:
        return classes[name](root=str(root), train=train, download=download)

    def part(train: bool) -> tuple[Tensor, Tensor]:
        try:
            dataset = read(train)
        except Exception as error:  # files may hold anything; torchvision asserts, among others
            if _ABSENT not in str(error):
                raise _damaged(name, root, error) from error
            if not download:
                raise InputError(f"{name} is not in {root.absolute()}.\n{_ADVICE}") from error
            try:
                dataset = read(train, download=True)
            except Exception as failure:
                raise InputError(
                    f"{name} is not in {root.absolute()}, and it could not be downloaded "
                    f"({_one_line(failure)}).\n{_ADVICE}"
                ) from failure
        images, labels = torch.as_tensor(dataset.data), torch.as_tensor(dataset.targets).long()
        if len(images) != len(labels):
            mismatch = ValueError(f"{len(images)} images have {len(labels)} labels")
            raise _damaged(name, root, mismatch)
        # (n, h, w) grey or (n, h, w, 3) colour -> (n, channels, h, w)
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return images.contiguous(), labels

    return _dataset(name, part(train=True), part(train=False))


_ABSENT = "download=True"  # what torchvision's error says to try where files are missing
_ADVICE = (
    f"Name the folder that holds it with --data DIR or the environment variable {DATA_VARIABLE} "
    f"(laid out as torchvision does), or start with the digits, which need no download: "
    f"bench/sweeps/digits.yaml"
)


def _damaged(name: str, root: Path, error: Exception) -> InputError:
    return InputError(
        f"{name} in {root.absolute()} cannot be read: {_one_line(error)}.\n"
        f"Mend its folder there, or remove it: what is missing is downloaded"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _load_folder(root: Path, size: int | None, channels: int) -> Dataset:
    """Read images laid out as ROOT/train/CLASS/* and ROOT/test/CLASS/*, or as ROOT/CLASS/*."""
    name = root.resolve().name
    if (root / "train").is_dir() and (root / "test").is_dir():
        train = _read_images(root / "train", size, channels)
        test = _read_images(root / "test", size, channels)
        if train[0].shape[1:] != test[0].shape[1:]:
            raise _mixed(root, {part[0].shape[2:] for part in (train, test)})
        if train[2] != test[2]:
            raise InputError(
                f"{root}: train has the classes {', '.join(train[2])}, and test has "
                f"{', '.join(test[2])}; they must be the same"
            )
        return _dataset(name, train[:2], test[:2])
    if (root / "train").is_dir() and any(path.is_dir() for path in (root / "train").iterdir()):
        raise InputError(f"{root}: beside the folder train there must be one named test")
    images, labels, _ = _read_images(root, size, channels)
    chosen = _fixed_order(len(labels), "folder test")
    cut = len(labels) // _FOLDER_TEST_SHARE
    test_at, train_at = chosen[:cut].sort().values, chosen[cut:].sort().values
    if cut == 0:
        raise InputError(f"{root}: {len(labels)} images are too few to hold a test set out")
    return _dataset(name, (images[train_at], labels[train_at]), (images[test_at], labels[test_at]))


def _read_images(
    root: Path, size: int | None, channels: int
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    from PIL.Image import Resampling
    from PIL.Image import open as open_image
    from torchvision.datasets import ImageFolder

    try:
        folder = ImageFolder(str(root))
    except OSError as error:
        raise InputError(
            f"{root.absolute()} holds no images to train on: {str(error).splitlines()[0]}\n"
            f"Expected FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.png, or FOLDER/CLASS/*.png"
        ) from error
    if len(folder.classes) < 2:
        raise InputError(
            f"{root}: only one class, {folder.classes[0]}; each class is a folder of images, and "
            f"there must be two or more"
        )
    arrays = []
    for path, _ in folder.samples:
        try:
            with open_image(path) as opened:
                image = _eight_bits(opened).convert("L" if channels == 1 else "RGB")
        except Exception as error:  # Pillow's readers raise many kinds on a damaged file
            raise InputError(f"{path}: not a readable image ({error})") from error
        if size is not None and image.size != (size, size):
            image = image.resize((size, size), Resampling.BILINEAR)
        arrays.append(np.asarray(image))
    sizes = {array.shape[:2] for array in arrays}
    if len(sizes) > 1:
        raise _mixed(root, sizes)
    pixels = torch.from_numpy(np.stack(arrays))
    pixels = pixels.unsqueeze(1) if channels == 1 else pixels.permute(0, 3, 1, 2)
    labels = torch.tensor([label for _, label in folder.samples])
    return pixels.contiguous(), labels, tuple(folder.classes)


def _mixed(root: Path, sizes: Collection[tuple[int, ...]]) -> InputError:
    return InputError(
        f"{root}: images of {len(sizes)} sizes, such as "
        f"{' and '.join(f'{w}x{h}' for h, w in sorted(sizes)[:2])}; "
        f"say in the sweep file what to resize them to, as in "
        f"dataset: {{folder: {root}, size: 32}}"
    )


def _eight_bits(image: Image) -> Image:
    """Return the image with 8-bit values and nothing that Pillow would convert wrongly."""
    from PIL.Image import fromarray

    if image.mode.startswith("I;16"):  # Pillow would make all above 255 white
        return fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its grey values have 32 bits; save it with 8 or 16")
    # transparency is dropped, as torchvision does; without this step Pillow may warn
    return image.convert("RGBA") if "transparency" in image.info else image
