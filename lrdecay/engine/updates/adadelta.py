"""Adadelta for many runs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lrdecay.engine.updates.update import Arguments, Update, like, root, stacked


class Adadelta(Update):
    """torch.optim.Adadelta: steps as long as the root of the average squared step before."""

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        super().__init__(arguments, [torch.zeros_like(p) for p in parameters for _ in range(2)])

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - rho, eps, minus the rate and the weight decay."""
        decay = self._of_runs("weight_decay").expand_as(rates)
        return stacked(
            (1 - self._of_runs("rho")).expand_as(rates),
            self._of_runs("eps").expand_as(rates),
            -rates,
            decay,
            self._decay_of_biases(decay),
        )

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step."""
        states = zip(self.state[::2], self.state[1::2], strict=True)
        for p, g, (square, moved) in zip(parameters, gradients, states, strict=True):
            if g is None:
                continue
            weight, eps, size, *decays = like(p, row)
            gradient = torch.addcmul(g, p, self._decay(p, decays)) if self._decays else g
            square.lerp_(gradient * gradient, weight)
            step = (moved + eps).sqrt_().div_(root(square + eps)).mul_(gradient)
            moved.lerp_(step * step, weight)
            p.addcmul_(step, size)
