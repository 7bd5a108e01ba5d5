"""Where datasets come from: scikit-learn's digits, torchvision's datasets, a folder of images."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrdecay.data import Dataset, fixed_order, make_dataset
from lrdecay.errors import InputError
from lrdecay.inert import one_line
from lrdecay.specs import DatasetSpec

if TYPE_CHECKING:
    from PIL.Image import Image

DATA_VARIABLE = "LRDECAY_DATA"
_DIGITS_TEST = 360
_FOLDER_TEST_SHARE = 5  # one image in five, where a folder has no test part of its own
_TIMEOUT_SECONDS = 60.0


class AbsentError(InputError):
    """The dataset is not there, and was not to be downloaded."""


def load(spec: DatasetSpec, data_dir: Path | str | None = None, download: bool = True) -> Dataset:
    """Read the dataset that a sweep names; download it first if it is absent and may be.

    The folder is `data_dir`, else the environment variable LRDECAY_DATA, else `data`.

    Raises `InputError` if the data are not there, cannot be had, or cannot be used.
    """
    if spec.folder is not None:
        return _image_folder(Path(spec.folder), spec.size, spec.channels)
    assert spec.name is not None
    return DATASETS[spec.name](spec.name, data_folder(data_dir), download)


def data_folder(data_dir: Path | str | None = None) -> Path:
    """Return the folder that holds the datasets: the argument, else LRDECAY_DATA, else `data`."""
    return Path(data_dir or os.environ.get(DATA_VARIABLE) or "data")


def _digits(name: str, root: Path, download: bool) -> Dataset:
    """Return scikit-learn's 1,797 real 8x8 digits, a fixed 360 of them for testing."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy(images.astype(np.uint8)).view(-1, 1, 8, 8)
    classes = torch.from_numpy(labels).long()
    train, test = _hold_out(pixels, classes, _DIGITS_TEST, "digits test")
    return make_dataset(name, train, test, full_scale=16)


