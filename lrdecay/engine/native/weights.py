"""A run's parameters in the order in which the kernel reads them."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK = 16
"""kBlock of kernel/vectors.hpp: channels that stand side by side."""
_PLACES = (
    *("hidden", "first", "second", "last"),
    *("first_bias", "second_bias", "hidden_bias", "last_bias", "total"),
)


@dataclass(frozen=True)
class Shape:
    """Images of a shape and their number of classes: all that the network's sizes rest on."""

    channels: int
    height: int
    width: int
    classes: int

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """The four, as the kernel takes them."""
        return self.channels, self.height, self.width, self.classes

    @property
    def positions(self) -> int:
        """Places of an image after both poolings."""
        return (self.height // 4) * (self.width // 4)

    @property
    def outputs(self) -> int:
        """Classes, rounded up to whole blocks."""
        return -(-self.classes // BLOCK) * BLOCK


class Layout:
    """Where each parameter of the `cnn` stands in the kernel's flat array: weights, then biases."""

    def __init__(self, kernel: Any, shape: Shape) -> None:
        places = (ctypes.c_int64 * len(_PLACES))()
        kernel.describe(*shape.numbers, places)
        self._at = dict(zip(_PLACES, places, strict=True))
        self._shape = shape
        self.total: int = self._at["total"]
        self.biases: int = self._at["first_bias"]
        """Where weights end and biases begin."""

    def pack(self, parameters: Iterable[Tensor]) -> Tensor:
        """Return the parameters of a network or their gradients, in the kernel's order (total,)."""
        given = [parameter.detach() for parameter in parameters]
        flat = torch.zeros(self.total, dtype=given[0].dtype)
        for view, parameter in zip(self._view(flat), given, strict=True):
            view.copy_(parameter.view(view.shape))
        return flat

    def _view(self, flat: Tensor) -> list[Tensor]:
        """Return each parameter of the network as a view of the flat array."""
        shape, outputs = self._shape, self._shape.outputs

        def view(name: str, *sizes: int) -> Tensor:
            start = self._at[name]
            return flat[start : start + torch.Size(sizes).numel()].view(sizes)

        first = view("first", shape.channels, 3, 3, 16).permute(3, 0, 1, 2)
        second = view("second", 32, 3, 3, 16).permute(0, 3, 1, 2)
        # features stand position by position, and in torch channel by channel
        hidden = view("hidden", 128 // BLOCK, shape.positions, 32, BLOCK).permute(0, 3, 2, 1)
        last = view("last", 128, outputs).T[: shape.classes]
        return [
            first,
            view("first_bias", 16),
            second,
            view("second_bias", 32),
            hidden,
            view("hidden_bias", 128),
            last,
            view("last_bias", outputs)[: shape.classes],
        ]
