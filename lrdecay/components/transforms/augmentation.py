"""What the training images of runs go through: each transform with a stream of its own."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lrdecay.components import rng
from lrdecay.components.registry import REGISTRIES
from lrdecay.components.transforms.draw import Draw, draw_words, scale_words
from lrdecay.components.transforms.images import crop_images, cut_images, flip_images

TRANSFORMS: dict[str, Callable[..., Tensor]] = REGISTRIES["transform"]
"""Name in a sweep file -> function. lrdecay's own take images, two `draw_words` of each image, the
argument of the sweep file and what black is; a plug-in's, images, a `Draw`, and the argument if it
has one."""


def _crop(images: Tensor, words: Tensor, padding: int, black: Tensor) -> Tensor:
    top, left = scale_words(words, 2 * padding + 1).unbind(1)
    return crop_images(images, top, left, padding, black)


def _flip(images: Tensor, words: Tensor, probability: float, black: Tensor) -> Tensor:
    return flip_images(images, words[:, 0] < round(probability * 2**32))


def _cut(images: Tensor, words: Tensor, side: int, black: Tensor) -> Tensor:
    row = scale_words(words[:, 0], images.shape[2])
    column = scale_words(words[:, 1], images.shape[3])
    return cut_images(images, row, column, side)


BUILT_IN = {"random_crop": _crop, "horizontal_flip": _flip, "cutout": _cut}
"""lrdecay's own, in the order in which they are applied; those of plug-ins come after."""
TRANSFORMS.update(BUILT_IN)


class Augmentation:
    """The transforms of runs that are augmented alike, applied to one batch of each.

    The numbers that an image meets in an epoch depend on the run's seed, the transform's name, the
    epoch and the image's place among the training images. So they are the same whatever else
    differs between two runs: scheduler, batch size, the company, or another transform.
    """

    def __init__(self, augment: Mapping[str, Any], black: Sequence[float], like: Tensor) -> None:
        """`augment` is a run's, `black` what a black pixel is in each channel (or in all), where
        images are of the device and dtype of `like`."""
        self._values = dict(augment)
        self._built_in = [name for name in BUILT_IN if name in augment]
        self._plugged = sorted(augment.keys() - BUILT_IN.keys())
        self._black = torch.tensor(black, dtype=like.dtype, device=like.device)

    def make_keys(self, seeds: Sequence[int], epoch: int, device: torch.device) -> Tensor:
        """Return the key of each transform in an epoch (from 0): (transforms, seeds)."""
        names = *self._built_in, *self._plugged
        stacked = torch.stack([rng.make_keys(seeds, f"augment/{name}", device) for name in names])
        return rng.derive_keys(stacked, torch.full_like(stacked, epoch))

    @torch.no_grad()
    def apply(self, images: Tensor, batch: Tensor, keys: Tensor) -> Tensor:
        """Return training images as they are in an epoch.

        Args:
            images: a batch of each run, (runs, B, C, H, W), or (B, C, H, W) of one; may be
                overwritten.
            batch: their places among the training images, (runs, B), or (B,).
            keys: of `make_keys`, (transforms, runs), or (transforms,) of one.
        """
        keys = rng.derive_keys(keys[..., None], batch)
        count, changed = len(self._built_in), images.flatten(0, -4)
        if count:  # all their numbers at once: on a GPU every operation counts
            words = draw_words(keys[:count].flatten(1), 2)
            for name, own in zip(self._built_in, words, strict=True):
                changed = BUILT_IN[name](changed, own, self._values[name], self._black)
        for name, of_images in zip(self._plugged, keys[count:], strict=True):
            changed = _apply_plugin(name, self._values[name], changed, of_images)
        return changed.view(*batch.shape, *changed.shape[1:])


def call_plugin(name: str, value: Any, images: Tensor, keys: Tensor) -> Tensor:
    """Return what a plug-in's transform makes of images (B, C, H, W)."""
    given = (value,) if takes_argument(TRANSFORMS[name]) else ()
    return TRANSFORMS[name](images, Draw(keys, images.dtype), *given)


def takes_argument(function: Callable[..., Tensor]) -> bool:
    """Return whether a plug-in's transform has an argument beside images and draw; one without is
    `true` in a sweep file."""
    return len(inspect.signature(function).parameters) > 2


def _apply_plugin(name: str, value: Any, images: Tensor, keys: Tensor) -> Tensor:
    batch = keys.shape[-1]
    if keys.device.type == "cuda" or keys.dim() == 1:
        return call_plugin(name, value, images, keys.flatten())
    # a run's images alone, as on the reference engine: the bits are the same whatever it computes
    parts = zip(images.split(batch), keys.flatten(0, -2), strict=True)
    return torch.cat([call_plugin(name, value, *part) for part in parts])
