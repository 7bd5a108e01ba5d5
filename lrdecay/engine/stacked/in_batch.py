"""Layers on images with the run axis first, (R, C, B, H, W): a run is one of a batch of products.

Tensors are named by their shape: R runs, C channels (O of a convolution's output), B images of a
batch, H height, W width.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrdecay.engine.stacked import blocks, normalisation
from lrdecay.engine.stacked.convolution import convolve
from lrdecay.engine.stacked.pooling import take_largest
from lrdecay.engine.stacked.rows import multiply
from lrdecay.engine.stacked.windows import Geometry, Layout

_HALVE = nn.MaxPool2d(2)
_OF_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass
class Convolution(blocks.Block):
    """A convolution, and what follows it of batch normalisation, 2x2 max-pooling and ReLU.

    Images may lie in a border of zeros for it (`framed`), and it leaves them as the block after it
    wants them (`layout`).
    """

    name: str
    layer: nn.Conv2d
    norm: tuple[str, nn.BatchNorm2d] | None = None
    pool: bool = False
    relu: bool = False
    framed: bool = False
    layout: Layout = field(default_factory=Layout)
    _numbers: Tensor | None = None

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return (R, O, B, H, W) from (R, C, B, H, W), or from (1, C, B, H, W) for all runs."""
        if self.norm is not None:
            return self._normalise(h, given, *self.norm)
        planes = self._convolve(h, given, None, tile=2 if self.pool else 1)
        if self.pool:
            return take_largest(planes, self._number_planes(planes), self.relu, self.layout)
        return self.layout.place(F.relu(planes) if self.relu else planes)

    def _convolve(self, h: Tensor, given: blocks.Pass, sign_RO: Tensor | None, tile: int) -> Tensor:
        weight_ROCHW, bias_RO = given.get(self.name, "weight"), given.find(self.name, "bias")
        with_zeros = tile > 1 and self.relu and self.norm is None
        kernels = weight_ROCHW, bias_RO, sign_RO
        into = given.find_into(self.name)
        return convolve(h, *kernels, self.layer, tile, self.framed, with_zeros, into)

    def _normalise(self, h: Tensor, given: blocks.Pass, name: str, layer: nn.BatchNorm2d) -> Tensor:
        # four planes leave out the last row or column of an odd size, which the statistics are of
        places = Geometry.of(self.layer, 1).count_places((h.shape[3], h.shape[4]))
        if self.pool and any(side % 2 for side in places):
            y = normalise(self._convolve(h, given, None, tile=1), given, name, layer)
            y = apply_to_images(_HALVE, y)
            return self.layout.place(F.relu(y) if self.relu else y)
        sign_RO = None
        if self.pool:
            scale_RO = given.get(name, "weight").detach()
            sign_RO = torch.where(scale_RO < 0, -1.0, 1.0).to(scale_RO.dtype)
        planes = self._convolve(h, given, sign_RO, tile=2 if self.pool else 1)
        return normalise(planes, given, name, layer, sign_RO, self.relu, self.layout)

    def _number_planes(self, planes: Tensor) -> Tensor:
        if self._numbers is None:
            first = int(self.relu)
            with torch.inference_mode(False):  # kept, and training comes after an evaluation too
                self._numbers = torch.arange(first, first + 4, device=planes.device)
        return self._numbers


@dataclass(frozen=True)
class Norm(blocks.Block):
    """Batch normalisation that no convolution comes before."""

    name: str
    layer: nn.BatchNorm2d

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Normalise, and update running statistics in training."""
        return normalise(h, given, self.name, self.layer)


def normalise(
    planes_RMBHW: Tensor,
    given: blocks.Pass,
    name: str,
    layer: nn.BatchNorm2d,
    sign_RO: Tensor | None = None,
    relu: bool = False,
    layout: Layout | None = None,
) -> Tensor:
    """Return what `normalisation.normalise_planes` makes of planes, and update running statistics
    in training; kernels were multiplied with `sign_RO`."""
    scale_RO, shift_RO, mean_RO, variance_RO = (given.get(name, each) for each in _OF_NORM)
    fixed = None
    if not given.training:
        fixed = mean_RO if sign_RO is None else mean_RO * sign_RO, variance_RO
    y, *found = normalisation.normalise_planes(
        planes_RMBHW, scale_RO, shift_RO, fixed, layer.eps, relu, layout or Layout()
    )
    if given.training:
        if sign_RO is not None:
            found[0] = found[0] * sign_RO
        count = planes_RMBHW.numel() // scale_RO.numel()
        normalisation.update_running(layer, (mean_RO, variance_RO), (*found, count))
    return y


@dataclass(frozen=True)
class Pool(blocks.Block):
    """Max-pooling of any kind."""

    layer: nn.MaxPool2d

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return the pooled images."""
        return apply_to_images(self.layer, h)


def apply_to_images(layer: nn.Module, h: Tensor) -> Tensor:
    """Return what a layer makes of images whose channels it does not tell apart."""
    y: Tensor = layer(h.flatten(0, 1)).unflatten(0, h.shape[:2])
    return y


class Rectifier(blocks.Block):
    """ReLU, in a tensor of its own."""

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return what is above 0."""
        return F.relu(h)


@dataclass(frozen=True)
class ImageDropout(blocks.Block):
    """Dropout of images."""

    place: int

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return the images with the mask applied."""
        if given.drop is None:
            return h
        return given.drop(h.transpose(1, 2), self.place).transpose(1, 2)


class Flatten(blocks.Block):
    """Images to rows."""

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return (R, B, F)."""
        return h.transpose(1, 2).flatten(2)


@dataclass
class Linear(blocks.Block):
    """Each run's rows times its own weights, after the dropout layer in this place, if any."""

    name: str
    dropout: int | None = None

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return (R, B, O) from (R, B, F)."""
        dropout = None
        if self.dropout is not None and given.drop is not None:
            dropout = given.drop.draw(h.shape, self.dropout)
        weight, bias = given.get(self.name, "weight"), given.find(self.name, "bias")
        return multiply(h, weight, bias, dropout, given.find_into(self.name))
