"""Which files of a folder of images are of which class and split; none of them is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import join_some, join_words

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}
"""What the folder of a split may be called, in any case."""
ENDINGS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""How the name of an image ends, in any case."""

_SPLIT_OF = {name: split for split, names in SPLITS.items() for name in names}
_SYSTEM = {"__macosx", "@eadir", "$recycle.bin", "lost+found", "system volume information"}
_VALID = (
    "Expected FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.png, with FOLDER/val/CLASS/*.png if "
    "you like, or FOLDER/CLASS/*.png"
)
_LISTED = 10


@dataclass(frozen=True)
class ImageFile:
    """The path of an image, its split as in `SPLITS`, and the number of its class."""

    path: str
    split: str
    label: int


@dataclass(frozen=True)
class FolderLayout:
    """The images of a folder, split by split; all of them are for training where it has no splits.

    `skipped` counts the files within classes that do not end as images do, by their ending, and
    `loose` the images that lie beside the classes.
    """

    classes: tuple[str, ...]
    files: tuple[ImageFile, ...]
    skipped: Mapping[str, int]
    loose: int


def find_images(root: Path) -> FolderLayout:
    """Return the images of a folder, by class and split.

    It is laid out as SPLIT/CLASS/* or as CLASS/*, itself or the one folder in it. Hidden folders
    and files are passed over, and so is what systems leave behind.

    Raises `InputError` for a folder that is not laid out so, may be meant in two ways, or has links
    that lead out of it or round in circles.
    """
    try:
        return _Search(root).find()
    except OSError as error:
        raise _no_images(root, str(error)) from error


