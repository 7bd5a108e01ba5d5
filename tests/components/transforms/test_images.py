"""Crops, flips and cuts of whole batches against torchvision's, image by image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from lrdecay.components.transforms.images import crop_images, cut_images, flip_images


@st.composite
def batches(draw) -> Tensor:
    count, channels = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    images = torch.randn(count, channels, height, width, generator=generator)
    layout = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    return images.contiguous(memory_format=layout)


def draw_offsets(data, images: Tensor, below: int) -> Tensor:
    values = st.lists(st.integers(0, below - 1), min_size=len(images), max_size=len(images))
    return torch.tensor(data.draw(values))


@settings(deadline=None)
@given(images=batches(), padding=st.integers(0, 12), data=st.data())
def test_crops_are_torchvision_s(images, padding, data):
    top, left = (draw_offsets(data, images, 2 * padding + 1) for _ in range(2))
    black = torch.arange(images.shape[1]) - 7.25
    before, found = images.clone(), crop_images(images, top, left, padding, black)
    assert torch.equal(images, before)
    for image, down, right, ours in zip(images, top.tolist(), left.tolist(), found, strict=True):
        planes = [
            vision.pad(plane[None], [padding] * 4, fill=float(value))
            for plane, value in zip(image, black, strict=True)
        ]
        theirs = vision.crop(torch.cat(planes), down, right, *image.shape[1:])
        assert torch.equal(ours, theirs)


@settings(deadline=None)
@given(images=batches(), data=st.data())
def test_flips_are_torchvision_s(images, data):
    flipped = draw_offsets(data, images, 2).bool()
    found = flip_images(images, flipped)
    for image, flip, ours in zip(images, flipped, found, strict=True):
        assert torch.equal(ours, vision.horizontal_flip(image) if flip else image)


@settings(deadline=None)
@given(images=batches(), side=st.integers(1, 20), data=st.data())
def test_cuts_are_torchvision_s(images, side, data):
    height, width = images.shape[2:]
    row, column = draw_offsets(data, images, height), draw_offsets(data, images, width)
    found = cut_images(images, row, column, side)
    for image, y, x, ours in zip(images, row.tolist(), column.tolist(), found, strict=True):
        top, left = max(y - side // 2, 0), max(x - side // 2, 0)
        bottom, right = min(y - side // 2 + side, height), min(x - side // 2 + side, width)
        hole = torch.zeros(len(image), 1, 1)
        theirs = vision.erase(image, top, left, bottom - top, right - left, hole)
        assert torch.equal(ours, theirs)
        assert (ours[:, y, x] == 0).all()  # the pixel that it is around, whatever the side


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stay_in_the_layout_of_a_dataset(channels):
    """That in which convolutions are fastest on a CPU."""
    images = torch.randn(4, channels, 8, 6).contiguous(memory_format=torch.channels_last)
    some = torch.tensor([0, 1, 2, 3])
    for made in (
        crop_images(images, some, some, 4, torch.zeros(channels)),
        flip_images(images, some > 1),
        cut_images(images, some, some, 2),
    ):
        assert made.is_contiguous(memory_format=torch.channels_last)
