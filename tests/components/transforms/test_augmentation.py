"""What training images go through: which numbers are drawn, and what they make of real images."""

import hashlib

import numpy as np
import pytest
import torch
from helpers.training import CPU, digits, split
from scipy import stats
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import make_dataset, measure_channels
from lrdecay.components.transforms.augmentation import BUILT_IN, Augmentation
from lrdecay.components.transforms.draw import Draw, draw_words, scale_words

ALL = {"random_crop": 2, "horizontal_flip": 0.5, "cutout": 3}


def augment(given, images: Tensor, batch: Tensor, seed=3, epoch=0, black=(0.0,)) -> Tensor:
    augmentation = Augmentation(given, black, images)
    keys = augmentation.make_keys([seed], epoch, CPU)[:, 0]
    return augmentation.apply(images[batch], batch, keys)


def colours(count=40) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 3, 8, 7), generator=generator, dtype=torch.uint8)


def test_padding_is_black_as_in_the_usual_recipe():
    """Crop in pixels, then ToTensor, then Normalize: bit for bit, in every channel."""
    images, labels = colours(), torch.arange(40) % 4
    data = make_dataset("colours", (images, labels), (images, labels)).split(0)
    mean, deviation = measure_channels(images, 255)
    batch = torch.arange(40)
    found = augment({"random_crop": 3}, data.train.images, batch, black=data.train.black)
    words = draw_words(rng.derive_keys(key_of("random_crop"), batch), 2)
    for place, (top, left) in enumerate(scale_words(words, 7).tolist()):
        cropped = vision.crop(vision.pad(images[place], [3] * 4), top, left, 8, 7)
        expected = (cropped.float() / 255 - mean) / deviation
        assert torch.equal(found[place], expected)
    assert len(set(data.train.black)) == 3


def key_of(name: str, seed=3, epoch=0) -> Tensor:
    (key,) = rng.make_keys([seed], f"augment/{name}")
    return rng.derive_keys(key, torch.tensor(epoch))


@pytest.mark.parametrize("full_scale", [255, 16])
def test_black_is_what_a_black_pixel_becomes(full_scale):
    images = (colours().int() % (full_scale + 1)).byte()
    images[0] = 0
    labels = torch.arange(40) % 2
    dataset = make_dataset("some", (images, labels), (images, labels), full_scale)
    data = dataset.split(0)
    for part in (data.train, data.test, data.train.first(2)):
        black = torch.tensor(part.black).view(-1, 1, 1).expand(3, 8, 7)
        assert torch.equal(part.images[0], black)


@pytest.mark.parametrize("given", [*({name: value} for name, value in ALL.items()), ALL])
def test_what_an_image_becomes_depends_on_the_image_alone(given):
    """Not on its place in a batch, the size of the batch, or the runs beside it."""
    images, everything = split().train.images, torch.arange(600)
    whole = augment(given, images, everything, black=split().train.black)
    order = rng.draw_order(0, 0, 600)
    for size in (1, 7, 64):
        for batch in order.split(size)[:3]:
            found = augment(given, images, batch, black=split().train.black)
            assert torch.equal(found, whole[batch])
    seeds, batches = [5, 3, 8], torch.stack([order[:16], order[16:32], order[32:48]])
    augmentation = Augmentation(given, split().train.black, images)
    keys = augmentation.make_keys(seeds, 0, CPU)
    together = augmentation.apply(images[batches], batches, keys)
    for place, seed in enumerate(seeds):
        alone = augment(given, images, batches[place], seed, black=split().train.black)
        assert torch.equal(together[place], alone)


def test_seeds_epochs_and_transforms_draw_on_their_own():
    images, batch = split().train.images, torch.arange(200)
    plain = augment(ALL, images, batch)
    for other in ({"seed": 4}, {"epoch": 1}):
        changed = augment(ALL, images, batch, **other)
        assert (changed != plain).flatten(1).any(1).float().mean() > 0.9
    assert torch.equal(augment(ALL, images, batch), plain)
    # without a crop the flips are those that there were with it
    flips = augment({"horizontal_flip": 0.5}, images, batch)
    cropped = augment({"random_crop": 2}, images, batch)
    both = augment({"random_crop": 2, "horizontal_flip": 0.5}, images, batch)
    flipped = (flips == images[batch].flip(3)).flatten(1).all(1)
    assert torch.equal(both, torch.where(flipped.view(-1, 1, 1, 1), cropped.flip(3), cropped))


