"""The largest of several planes, with ReLU: a 2x2 max-pool of what `convolution` computes in tiles.

Tensors are named by their shape: R runs, Q planes, O channels, B images, H height, W width.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from lrdecay.engine.stacked.convolution import Layout


def take_largest(x_RMBHW: Tensor, numbers_Q: Tensor, relu: bool, layout: Layout) -> Tensor:
    """Return the largest of the planes (R, Q O, B, H, W), the first of equals: (R, O, B, H, W).

    NaN is larger than any number. With `relu` a plane of zeros stands in memory before the first:
    where none is above 0, it wins, and no gradient passes. `numbers_Q` are those of the planes,
    from 1 on with such a plane, else from 0.
    """
    largest: Tensor = _TakeLargest.apply(x_RMBHW, numbers_Q, relu, layout)
    return largest


class _TakeLargest(Function):
    @staticmethod
    def forward(ctx: Any, x_RMBHW: Tensor, numbers_Q: Tensor, relu: bool, layout: Layout) -> Tensor:
        planes = len(numbers_Q)
        x_RQOBHW = x_RMBHW.unflatten(1, (planes, -1))
        if relu:
            of_plane = x_RQOBHW.stride(1)
            shape = (len(x_RQOBHW), planes + 1, *x_RQOBHW.shape[2:])
            before = x_RQOBHW.storage_offset() - of_plane
            x_RQOBHW = x_RQOBHW.as_strided(shape, x_RQOBHW.stride(), before)
        largest = layout.allocate(x_RMBHW, x_RQOBHW[:, 0].shape)
        # CUDA's max takes two results of the same strides only
        strides = largest.shape, largest.stride()
        winner = largest.new_empty_strided(*strides, dtype=torch.int64)
        torch.max(x_RQOBHW, 1, out=(largest, winner))
        ctx.save_for_backward(winner, numbers_Q)
        return largest

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (g_ROBHW,) = gradients
        winner, numbers_Q = ctx.saved_tensors
        won = winner.unsqueeze(1) == numbers_Q.view(-1, 1, 1, 1, 1)
        g_RQOBHW = g_ROBHW.new_empty(won.shape)
        torch.mul(won, g_ROBHW.unsqueeze(1), out=g_RQOBHW)
        return g_RQOBHW.flatten(1, 2), None, None, None
