"""Many copies of a plain sequence of layers as one, without vmap: each layer one operation.

Tensors are named by their shape: R runs, B images of a batch, C channels (O of a convolution's
output), H height, W width, F features. Between the layers the images of all runs are one
4-dimensional tensor, with the run axis folded either into the channels (N = R x C), where a CPU's
grouped convolution is fastest, or into the batch (M = R x B), where batched matrix products are.
After `nn.Flatten` they are rows (R, B, F).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrdecay.components.models.dropout import StreamDropout
from lrdecay.engine.layers import Layers

Drop = Callable[[Tensor, int], Tensor]
"""Applies the mask of a dropout layer, by its place among them, to (R, B, ...)."""

_NORM = ("running_mean", "running_var", "weight", "bias")


class Chain(ABC):
    """The layers of one network, run for all copies."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers

    def __call__(
        self, values: Mapping[str, Tensor], images: Tensor, runs: int, drop: Drop | None
    ) -> Tensor:
        """Return logits (R, B, classes).

        `images` are (R, B, C, H, W), or without the run axis where all runs see the same. `drop` is
        None in evaluation.
        """
        h = self._fold(images if images.dim() == 5 else images.expand(runs, *images.shape))
        flat = False
        dropouts = 0
        for name, layer in self._layers:
            match layer:
                case nn.Conv2d():
                    h = self._conv2d(layer, h, values[f"{name}.weight"], values.get(f"{name}.bias"))
                case nn.BatchNorm2d():
                    of_layer = [values[f"{name}.{each}"] for each in _NORM]
                    h = self._batch_norm(layer, h, of_layer, training=drop is not None)
                case nn.Linear():
                    h = _linear(h, values[f"{name}.weight"], values.get(f"{name}.bias"))
                case nn.Flatten():
                    h, flat = self._unfold(h, runs).flatten(2), True
                case StreamDropout():
                    if drop is not None and flat:
                        h = drop(h, dropouts)
                    elif drop is not None:
                        h = self._fold(drop(self._unfold(h, runs), dropouts))
                    dropouts += 1
                case _:
                    h = layer(h)
        return h

    @abstractmethod
    def _fold(self, x_RBCHW: Tensor) -> Tensor:
        """Return images as they are between the layers."""

    @abstractmethod
    def _unfold(self, h: Tensor, runs: int) -> Tensor:
        """Return (R, B, C, H, W)."""

    @abstractmethod
    def _conv2d(
        self, layer: nn.Conv2d, h: Tensor, weight_ROCHW: Tensor, bias_RO: Tensor | None
    ) -> Tensor:
        """Convolve each run's images with its own weight."""

    @abstractmethod
    def _batch_norm(
        self, layer: nn.BatchNorm2d, h: Tensor, values_RC: Sequence[Tensor], training: bool
    ) -> Tensor:
        """Normalise each run's channels, and update its running statistics in training."""


class InChannels(Chain):
    """The run axis is in the channels, (B, N, H, W), channels last."""

    def _fold(self, x_RBCHW: Tensor) -> Tensor:
        return _to_channels(x_RBCHW)

    def _unfold(self, h: Tensor, runs: int) -> Tensor:
        return _from_channels(h, runs)

    def _conv2d(
        self, layer: nn.Conv2d, h: Tensor, weight_ROCHW: Tensor, bias_RO: Tensor | None
    ) -> Tensor:
        return F.conv2d(
            h,
            weight_ROCHW.flatten(0, 1),
            None if bias_RO is None else bias_RO.flatten(),
            layer.stride,
            layer.padding,
            layer.dilation,
            groups=len(weight_ROCHW),
        )

    def _batch_norm(
        self, layer: nn.BatchNorm2d, h: Tensor, values_RC: Sequence[Tensor], training: bool
    ) -> Tensor:
        return _batch_norm(layer, h, values_RC, training)


class InBatch(Chain):
    """The run axis is in the batch, (M, C, H, W)."""

    def _fold(self, x_RBCHW: Tensor) -> Tensor:
        return x_RBCHW.flatten(0, 1)

    def _unfold(self, h: Tensor, runs: int) -> Tensor:
        x_RBCHW: Tensor = h.unflatten(0, (runs, -1))
        return x_RBCHW

    def _conv2d(
        self, layer: nn.Conv2d, h: Tensor, weight_ROCHW: Tensor, bias_RO: Tensor | None
    ) -> Tensor:
        # K: the values under a kernel, C x its height x its width; P: its places, H x W of output
        assert isinstance(layer.padding, tuple)
        kernel = layer.kernel_size, layer.dilation, layer.padding, layer.stride
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, d, p, s in zip(h.shape[2:], *kernel, strict=True)
        )
        x_RBKP = F.unfold(h, *kernel).unflatten(0, (len(weight_ROCHW), -1))
        x_RBOP = weight_ROCHW.flatten(2).unsqueeze(1) @ x_RBKP
        if bias_RO is not None:
            x_RBOP = x_RBOP + bias_RO[:, None, :, None]
        x_MOHW: Tensor = x_RBOP.flatten(0, 1).unflatten(-1, (height, width))
        return x_MOHW

    def _batch_norm(
        self, layer: nn.BatchNorm2d, h: Tensor, values_RC: Sequence[Tensor], training: bool
    ) -> Tensor:
        runs = len(values_RC[0])
        x_BNHW = _batch_norm(layer, _to_channels(self._unfold(h, runs)), values_RC, training)
        return self._fold(_from_channels(x_BNHW, runs))


def _to_channels(x_RBCHW: Tensor) -> Tensor:
    return x_RBCHW.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)


def _from_channels(x_BNHW: Tensor, runs: int) -> Tensor:
    x_BRCHW: Tensor = x_BNHW.contiguous().unflatten(1, (runs, -1))
    return x_BRCHW.transpose(0, 1)


def _batch_norm(
    layer: nn.BatchNorm2d, x_BNHW: Tensor, values_RC: Sequence[Tensor], training: bool
) -> Tensor:
    # flattened, (R, C) is a view: the running statistics are updated in place
    mean_N, var_N, weight_N, bias_N = (value.flatten() for value in values_RC)
    momentum = layer.momentum or 0.0
    return F.batch_norm(x_BNHW, mean_N, var_N, weight_N, bias_N, training, momentum, layer.eps)


def _linear(x_RBF: Tensor, weight_ROF: Tensor, bias_RO: Tensor | None) -> Tensor:
    if bias_RO is None:
        return torch.bmm(x_RBF, weight_ROF.transpose(1, 2))
    return torch.baddbmm(bias_RO.unsqueeze(1), x_RBF, weight_ROF.transpose(1, 2))