def test_the_order_is_crop_flip_cutout_whatever_the_file_s():
    images, batch = split().train.images, torch.arange(50)
    black = split().train.black
    changed, keys = images[batch], {name: key_of(name) for name in ALL}
    for name in ("random_crop", "horizontal_flip", "cutout"):
        of_images = rng.derive_keys(keys[name], batch)
        words = draw_words(of_images, 2)
        changed = BUILT_IN[name](changed, words, ALL[name], torch.tensor(black))
    for given in (ALL, dict(reversed(ALL.items())), dict(sorted(ALL.items()))):
        assert torch.equal(augment(given, images, batch, black=black), changed)


def test_every_offset_is_as_likely_as_any_other():
    keys = rng.derive_keys(key_of("random_crop"), torch.arange(90_000))
    top, left = scale_words(draw_words(keys, 2), 9).unbind(1)
    counts = torch.bincount(9 * top + left, minlength=81).numpy()
    assert stats.chisquare(counts).pvalue > 0.001
    assert scale_words(torch.tensor([2**32 - 1]), 2049).tolist() == [2048]


def test_flips_have_their_probability_and_those_of_a_lower_one_are_among_them():
    images, batch = torch.arange(2.0).view(1, 1, 1, 2).repeat(20_000, 1, 1, 1), torch.arange(20_000)
    flipped = {
        rate: augment({"horizontal_flip": rate}, images, batch)[:, 0, 0, 0] == 1
        for rate in (1e-9, 0.25, 0.5, 1.0)
    }
    assert not flipped[1e-9].any()
    assert flipped[1.0].all()
    for rate in (0.25, 0.5):
        count = int(flipped[rate].sum())
        assert stats.binomtest(count, 20_000, rate).pvalue > 0.001
    assert (flipped[0.5] | ~flipped[0.25]).all()


def test_a_cut_is_centred_anywhere_and_smaller_at_the_border():
    images, batch = torch.ones(20_000, 1, 8, 8), torch.arange(20_000)
    cut = 1 - augment({"cutout": 4}, images, batch)
    sizes = torch.bincount(cut.sum((1, 2, 3)).long(), minlength=17)
    # along a side the square has 2, 3, 4, 4, 4, 4, 4 or 3 pixels
    side = np.array([0, 0, 1, 2, 5]) / 8
    expected = np.zeros(17)
    for one in range(5):
        for other in range(5):
            expected[one * other] += 20_000 * side[one] * side[other]
    there = expected > 0
    assert (sizes.numpy()[~there] == 0).all()
    assert stats.chisquare(sizes.numpy()[there], expected[there]).pvalue > 0.001


def test_a_plug_in_s_uniforms_are_uniform_exact_and_others_each_time():
    keys = rng.make_keys(range(500), "example")
    draw = Draw(keys)
    first, second = draw(20), draw(20)
    assert first.dtype == torch.float32
    assert torch.equal(Draw(keys, torch.float64)(20), first.double())
    assert torch.equal(Draw(keys[7:9])(20), first[7:9])
    assert torch.equal(Draw(keys)(5), first[:, :5])
    for values in (first, second):
        assert 0 <= values.min() < values.max() < 1
        assert stats.kstest(values.flatten().numpy(), "uniform").pvalue > 0.001
    assert abs(np.corrcoef(first.flatten(), second.flatten())[0, 1]) < 0.04
    assert len(torch.cat([first, second]).unique()) > 0.99 * 20_000


def test_what_a_seed_makes_of_real_images_is_the_same_everywhere():
    """The digest is of what this code gave on x86: integers decide, so it is the same on others."""
    data = digits().split(239)
    made = augment(ALL, data.train.images, torch.arange(300), epoch=2, black=data.train.black)
    pixels = (made * 1000).round().to(torch.int32).contiguous()
    assert hashlib.sha256(pixels.numpy().tobytes()).hexdigest()[:16] == "215aea00bfaf070c"
