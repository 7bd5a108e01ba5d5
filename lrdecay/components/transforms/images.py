"""The transforms of lrdecay's own, of a batch of images with an offset for each.

Images are (B, channels, height, width), offsets (B,). Numbers are only moved and replaced, never
computed with, so that a transform has the same bits everywhere.
"""

import torch
from torch import Tensor


def crop_images(images: Tensor, top: Tensor, left: Tensor, padding: int, black: Tensor) -> Tensor:
    """Return what of each image lies at an offset, after `padding` pixels of `black` (channels,) on
    all sides: of the same size, as torchvision's `RandomCrop(size, padding)` cuts it out."""
    height, width = images.shape[2:]
    rows = _count(height, images) + (top[:, None] - padding)
    columns = _count(width, images) + (left[:, None] - padding)
    nearest, beside = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    places = _count(len(images), images)[:, None, None], nearest[:, :, None], beside[:, None, :]
    # channels last, as a dataset's images lie in memory, and so do these
    picked = images.permute(0, 2, 3, 1)[places]
    inside = (rows == nearest)[:, :, None] & (columns == beside)[:, None, :]
    return torch.where(inside[..., None], picked, black).permute(0, 3, 1, 2)


def flip_images(images: Tensor, flipped: Tensor) -> Tensor:
    """Return the images, those that are `flipped` with left and right exchanged."""
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


def cut_images(images: Tensor, row: Tensor, column: Tensor, side: int) -> Tensor:
    """Return the images with zeros in a square around a pixel each, cut off at the border: it goes
    from `side // 2` pixels before that pixel on."""
    rows = _count(images.shape[2], images) - (row[:, None] - side // 2)
    columns = _count(images.shape[3], images) - (column[:, None] - side // 2)
    square = _within(rows, side)[:, :, None] & _within(columns, side)[:, None, :]
    return torch.where(square[:, None], 0, images)


def _count(number: int, like: Tensor) -> Tensor:
    return torch.arange(number, device=like.device)


def _within(places: Tensor, end: int) -> Tensor:
    return (places >= 0) & (places < end)
