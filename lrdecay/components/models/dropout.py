"""Dropout whose masks come from a run's own stream."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lrdecay.components import rng


class StreamDropout(nn.Module):
    """Dropout whose mask comes from a run's own stream instead of torch's generator.

    In training, each element is zeroed with probability `p` and the others are divided by 1 - p;
    in evaluation the input is returned as it is. `set_dropout_step` says which mask is next; a
    layer that is called more than once in a step draws another mask each time.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.key = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with the next mask applied; any shape."""
        if not self.training or self.p == 0:
            return x
        kept = rng.draw_mask(self.key, rng.mask_threshold(self.p), x.shape, x.device)
        self.key = rng.derive_key(self.key, 0)
        return apply_mask(x, kept, 1 / (1 - self.p))

    def extra_repr(self) -> str:
        """Return what `print(model)` shows of this layer."""
        return f"p={self.p}"


def apply_mask(x: Tensor, kept: Tensor, scale: float | Tensor) -> Tensor:
    """Return `x` times `scale` where `kept`, and zero elsewhere."""
    # a CPU turns bytes into floats eight times as fast as it does Booleans
    kept = kept.view(torch.uint8)
    if isinstance(scale, Tensor):  # in the dtype of x, which bfloat16 would else not keep
        return x * (kept * scale.to(x.dtype))
    return x * (kept.to(x.dtype) * scale)


def list_dropout_layers(model: nn.Module) -> Iterator[StreamDropout]:
    """Yield the model's dropout layers in the order of definition."""
    return (layer for layer in model.modules() if isinstance(layer, StreamDropout))


def read_applied_dropout(model: nn.Module) -> float | None:
    """Return the rate that the live model's dropout layers share; None if they share none."""
    rates = {layer.p for layer in list_dropout_layers(model)}
    return rates.pop() if len(rates) == 1 else None


def set_dropout_step(model: nn.Module, seed: int, step: int) -> None:
    """Make every dropout layer draw the mask of optimizer step `step` (from 0) in its next call."""
    for index, layer in enumerate(list_dropout_layers(model)):
        layer.key = rng.make_key(seed, "dropout", step, index)
