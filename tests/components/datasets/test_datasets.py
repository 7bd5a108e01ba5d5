"""Datasets: what is read, how it is split and normalised, and what is said when it cannot be."""

import os
import shutil
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from helpers.training import digits, split
from PIL import Image
from torch.testing import assert_close

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import (
    Dataset,
    Split,
    default_validation,
    make_dataset,
    measure_channels,
)
from lrdecay.components.datasets.image_folder import load_image_folder
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.core.errors import InputError
from lrdecay.sweep.reading import load_sweep

RNG = np.random.default_rng


def folder(path: Path, **arguments) -> Dataset:
    return sources.load_dataset(DatasetSpec(folder=str(path), **arguments))


def random_dataset(count: int = 40, channels: int = 3) -> Dataset:
    pixels = RNG(0).integers(0, 200, (count + 10, channels, 6, 5), dtype=np.uint8)
    images, labels = torch.from_numpy(pixels), torch.arange(count + 10) % 4
    train, test = (images[:count], labels[:count]), (images[count:], labels[count:])
    return make_dataset("random", train, test)


def rows(part: Split) -> list[bytes]:
    """The images of a split, each as something to compare and count."""
    return [image.numpy().tobytes() for image in part.images.contiguous()]


# Splits and normalisation


def test_channel_statistics_are_numpys():
    images = RNG(1).integers(0, 256, (50, 3, 7, 9), dtype=np.uint8)
    images[:, 1] //= 3
    mean, deviation = measure_channels(torch.from_numpy(images), 255)
    assert mean.shape == deviation.shape == (3, 1, 1)
    for got, function in ((mean, np.mean), (deviation, np.std)):
        expected = torch.from_numpy(function(images / 255, (0, 2, 3))).float()
        assert_close(got.flatten(), expected, rtol=1e-6, atol=0)


def test_a_channel_of_one_grey_is_shifted_and_not_scaled():
    images = torch.full((4, 2, 3, 3), 51, dtype=torch.uint8)
    images[:2, 1] = 0
    mean, deviation = measure_channels(images, 255)
    assert_close(mean.flatten(), torch.tensor([0.2, 0.1]))
    assert_close(deviation.flatten(), torch.tensor([1.0, 0.1]))


def test_all_parts_are_normalised_by_the_training_sets_statistics():
    dataset = random_dataset()
    parts = dataset.split(8)
    white = dataset.train_images.double().numpy() / 255
    mean, deviation = (f(white, (0, 2, 3)).reshape(3, 1, 1) for f in (np.mean, np.std))
    expected = (dataset.test_images.numpy() / 255 - mean) / deviation
    assert_close(parts.test.images.numpy(), expected.astype(np.float32), rtol=1e-5, atol=1e-6)
    assert parts.test.labels.equal(dataset.test_labels)
    whole = torch.cat([parts.train.images, parts.validation.images]).double()
    assert_close(whole.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-6)
    assert_close(whole.std((0, 2, 3), correction=0), torch.ones(3).double(), rtol=1e-6, atol=0)
    assert (parts.shape, dataset.shape, parts.classes) == ((3, 6, 5), (3, 6, 5), 4)


def test_validation_is_the_same_in_every_call_and_apart_from_training():
    dataset = random_dataset()
    parts, again = dataset.split(8), dataset.split(8)
    assert parts.validation.images.equal(again.validation.images)
    assert parts.train.images.equal(again.train.images)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (32, 8, 10)
    everything = rows(dataset.split(0).train)
    assert len(set(everything)) == 40
    assert sorted(rows(parts.train) + rows(parts.validation)) == sorted(everything)


def test_labels_stay_with_their_images():
    dataset = random_dataset()
    whole = dataset.split(0).train
    label_of = dict(zip(rows(whole), whole.labels.tolist(), strict=True))
    parts = dataset.split(8)
    for part in (parts.train, parts.validation, parts.train_eval):
        assert [label_of[row] for row in rows(part)] == part.labels.tolist()
    assert whole.labels.equal(dataset.train_labels)


