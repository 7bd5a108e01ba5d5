"""CIFAR-100 and SVHN: small made-up files in the published formats, read by torchvision."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision import datasets

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.core.errors import InputError

RNG = np.random.default_rng(5)
TRAIN, TEST = RNG.integers(0, 256, (2, 6, 3, 32, 32), dtype=np.uint8)
"""Images (n, channels, height, width)."""


def load(name: str, root: Path, download: bool = False) -> Dataset:
    return sources.load_dataset(DatasetSpec(name=name), root, download)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar100(root: Path, monkeypatch: pytest.MonkeyPatch, labels: list[int]) -> Path:
    """Write CIFAR-100 of six training and six test images, taken for the published files."""
    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, images in (("train", TRAIN), ("test", TEST)):
        batch = {
            "filenames": [f"{n}.png" for n in range(6)],
            "batch_label": f"{name} batch 1 of 1",
            "fine_labels": labels,
            "coarse_labels": [label // 5 for label in labels],
            "data": images.reshape(6, 3072),
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
        known = [[name, md5(folder / name)]]
        monkeypatch.setattr(datasets.CIFAR100, f"{name}_list", known)
    meta = {"fine_label_names": [f"kind {n}" for n in range(100)], "coarse_label_names": []}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    known_meta = {**datasets.CIFAR100.meta, "md5": md5(folder / "meta")}
    monkeypatch.setattr(datasets.CIFAR100, "meta", known_meta)
    return folder


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch, labels: list[int]) -> None:
    """Write SVHN of six training and six test images, taken for the published files; a 0 is
    labelled 10 there."""
    known = dict(datasets.SVHN.split_list)
    for part, images in (("train", TRAIN), ("test", TEST)):
        path = root / f"{part}_32x32.mat"
        content = {"X": images.transpose(2, 3, 1, 0), "y": np.array(labels, np.uint8)[:, None]}
        savemat(path, content, do_compression=True)
        known[part] = [known[part][0], path.name, md5(path)]
    monkeypatch.setattr(datasets.SVHN, "split_list", known)


def check_images(dataset: Dataset) -> None:
    assert dataset.shape == (3, 32, 32)
    assert np.array_equal(dataset.train_images.numpy(), TRAIN)
    assert np.array_equal(dataset.test_images.numpy(), TEST)


def test_cifar100_has_100_classes_which_are_the_fine_ones(tmp_path, monkeypatch):
    fine = [99, 0, 37, 37, 5, 61]
    write_cifar100(tmp_path, monkeypatch, fine)
    dataset = load("cifar100", tmp_path)
    check_images(dataset)
    assert dataset.train_labels.tolist() == dataset.test_labels.tolist() == fine
    assert (dataset.classes, dataset.warnings) == (100, ())


@pytest.mark.parametrize(("labels", "found"), [([0, 100], "0 to 100"), ([-1, 99], "-1 to 99")])
def test_labels_beyond_the_100_are_refused(tmp_path, monkeypatch, labels, found):
    write_cifar100(tmp_path, monkeypatch, labels * 3)
    message = rf"cifar100 in .* cannot be read: its labels go from {found}, not from 0 to 99\."
    with pytest.raises(InputError, match=message):
        load("cifar100", tmp_path)


def test_svhn_has_the_digits_and_no_ten(tmp_path, monkeypatch):
    write_svhn(tmp_path, monkeypatch, [10, 1, 9, 5, 10, 2])
    dataset = load("svhn", tmp_path)
    check_images(dataset)
    assert dataset.train_labels.tolist() == dataset.test_labels.tolist() == [0, 1, 9, 5, 0, 2]
    assert (dataset.classes, dataset.warnings) == (10, ())


def test_svhn_without_its_extra_part_is_whole(tmp_path, monkeypatch):
    write_svhn(tmp_path, monkeypatch, [10, 1, 9, 5, 10, 2])
    whole = load("svhn", tmp_path).digest
    (tmp_path / "extra_32x32.mat").write_bytes(b"no part of any comparison")
    assert load("svhn", tmp_path).digest == whole


def test_labels_beyond_the_digits_are_refused(tmp_path, monkeypatch):
    write_svhn(tmp_path, monkeypatch, [10, 1, 9, 5, 11, 2])
    message = r"svhn in .* cannot be read: its labels go from 0 to 11, not from 0 to 9"
    with pytest.raises(InputError, match=message):
        load("svhn", tmp_path)


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_a_damaged_file_of_cifar100_is_not_taken_for_an_absent_one(
    tmp_path, monkeypatch, name, download
):
    folder = write_cifar100(tmp_path, monkeypatch, [0, 1, 2, 3, 4, 5])
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    message = rf"cifar100 in .* cannot be read: {name} is not the published file\."
    with pytest.raises(InputError, match=message):
        load("cifar100", tmp_path, download)


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_damaged_file_of_svhn_is_not_taken_for_an_absent_one(
    tmp_path, monkeypatch, part, download
):
    write_svhn(tmp_path, monkeypatch, [10, 1, 9, 5, 10, 2])
    path = tmp_path / f"{part}_32x32.mat"
    path.write_bytes(path.read_bytes()[:-1])
    message = rf"svhn in .* cannot be read: {path.name} is not the published file\."
    with pytest.raises(InputError, match=message):
        load("svhn", tmp_path, download)


@pytest.mark.parametrize("name", ["cifar100", "svhn"])
def test_files_that_are_not_there_are_absent_ones(tmp_path, name):
    with pytest.raises(sources.AbsentError, match=rf"^{name} is not in {tmp_path}\.\n"):
        load(name, tmp_path)
