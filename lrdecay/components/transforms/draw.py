"""Random numbers of images, each image's from a stream of its own."""

import torch
from torch import Tensor

from lrdecay.components import rng


class Draw:
    """Uniforms for a batch of images, as a plug-in's transform calls for them.

    Each call gives others. What an image gets depends on its key alone, never on the images beside
    it, and is the same on every device.
    """

    def __init__(self, keys: Tensor, dtype: torch.dtype = torch.float32) -> None:
        self._keys = keys
        self._dtype = dtype
        self._calls = 0

    def __call__(self, count: int) -> Tensor:
        """Return `count` uniforms of each image, from 0 to below 1: (B, count)."""
        call = torch.full_like(self._keys, self._calls)
        self._calls += 1
        # the upper 24 bits, which float32 holds exactly
        return (draw_words(rng.derive_keys(self._keys, call), count) >> 8).to(self._dtype) / 2**24


def draw_words(keys: Tensor, count: int) -> Tensor:
    """Return `count` random whole numbers of each key, from 0 to below 2**32: (..., count)."""
    # >> on int64 copies the sign bit, so it is masked off
    return (rng.draw_bits(keys[..., None], count, keys.device) >> 32) & 0xFFFFFFFF


def scale_words(words: Tensor, below: int) -> Tensor:
    """Return whole numbers from 0 to below 2**32 as ones from 0 to `below`, which is left out; none
    is likelier than another by more than `below` / 2**32.

    >>> scale_words(torch.tensor([0, 2**31, 2**32 - 1]), 9).tolist()
    [0, 4, 8]
    """
    return (words * below) >> 32
