"""A folder of images of the user's own, as a dataset. Whatever lies in it, nothing else is read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrdecay.components.datasets.dataset import Dataset, hold_out, make_dataset
from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import escape_bytes, sanitize_line

if TYPE_CHECKING:
    from PIL.Image import Image

_TEST_SHARE = 5  # one image in five, where a folder has no test part of its own
_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Those that end as an image file must; Pillow knows others that start programs to read them."""


def load_image_folder(root: Path, size: int | None, channels: int) -> Dataset:
    """Return images laid out as ROOT/train/CLASS/* and ROOT/test/CLASS/*, or as ROOT/CLASS/*.

    They are resized to `size` x `size` if it is given; `channels` is 1 (grey) or 3 (RGB).

    Raises `InputError` for a folder that is not laid out so, holds files that are no images or
    links that lead out of it, or does not fit into memory.
    """
    name = escape_bytes(root.resolve().name)
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
    count = len(labels) // _TEST_SHARE
    if count == 0:
        raise InputError(f"{root}: {len(labels)} images are too few to hold a test set out")
    return make_dataset(name, *hold_out(images, labels, count, "folder test"))


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
    _refuse_other_files(root, folder.classes)
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
            raise InputError(
                f"{sanitize_line(path)}: a link to a folder; put the folder itself there"
            )


def _refuse_other_files(root: Path, classes: Sequence[str]) -> None:
    """torchvision passes over what does not end as an image does; hidden files may stay."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension

    for name in classes:
        for parent, folders, files in os.walk(root / name):
            folders[:] = [each for each in folders if not each.startswith(".")]
            for file in sorted(files):
                if not file.startswith(".") and not has_file_allowed_extension(
                    file, IMG_EXTENSIONS
                ):
                    endings = ", ".join(IMG_EXTENSIONS)
                    raise _no_image(os.path.join(parent, file), f"it ends in none of {endings}")


def _read_image(path: str, home: str, channels: int) -> Image:
    """Return the image in a file that must lie in the folder `home`, as RGB or grey values."""
    from PIL import Image

    if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(home):
        raise InputError(
            f"{sanitize_line(path)}: a link out of the folder of images; put the image itself there"
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


def _no_image(path: str, reason: str) -> InputError:
    return InputError(
        f"{sanitize_line(path)}: not a readable image ({sanitize_line(reason)}); give one BMP, "
        f"JPEG, PNG, PPM, TIFF or WebP image of 8 or 16 bits, or take the file away"
    )


def _check_memory(root: Path, count: int, image: np.ndarray[Any, Any]) -> None:
    """Refuse images that fit into no memory: a small file may hold a large one."""
    needed = count * image.size * 5  # as bytes, and as float32
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        height, width = image.shape[:2]
        raise InputError(
            f"{sanitize_line(str(root))}: {count} images of {width}x{height} take "
            f"{needed / 2**30:.0f} GiB of memory, and there are {there / 2**30:.0f}; "
            f"{_advise_size(root)}"
        )


def _mixed(root: Path, sizes: Collection[tuple[int, ...]]) -> InputError:
    some = " and ".join(f"{w}x{h}" for h, w in sorted(sizes)[:2])
    return InputError(f"{root}: images of {len(sizes)} sizes, such as {some}; {_advise_size(root)}")


def _advise_size(root: Path) -> str:
    return f"resize them in the sweep file, as in `dataset: {{folder: {root}, size: 32}}`"


def _eight_bits(image: Image) -> Image:
    """Return the image with 8-bit values and nothing that Pillow would convert wrongly."""
    from PIL.Image import fromarray

    if image.mode.startswith("I;16"):  # Pillow would make all above 255 white
        return fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its grey values have 32 bits; save it with 8 or 16")
    # transparency is dropped, as torchvision does; without this step Pillow may warn
    return image.convert("RGBA") if "transparency" in image.info else image
