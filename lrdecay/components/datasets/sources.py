"""Where datasets come from: scikit-learn's digits, torchvision's datasets, a folder of images."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrdecay.components.datasets import known_files
from lrdecay.components.datasets.dataset import Dataset, hold_out, make_dataset
from lrdecay.components.datasets.image_folder import load_image_folder
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.registry import REGISTRIES
from lrdecay.core.errors import InputError

DATA_VARIABLE = "LRDECAY_DATA"
_DIGITS_TEST = 360
_TORCHVISION = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
}
_CLASSES = {"cifar100": 100}  # of each other of torchvision's: 10
_TIMEOUT_SECONDS = 60.0


class AbsentError(InputError):
    """The dataset is not there, and was not to be downloaded."""


def load_dataset(
    spec: DatasetSpec, data_dir: Path | str | None = None, download: bool = True
) -> Dataset:
    """Read the dataset that a sweep names; download it first if it is absent and may be.

    The folder is `data_dir`, else the environment variable LRDECAY_DATA, else `data`.

    Raises `InputError` if the data are not there, cannot be had, or cannot be used.
    """
    if spec.folder is not None:
        skip = spec.on_error == "skip"
        return load_image_folder(Path(spec.folder), spec.size, spec.channels, skip)
    assert spec.name is not None
    return DATASETS[spec.name](spec.name, find_data_folder(data_dir), download)


def find_data_folder(data_dir: Path | str | None = None) -> Path:
    """Return the folder that holds the datasets: the argument, else LRDECAY_DATA, else `data`."""
    return Path(data_dir or os.environ.get(DATA_VARIABLE) or "data")


def _digits(name: str, root: Path, download: bool) -> Dataset:
    """Return scikit-learn's 1,797 real 8x8 digits, a fixed 360 of them for testing."""
    rows = torch.from_numpy(_read_digits())
    pixels, classes = rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].long()
    train, test = hold_out(pixels, classes, _DIGITS_TEST, "digits test")
    return make_dataset(name, train, test, full_scale=16)


def _read_digits() -> np.ndarray:
    """Return scikit-learn's digits, the 64 pixels of each and its class in a row.

    They are read from its file: to import scikit-learn takes longer than to train on them.
    """
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            return np.loadtxt(file, dtype=np.uint8, delimiter=",")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels]).astype(np.uint8)


def _torchvision(name: str, root: Path, download: bool) -> Dataset:
    """Return one of torchvision's datasets from the folder `root`, with a warning for each file
    that is not as it was published.

    Raises `InputError` if it is not there and may not or cannot be downloaded, or is damaged.
    """
    from torchvision import datasets

    kind = getattr(datasets, _TORCHVISION[name])
    classes = _CLASSES.get(name, 10)

    def part(train: bool) -> tuple[Tensor, Tensor]:
        # SVHN's `extra` is left out: comparisons are made without its easier images
        which: dict[str, Any] = (
            {"split": "train" if train else "test"} if name == "svhn" else {"train": train}
        )
        read = partial(kind, root=str(root), **which)
        try:
            dataset = read(download=False)
        except Exception as error:  # files may hold anything; torchvision asserts, among others
            if _ABSENT not in str(error):
                raise _damaged(name, root, error) from error
            if broken := known_files.find_broken_file(kind, root):
                raise _damaged(name, root, ValueError(broken)) from error
            if not download:
                raise AbsentError(f"{name} is not in {root.absolute()}.\n{_ADVICE}") from error
            absent = [path for path in (root, root / kind.__name__) if not path.exists()]
            try:
                with _network_timeout():
                    dataset = read(download=True)
            except Exception as failure:
                _remove_empty_folders(absent)
                raise InputError(
                    f"{name} is not in {root.absolute()}, and it could not be downloaded "
                    f"({_one_line(failure)}).\n{_ADVICE}"
                ) from failure
        images, labels = _to_tensors(dataset, name)
        if len(images) != len(labels):
            mismatch = ValueError(f"{len(images)} images have {len(labels)} labels")
            raise _damaged(name, root, mismatch)
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            found = f"its labels go from {labels.min()} to {labels.max()}"
            beyond = f"{found}, not from 0 to {classes - 1}"
            raise _damaged(name, root, ValueError(beyond))
        return images, labels

    dataset = make_dataset(name, part(train=True), part(train=False))
    odd = known_files.list_differences(kind, root)
    return replace(dataset, warnings=tuple(f"{name}: {text}" for text in odd))


def _to_tensors(dataset: Any, name: str) -> tuple[Tensor, Tensor]:
    """Return the images (n, channels, height, width) and labels (n) of a dataset of torchvision."""
    images = torch.as_tensor(dataset.data)
    if name == "svhn":  # has its channels first, and another word for labels
        return images.contiguous(), torch.as_tensor(dataset.labels).long()
    # (n, h, w) grey or (n, h, w, 3) colour
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return images.contiguous(), torch.as_tensor(dataset.targets).long()


DATASETS: dict[str, Callable[[str, Path, bool], Dataset]] = REGISTRIES["dataset"]
"""Dataset name -> what reads it, given the name, the folder of the datasets, and whether it may be
downloaded."""
DATASETS["digits"] = _digits
DATASETS.update(dict.fromkeys(_TORCHVISION, _torchvision))


_ABSENT = "download=True"  # what torchvision's error says to try where files are missing
_ADVICE = (
    f"Name the folder that holds it with --data DIR or the environment variable {DATA_VARIABLE} "
    f"(laid out as torchvision does), or start with the digits, which need no download: "
    f"lrdecay sweep digits"
)


@contextmanager
def _network_timeout() -> Iterator[None]:
    """Torchvision waits forever for a network that drops packets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _remove_empty_folders(made: Sequence[Path]) -> None:
    """Remove folders that a failed download made, outer ones first in the list, with the empty ones
    in them."""
    for path in reversed([inner for each in made for inner in (each, each / "raw")]):
        with suppress(OSError):  # not there, or something is in it
            path.rmdir()


def _damaged(name: str, root: Path, error: Exception) -> InputError:
    return InputError(
        f"{name} in {root.absolute()} cannot be read: {_one_line(error)}.\n"
        f"Fix its folder there, or remove it: what is missing is downloaded"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
