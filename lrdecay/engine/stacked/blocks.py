"""What a chain of layers is made of: blocks, each one layer or several that are computed as one.

Faster code for a block, such as a fused kernel, is another block: it takes and returns what the one
in its place does. Tensors are named by their shape: R runs, B images of a batch, F features (O of
the output).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn


class Drop(Protocol):
    """The masks of the dropout layers in one step, each by its place among them."""

    def __call__(self, x_RX: Tensor, place: int) -> Tensor:
        """Return (R, B, ...) with the mask applied."""

    def draw(self, shape: torch.Size, place: int) -> tuple[Tensor, Tensor]:
        """Return what of (R, B, ...) is kept, bool, and what each run's is multiplied with (R,)."""


@dataclass(frozen=True)
class Pass:
    """What one pass through a chain has: its parameters and buffers by name, each (R, ...), the
    number of runs, and dropout, which is None in evaluation. Blocks that know how write gradients
    `into` what is there for a parameter, instead of new tensors."""

    values: Mapping[str, Tensor]
    runs: int
    drop: Drop | None
    into: Mapping[str, Tensor] = field(default_factory=dict)

    def get(self, layer: str, name: str) -> Tensor:
        """Return a value of a layer."""
        return self.values[f"{layer}.{name}"]

    def find(self, layer: str, name: str) -> Tensor | None:
        """Return a value of a layer, or None where it has none."""
        return self.values.get(f"{layer}.{name}")

    def find_into(self, layer: str) -> tuple[Tensor | None, Tensor | None]:
        """Return where the gradients of a layer's weight and bias are to be."""
        return self.into.get(f"{layer}.weight"), self.into.get(f"{layer}.bias")

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
