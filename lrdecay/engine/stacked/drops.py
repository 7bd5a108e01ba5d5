"""Dropout of many runs at once, each by a stream and a rate of its own.

Tensors are named by their shape: R runs, L dropout layers, B images of a batch; a last X is
whatever comes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lrdecay.components import rng
from lrdecay.components.models import dropout
from lrdecay.engine.stacked import kernels


class Drop:
    """Dropout of all runs at once; a rate of 0 keeps everything as it is."""

    def __init__(self, keys_LR: Tensor, thresholds_LR: Tensor, scales_LR: Tensor) -> None:
        self._keys_LR, self._thresholds_LR, self._scales_LR = keys_LR, thresholds_LR, scales_LR

    def __call__(self, x_RX: Tensor, place: int) -> Tensor:
        """Return (R, B, ...) with the mask applied."""
        kept_RX, scale_R = self.draw(x_RX.shape, place)
        return dropout.apply_mask(x_RX, kept_RX, scale_R.view(-1, *(1,) * (x_RX.dim() - 1)))

    def draw(self, shape: torch.Size, place: int) -> tuple[Tensor, Tensor]:
        """Return what of (R, B, ...) is kept, and what each run's is multiplied with (R,)."""
        key_R1, threshold_R1 = self._keys_LR[place, :, None], self._thresholds_LR[place, :, None]
        kept_RX = rng.draw_mask(key_R1, threshold_R1, shape[1:], key_R1.device)
        return kept_RX, self._scales_LR[place]


class DropInKernel(Drop):
    """The same, whose masks are drawn where they are used."""

    def __call__(self, x_RX: Tensor, place: int) -> Tensor:
        """Return (R, B, ...) with the mask applied."""
        of_layer = self._keys_LR[place], self._thresholds_LR[place], self._scales_LR[place]
        return kernels.drop(x_RX, *of_layer)


class DropAtOnce(Drop):
    """The same, of layers whose sizes are known and whose rates are one: all masks are drawn when
    the first is asked for."""

    def __init__(
        self, keys_LR: Tensor, thresholds_LR: Tensor, scales_LR: Tensor, of_image: Sequence[int]
    ) -> None:
        """`of_image` is how many numbers of an image each layer has."""
        super().__init__(keys_LR, thresholds_LR, scales_LR)
        self._of_image = of_image
        self._kept: tuple[Tensor, ...] = ()

    def draw(self, shape: torch.Size, place: int) -> tuple[Tensor, Tensor]:
        """Return what of (R, B, ...) is kept, and what each run's is multiplied with (R,)."""
        counts = [shape[1] * numbers for numbers in self._of_image]
        if not self._kept:
            uniforms = rng.draw_uniforms(self._keys_LR, counts)
            kept = uniforms >= self._thresholds_LR[0, :, None]
            self._kept = kept.split([count + count % 2 for count in counts], 1)
        return self._kept[place][:, : counts[place]].view(shape), self._scales_LR[place]
