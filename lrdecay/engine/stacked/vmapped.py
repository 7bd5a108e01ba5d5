"""Any module as many copies of itself, through `torch.func.vmap`.

Tensors are named by their shape: R runs, L dropout layers, B images of a batch, C channels, H
height, W width, K classes.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lrdecay.components import rng
from lrdecay.components.models.dropout import StreamDropout


class Vmapped:
    """Any module."""

    def __init__(self, network: nn.Module) -> None:
        self._network = deepcopy(network)
        stacked: dict[nn.Module, _VmappedDropout] = {}
        for parent in list(self._network.modules()):
            for name, child in parent._modules.items():
                if isinstance(child, StreamDropout):
                    parent._modules[name] = stacked.setdefault(child, _VmappedDropout())
        self._drops = [m for m in self._network.modules() if isinstance(m, _VmappedDropout)]

    def __call__(
        self, values: dict[str, Tensor], images: Tensor, keys_LR: Tensor | None, *rates_LR: Tensor
    ) -> Tensor:
        """Return (R, B, K) as `ensemble.Stack.logits` does, from parameters and buffers by name."""
        self._network.train(keys_LR is not None)
        axes = (0, None, None, 1, 1) if keys_LR is None else (0, 0, 1, 1, 1)
        mapped = vmap(self._compute_one, in_dims=axes, randomness="error")
        logits_RBK: Tensor = mapped(values, images, keys_LR, *rates_LR)
        return logits_RBK

    def _compute_one(
        self,
        values: dict[str, Tensor],
        x_BCHW: Tensor,
        keys_L: Tensor | None,
        thresholds_L: Tensor,
        scales_L: Tensor,
    ) -> Tensor:
        for index, layer in enumerate(self._drops):
            layer.key = None if keys_L is None else keys_L[index]
            layer.threshold, layer.scale = thresholds_L[index], scales_L[index]
        logits_BK: Tensor = functional_call(self._network, values, (x_BCHW,))
        return logits_BK


class _VmappedDropout(nn.Module):
    """What a `StreamDropout` is within vmap, where key and rate differ from run to run."""

    key: Tensor | None
    threshold: Tensor
    scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with the next mask applied; any shape."""
        if self.key is None:
            return x
        kept: Tensor = _Keep.apply(self.key, self.threshold, tuple(x.shape))
        self.key = rng.derive_keys(self.key, torch.zeros_like(self.key))
        dropped: Tensor = x * (kept * self.scale.to(x.dtype))
        return dropped


class _Keep(torch.autograd.Function):
    """`rng.draw_mask` as bytes, with a rule of its own for vmap: older ones cannot view bits."""

    @staticmethod
    def forward(key: Tensor, threshold: Tensor, shape: tuple[int, ...]) -> Tensor:
        return rng.draw_mask(key, threshold, shape, key.device).view(torch.uint8)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, key: Tensor, threshold: Tensor, shape: tuple[int, ...]
    ) -> tuple[Tensor, int]:
        # keys and thresholds differ from run to run: both have the run axis
        return _Keep.apply(key.unsqueeze(1), threshold.unsqueeze(1), shape), 0