def test_holding_more_out_holds_the_same_out_too():
    dataset = random_dataset()
    few, more = (rows(dataset.split(count).validation) for count in (5, 9))
    assert more[:5] == few


@pytest.mark.parametrize(("validation", "sample"), [(8, 8), (1, 1), (0, 6), (30, 10)])
def test_train_eval_is_a_sample_of_training_as_large_as_validation(validation, sample):
    parts = random_dataset().split(validation)
    assert len(set(rows(parts.train_eval))) == len(parts.train_eval) == sample
    assert set(rows(parts.train_eval)) <= set(rows(parts.train))


def test_nothing_held_out():
    parts = random_dataset().split(0)
    assert parts.validation is None
    assert len(parts.train) == 40


def test_default_validation_is_a_sixth_and_5000_at_most():
    assert [default_validation(n) for n in (60_000, 30_000, 29_999, 1437, 5)] == [
        5000,
        5000,
        4999,
        239,
        0,
    ]


def test_a_training_set_too_small_for_a_sixth_is_sampled_whole():
    assert len(random_dataset(5).split(0).train_eval) == 5


def test_images_lie_as_convolutions_like_them():
    images = random_dataset().split(8).train.images
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)


# Identity


def test_digest_sees_every_pixel_and_label_and_no_name():
    dataset = random_dataset()
    parts = {
        name: getattr(dataset, name).clone()
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    }

    def digest(name: str = "random", full_scale: int = 255) -> str:
        train = parts["train_images"], parts["train_labels"]
        test = parts["test_images"], parts["test_labels"]
        return make_dataset(name, train, test, full_scale).digest

    assert digest("another name") == dataset.digest
    changed = [digest(full_scale=16)]
    for values in parts.values():
        values.view(-1)[-1] += 1
        changed.append(digest())
        values.view(-1)[-1] -= 1
    parts["train_images"] = parts["train_images"].transpose(2, 3).contiguous()
    changed.append(digest())
    assert len({*changed, dataset.digest}) == len(changed) + 1


# Digits


def test_digits():
    dataset = digits()
    assert dataset.name == "digits"
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (1437, 360)
    assert dataset.train_count == 1437
    assert dataset.classes == 10
    assert dataset.shape == (1, 8, 8)
    for images in (dataset.train_images, dataset.test_images):
        assert images.dtype == torch.uint8
        assert (int(images.min()), int(images.max())) == (0, 16)
    assert dataset.digest == "2d78fbfd28ecef06"


def test_digits_are_scikit_learns_and_every_class_is_in_both_parts():
    from sklearn.datasets import load_digits

    dataset = digits()
    images = torch.cat([dataset.train_images, dataset.test_images]).flatten(1)
    labels = torch.cat([dataset.train_labels, dataset.test_labels])
    expected_images, expected_labels = load_digits(return_X_y=True)
    mine = sorted(zip(images.tolist(), labels.tolist(), strict=True))
    theirs = sorted(
        zip(expected_images.astype(int).tolist(), expected_labels.tolist(), strict=True)
    )
    assert mine == theirs
    assert dataset.test_labels.bincount().min() >= 25
    assert dataset.test_labels.bincount().max() <= 50


def test_digits_are_read_from_scikit_learns_file_and_without_it_by_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    expected = np.column_stack([images, labels])
    with monkeypatch.context() as patched:
        patched.setattr(datasets, "load_digits", None)  # would be an error
        found = sources._read_digits()
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)
    elsewhere = ModuleSpec("sklearn", None)
    elsewhere.submodule_search_locations = [str(tmp_path)]
    for missing in (None, elsewhere):
        monkeypatch.setattr(sources, "find_spec", lambda name, missing=missing: missing)
        assert np.array_equal(sources._read_digits(), expected)
        dataset = sources.load_dataset(DatasetSpec(name="digits"))
        assert dataset.digest == "2d78fbfd28ecef06"
    monkeypatch.setattr(datasets, "load_digits", None)
    with pytest.raises(TypeError):
        sources._read_digits()


