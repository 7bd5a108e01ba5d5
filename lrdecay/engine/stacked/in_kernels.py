"""Blocks of a chain that are kernels in Triton, in the place of those of `in_batch`."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from lrdecay.engine.stacked import blocks, in_batch, kernels


@dataclass(frozen=True)
class FusedConvolution(blocks.Block):
    """A convolution with its bias, 2x2 max-pooling and ReLU."""

    name: str
    precision: str

    def __call__(self, h: Tensor, given: blocks.Pass) -> Tensor:
        """Return (R, O, B, H, W) from (R, C, B, H, W), or from (1, C, B, H, W) for all runs."""
        x_RBCHW = h.transpose(1, 2).expand(given.runs, -1, -1, -1, -1)
        parameters = given.get(self.name, "weight"), given.get(self.name, "bias")
        return kernels.fused_conv_block(x_RBCHW, *parameters, self.precision).transpose(1, 2)


def replace_blocks(found: list[blocks.Block], precision: str) -> Iterator[blocks.Block]:
    """Yield the blocks of a chain, with a kernel in the place of each that there is one for."""
    fused = False
    for block in found:
        match block:
            case in_batch.Convolution() if _can_fuse(block):
                fused = True
                yield FusedConvolution(block.name, precision)
                continue
            case in_batch.Convolution():
                block.framed = block.framed and not fused  # a kernel leaves no border
            case in_batch.Linear() if block.dropout is not None:
                yield blocks.RowDropout(block.dropout)
                block.dropout = None
        fused = False
        yield block


def _can_fuse(block: in_batch.Convolution) -> bool:
    alone = block.norm is None and block.pool and block.relu
    return alone and has_kernel(block.layer)


def has_kernel(layer: nn.Conv2d) -> bool:
    """Return whether a convolution, with 2x2 max-pooling and a ReLU after it, is what the kernels
    compute: 3x3 with padding 1 and a bias, moving as it does by default.

    >>> has_kernel(nn.Conv2d(1, 16, 3, padding=1))
    True
    >>> has_kernel(nn.Conv2d(1, 16, 5, padding=2))
    False
    """
    how = layer.kernel_size, layer.padding, layer.stride, layer.dilation
    plain = layer.groups == 1 and layer.padding_mode == "zeros"
    return how == ((3, 3), (1, 1), (1, 1), (1, 1)) and plain and layer.bias is not None
