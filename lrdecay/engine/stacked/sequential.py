"""Many copies of a plain sequence of layers as one, without vmap: each block one operation.

Tensors are named by their shape: R runs, B images of a batch, C channels, H height, W width, F
features, and N = R x C. Images between the blocks are one tensor, with the run axis either in the
channels, (B, N, H, W), where a CPU's grouped convolution is fastest, or first, (R, C, B, H, W),
where batched matrix products are. After `nn.Flatten` they are rows (R, B, F).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import count, pairwise

from torch import Tensor, nn

from lrdecay.components.models.dropout import StreamDropout
from lrdecay.engine.layers import Layers
from lrdecay.engine.stacked import blocks, in_batch, in_channels, in_kernels
from lrdecay.engine.stacked.blocks import Drop
from lrdecay.engine.stacked.windows import Layout


class Chain(ABC):
    """The layers of one network, run for all copies."""

    def __init__(self, layers: Layers) -> None:
        known = [(name, layer) for name, layer in layers if type(layer) is not nn.Identity]
        self._blocks = self._group(known)
        self.dropped = _count_dropped(known)
        """How many numbers of an image each dropout layer has, or None where that is not known."""

    def __call__(
        self,
        values: Mapping[str, Tensor],
        images: Tensor,
        runs: int,
        drop: Drop | None,
        into: Mapping[str, Tensor],
    ) -> Tensor:
        """Return logits (R, B, classes).

        `images` are (R, B, C, H, W), or without the run axis where all runs see the same. `drop` is
        None in evaluation. Gradients of parameters may be written `into` tensors of their names.
        """
        h = self._fold(images, runs)
        given = blocks.Pass(values, runs, drop, into)
        for block in self._blocks:
            h = block(h, given)
        return h

    @abstractmethod
    def _group(self, layers: Layers) -> list[blocks.Block]:
        """Return the layers as blocks."""

    @abstractmethod
    def _fold(self, images: Tensor, runs: int) -> Tensor:
        """Return images as they are between the blocks."""


class InChannels(Chain):
    """The run axis is in the channels, (B, N, H, W), channels last."""

    def _group(self, layers: Layers) -> list[blocks.Block]:
        places = count()
        return [_build_in_channels(*each, places) for each in _mark_rows(layers)]

    def _fold(self, images: Tensor, runs: int) -> Tensor:
        shared = images.dim() == 4
        return in_channels.to_channels(images.expand(runs, *images.shape) if shared else images)


class InBatch(Chain):
    """The run axis is first, (R, C, B, H, W), and a run one of a batch of products."""

    def _group(self, layers: Layers) -> list[blocks.Block]:
        places = count()
        found: list[blocks.Block] = []
        rest = list(_mark_rows(layers))
        while rest:
            name, layer, on_rows = rest.pop(0)
            if not isinstance(layer, nn.Conv2d):
                found.append(_build_in_batch(name, layer, on_rows, places))
                continue
            block = in_batch.Convolution(name, layer)
            while rest and _join(block, *rest[0][:2]):
                rest.pop(0)
            found.append(block)
        for dropout, linear in pairwise(list(found)):
            if isinstance(dropout, blocks.RowDropout) and isinstance(linear, in_batch.Linear):
                linear.dropout = dropout.place
                found.remove(dropout)
        for one, following in pairwise(found):
            _lay_out(one, following)
        return found

    def _fold(self, images: Tensor, runs: int) -> Tensor:
        if images.dim() == 5:
            return images.transpose(1, 2)
        x_CBHW = images.transpose(0, 1)
        # a convolution sees the same in all runs once
        once = in_batch.Convolution, in_kernels.FusedConvolution
        alike = 1 if isinstance(self._blocks[0], once) else runs
        return x_CBHW.expand(alike, *x_CBHW.shape)


class InKernels(InBatch):
    """The same, with kernels in Triton for the blocks that there are some for."""

    def __init__(self, layers: Layers, precision: str) -> None:
        self._precision = precision
        super().__init__(layers)

    def _group(self, layers: Layers) -> list[blocks.Block]:
        return list(in_kernels.replace_blocks(super()._group(layers), self._precision))


def _mark_rows(layers: Layers) -> Iterator[tuple[str, nn.Module, bool]]:
    """Yield layers, each with whether it is on rows."""
    on_rows = False
    for name, layer in layers:
        yield name, layer, on_rows
        on_rows = on_rows or isinstance(layer, nn.Flatten)


def _build_in_channels(
    name: str, layer: nn.Module, on_rows: bool, places: Iterator[int]
) -> blocks.Block:
    match layer:
        case nn.Conv2d():
            return in_channels.GroupedConvolution(name, layer)
        case nn.BatchNorm2d():
            return in_channels.ChannelNorm(name, layer)
        case nn.Flatten():
            return in_channels.ChannelFlatten()
        case StreamDropout() if not on_rows:
            return in_channels.ChannelDropout(next(places))
    return _build_on_rows(name, layer, places)


def _build_in_batch(
    name: str, layer: nn.Module, on_rows: bool, places: Iterator[int]
) -> blocks.Block:
    match layer:
        case nn.BatchNorm2d():
            return in_batch.Norm(name, layer)
        case nn.MaxPool2d():
            return in_batch.Pool(layer)
        case nn.ReLU():
            return in_batch.Rectifier()
        case nn.Flatten():
            return in_batch.Flatten()
        case StreamDropout() if not on_rows:
            return in_batch.ImageDropout(next(places))
        case nn.Linear():
            return in_batch.Linear(name)
    return _build_on_rows(name, layer, places)


def _build_on_rows(name: str, layer: nn.Module, places: Iterator[int]) -> blocks.Block:
    match layer:
        case nn.Linear():
            return blocks.Linear(name)
        case StreamDropout():
            return blocks.RowDropout(next(places))
    return blocks.Plain(layer)


def _count_dropped(layers: Layers) -> list[int] | None:
    """Return how many numbers of an image each dropout layer has, from the linear layers after."""
    counts: list[int | None] = []
    width = None
    for _, layer in reversed(layers):
        match layer:
            case nn.Linear():
                width = layer.in_features
            case StreamDropout():
                counts.insert(0, width)
            case nn.ReLU() | nn.Flatten():
                pass
            case _:
                width = None
    known = [each for each in counts if each is not None]
    return known if len(known) == len(counts) else None


def _join(block: in_batch.Convolution, name: str, layer: nn.Module) -> bool:
    """Take a layer into the block before it, if it can be computed there."""
    match layer:
        case nn.BatchNorm2d() if block.norm is None and not block.pool and not block.relu:
            block.norm = name, layer
        case nn.MaxPool2d() if not block.pool and _can_tile(block.layer, layer):
            block.pool = True
        case nn.ReLU() if not block.relu:
            block.relu = True
        case _:
            return False
    return True


def _can_tile(convolution: nn.Conv2d, pool: nn.MaxPool2d) -> bool:
    """Whether windows of the pool are next to each other, 2x2, on a convolution of all places."""
    pools = pool.kernel_size, pool.stride, pool.padding, pool.dilation
    halves = [_to_pair(each) for each in pools] == [(2, 2), (2, 2), (0, 0), (1, 1)]
    everywhere = convolution.stride == convolution.dilation == (1, 1)
    return halves and everywhere and not (pool.ceil_mode or pool.return_indices)


def _to_pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _lay_out(block: blocks.Block, following: blocks.Block) -> None:
    """Have a convolution leave its images as the block after it wants them."""
    if not isinstance(block, in_batch.Convolution):
        return
    if isinstance(following, in_batch.Convolution):
        assert isinstance(following.layer.padding, tuple)
        top, left = following.layer.padding
        block.layout = Layout((top, left))
        following.framed = True
    elif isinstance(following, in_batch.Flatten):
        block.layout = Layout(in_rows=True)
