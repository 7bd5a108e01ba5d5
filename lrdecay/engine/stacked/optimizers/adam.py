"""Adam and AdamW for many runs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lrdecay.engine.stacked.optimizers.base import Arguments, Update, safe_root, stack_numbers


class Adam(Update):
    """torch.optim.Adam, and AdamW where the weight decay is decoupled."""

    def __init__(
        self, parameters: Sequence[Tensor], arguments: Sequence[Arguments], decoupled: bool
    ) -> None:
        super().__init__(parameters, arguments)
        self._decoupled = decoupled

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - beta1, 1 - beta2, eps and the step's size with both bias corrections, and what
        weight decay takes."""
        beta2 = torch.tensor([a["betas"][1] for a in self._arguments], dtype=torch.float64)
        decay = self._of_runs("weight_decay")
        number = torch.arange(first + 1, first + 1 + len(rates), dtype=torch.float64)[:, None]
        correction = (1 - beta2**number).sqrt()
        taken, none = (1 - rates * decay, 1.0) if self._decoupled else (decay, 0.0)
        return stack_numbers(
            1 - momenta,
            1 - beta2,
            self._of_runs("eps") * correction,
            -rates / (1 - momenta**number) * correction,
            *self._split_decay(taken, none),
        )

    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        average, square = state
        weight1, weight2, eps, size, *decays = numbers
        if self._decays and self._decoupled:
            p.mul_(self._decay(p, decays))
        gradient = g if self._decoupled else self._with_decay(p, g, decays)
        average.lerp_(gradient, weight1)
        square.lerp_(gradient * gradient, weight2)
        p.addcdiv_(average * size, safe_root(square).add_(eps))
