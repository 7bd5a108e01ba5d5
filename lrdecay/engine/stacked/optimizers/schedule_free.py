"""AdamWScheduleFree for many runs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lrdecay.engine.stacked.optimizers.base import (
    Arguments,
    Update,
    expand_like,
    safe_root,
    stack_numbers,
)


class AdamWScheduleFree(Update):
    """schedulefree.AdamWScheduleFree.

    Plain steps move z; x is a weighted average of all z, and is what is evaluated. Gradients are
    taken at y = (1 - beta1) z + beta1 x, which is where training has the parameters.
    """

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        super().__init__(parameters, arguments)
        self.state[::2] = [p.detach().clone() for p in parameters]
        self._highest, self._total = torch.zeros(2, len(arguments), dtype=torch.float64)

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - beta2, the bias correction and eps with it, the weight decay, the weight of z
        in its average, and how far y and z go."""
        beta1, beta2 = self._betas()
        number = torch.arange(first + 1, first + 1 + len(rates), dtype=torch.float64)[:, None]
        warmed = rates * (number / self._of_runs("warmup_steps").clamp(min=1)).clamp(max=1)
        share = self._shares(warmed, number[:, 0])
        correction = (1 - beta2**number).sqrt()
        return stack_numbers(
            1 - beta2,
            correction,
            self._of_runs("eps") * correction,
            *self._split_decay(self._of_runs("weight_decay")),
            share,
            warmed * (beta1 * (1 - share) - 1),
            -warmed,
        )

    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        z, square = state
        weight2, correction, eps, *decays, share, along_y, along_z = numbers
        square.lerp_(g * g, weight2)
        direction = (g * correction).div_(safe_root(square).add_(eps))
        if self._decays:
            direction.addcmul_(p, self._decay(p, decays))
        p.lerp_(z, share).addcmul_(direction, along_y)
        z.addcmul_(direction, along_z)

    def averaged(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Return x, from y and z."""
        row = 1 - 1 / self._betas()[:1]
        pairs = zip(parameters, self.state[::2], strict=True)
        return [torch.lerp(p, z, *expand_like(p, row.to(p))) for p, z in pairs]

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the runs at these places."""
        super().keep(places)
        self._highest, self._total = self._highest[list(places)], self._total[list(places)]

    def _betas(self) -> Tensor:
        """Return both betas (2, runs), which no scheduler may cycle: x would be no average."""
        return torch.tensor([a["betas"] for a in self._arguments], dtype=torch.float64).T

    def _shares(self, warmed: Tensor, number: Tensor) -> Tensor:
        """Return each step's weight over the sum of all so far (steps, runs)."""
        highest = torch.cat([self._highest[None], warmed]).cummax(0).values
        arguments = zip(
            highest[1:].T.contiguous(),
            self._of_runs("r").tolist(),
            self._of_runs("weight_lr_power").tolist(),
            strict=True,
        )
        # run by run, for how a power rounds may depend on where in a tensor it stands
        weights = torch.stack([number**r * rate**power for rate, r, power in arguments], 1)
        totals = torch.cat([self._total[None], weights]).cumsum(0)
        self._highest, self._total = highest[-1], totals[-1]
        return torch.where(totals[1:] == 0, 0.0, weights / totals[1:])
