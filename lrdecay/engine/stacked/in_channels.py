"""Layers on images with the run axis in the channels: a CPU's grouped convolution is fastest there.

Tensors are named by their shape: R runs, B images of a batch, C channels, H height, W width, and N
= R x C. Images are (B, N, H, W), channels last.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrdecay.engine.stacked import blocks, normalisation


def to_channels(x_RBCHW: Tensor) -> Tensor:
    """Return images as (B, N, H, W), channels last."""
    return x_RBCHW.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)


def from_channels(x_BNHW: Tensor, runs: int) -> Tensor:
    """Return (R, B, C, H, W)."""
    x_BRCHW: Tensor = x_BNHW.contiguous().unflatten(1, (runs, -1))
    return x_BRCHW.transpose(0, 1)


@dataclass(frozen=True)
class GroupedConvolution(blocks.Block):
    """All runs as the groups of one convolution."""

    name: str
    layer: nn.Conv2d

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Convolve each run's images with its own kernels."""
        weight_ROCHW, bias_RO = given.get(self.name, "weight"), given.find(self.name, "bias")
        bias_N = None if bias_RO is None else bias_RO.flatten()
        stride, padding, dilation = self.layer.stride, self.layer.padding, self.layer.dilation
        weight_NCHW = weight_ROCHW.flatten(0, 1)
        return F.conv2d(h, weight_NCHW, bias_N, stride, padding, dilation, groups=given.runs)


@dataclass(frozen=True)
class ChannelNorm(blocks.Block):
    """Batch normalisation of each run's channels."""

    name: str
    layer: nn.BatchNorm2d

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Normalise, and update running statistics in training."""
        names = ("weight", "bias", "running_mean", "running_var")
        # flattened, (R, C) is a view
        scale_N, shift_N, kept_mean_N, kept_variance_N = (
            given.get(self.name, each).flatten() for each in names
        )
        running_N, eps = (kept_mean_N, kept_variance_N), self.layer.eps
        if not given.training:
            return F.batch_norm(h, *running_N, scale_N, shift_N, False, 0.0, eps)
        y, mean_N, variance_N = normalisation.normalise_channels(h, scale_N, shift_N, eps)
        found = mean_N, variance_N, h.numel() // h.shape[1]
        normalisation.update_running(self.layer, running_N, found)
        return y


@dataclass(frozen=True)
class ChannelDropout(blocks.Block):
    """Dropout of images."""

    place: int

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return the images with the mask applied."""
        if given.drop is None:
            return h
        return to_channels(given.drop(from_channels(h, given.runs), self.place))


class ChannelFlatten(blocks.Block):
    """Images to rows."""

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return (R, B, F)."""
        return from_channels(h, given.runs).flatten(2)