class _Search:
    """One look through a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._home = os.path.realpath(root)
        self._skipped: Counter[str] = Counter()
        self._loose = 0

    def find(self) -> FolderLayout:
        top, names = str(self._root), self._list_folders(str(self._root))
        if len(names) == 1 and names[0].casefold() not in _SPLIT_OF:
            inner = os.path.join(top, names[0])
            if deeper := self._list_folders(inner):
                top, names = inner, deeper
        if not names:
            raise _no_images(self._root, "it has no folders of classes")
        if any(name.casefold() in _SPLIT_OF for name in names):
            places = _name_splits(top, names)
        else:
            places = {"train": top}
        return self._read_splits(top, places)

    def _read_splits(self, top: str, places: Mapping[str, str]) -> FolderLayout:
        """Return the images of splits, each in its folder."""
        self._loose += len(self._list_files(top)[0])
        classes = {split: self._list_classes(path) for split, path in places.items()}
        _refuse_other_classes(top, places, classes)
        files = []
        for split, path in places.items():
            if path != top:
                self._loose += len(self._list_files(path)[0])
            for label, name in enumerate(classes[split]):
                found = list(self._walk(os.path.join(path, name)))
                if not found:
                    what = f"there is no image of the class {sanitize_line(name)}"
                    where = "" if path == top else f" in {os.path.basename(path)}"
                    ends = f"an image ends in {', '.join(ENDINGS)}"
                    raise _no_images(self._root, f"{what}{where} ({ends})")
                files += [ImageFile(each, split, label) for each in found]
        names = tuple(map(sanitize_line, classes["train"]))
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise InputError(
                f"{sanitize_line(top)}: two classes are shown as {twice}; rename one of them"
            )
        return FolderLayout(names, tuple(files), self._skipped, self._loose)

    def _list_classes(self, path: str) -> list[str]:
        """Return the folders of classes in one of a split, or in the whole."""
        names = self._list_folders(path)
        shown = sanitize_line(path)
        if not names:
            raise InputError(
                f"{shown}: named as a split, and has no folders of classes in it. If it is a "
                f"class, give it another name. {_VALID}"
            )
        for name in names:
            within = os.path.join(path, name)
            inner = [each for each in self._list_folders(within) if each.casefold() in _SPLIT_OF]
            if inner:
                raise InputError(
                    f"{sanitize_line(os.path.join(within, inner[0]))}: a split within a class; "
                    f"splits stand above the classes. {_VALID}"
                )
        if len(names) == 1:
            raise InputError(
                f"{shown}: only one class, {sanitize_line(names[0])}; each class is a folder of "
                f"images, and there must be two or more"
            )
        return names

    def _walk(self, folder: str) -> Iterator[str]:
        """Yield the images in a folder and those below it, ordered by folder, then by name."""
        below, waiting = [], [folder]
        seen: dict[str, str] = {}  # where folders truly are, so that no link leads round
        while waiting:
            parent = waiting.pop()
            if (other := seen.setdefault(os.path.realpath(parent), parent)) != parent:
                raise InputError(
                    f"{sanitize_line(parent)}: the same folder as {sanitize_line(other)}, by a "
                    f"link; take one of them away"
                )
            below.append(parent)
            waiting += [os.path.join(parent, name) for name in self._list_folders(parent)]
        for parent in sorted(below):
            images, others = self._list_files(parent)
            self._skipped.update(os.path.splitext(name)[1].lower() for name in others)
            yield from (os.path.join(parent, name) for name in images)

    def _list_folders(self, parent: str) -> list[str]:
        """Return the names of the folders in one, in order."""
        paths = {name: os.path.join(parent, name) for name in _list_visible(parent)}
        folders = {name: path for name, path in paths.items() if os.path.isdir(path)}
        for path in folders.values():
            self._check_link(parent, path)
        return list(folders)

    def _check_link(self, parent: str, path: str) -> None:
        """Refuse a link that leads out of the folder, or to where it is from."""
        if not os.path.islink(path):
            return
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(self._home):
            raise InputError(
                f"{sanitize_line(path)}: a link to a folder that is not in "
                f"{sanitize_line(str(self._root))}; put the folder itself there"
            )
        if Path(os.path.realpath(parent)).is_relative_to(target):
            raise InputError(
                f"{sanitize_line(path)}: a link to a folder that it lies in; take it away"
            )

    def _list_files(self, parent: str) -> tuple[list[str], list[str]]:
        """Return the names of the images in a folder and of its other files, in order."""
        names = [
            name for name in _list_visible(parent) if not os.path.isdir(os.path.join(parent, name))
        ]
        images = [name for name in names if name.lower().endswith(ENDINGS)]
        return images, [name for name in names if not name.lower().endswith(ENDINGS)]


def _list_visible(parent: str) -> list[str]:
    names = os.listdir(parent)
    return sorted(name for name in names if name[0] != "." and name.casefold() not in _SYSTEM)


def _name_splits(top: str, names: list[str]) -> dict[str, str]:
    """Return the folder of each split, training first.

    Raises `InputError` where not all are splits, one is there twice, or none is for training.
    """
    shown = sanitize_line(top)
    splits: dict[str, list[str]] = {}
    others: list[str] = []
    for name in names:
        split = _SPLIT_OF.get(name.casefold())
        (others if split is None else splits.setdefault(split, [])).append(name)
    named = [name for each in splits.values() for name in each]
    if others:
        raise InputError(
            f"{shown}: {_list(named)} {'is' if len(named) == 1 else 'are'} named as a split, and "
            f"{_list(others)} not. Give either splits with the classes in them, or classes alone, "
            f"none of them named as a split ({', '.join(_SPLIT_OF)}). {_VALID}"
        )
    for split, several in splits.items():
        if len(several) > 1:
            raise InputError(
                f"{shown}: {_list(several)} each name the {split} split; keep one of them"
            )
    if "train" not in splits:
        raise InputError(
            f"{shown}: beside {_list(named)} there must be a folder named train. {_VALID}"
        )
    return {name: os.path.join(top, splits[name][0]) for name in SPLITS if name in splits}


def _refuse_other_classes(
    top: str, places: Mapping[str, str], classes: Mapping[str, list[str]]
) -> None:
    """Raise `InputError` where the classes of two splits are not the same."""
    first = classes["train"]
    for split, names in classes.items():
        if names != first:
            train, other = (os.path.basename(places[each]) for each in ("train", split))
            odd = sorted({*first} ^ {*names})
            raise InputError(
                f"{sanitize_line(top)}: {train} has the classes {_list(first)}, and {other} has "
                f"{_list(names)}; they must be the same, and {_list(odd)} "
                f"{'is' if len(odd) == 1 else 'are'} in one of them alone"
            )


def _no_images(root: Path, reason: str) -> InputError:
    shown = sanitize_line(str(root.absolute()))
    return InputError(f"{shown} holds no images to train on: {sanitize_line(reason)}\n{_VALID}")


def _list(names: list[str]) -> str:
    shown = [sanitize_line(name) for name in names]
    return join_words(shown) if len(shown) <= _LISTED else join_some(shown, _LISTED)
