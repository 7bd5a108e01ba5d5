"""A network's layers on images in oneDNN's own layout: one run on a CPU, a quarter faster.

The layout keeps 8 or 16 channels of a pixel together, as many as the CPU has in a register, and
oneDNN's convolutions, pooling and their gradients work on it without turning it around.
"""

import torch
from torch import Tensor, nn

from lrdecay.engine.layers import list_layers

_LARGEST = 1e18  # its square, which batch normalisation takes, is still a float32
_KNOWN = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.ReLU, nn.Identity)


def to_blocked(network: nn.Module) -> nn.Module:
    """Return a network of the same layers that takes the same images (n, channels, height, width).

    It is for a CPU and float32. Where the network does not begin with a convolution, or is no plain
    sequence of layers, it is returned as it is.
    """
    layers = [layer for _, layer in list_layers(network) or ()]
    leading = next((i for i, layer in enumerate(layers) if not _can_block(layer)), len(layers))
    if not (leading and torch.backends.mkldnn.is_available() and isinstance(layers[0], nn.Conv2d)):
        return network
    return nn.Sequential(_Blocked(*layers[:leading]), *layers[leading:])


class _Blocked(nn.Sequential):
    def forward(self, images: Tensor) -> Tensor:
        """Return what the layers make of images, in the usual layout."""
        layout = bool(self._bound(images) < _LARGEST)
        h = images.contiguous().to_mkldnn() if layout else images
        for layer in self:
            h = layer(h)
        return h.to_dense() if layout else h

    @torch.no_grad()
    def _bound(self, images: Tensor) -> Tensor:
        """Return what no value on the way can exceed; not a number if an image or weight is none.

        oneDNN's pooling and ReLU take a NaN for the least number, and a run that diverges would go
        on: where one could arise, the layers run in the usual layout.
        """
        bound = most = images.abs().max()
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                bound = bound * layer.weight.abs().sum((1, 2, 3)).max() + _largest(layer.bias)
            if isinstance(layer, nn.BatchNorm2d):
                shifted = bound + _largest(layer.running_mean)
                bound = shifted * _largest(layer.weight) / layer.eps**0.5 + _largest(layer.bias)
            most = torch.maximum(most, bound)
        return most


def _largest(values: Tensor | None) -> Tensor | float:
    return 0.0 if values is None else values.abs().max()


def _can_block(layer: nn.Module) -> bool:
    if isinstance(layer, nn.MaxPool2d) and layer.dilation not in (1, (1, 1)):
        return False  # oneDNN's pooling skips no pixels
    return type(layer) in _KNOWN
