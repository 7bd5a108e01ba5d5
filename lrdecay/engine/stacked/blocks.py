"""What a chain of layers is made of: blocks, each one layer or several that are computed as one.

Faster code for a block, such as a fused kernel, is another block: it takes and returns what the one
in its place does. Tensors are named by their shape: R runs, B images of a batch, F features (O of
the output).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Drop = Callable[[Tensor, int], Tensor]
"""Applies the mask of a dropout layer, by its place among them, to (R, B, ...)."""


@dataclass(frozen=True)
class Pass:
    """What one pass through a chain has: its parameters and buffers by name, each (R, ...), the
    number of runs, and dropout, which is None in evaluation."""

    values: Mapping[str, Tensor]
    runs: int
    drop: Drop | None

    def get(self, layer: str, name: str) -> Tensor:
        """Return a value of a layer."""
        return self.values[f"{layer}.{name}"]

    def find(self, layer: str, name: str) -> Tensor | None:
        """Return a value of a layer, or None where it has none."""
        return self.values.get(f"{layer}.{name}")

    @property
    def training(self) -> bool:
        """Whether batch normalisation goes by its batch."""
        return self.drop is not None


class Block(ABC):
    """One layer of a chain, or several."""

    @abstractmethod
    def __call__(self, h: Tensor, given: Pass) -> Tensor:
        """Return what comes of the activations."""


@dataclass(frozen=True)
class Linear(Block):
    """Each run's rows times its own weights."""

    name: str

    def __call__(self, h: Tensor, given: Pass) -> Tensor:
        """Return (R, B, F) from (R, B, F)."""
        return apply_linear(h, given.get(self.name, "weight"), given.find(self.name, "bias"))


def apply_linear(x_RBF: Tensor, weight_ROF: Tensor, bias_RO: Tensor | None) -> Tensor:
    """Return (R, B, O)."""
    if bias_RO is None:
        return torch.bmm(x_RBF, weight_ROF.transpose(1, 2))
    return torch.baddbmm(bias_RO.unsqueeze(1), x_RBF, weight_ROF.transpose(1, 2))


@dataclass(frozen=True)
class Plain(Block):
    """A layer that is the same for all runs and wherever their axis is."""

    layer: nn.Module

    def __call__(self, h: Tensor, given: Pass) -> Tensor:
        """Return the layer's output."""
        y: Tensor = self.layer(h)
        return y


@dataclass(frozen=True)
class RowDropout(Block):
    """Dropout of rows."""

    place: int

    def __call__(self, h: Tensor, given: Pass) -> Tensor:
        """Return (R, B, F) with the mask applied."""
        return h if given.drop is None else given.drop(h, self.place)
