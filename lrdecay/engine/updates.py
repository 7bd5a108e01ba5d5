"""Torch's optimizers for many runs at once: each parameter has a leading run axis.

What differs between runs and steps (learning rate, momentum, bias correction, weight decay) is
computed ahead in float64 and comes to the device as coefficients, one row of (numbers, runs) a
step; the update itself is a few passes over each parameter. An operation that rounds more than once
is used only where it runs along one run's elements at a time: a run's bits then do not depend on
where in the group it stands.

Formulas: torch.optim's documentation of Adam, AdamW and SGD.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Arguments = Mapping[str, Any]


class Update(ABC):
    """One optimizer for a group of runs, each with its own arguments."""

    def __init__(self, arguments: Sequence[Arguments], state: list[Tensor]) -> None:
        self._arguments = list(arguments)
        self._decays = any(a["weight_decay"] for a in arguments)
        self.state = state
        """All that a step changes beside the parameters, each (runs, ...)."""

    @abstractmethod
    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return (steps, numbers, runs) for steps `first`, `first` + 1, ...

        `rates` and `momenta` are (steps, runs); a momentum is Adam's first beta. All in float64.
        """

    @abstractmethod
    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step; `row` is (numbers, runs).

        A parameter without a gradient is left alone, in every step: Adam counts steps for all.
        """

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the runs at these places."""
        self._arguments = [self._arguments[place] for place in places]
        self.state = [tensor[list(places)] for tensor in self.state]

    def _of_runs(self, name: str) -> Tensor:
        return torch.tensor([float(a[name]) for a in self._arguments], dtype=torch.float64)


class Adam(Update):
    """torch.optim.Adam, and AdamW where the weight decay is decoupled."""

    def __init__(
        self, parameters: Sequence[Tensor], arguments: Sequence[Arguments], decoupled: bool
    ) -> None:
        super().__init__(arguments, [torch.zeros_like(p) for p in parameters for _ in range(2)])
        self._decoupled = decoupled

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - beta1, 1 - beta2, eps and the step's size with both bias corrections, and what
        weight decay takes."""
        beta2 = torch.tensor([a["betas"][1] for a in self._arguments], dtype=torch.float64)
        decay = self._of_runs("weight_decay")
        number = torch.arange(first + 1, first + 1 + len(rates), dtype=torch.float64)[:, None]
        correction = (1 - beta2**number).sqrt()
        return _stacked(
            1 - momenta,
            (1 - beta2).expand_as(rates),
            self._of_runs("eps") * correction,
            -rates / (1 - momenta**number) * correction,
            1 - rates * decay if self._decoupled else decay.expand_as(rates),
        )

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step."""
        states = zip(self.state[::2], self.state[1::2], strict=True)
        for p, g, (average, square) in zip(parameters, gradients, states, strict=True):
            if g is None:
                continue
            weight1, weight2, eps, size, decay = _like(p, row)
            if self._decays and self._decoupled:
                p.mul_(decay)
            gradient = g if self._decoupled or not self._decays else torch.addcmul(g, p, decay)
            average.lerp_(gradient, weight1)
            square.lerp_(gradient * gradient, weight2)
            p.addcdiv_(average * size, square.sqrt().add_(eps))


class SGD(Update):
    """torch.optim.SGD, with momentum and Nesterov's."""

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        self._has_momentum = any(a["momentum"] for a in arguments)
        buffers = [torch.zeros_like(p) for p in parameters] if self._has_momentum else []
        super().__init__(arguments, buffers)

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return how much of buffer and gradient go into the buffer, how much of each goes into the
        parameter, and the weight decay."""
        nesterov = self._of_runs("nesterov")
        # torch leaves the buffer alone while a cycled momentum is zero
        moves = momenta > 0
        return _stacked(
            torch.where(moves, momenta, 1.0),
            moves.double(),
            # Nesterov goes along gradient and buffer, the others along the buffer
            -rates * torch.where(nesterov > 0, momenta, moves.double()),
            torch.where(moves, -rates * nesterov, -rates),
            self._of_runs("weight_decay").expand_as(rates),
        )

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step."""
        for index, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            if g is None:
                continue
            kept, added, along_buffer, along_gradient, decay = _like(p, row)
            gradient = torch.addcmul(g, p, decay) if self._decays else g
            if self._has_momentum:
                # it begins at zero: after the first step it is the gradient, as torch's
                buffer = self.state[index].mul_(kept).addcmul_(gradient, added)
                p.addcmul_(buffer, along_buffer)
            p.addcmul_(gradient, along_gradient)


def build(name: str, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> Update:
    """Return optimizer `name` for stacked parameters, with each run's arguments."""
    if name == "SGD":
        return SGD(parameters, arguments)
    return Adam(parameters, arguments, decoupled=name == "AdamW")


def _stacked(*numbers: Tensor) -> Tensor:
    return torch.stack(numbers, 1)


def _like(parameter: Tensor, row: Tensor) -> list[Tensor]:
    """Return each number as (runs, 1, ...), to be used with a parameter."""
    shape = (-1, *(1,) * (parameter.dim() - 1))
    return [number.view(shape) for number in row.unbind()]