def _hold_out(
    images: Tensor, labels: Tensor, count: int, purpose: str
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return a training and a test part of (images, labels), the latter of `count` fixed ones."""
    chosen = fixed_order(len(labels), purpose)
    test, train = chosen[:count].sort().values, chosen[count:].sort().values
    return (images[train], labels[train]), (images[test], labels[test])


def _torchvision(name: str, root: Path, download: bool) -> Dataset:
    """Return one of torchvision's datasets from the folder `root`.

    Raises `InputError` if it is not there and may not or cannot be downloaded, or is damaged.
    """
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
                raise AbsentError(f"{name} is not in {root.absolute()}.\n{_ADVICE}") from error
            try:
                with _network_timeout():
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

    return make_dataset(name, part(train=True), part(train=False))


DATASETS: dict[str, Callable[[str, Path, bool], Dataset]] = {
    "digits": _digits,
    **dict.fromkeys(("mnist", "fashion_mnist", "kmnist", "cifar10"), _torchvision),
}
"""Dataset name -> what reads it, given the name, the folder of the datasets, and whether it may be
downloaded."""


_ABSENT = "download=True"  # what torchvision's error says to try where files are missing
_ADVICE = (
    f"Name the folder that holds it with --data DIR or the environment variable {DATA_VARIABLE} "
    f"(laid out as torchvision does), or start with the digits, which need no download: "
    f"bench/sweeps/digits.yaml"
)


@contextmanager
def _network_timeout() -> Iterator[None]:
    """Torchvision waits for ever for a network that swallows packets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _damaged(name: str, root: Path, error: Exception) -> InputError:
    return InputError(
        f"{name} in {root.absolute()} cannot be read: {_one_line(error)}.\n"
        f"Mend its folder there, or remove it: what is missing is downloaded"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _image_folder(root: Path, size: int | None, channels: int) -> Dataset:
    """Return images laid out as ROOT/train/CLASS/* and ROOT/test/CLASS/*, or as ROOT/CLASS/*.

    Raises `InputError` for a folder that is not laid out so or holds files that are no images.
    """
    name = root.resolve().name
    if (root / "train").is_dir() and (root / "test").is_dir():
        parts = [_read_images(root, part, size, channels) for part in ("train", "test")]
        (train_images, _, train_classes), (test_images, _, test_classes) = parts
        if train_images.shape[1:] != test_images.shape[1:]:
            raise _mixed(root, {images.shape[2:] for images in (train_images, test_images)})
        if train_classes != test_classes:
            raise InputError(
                f"{root}: train has the classes {', '.join(train_classes)}, and test has "
                f"{', '.join(test_classes)}; they must be the same"
            )
        return make_dataset(name, parts[0][:2], parts[1][:2])
    if (root / "train").is_dir() and any(path.is_dir() for path in (root / "train").iterdir()):
        raise InputError(f"{root}: beside the folder train there must be one named test")
    images, labels, _ = _read_images(root, "", size, channels)
    count = len(labels) // _FOLDER_TEST_SHARE
    if count == 0:
        raise InputError(f"{root}: {len(labels)} images are too few to hold a test set out")
    return make_dataset(name, *_hold_out(images, labels, count, "folder test"))


def _read_images(
    whole: Path, part: str, size: int | None, channels: int
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    from PIL.Image import Resampling
    from torchvision.datasets import ImageFolder

    root = whole / part
    try:
        _refuse_linked_folders(root, itself=bool(part))
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
    home = os.path.realpath(whole)
    arrays: list[np.ndarray[Any, Any]] = []
    sizes = set()
    for path, _ in folder.samples:
        image = _read_image(path, home, channels)
        if size is not None and image.size != (size, size):
            image = image.resize((size, size), Resampling.BILINEAR)
        sizes.add(image.size[::-1])
        if len(sizes) == 1:  # else they are no set of images, and need not be kept
            arrays.append(np.asarray(image))
            _check_memory(root, len(folder.samples), arrays[0])
    if len(sizes) > 1:
        raise _mixed(root, sizes)
    pixels = torch.from_numpy(np.stack(arrays))
    pixels = pixels.unsqueeze(1) if channels == 1 else pixels.permute(0, 3, 1, 2)
    labels = torch.tensor([label for _, label in folder.samples])
    return pixels.contiguous(), labels, tuple(folder.classes)


def _refuse_linked_folders(root: Path, itself: bool) -> None:
    """Links between folders may lead out of them, or round in circles.

    Raises `InputError` for a link below `root`, and for `root` if it must be none `itself`.
    """

    def cannot_list(error: OSError) -> None:
        raise error

    links = [str(root)] if itself else []
    for parent, folders, _ in os.walk(root, onerror=cannot_list):
        links += [os.path.join(parent, name) for name in folders]
    for path in links:
        if os.path.islink(path):
            raise InputError(f"{one_line(path)}: a link to a folder; put the folder itself there")


def _read_image(path: str, home: str, channels: int) -> Image:
    """Return the image in a file that must lie in the folder `home`, as RGB or grey values."""
    from PIL import Image

    if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(home):
        raise InputError(
            f"{one_line(path)}: a link out of the folder of images; put the image itself there"
        )
    if not os.path.isfile(path):  # a pipe would be waited for
        raise _no_image(path, "no file, but a link to nothing, a pipe or a device")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as opened:
                frames = getattr(opened, "n_frames", 1)
                if frames > 1 and opened.format != "MPO":  # a photograph with its preview
                    raise ValueError(f"it holds {frames} images, not one")
                return _eight_bits(opened).convert("L" if channels == 1 else "RGB")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels"
        raise _no_image(path, most) from error
    except Exception as error:  # Pillow's readers raise many kinds on a damaged file
        raise _no_image(path, str(error)) from error


_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Those that end as an image file must; Pillow knows others that start programs to read them."""


def _no_image(path: str, reason: str) -> InputError:
    return InputError(
        f"{one_line(path)}: not a readable image ({one_line(reason)}); give one BMP, JPEG, PNG, "
        f"PPM, TIFF or WebP image of 8 or 16 bits, or take the file away"
    )


def _check_memory(root: Path, count: int, image: np.ndarray[Any, Any]) -> None:
    """Refuse images that fit into no memory: a small file may hold a large one."""
    needed = count * image.size * 5  # as bytes, and as float32
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        height, width = image.shape[:2]
        raise InputError(
            f"{one_line(str(root))}: {count} images of {width}x{height} take {needed / 2**30:.0f} "
            f"GiB of memory, and there are {there / 2**30:.0f}; say in the sweep file what to "
            f"resize them to, as in dataset: {{folder: {root}, size: 32}}"
        )


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
