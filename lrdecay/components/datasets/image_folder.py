"""A folder of images of the user's own, as a dataset."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrdecay.components.datasets.dataset import Dataset, draw_of_each_class, make_dataset
from lrdecay.components.datasets.folder_layout import FolderLayout, ImageFile, find_images
from lrdecay.components.datasets.image_file import ReadImage, UnreadableError, read_image
from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import escape_bytes, sanitize_line
from lrdecay.core.text import join_words, spell_count

_TEST_ONE_IN = 5  # of each class, where a folder has no test split
_NAMED = 10
_FIX = "give one BMP, JPEG, PNG, PPM, TIFF or WebP image of 8 or 16 bits"


def load_image_folder(
    root: Path, size: int | None, channels: int, skip_unreadable: bool = False
) -> Dataset:
    """Return images laid out as ROOT/SPLIT/CLASS/* or as ROOT/CLASS/*, as `find_images` has it.

    They are resized to `size` x `size` if it is given; `channels` is 1 (grey) or 3 (RGB). Of a
    folder without a test split one image in five of each class is for testing.

    Raises `InputError` for a folder that is not laid out so, for files that are no images, unless
    these are to be skipped, for images of several sizes, and for more than fit into memory.
    """
    layout = find_images(root)
    found = _read_files(root, layout, size, channels)
    if found.unreadable and not skip_unreadable:
        raise _unreadable(root, len(layout.files), found.unreadable)
    if len(found.sizes) > 1:
        raise _mixed(root, found.sizes)
    _refuse_empty_classes(root, layout, found.files)
    pixels, notes = _join_pixels(found.images, channels)
    labels = torch.tensor([file.label for file in found.files])
    places = _place_splits(root, layout.classes, found.files, labels)
    own_test = any(file.split == "test" for file in found.files)
    own_validation = len(places["validation"]) or None
    before_test = torch.cat([places["train"], places["validation"]])
    dataset = make_dataset(
        escape_bytes(root.resolve().name),
        (pixels[before_test], labels[before_test]),
        (pixels[places["test"]], labels[places["test"]]),
        validation_count=own_validation,
    )
    # within the folder: a page that others read has these
    paths = [sanitize_line(os.path.relpath(file.path, root)) for file in found.files]
    warnings = [
        *_warn_of_files(root, layout, found),
        *_warn_of_content(pixels, labels.tolist(), paths, places),
    ]
    return replace(
        dataset,
        class_names=layout.classes,
        notes=(
            *_note_files(layout, found),
            *notes,
            *([] if own_test else [_note_test(len(places["test"]))]),
        ),
        warnings=tuple(f"{sanitize_line(dataset.name)}: {text}" for text in warnings),
    )


@dataclass(frozen=True)
class _Found:
    """The files that were read, and their images; of images of several sizes only the first ones.

    `unreadable` are the others, each with the reason, and `sizes` are (height, width).
    """

    files: list[ImageFile]
    images: list[ReadImage]
    unreadable: list[tuple[str, str]]
    sizes: set[tuple[int, int]]


def _read_files(root: Path, layout: FolderLayout, size: int | None, channels: int) -> _Found:
    home = os.path.realpath(root)
    found = _Found([], [], [], set())
    for file in layout.files:
        try:
            image = read_image(file.path, home, channels, size)
        except UnreadableError as error:
            found.unreadable.append((file.path, str(error)))
            continue
        height, width = image.pixels.shape[:2]
        found.sizes.add((height, width))
        found.files.append(file)
        if len(found.sizes) == 1:  # else they are no set of images, and need not be kept
            found.images.append(image)
        if len(found.files) == 1:
            _check_memory(root, len(layout.files), height, width, channels)
    return found


def _unreadable(root: Path, of_all: int, files: Sequence[tuple[str, str]]) -> InputError:
    """Return the error that names all files that are no images, up to a number."""
    named = [
        f"{sanitize_line(path)}: not a readable image ({sanitize_line(reason)})"
        for path, reason in files[:_NAMED]
    ]
    go_on = "or give the dataset on_error: skip to go on without"
    if len(files) == 1:
        return InputError(f"{named[0]}; {_FIX}, take the file away, {go_on} it")
    if more := len(files[_NAMED:]):
        named.append(f"and {more:,} more")
    return InputError(
        f"{sanitize_line(str(root))}: {len(files):,} of {of_all:,} files are not readable images; "
        f"{_FIX} in place of each, take them away, {go_on} them:\n" + "\n".join(named)
    )


def _refuse_empty_classes(root: Path, layout: FolderLayout, files: Sequence[ImageFile]) -> None:
    """Raise `InputError` where no image of a class of a split can be read."""
    there = {(file.split, file.label) for file in files}
    for split, label in dict.fromkeys((file.split, file.label) for file in layout.files):
        if (split, label) not in there:
            raise InputError(
                f"{sanitize_line(str(root))}: no image of the class {layout.classes[label]} in the "
                f"{split} split can be read; put some there, or take the class away"
            )


def _join_pixels(images: Sequence[ReadImage], channels: int) -> tuple[Tensor, list[str]]:
    """Return the images as one tensor (n, channels, height, width), and how those of 16 bits were
    brought to 8: all by one scale, on which their lowest value is 0 and their highest 255."""
    wide = [image.pixels for image in images if image.pixels.dtype == np.uint16]
    low = min((int(pixels.min()) for pixels in wide), default=0)
    high = max((int(pixels.max()) for pixels in wide), default=255)

    def narrow(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if pixels.dtype == np.uint16:
            shares = (pixels.astype(np.float64) - low) / max(high - low, 1)
            pixels = (255 * shares).round().astype(np.uint8)
        if channels == 1:
            return pixels[None]
        return np.stack([pixels] * 3) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    joined = torch.from_numpy(np.stack([narrow(image.pixels) for image in images]))
    note = (
        f"{spell_count(len(wide), 'image')} of 16 bits: their grey values, which go from {low:,} "
        f"to {high:,}, are scaled to 0 to 255"
    )
    return joined, [note] if wide else []


def _place_splits(
    root: Path, classes: Sequence[str], files: Sequence[ImageFile], labels: Tensor
) -> dict[str, Tensor]:
    """Return the places of each split's images; those for testing are drawn if there is no split
    of them.

    Raises `InputError` where a class has too few images to draw from.
    """
    splits = np.array([file.split for file in files])
    places = {
        split: torch.from_numpy(np.flatnonzero(splits == split))
        for split in ("train", "validation", "test")
    }
    if len(places["test"]):
        return places
    own = places["train"]
    for label, count in enumerate(labels[own].bincount(minlength=len(classes)).tolist()):
        if count < 2:
            raise InputError(
                f"{sanitize_line(str(root))}: of {classes[label]} there is 1 image, too few to "
                f"hold one out for testing; give 2 or more, or a folder named test"
            )
    drawn = draw_of_each_class(labels[own], _TEST_ONE_IN, "folder test")
    rest = torch.ones(len(own), dtype=torch.bool)
    rest[drawn] = False
    return {**places, "train": own[rest], "test": own[drawn]}


def _note_test(count: int) -> str:
    return (
        f"there is no folder of test images: one image in {_TEST_ONE_IN} of each class is held out "
        f"for testing, {count:,} in all, the same ones in every run"
    )


def _note_files(layout: FolderLayout, found: _Found) -> Iterator[str]:
    """Yield what was done to files, with their numbers."""
    if layout.skipped:
        count = spell_count(sum(layout.skipped.values()), "file")
        listed = [f"{n:,} {end or 'without ending'}" for end, n in sorted(layout.skipped.items())]
        yield f"skipped {count} without an image's ending: {join_words(listed)}"
    of_all = f"of {len(found.images):,} images"
    if composed := sum(image.composed for image in found.images):
        yield f"put on white, since transparent in places: {composed:,} {of_all}"
    if turned := sum(image.turned for image in found.images):
        yield f"turned upright, as EXIF says: {turned:,} {of_all}"


def _warn_of_files(root: Path, layout: FolderLayout, found: _Found) -> Iterator[str]:
    if layout.loose:
        yield (
            f"{spell_count(layout.loose, 'image')} beside the folders of the classes, in none of "
            f"them: left out"
        )
    if found.unreadable:
        names = [sanitize_line(os.path.relpath(path, root)) for path, _ in found.unreadable]
        more = names[_NAMED:]
        names[_NAMED:] = [f"{len(more):,} more"] if more else []
        yield (
            f"skipped {len(found.unreadable):,} of {len(layout.files):,} files, since not readable "
            f"images: {join_words(names)}"
        )


def _warn_of_content(
    pixels: Tensor,
    labels: Sequence[int],
    paths: Sequence[str],
    places: Mapping[str, Tensor],
) -> Iterator[str]:
    """Yield a sentence for images of one colour, for those that stand in two classes, and for those
    that stand in two splits."""
    flat = pixels.flatten(2)
    blank = (flat.amax(2) == flat.amin(2)).all(1).nonzero().flatten().tolist()
    if blank:
        yield (
            f"of one colour throughout: {len(blank):,} of {len(paths):,} images, such as "
            f"{paths[blank[0]]}"
        )
    names = [blake2b(image.tobytes(), digest_size=16).digest() for image in pixels.numpy()]
    seen: dict[bytes, int] = {}
    torn = [
        place
        for place, name in enumerate(names)
        if labels[seen.setdefault(name, place)] != labels[place]
    ]
    if torn:
        one, other = paths[seen[names[torn[0]]]], paths[torn[0]]
        yield (
            f"in two classes, pixel for pixel: {spell_count(len(torn), 'image')}, such as {one} "
            f"and {other}"
        )
    first = {names[place]: place for place in reversed(places["train"].tolist())}
    for split in ("validation", "test"):
        own = places[split].tolist()
        again = [place for place in own if names[place] in first]
        if again:
            one, other = paths[again[0]], paths[first[names[again[0]]]]
            yield (
                f"among the training images too, pixel for pixel: {len(again):,} of {len(own):,} "
                f"{split} images, such as {one} and {other}; they measure what was learned by heart"
            )


def _check_memory(root: Path, count: int, height: int, width: int, channels: int) -> None:
    """Refuse images that fit into no memory: a small file may hold a large one."""
    needed = count * height * width * channels * 5  # as bytes, and as float32
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise InputError(
            f"{sanitize_line(str(root))}: {count} images of {width}x{height} take "
            f"{needed / 2**30:.0f} GiB of memory, and there are {there / 2**30:.0f}; "
            f"{_advise_size(root)}"
        )


def _mixed(root: Path, sizes: Collection[tuple[int, int]]) -> InputError:
    some = " and ".join(f"{w}x{h}" for h, w in sorted(sizes)[:2])
    return InputError(f"{root}: images of {len(sizes)} sizes, such as {some}; {_advise_size(root)}")


def _advise_size(root: Path) -> str:
    return f"resize them in the sweep file, as in `dataset: {{folder: {root}, size: 32}}`"