def test_digits_are_normalised_to_mean_0_and_deviation_1():
    parts = split(239)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1198, 239, 360)
    assert parts.validation.labels[:12].tolist() == [0, 1, 6, 6, 7, 7, 0, 8, 6, 7, 3, 2]
    whole = torch.cat([parts.train.images, parts.validation.images]).double()
    assert float(whole.mean()) == pytest.approx(0, abs=1e-6)
    assert float(whole.std(correction=0)) == pytest.approx(1, rel=1e-6)


# MNIST and its kin


@pytest.fixture(scope="module")
def mnist(data_dir: Path) -> Dataset:
    return sources.load_dataset(DatasetSpec(name="mnist"), data_dir, download=False)


def test_mnist(mnist: Dataset):
    assert mnist.train_images.shape == (60_000, 1, 28, 28)
    assert mnist.test_images.shape == (10_000, 1, 28, 28)
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert mnist.classes == 10
    assert mnist.digest == "750b23afcb8f7e84"


def test_mnist_is_normalised_as_everyone_does(mnist: Dataset):
    mean, deviation = measure_channels(mnist.train_images, mnist.full_scale)
    assert round(mean.item(), 4) == 0.1307
    assert round(deviation.item(), 4) == 0.3081
    train = mnist.split(0).train.images
    assert train.double().mean().item() == pytest.approx(0, abs=1e-6)
    assert train.double().std(correction=0).item() == pytest.approx(1, rel=1e-6)
    assert train.min().item() == pytest.approx(-0.1307 / 0.3081, abs=5e-4)


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">i4").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def write_mnist_like(raw: Path) -> dict[str, np.ndarray]:
    """Write a small dataset in MNIST's format and return what is in it."""
    rng = RNG(2)
    content = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (7, 5, 6)),
        "train-labels-idx1-ubyte": np.array([0, 1, 2, 3, 0, 1, 2]),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (3, 5, 6)),
        "t10k-labels-idx1-ubyte": np.array([3, 2, 1]),
    }
    for name, values in content.items():
        write_idx(raw / name, values)
    return content


@pytest.mark.parametrize(
    ("name", "named_there"),
    [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")],
)
def test_the_mnist_family_is_read_from_torchvisions_layout(name, named_there, tmp_path):
    content = write_mnist_like(tmp_path / named_there / "raw")
    dataset = sources.load_dataset(DatasetSpec(name=name), tmp_path, download=False)
    assert dataset.name == name
    got = [dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels]
    for tensor, expected in zip(got, content.values(), strict=True):
        assert tensor.flatten().tolist() == expected.flatten().tolist()
    assert dataset.train_images.shape == (7, 1, 5, 6)
    assert dataset.train_labels.dtype == torch.int64


def test_cifar10_has_its_channels_first(monkeypatch, tmp_path):
    pixels = RNG(3).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)

    class Stub:
        def __init__(self, root: str, train: bool, download: bool) -> None:
            assert root == str(tmp_path)
            self.data = pixels if train else pixels[:2]
            self.targets = [0, 9, 3, 3, 1] if train else [9, 0]

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Stub)
    dataset = sources.load_dataset(DatasetSpec(name="cifar10"), tmp_path)
    assert dataset.shape == (3, 32, 32)
    for channel in range(3):
        assert dataset.train_images[:, channel].numpy().tolist() == pixels[..., channel].tolist()
    assert dataset.test_labels.tolist() == [9, 0]
    assert dataset.classes == 10


@pytest.fixture
def no_network(monkeypatch) -> list[str]:
    """Have every download fail at once; returns what was asked for."""
    asked: list[str] = []

    def refuse(request, *_, **__):
        asked.append(request if isinstance(request, str) else request.full_url)
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return asked


