"""Folders of images: how they are laid out, what is read of each file, and what is said of it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.image_folders import SIDE, counts, draw, fill, load
from PIL import Image
from torch.testing import assert_close

from lrdecay.components.datasets.dataset import draw_of_each_class, measure_channels
from lrdecay.core.errors import InputError
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep


def refused(folder: Path, **settings: object) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, **settings)
    return str(caught.value)


def own_images(kind_counts: dict[int, range]) -> list[list]:
    """The pixels that `fill` has written, class by class."""
    return [draw(kind, n).tolist() for kind, numbers in kind_counts.items() for n in numbers]


# Splits


@pytest.mark.parametrize(
    ("train", "test"),
    [("training", "testing"), ("train", "test"), ("Train", "TEST"), ("TRAINING", "Eval")],
)
def test_splits_have_their_usual_names_in_any_case(train, test, tmp_path):
    fill(tmp_path / train, {"cat": 6, "dog": 5})
    fill(tmp_path / test, {"cat": 2, "dog": 3}, first=50)
    dataset = load(tmp_path)
    assert counts(dataset) == {"cat": [6, 0, 2], "dog": [5, 0, 3]}
    assert dataset.train_images[:, 0].tolist() == own_images({0: range(6), 1: range(5)})
    assert dataset.test_images[:, 0].tolist() == own_images({0: range(50, 52), 1: range(50, 53)})
    assert (dataset.notes, dataset.warnings) == ((), ())


@pytest.mark.parametrize("name", ["val", "Valid", "VALIDATION", "dev"])
def test_a_validation_split_is_what_every_run_holds_out(name, tmp_path):
    fill(tmp_path / "train", {"cat": 8, "dog": 7})
    fill(tmp_path / name, {"cat": 2, "dog": 3}, first=20)
    fill(tmp_path / "test", {"cat": 2, "dog": 2}, first=40)
    dataset = load(tmp_path)
    assert counts(dataset, 5) == {"cat": [8, 2, 2], "dog": [7, 3, 2]}
    data = dataset.split(5)
    mean, deviation = measure_channels(
        torch.tensor(own_images({0: range(8), 1: range(7)})).byte().unsqueeze(1), 255
    )
    for part, own in (
        (data.train, {0: range(8), 1: range(7)}),
        (data.validation, {0: range(20, 22), 1: range(20, 23)}),
        (data.test, {0: range(40, 42), 1: range(40, 42)}),
    ):
        expected = (torch.tensor(own_images(own)).float() / 255 - mean[0]) / deviation[0]
        assert_close(part.images[:, 0], expected)
    assert data.validation.labels.tolist() == [0, 0, 1, 1, 1]
    sample = {image.numpy().tobytes() for image in data.train_eval.images}
    assert len(sample) == 5
    assert sample <= {image.numpy().tobytes() for image in data.train.images}


def runs_of(dataset, more: str = ""):
    text = "dataset: {folder: mine}\nschedulers: {constant: {class: constant}}\n"
    return list_runs(parse_sweep(text + more), dataset)


def test_validation_defaults_to_the_split_and_another_number_is_refused(tmp_path):
    fill(tmp_path / "mine" / "train")
    fill(tmp_path / "mine" / "val", {"cat": 2, "dog": 1}, first=20)
    fill(tmp_path / "mine" / "test", first=40)
    dataset = load(tmp_path / "mine")
    (run,) = runs_of(dataset)
    assert run.validation == 3
    assert runs_of(dataset, "validation: 3\n") == [run]
    for other in (0, 4):
        with pytest.raises(InputError) as caught:
            runs_of(dataset, f"validation: {other}\n")
        assert str(caught.value) == (
            "validation: mine has a validation split of 3 images, which are held out in every run; "
            f"leave validation out, or give 3, not {other}"
        )
    with pytest.raises(ValueError, match="its own validation split has 3 images"):
        dataset.split(4)


def test_the_digest_knows_which_images_are_for_validation(tmp_path):
    fill(tmp_path / "whole" / "train", {"a": 4, "b": 4})
    fill(tmp_path / "parts" / "train", {"a": 4, "b": 2})
    fill(tmp_path / "parts" / "val", {"a": 1, "b": 1}, first=2)
    for name in ("whole", "parts"):
        fill(tmp_path / name / "test", {"a": 2, "b": 2}, first=30)
    plain, parts = load(tmp_path / "whole"), load(tmp_path / "parts")
    fewer = shutil.copytree(tmp_path / "parts", tmp_path / "fewer")
    (fewer / "val" / "a" / "002.png").rename(fewer / "train" / "a" / "last.png")
    fill(fewer / "val", {"a": 1}, first=9)
    assert len({plain.digest, parts.digest, load(fewer).digest}) == 3


def test_a_folder_of_splits_has_the_digest_that_it_had(tmp_path):
    """Of images of 8 bits that are opaque and upright; else its runs would train again."""
    for part, first in (("train", 0), ("test", 9)):
        fill(tmp_path / part, {"a": 2, "b": 2}, first=first)
    assert (load(tmp_path).digest, load(tmp_path, channels=3).digest) == DIGESTS


DIGESTS = ("a27ac32f01a38c43", "16cb8104ba2d19bd")


# Nesting, and what is passed over


def test_a_folder_may_lie_in_another_one_alone(tmp_path):
    fill(tmp_path / "in" / "data" / "train")
    fill(tmp_path / "in" / "data" / "test", {"cat": 3, "dog": 3}, first=50)
    fill(tmp_path / "classes" / "data")
    assert counts(load(tmp_path / "in")) == {"cat": [10, 0, 3], "dog": [10, 0, 3]}
    assert counts(load(tmp_path / "classes")) == {"cat": [8, 0, 2], "dog": [8, 0, 2]}
    assert "only one class, in;" in refused_deeper(tmp_path)


def refused_deeper(tmp_path: Path) -> str:
    (tmp_path / "deep" / "out").mkdir(parents=True)
    (tmp_path / "in").rename(tmp_path / "deep" / "out" / "in")
    return refused(tmp_path / "deep")


@pytest.mark.parametrize("junk", [".git", ".cache", "__MACOSX", "@eaDir", "lost+found"])
def test_hidden_and_system_folders_are_passed_over(junk, tmp_path):
    fill(tmp_path)
    before = load(tmp_path)
    fill(tmp_path / junk / "cat", first=70)
    fill(tmp_path / "cat" / junk, first=80)
    (tmp_path / "dog" / "._001.png").write_bytes(b"\0\5\26\7")
    after = load(tmp_path)
    assert (after.digest, after.notes, after.class_names) == (
        before.digest,
        before.notes,
        ("cat", "dog"),
    )


def test_what_does_not_end_as_an_image_is_skipped_and_counted(tmp_path):
    fill(tmp_path)
    before = load(tmp_path)
    (tmp_path / "dog" / "Thumbs.db").write_bytes(b"\0" * 100)
    for name in ("0.txt", "1.TXT", "anim.gif", "LICENSE"):
        (tmp_path / "cat" / name).write_bytes(b"GIF89a")
    after = load(tmp_path)
    assert after.digest == before.digest
    assert after.notes == (
        "skipped 5 files without an image's ending: 1 without ending, 1 .db, 1 .gif and 2 .txt",
        *before.notes,
    )


def test_images_in_no_class_are_left_out_with_a_warning(tmp_path):
    fill(tmp_path / "mine" / "train")
    fill(tmp_path / "mine" / "test", first=50)
    shutil.copy(tmp_path / "mine/test/cat/050.png", tmp_path / "mine")
    shutil.copy(tmp_path / "mine/test/cat/050.png", tmp_path / "mine" / "train")
    assert load(tmp_path / "mine").warnings == (
        "mine: 2 images beside the folders of the classes, in none of them: left out",
    )


def test_a_link_to_a_folder_is_followed_within_the_root(tmp_path):
    root = fill(tmp_path / "mine" / "train").parent
    fill(root / "test", {"cat": 4, "dog": 4}, first=50)
    fill(root / ".store", {"more": 3}, first=30)
    (root / "train" / "cat" / "linked").symlink_to("../../.store/more")
    assert counts(load(root)) == {"cat": [13, 0, 4], "dog": [10, 0, 4]}
    shutil.rmtree(root / "test")
    (root / "test").symlink_to("train")
    (warning,) = load(root).warnings
    assert warning.startswith(
        "mine: among the training images too, pixel for pixel: 23 of 23 test im"
    )


# Layouts that may be meant in two ways


def beside(*names: str):
    return lambda root: [fill(root / name) for name in names]


def class_first(root: Path) -> None:
    for name in ("cat", "dog"):
        fill(root / name, {"train": 4, "test": 2})


def unlabelled(root: Path) -> None:
    fill(root / "train")
    fill(root, {"test": 4})


AMBIGUOUS = {
    "a class beside splits": (
        lambda root: (fill(root / "train"), fill(root / "test"), fill(root, {"bird": 3})),
        ": test and train are named as a split, and bird not. Give either splits with the classes "
        "in them, or classes alone, none of them named as a split (train, training, val, valid, "
        "validation, dev, test, testing, eval). Expected FOLDER/train/CLASS/*.png",
    ),
    "a class named as a split": (
        lambda root: fill(root, {"cat": 4, "test": 4}),
        ": test is named as a split, and cat not. Give either splits",
    ),
    "two validation splits": (
        beside("train", "val", "validation", "test"),
        ": val and validation each name the validation split; keep one of them",
    ),
    "one split under two cases": (
        beside("train", "Train", "test"),
        ": Train and train each name the train split; keep one of them",
    ),
    "splits within classes": (class_first, "/cat/test: a split within a class; splits stand above"),
    "test images without classes": (
        unlabelled,
        "/test: named as a split, and has no folders of classes in it. If it is a class, give",
    ),
    "classes named as two splits": (
        lambda root: fill(root, {"train": 4, "test": 4}),
        "/train: named as a split, and has no folders of classes in it",
    ),
    "no training split": (
        beside("test"),
        ": beside test there must be a folder named train. Expec",
    ),
    "other classes in validation": (
        lambda root: (fill(root / "train"), fill(root / "val", {"cat": 2, "dgo": 2})),
        ": train has the classes cat and dog, and val has cat and dgo; they must be the same, and "
        "dgo and dog are in one of them alone",
    ),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_a_layout_that_may_be_meant_in_two_ways_is_refused(kind, tmp_path):
    make, message = AMBIGUOUS[kind]
    make(tmp_path)
    assert refused(tmp_path).startswith(f"{tmp_path}{message}")


# The test split that a folder does not have


def test_of_each_class_one_in_five_is_for_testing(tmp_path):
    fill(tmp_path, {f"c{number:02}": 10 for number in range(12)})
    dataset, again = load(tmp_path), load(tmp_path)
    assert counts(dataset) == {f"c{number:02}": [8, 0, 2] for number in range(12)}
    assert dataset.digest == again.digest
    assert dataset.notes == (
        "there is no folder of test images: one image in 5 of each class is held out for testing, "
        "24 in all, the same ones in every run",
    )
    both = [*dataset.train_images[:, 0].tolist(), *dataset.test_images[:, 0].tolist()]
    assert sorted(both) == sorted(own_images(dict.fromkeys(range(12), range(10))))


def test_a_rare_class_is_in_both_parts_and_validation_is_kept_apart(tmp_path):
    fill(tmp_path / "train", {"a": 2, "b": 3, "c": 7, "d": 23})
    fill(tmp_path / "val", dict.fromkeys("abcd", 1), first=60)
    dataset = load(tmp_path)
    assert counts(dataset, 4) == {
        "a": [1, 1, 1],
        "b": [2, 1, 1],
        "c": [6, 1, 1],
        "d": [18, 1, 5],
    }
    assert dataset.split(4).validation.labels.tolist() == [0, 1, 2, 3]


def test_the_draw_is_to_the_nearest_whole_number():
    labels = torch.tensor([0] * 12 + [1] * 13 + [2])
    chosen = draw_of_each_class(labels, 5, "a test")
    assert chosen.tolist() == sorted(chosen.tolist())
    assert labels[chosen].bincount().tolist() == [2, 3, 1]
    assert not chosen.equal(draw_of_each_class(labels, 5, "another"))


# What is read of a file


def write(root: Path, images: list[Image.Image], ending: str = "png", **info: object) -> Path:
    """Two classes with the same images for training, and blank ones for testing."""
    for name in ("a", "b"):
        for part in ("train", "test"):
            (root / part / name).mkdir(parents=True)
        for number, image in enumerate(images):
            image.save(root / "train" / name / f"{number}.{ending}", **info)
        Image.new("L", images[0].size).save(root / "test" / name / "0.png")
    return root


def test_a_shape_in_alpha_alone_is_seen(tmp_path):
    alpha = draw(1, 0)
    empty = np.zeros_like(alpha)
    write(tmp_path, [Image.fromarray(np.dstack([empty, empty, empty, alpha]))])
    for channels in (1, 3):
        dataset = load(tmp_path, channels=channels)
        for read in dataset.train_images[0]:
            assert read.tolist() == (255 - alpha).tolist()
        assert dataset.notes == ("put on white, since transparent in places: 2 of 4 images",)


def test_an_alpha_that_is_opaque_changes_nothing(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    opaque = np.dstack([colours, np.full((SIDE, SIDE), 255, np.uint8)])
    write(tmp_path / "opaque", [Image.fromarray(opaque)])
    write(tmp_path / "plain", [Image.fromarray(colours)])
    for channels in (1, 3):
        read, expected = (load(tmp_path / n, channels=channels) for n in ("opaque", "plain"))
        assert (read.digest, read.notes) == (expected.digest, ())


UPRIGHT = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.T,
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels.T[::-1, ::-1],
    8: lambda pixels: np.rot90(pixels),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_an_image_is_upright_as_exif_says(ending, orientation, tmp_path):
    pixels = draw(1, 0)[:, :8]
    exif = Image.Exif()
    exif[0x0112] = orientation
    packed = {"compression": "tiff_lzw"} if ending == "tif" else {}
    write(tmp_path, [Image.fromarray(pixels)], ending, exif=exif, **packed)
    if ending == "jpg":
        pixels = np.asarray(Image.open(tmp_path / "train" / "a" / "0.jpg"))
    expected = UPRIGHT[orientation](pixels)
    for part in ("a", "b"):
        Image.fromarray(expected * 0).save(tmp_path / "test" / part / "0.png")
    dataset = load(tmp_path)
    assert dataset.train_images[0, 0].tolist() == expected.tolist()
    if ending != "tif":  # which Pillow turns itself
        said = ("turned upright, as EXIF says: 2 of 4 images",)
        assert dataset.notes == (said if orientation > 1 else ())


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_tiff_that_pillow_mixes_up_is_refused(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = draw(1, 0)
    write(tmp_path, [Image.fromarray(pixels)], "tif", exif=exif)
    if orientation > 4:
        assert refused(tmp_path).count("a TIFF without compression that lies on its side; sav") == 2
    else:
        expected = UPRIGHT[orientation](pixels)
        assert load(tmp_path).train_images[0, 0].tolist() == expected.tolist()


def test_exif_that_is_damaged_is_not_followed(tmp_path):
    image = Image.fromarray(draw(0, 0))
    write(tmp_path, [image], "png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert load(tmp_path).train_images[0, 0].tolist() == draw(0, 0).tolist()


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_16_bits_are_scaled_by_the_range_that_all_of_them_have(ending, tmp_path):
    """Here 12 bits of them are used, as by many cameras and microscopes."""
    dark, light = draw(0, 0).astype(np.uint16) * 2 + 100, draw(0, 1).astype(np.uint16) * 20
    write(tmp_path, [Image.fromarray(dark), Image.fromarray(light)], ending)
    low, high = min(dark.min(), light.min()), max(dark.max(), light.max())
    dataset = load(tmp_path, channels=3)
    for read, values in zip(dataset.train_images, (dark, light), strict=False):
        expected = np.round((values - low.astype(float)) * 255 / (high - low))
        for channel in read:
            assert channel.tolist() == expected.tolist()
    assert dataset.notes == (
        f"4 images of 16 bits: their grey values, which go from {low} to {high:,}, are scaled to 0 "
        f"to 255",
    )


def test_16_bits_are_resized_too_and_leave_8_bits_as_they_are(tmp_path):
    deep = np.zeros((SIDE, SIDE), np.uint16)
    deep[:, : SIDE // 2] = 3000
    write(tmp_path, [Image.fromarray(deep), Image.fromarray(draw(0, 0))])
    dataset = load(tmp_path, size=4)
    assert dataset.train_images[0, 0, :, 0].tolist() == [255] * 4
    assert dataset.train_images[0, 0, :, 3].tolist() == [0] * 4
    small = Image.fromarray(draw(0, 0)).resize((4, 4), Image.Resampling.BILINEAR)
    assert dataset.train_images[1, 0].tolist() == np.asarray(small).tolist()


# Files that cannot be read


def broken(tmp_path: Path) -> Path:
    root = fill(tmp_path / "mine", {"cat": 20, "dog": 20})
    whole = (root / "cat" / "004.png").read_bytes()
    (root / "cat" / "003.png").write_bytes(whole[:60])
    (root / "cat" / "005.png").write_bytes(b"")
    (root / "dog" / "007.png").write_bytes(b"not an image")
    return root


def test_all_unreadable_files_are_named_at_once(tmp_path):
    root = broken(tmp_path)
    first, *lines = refused(root).splitlines()
    assert first == (
        f"{root}: 3 of 40 files are not readable images; give one BMP, JPEG, PNG, PPM, TIFF or "
        f"WebP image of 8 or 16 bits in place of each, take them away, or give the dataset "
        f"on_error: skip to go on without them:"
    )
    assert [line.split(": ")[0] for line in lines] == [
        str(root / name) for name in ("cat/003.png", "cat/005.png", "dog/007.png")
    ]
    assert all(re.search(r": not a readable image \(.+\)$", line) for line in lines)


def test_of_many_unreadable_files_the_first_ones_are_named(tmp_path):
    root = fill(tmp_path, {"cat": 14, "dog": 14})
    for number in range(13):
        (root / "dog" / f"{number:03}.png").write_bytes(b"")
    first, *lines = refused(root).splitlines()
    assert first.startswith(f"{root}: 13 of 28 files are not readable images; ")
    assert len(lines) == 11
    assert lines[-1] == "and 3 more"


def test_unreadable_files_may_be_skipped(tmp_path):
    root = broken(tmp_path)
    dataset = load(root, on_error="skip")
    assert sum(map(sum, counts(dataset).values())) == 37
    assert dataset.warnings == (
        "mine: skipped 3 of 40 files, since not readable images: cat/003.png, cat/005.png and "
        "dog/007.png",
    )
    for name in ("cat/003.png", "cat/005.png", "dog/007.png"):
        (root / name).unlink()
    assert load(root).digest == dataset.digest
    assert load(root, on_error="skip").warnings == ()


def test_a_class_of_which_nothing_can_be_read_is_refused(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", {"cat": 3, "dog": 1}, first=50)
    (tmp_path / "test" / "dog" / "050.png").write_bytes(b"")
    assert refused(tmp_path, on_error="skip") == (
        f"{tmp_path}: no image of the class dog in the test split can be read; put some there, or "
        f"take the class away"
    )


# Images of which nothing can be learned


def test_images_of_one_colour_are_counted(tmp_path):
    root = fill(tmp_path / "mine")
    for number, grey in enumerate((0, 90)):
        Image.new("L", (SIDE, SIDE), grey).save(root / "dog" / f"{number:03}.png")
    assert load(root).warnings == (
        "mine: of one colour throughout: 2 of 20 images, such as dog/000.png",
    )


def test_images_in_two_splits_are_counted_by_content(tmp_path):
    root = fill(tmp_path / "mine" / "train").parent
    fill(root / "val", {"cat": 4, "dog": 4}, first=8)  # two of each are in train
    fill(root / "test", {"cat": 3, "dog": 3}, first=50)
    Image.fromarray(draw(1, 5)).save(root / "test" / "cat" / "new.bmp")
    assert load(root).warnings == (
        "mine: in two classes, pixel for pixel: 1 image, such as train/dog/005.png and "
        "test/cat/new.bmp",
        "mine: among the training images too, pixel for pixel: 4 of 8 validation images, such as "
        "val/cat/008.png and train/cat/008.png; they measure what was learned by heart",
        "mine: among the training images too, pixel for pixel: 1 of 7 test images, such as "
        "test/cat/new.bmp and train/dog/005.png; they measure what was learned by heart",
    )


def test_links_that_lead_round_are_refused(tmp_path):
    root = fill(tmp_path / "mine", {"cat": 5, "dog": 5})
    (root / "cat" / "more").symlink_to(root / "dog")
    assert "in two classes, pixel for pixel: 5 images" in " ".join(load(root).warnings)
    (root / "dog" / "more").symlink_to(root / "cat")
    with pytest.raises(InputError) as caught:
        load(root)
    assert str(caught.value) == (
        f"{root}/cat/more/more: the same folder as {root}/cat, by a link; take one of them away"
    )


def test_classes_that_are_shown_alike_are_refused(tmp_path):
    root = fill(tmp_path / "mine", {"x\ny": 5, "x\\ny": 5, "z": 5})
    with pytest.raises(InputError, match=r"two classes are shown as x\\ny; rename one of them$"):
        load(root)


def test_copies_are_found_where_the_test_split_was_drawn(tmp_path):
    fill(tmp_path / "mine", {"cat": 5, "dog": 5})
    for name in ("cat", "dog"):
        for number in range(5):
            source = tmp_path / "mine" / name / f"{number:03}.png"
            shutil.copy(source, source.with_name(f"copy{number}.png"))
    dataset = load(tmp_path / "mine")
    train = {image.numpy().tobytes() for image in dataset.train_images}
    again = sum(image.numpy().tobytes() in train for image in dataset.test_images)
    assert again > 0
    assert dataset.warnings[0].startswith(
        f"mine: among the training images too, pixel for pixel: {again} of 4"
    )


def test_the_settings_of_a_folder_are_no_named_datasets():
    with pytest.raises(InputError, match=r"dataset\.on_error: mnist does not take it; only a fold"):
        parse_sweep("dataset: {name: mnist, on_error: skip}\nschedulers: {c: {class: constant}}\n")
    with pytest.raises(InputError, match=r"dataset\.on_error: must be one of 'stop', 'skip'|stop"):
        parse_sweep("dataset: {folder: x, on_error: warn}\nschedulers: {c: {class: constant}}\n")
