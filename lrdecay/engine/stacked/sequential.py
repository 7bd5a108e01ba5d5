"""Many copies of a plain sequence of layers as one, without vmap: each layer one operation.

Between the layers the images of all runs are one 4-dimensional tensor, with the run axis folded
either into the channels, where a CPU's grouped convolution is fastest, or into the batch, where
batched matrix products are. After `nn.Flatten` they are rows (runs, batch, features).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrdecay.components.models.dropout import StreamDropout
from lrdecay.engine.layers import Layers

Values = Mapping[str, Tensor]
Drop = Callable[[Tensor, int], Tensor]
"""Applies the mask of a dropout layer, by its place among them, to (runs, batch, ...)."""


class Chain(ABC):
    """The layers of one network, run for all copies."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers

    def __call__(self, values: Values, images: Tensor, runs: int, drop: Drop | None) -> Tensor:
        """Return logits (runs, batch, classes).

        `images` are (runs, batch, channels, height, width), or without the run axis where all runs
        see the same. `drop` is None in evaluation.
        """
        h = self._enter(images if images.dim() == 5 else images.expand(runs, *images.shape))
        flat = False
        dropouts = 0
        for name, layer in self._layers:
            match layer:
                case nn.Conv2d():
                    h = self._conv2d(layer, h, values[f"{name}.weight"], values.get(f"{name}.bias"))
                case nn.BatchNorm2d():
                    h = self._batch_norm(layer, h, _of(name, values), training=drop is not None)
                case nn.Linear():
                    h = _linear(h, values[f"{name}.weight"], values.get(f"{name}.bias"))
                case nn.Flatten():
                    h, flat = self._leave(h, runs).flatten(2), True
                case StreamDropout():
                    if drop is not None:
                        h = drop(h, dropouts) if flat else self._drop(h, runs, drop, dropouts)
                    dropouts += 1
                case _:
                    h = layer(h)
        return h

    def _drop(self, h: Tensor, runs: int, drop: Drop, index: int) -> Tensor:
        return self._enter(drop(self._leave(h, runs), index))

    @abstractmethod
    def _enter(self, images: Tensor) -> Tensor:
        """Fold the run axis of (runs, batch, channels, height, width)."""

    @abstractmethod
    def _leave(self, h: Tensor, runs: int) -> Tensor:
        """Return (runs, batch, channels, height, width)."""

    @abstractmethod
    def _conv2d(self, layer: nn.Conv2d, h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve each run's images with its own weight (runs, out, in, height, width)."""

    @abstractmethod
    def _batch_norm(
        self, layer: nn.BatchNorm2d, h: Tensor, values: Values, training: bool
    ) -> Tensor:
        """Normalise each run's channels, and update its running statistics in training."""


class InChannels(Chain):
    """The run axis is in the channels, (batch, runs x channels, height, width), channels last."""

    def _enter(self, images: Tensor) -> Tensor:
        return _to_channels(images)

    def _leave(self, h: Tensor, runs: int) -> Tensor:
        return _from_channels(h, runs)

    def _conv2d(self, layer: nn.Conv2d, h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(
            h,
            weight.flatten(0, 1),
            None if bias is None else bias.flatten(),
            layer.stride,
            layer.padding,
            layer.dilation,
            groups=len(weight),
        )

    def _batch_norm(
        self, layer: nn.BatchNorm2d, h: Tensor, values: Values, training: bool
    ) -> Tensor:
        return _batch_norm(layer, h, values, training)


class InBatch(Chain):
    """The run axis is in the batch, (runs x batch, channels, height, width)."""

    def _enter(self, images: Tensor) -> Tensor:
        return images.flatten(0, 1)

    def _leave(self, h: Tensor, runs: int) -> Tensor:
        unfolded: Tensor = h.unflatten(0, (runs, -1))
        return unfolded

    def _conv2d(self, layer: nn.Conv2d, h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        runs, channels = weight.shape[:2]
        assert isinstance(layer.padding, tuple)
        patches = F.unfold(h, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        out = weight.flatten(2).unsqueeze(1) @ patches.unflatten(0, (runs, -1))
        if bias is not None:
            out = out + bias.view(runs, 1, channels, 1)
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(
                h.shape[2:],
                layer.padding,
                layer.dilation,
                layer.kernel_size,
                layer.stride,
                strict=True,
            )
        )
        images: Tensor = out.flatten(0, 1).unflatten(-1, (height, width))
        return images

    def _batch_norm(
        self, layer: nn.BatchNorm2d, h: Tensor, values: Values, training: bool
    ) -> Tensor:
        runs = len(values["weight"])
        folded = _batch_norm(layer, _to_channels(self._leave(h, runs)), values, training)
        return self._enter(_from_channels(folded, runs))


def _to_channels(images: Tensor) -> Tensor:
    return images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)


def _from_channels(h: Tensor, runs: int) -> Tensor:
    unfolded: Tensor = h.contiguous().unflatten(1, (runs, -1))
    return unfolded.transpose(0, 1)


def _batch_norm(layer: nn.BatchNorm2d, h: Tensor, values: Values, training: bool) -> Tensor:
    # (runs, channels) flattened is a view: the running statistics are updated in place
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (values[name].flatten() for name in names)
    return F.batch_norm(h, mean, variance, weight, bias, training, layer.momentum or 0.0, layer.eps)


def _of(name: str, values: Values) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)
    }


def _linear(h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return torch.bmm(h, weight.transpose(1, 2))
    return torch.baddbmm(bias.unsqueeze(1), h, weight.transpose(1, 2))
