"""Files of the bundled datasets that are not as they were published."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from helpers.image_folders import draw
from torchvision import datasets

from lrdecay.components.datasets import known_files, sources
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.core.errors import InputError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def load(root: Path, name: str = "mnist"):
    return sources.load_dataset(DatasetSpec(name=name), root, download=False)


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">i4").tobytes()
    return header + values.astype(np.uint8).tobytes()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few images in MNIST's format, taken for the published ones."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in zip(FILES, (20, 20, 10, 10), strict=True):
        labels = np.arange(count) % 10
        content = labels if "labels" in name else np.stack([draw(0, n) for n in labels])
        (raw / name).write_bytes(idx(content))
    known = {name: md5((raw / name).read_bytes()) for name in FILES}
    monkeypatch.setitem(known_files._UNPACKED, "MNIST", known)
    return raw


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def flip(path: Path, byte: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def differs(path: Path, name: str = "mnist") -> str:
    shown = path.relative_to(path.parents[2])
    return (
        f"{name}: {shown} is not the published file (its MD5 is {md5(path.read_bytes())}), so no "
        f"number from it can be compared with published ones"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_told_with_its_file(small, name):
    whole = load(small.parents[1])
    assert whole.warnings == ()
    flip(small / name, -1)
    damaged = load(small.parents[1])
    assert damaged.warnings == (differs(small / name),)
    assert damaged.digest != whole.digest


@pytest.mark.parametrize("name", [name for name in FILES if "labels" in name])
def test_labels_out_of_range_are_refused(small, name):
    flip(small / name, -1, bit=7)
    with pytest.raises(
        InputError, match=r"mnist in .* cannot be read: its labels go from 0 to 137"
    ):
        load(small.parents[1])


def test_the_originals_are_known(data_dir):
    assert load(data_dir).warnings == ()


@pytest.mark.parametrize("name", FILES[1:])
def test_one_bit_of_the_original_is_told(name, data_dir, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for each in FILES:
        (raw / each).symlink_to((data_dir / "MNIST" / "raw" / each).resolve())
    content = (raw / name).read_bytes()
    (raw / name).unlink()
    (raw / name).write_bytes(content)
    flip(raw / name, 5000)
    assert load(tmp_path).warnings == (differs(raw / name),)


def test_the_originals_labels_of_fashion_mnist_are_known_and_other_images_told(fashion_dir):
    raw = fashion_dir / "FashionMNIST" / "raw"
    known = known_files._UNPACKED["FashionMNIST"]
    as_published = [name for name in FILES if md5((raw / name).read_bytes()) == known[name]]
    assert {name for name in FILES if "labels" in name} <= {*as_published}
    others = [name for name in FILES if name not in as_published]
    assert load(fashion_dir, "fashion_mnist").warnings == tuple(
        differs(raw / n, "fashion_mnist") for n in others
    )


# Known by the archive beside it


@pytest.fixture
def packed(small: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same files as KMNIST's, each beside its archive, which torchvision knows."""
    raw = small.parents[1] / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    resources = []
    for name in FILES:
        content = (small / name).read_bytes()
        (raw / name).write_bytes(content)
        (raw / f"{name}.gz").write_bytes(gzip.compress(content))
        resources.append((f"{name}.gz", md5((raw / f"{name}.gz").read_bytes())))
    monkeypatch.setattr(datasets.KMNIST, "resources", resources)
    return raw


def test_a_file_is_compared_with_its_archive(packed):
    root = packed.parents[1]
    assert load(root, "kmnist").warnings == ()
    flip(packed / FILES[2], 40)
    assert load(root, "kmnist").warnings == (differs(packed / FILES[2], "kmnist"),)


@pytest.mark.parametrize("change", [Path.unlink, lambda path: flip(path, -1)])
def test_without_its_archive_that_cannot_be_done(packed, change):
    change(packed / f"{FILES[0]}.gz")
    assert load(packed.parents[1], "kmnist").warnings == (
        f"kmnist: KMNIST/raw/{FILES[0]} cannot be compared with the published file, since that is "
        f"not beside it as {FILES[0]}.gz",
    )


# CIFAR-10, whose files torchvision checks itself


@pytest.mark.parametrize("download", [False, True])
def test_a_damaged_batch_of_cifar10_is_not_taken_for_an_absent_one(tmp_path, download):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_3").write_bytes(b"cut short")
    with pytest.raises(InputError) as caught:
        sources.load_dataset(DatasetSpec(name="cifar10"), tmp_path, download)
    assert str(caught.value).startswith(
        f"cifar10 in {tmp_path} cannot be read: data_batch_3 is not the published file."
    )