@pytest.mark.parametrize("name", sources._TORCHVISION)
def test_without_data_and_network_one_error_says_what_to_do(name, tmp_path, no_network, capfd):
    with pytest.raises(InputError) as caught:
        sources.load_dataset(DatasetSpec(name=name), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{name} is not in {tmp_path}, and it could not be downloaded (")
    assert "Name or service not known" in message.splitlines()[0]
    for hint in ("--data", "LRDECAY_DATA", "lrdecay sweep digits"):
        assert hint in message.splitlines()[1]
    assert 1 <= len(no_network) <= 2  # one file, from each of its mirrors
    assert capfd.readouterr() == ("", "")


def test_the_sweep_that_the_error_points_to_is_there():
    assert load_sweep("digits").dataset.name == "digits"


def test_nothing_is_downloaded_unless_it_may_be(tmp_path, no_network):
    with pytest.raises(InputError, match=rf"^mnist is not in {tmp_path}\.\n"):
        sources.load_dataset(DatasetSpec(name="mnist"), tmp_path, download=False)
    assert no_network == []
    assert list(tmp_path.iterdir()) == []


def test_the_argument_goes_before_the_variable_and_both_before_the_default(monkeypatch):
    monkeypatch.setenv("LRDECAY_DATA", "/from/variable")
    assert sources.find_data_folder("given") == Path("given")
    assert sources.find_data_folder() == Path("/from/variable")
    monkeypatch.setenv("LRDECAY_DATA", "")
    assert sources.find_data_folder() == Path("data")
    monkeypatch.delenv("LRDECAY_DATA")
    assert sources.find_data_folder() == Path("data")


def test_the_variable_names_the_folder(monkeypatch, tmp_path):
    content = write_mnist_like(tmp_path / "set" / "MNIST" / "raw")
    monkeypatch.setenv("LRDECAY_DATA", str(tmp_path / "set"))
    dataset = sources.load_dataset(DatasetSpec(name="mnist"), download=False)
    assert dataset.train_labels.tolist() == content["train-labels-idx1-ubyte"].tolist()
    with pytest.raises(InputError, match="other"):
        sources.load_dataset(DatasetSpec(name="mnist"), tmp_path / "other", download=False)


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("left", [0, 3, 6, 8, 9, -1])
def test_a_truncated_file_is_named_as_damage(file, left, download, tmp_path, no_network):
    raw = tmp_path / "MNIST" / "raw"
    write_mnist_like(raw)
    whole = (raw / file).read_bytes()
    (raw / file).write_bytes(whole[:left])
    with pytest.raises(InputError, match=f"mnist in {tmp_path} cannot be read: .+"):
        sources.load_dataset(DatasetSpec(name="mnist"), tmp_path, download)
    assert no_network == []


def test_labels_of_another_part_are_noticed(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    write_mnist_like(raw)
    shutil.copy(raw / "t10k-labels-idx1-ubyte", raw / "train-labels-idx1-ubyte")
    with pytest.raises(InputError, match="7 images have 3 labels"):
        sources.load_dataset(DatasetSpec(name="mnist"), tmp_path, download=False)


# Folders of images


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_folder(root: Path, parts=("train/", "test/"), height=6, width=5, each=3) -> None:
    """Write images whose red value names the class (a: 10, b: 20) and green the image."""
    for part in parts:
        for label, name in enumerate("ab", start=1):
            for number in range(each):
                pixels = np.full((height, width, 3), (10 * label, number, len(part)))
                save(root / f"{part}{name}" / f"{number}.png", pixels)


def test_train_and_test_folders(tmp_path):
    write_folder(tmp_path / "mine")
    dataset = folder(tmp_path / "mine")
    assert dataset.name == "mine"
    assert dataset.shape == (3, 6, 5)
    assert dataset.classes == 2
    for images, labels, part in [
        (dataset.train_images, dataset.train_labels, "train/"),
        (dataset.test_images, dataset.test_labels, "test/"),
    ]:
        assert labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert images[:, 0, 2, 3].tolist() == [10, 10, 10, 20, 20, 20]
        assert images[:, 1, 5, 0].tolist() == [0, 1, 2, 0, 1, 2]
        assert set(images[:, 2].flatten().tolist()) == {len(part)}


def test_one_folder_has_a_fifth_held_out_for_testing(tmp_path):
    write_folder(tmp_path, parts=("",), each=8)
    dataset, again = folder(tmp_path), folder(tmp_path)
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (12, 4)
    assert dataset.digest == again.digest
    found = [
        (int(image[0, 0, 0]), int(image[1, 0, 0]), int(label))
        for images, labels in [
            (dataset.train_images, dataset.train_labels),
            (dataset.test_images, dataset.test_labels),
        ]
        for image, label in zip(images, labels, strict=True)
    ]
    assert sorted(found) == [(10, n, 0) for n in range(8)] + [(20, n, 1) for n in range(8)]


def test_a_class_that_only_the_test_part_holds_counts():
    dataset = replace(random_dataset(), test_labels=torch.tensor([5] * 10))
    assert dataset.classes == dataset.split(5).classes == 6


def test_grey(tmp_path):
    write_folder(tmp_path)
    dataset = folder(tmp_path, channels=1)
    assert dataset.shape == (1, 6, 5)
    grey = round(0.299 * 10 + 0.587 * 2 + 0.114 * 6)
    assert dataset.train_images[2].unique().tolist() == [grey]


def test_mixed_sizes_need_a_size(tmp_path):
    write_folder(tmp_path)
    save(tmp_path / "train" / "b" / "wide.png", np.full((4, 9, 3), 200))
    with pytest.raises(InputError, match=r"2 sizes, such as 9x4 and 5x6; .*size: 32"):
        folder(tmp_path)
    dataset = folder(tmp_path, size=8)
    assert dataset.shape == (3, 8, 8)
    assert dataset.train_images[-1].unique().tolist() == [200]


def test_train_and_test_of_two_sizes_need_a_size(tmp_path):
    write_folder(tmp_path, parts=("train/",), height=6)
    write_folder(tmp_path, parts=("test/",), height=8)
    with pytest.raises(InputError, match=r"2 sizes, such as 5x6 and 5x8; .*size: 32"):
        folder(tmp_path)
    assert folder(tmp_path, size=4).shape == (3, 4, 4)


def test_resizing_averages(tmp_path):
    pixels = np.zeros((8, 8, 3))
    pixels[:, ::2] = 255
    for name in ("train/a/0.png", "train/b/0.png", "test/a/0.png", "test/b/0.png"):
        save(tmp_path / name, pixels)
    shrunk = folder(tmp_path, size=4).train_images[0]
    assert int(shrunk.min()) > 100
    assert int(shrunk.max()) < 155


def test_classes_must_be_the_same_in_both_parts(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "test" / "b").rename(tmp_path / "test" / "c")
    with pytest.raises(InputError, match="train has the classes a and b, and test has a and c"):
        folder(tmp_path)


def test_one_class_is_none(tmp_path):
    write_folder(tmp_path, parts=("",))
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(InputError, match=r"only one class, b; .* two or more"):
        folder(tmp_path)


def test_too_few_images_to_hold_any_out(tmp_path):
    write_folder(tmp_path, parts=("",), each=1)
    with pytest.raises(InputError, match="of a there is 1 image, too few to hold one out"):
        folder(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40), b"P6 1*2 2 255 " + bytes(12)],
    ids=["empty", "text", "png header", "ppm of no size"],
)
def test_an_unreadable_image_is_named(tmp_path, content):
    write_folder(tmp_path)
    bad = tmp_path / "train" / "b" / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(InputError, match=rf"{bad}: not a readable image \(.+\)"):
        folder(tmp_path)


def test_a_truncated_image_is_named(tmp_path):
    write_folder(tmp_path)
    cut = tmp_path / "test" / "a" / "1.png"
    pixels = RNG(4).integers(0, 256, (6, 5, 3))
    save(cut, pixels)
    cut.write_bytes(cut.read_bytes()[:-60])
    with pytest.raises(InputError, match=f"{cut}: not a readable image"):
        folder(tmp_path)


def test_folders_without_images(tmp_path):
    def refused(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            folder(path)
        message = str(caught.value)
        assert message.startswith(f"{path} holds no images to train on: ")
        assert message.endswith("or FOLDER/CLASS/*.png")
        return message

    assert "No such file" in refused(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "it has no folders of classes" in refused(tmp_path / "empty")
    (tmp_path / "file").write_text("no folder")
    assert "Not a directory" in refused(tmp_path / "file")
    write_folder(tmp_path / "hollow", parts=("",))
    (tmp_path / "hollow" / "c").mkdir()
    assert "there is no image of the class c (an image ends in .b" in refused(tmp_path / "hollow")


def test_the_folder_one_stands_in_has_its_name(tmp_path, monkeypatch):
    write_folder(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    assert folder(Path(".")).name == "mine"


# Kinds of images: 2x2 pixels, and what is read of them in colour and in grey


def test_a_folder_whose_name_is_no_utf_8_has_a_name_that_a_table_holds(tmp_path):
    root = tmp_path / os.fsdecode(b"mine\xff")
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (6, 5), (number, 2, 3)).save(root / name / f"{number}.png")
    assert load_image_folder(root, None, 3).name == r"mine\udcff"


def palette(**info) -> tuple[Image.Image, dict]:
    image = Image.fromarray(np.array([[0, 1], [2, 3]], dtype=np.uint8))
    image.putpalette([10, 20, 30, 255, 0, 0, 0, 255, 0, 1, 2, 3])
    assert image.mode == "P"
    return image, info


def pixels_of(values, dtype=np.uint8, mode: str | None = None) -> tuple[Image.Image, dict]:
    array = np.array(values, dtype=dtype)
    if mode is None:
        return Image.fromarray(array), {}
    return Image.frombytes(mode, (2, 2), array.tobytes()), {}


PALETTE_RGB = [(10, 20, 30), (255, 0, 0), (0, 255, 0), (1, 2, 3)]
KINDS = {
    "grey": (pixels_of([[0, 100], [200, 255]]), [(g, g, g) for g in (0, 100, 200, 255)]),
    "one bit": (pixels_of([[0, 1], [1, 0]], bool), [(g, g, g) for g in (0, 255, 255, 0)]),
    "16 bits": (
        pixels_of([[0, 257 * 50], [257 * 128, 65535]], np.uint16),
        [(g, g, g) for g in (0, 50, 128, 255)],
    ),
    "palette": (palette(), PALETTE_RGB),
    "palette, transparent": (
        palette(transparency=b"\x00\xff\x80\xff"),
        [(255, 255, 255), (255, 0, 0), (127, 255, 127), (1, 2, 3)],
    ),
    "palette, one transparent": (
        palette(transparency=0),
        [(255, 255, 255), *PALETTE_RGB[1:]],
    ),
    "alpha": (
        pixels_of([(255, 0, 0, 0), (0, 255, 0, 128), (0, 0, 0, 0), (9, 9, 9, 255)], mode="RGBA"),
        [(255, 255, 255), (127, 255, 127), (255, 255, 255), (9, 9, 9)],
    ),
    "grey alpha": (
        pixels_of([(200, 0), (200, 128), (0, 0), (9, 255)], mode="LA"),
        [(g, g, g) for g in (255, 227, 255, 9)],
    ),
    "CMYK": (
        pixels_of([(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0)], mode="CMYK"),
        [(255, 255, 255), (0, 255, 255), (0, 0, 0), (255, 0, 0)],
    ),
}


def write_kind(root: Path, image: Image.Image, info: dict) -> None:
    suffix = "tif" if image.mode in ("CMYK", "I", "F") else "png"
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (root / name).mkdir(parents=True)
        image.save(root / name / f"0.{suffix}", **info)


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_images(kind, tmp_path):
    (image, info), colours = KINDS[kind]
    write_kind(tmp_path, image, info)
    read = folder(tmp_path).train_images[0]
    assert read.permute(1, 2, 0).reshape(4, 3).tolist() == [list(colour) for colour in colours]
    grey = folder(tmp_path, channels=1).train_images[0].flatten().tolist()
    assert grey == pytest.approx([c @ np.array([0.299, 0.587, 0.114]) for c in colours], abs=1)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_images_of_32_bits_are_refused(dtype, tmp_path):
    write_kind(tmp_path, *pixels_of([[0, 1], [300, 70_000]], dtype))
    with pytest.raises(InputError, match="grey values have 32 bits"):
        folder(tmp_path)
