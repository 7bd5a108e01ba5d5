"""Whether the files of torchvision's datasets are those that their authors published."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_UNPACKED = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}
"""The MD5 of unpacked files: torchvision knows those of the archives alone (`MNIST.resources`), and
of the files of CIFAR and SVHN, which it checks itself. MNIST's, and those of Fashion-MNIST's
labels, were computed from the originals; those of its images stand beside these in tables of
several projects.
"""


def list_differences(kind: Any, root: Path) -> tuple[str, ...]:
    """Return a sentence for each file of a dataset that is not, or cannot be shown to be, as it was
    published.

    A file whose own digest is not in the table is compared with the archive that torchvision leaves
    beside it, whose digest torchvision knows.

    Args:
        kind: the class of torchvision that reads it.
        root: the folder that holds it.
    """
    packed = getattr(kind, "resources", ())  # CIFAR and SVHN have none
    return tuple(_compare_files(root, kind.__name__, packed))


def _compare_files(root: Path, name: str, packed: Sequence[tuple[str, str]]) -> Iterator[str]:
    known = _UNPACKED.get(name, {})
    for archive, md5 in packed:
        shown = Path(name, "raw", archive).with_suffix("")  # a page that others read has this
        path = root / shown
        if not path.is_file():  # torchvision has read what an old version of it left elsewhere
            yield f"{shown} is not there, so the data cannot be compared with the published files"
            return
        content = path.read_bytes()
        beside = path.with_name(archive)
        original = beside.read_bytes() if beside.is_file() else b""
        if path.name in known:
            same = _digest(content) == known[path.name]
        elif _digest(original) == md5:
            same = content == gzip.decompress(original)
        else:
            yield (
                f"{shown} cannot be compared with the published file, since that is not beside it "
                f"as {archive}"
            )
            continue
        if not same:
            yield (
                f"{shown} is not the published file (its MD5 is {_digest(content)}), so no number "
                f"from it can be compared with published ones"
            )


def find_broken_file(kind: Any, root: Path) -> str:
    """Return what is wrong with the first file of CIFAR or SVHN that is there and damaged, which
    torchvision takes for absent; nothing where none is, or for another dataset."""
    for path, md5 in _list_checked(kind, root):
        if path.is_file() and _digest(path.read_bytes()) != md5:
            return f"{path.name} is not the published file"
    return ""


def _list_checked(kind: Any, root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path and the MD5 of each file that torchvision compares with its own table."""
    for name, md5 in (*getattr(kind, "train_list", ()), *getattr(kind, "test_list", ())):
        yield root / kind.base_folder / name, md5
    if meta := getattr(kind, "meta", None):
        yield root / kind.base_folder / meta["filename"], meta["md5"]
    for part, (_, name, md5) in getattr(kind, "split_list", {}).items():
        if part in ("train", "test"):
            yield root / name, md5


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
