"""Adadelta for many runs."""

from torch import Tensor

from lrdecay.engine.stacked.optimizers.base import Update, safe_root, stack_numbers


class Adadelta(Update):
    """torch.optim.Adadelta: steps as long as the root of the average squared step before."""

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - rho, eps, minus the rate and the weight decay."""
        return stack_numbers(
            1 - self._of_runs("rho"),
            self._of_runs("eps"),
            -rates,
            *self._split_decay(self._of_runs("weight_decay")),
        )

    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        square, moved = state
        weight, eps, size, *decays = numbers
        gradient = self._with_decay(p, g, decays)
        square.lerp_(gradient * gradient, weight)
        step = (moved + eps).sqrt_().div_(safe_root(square + eps)).mul_(gradient)
        moved.lerp_(step * step, weight)
        p.addcmul_(step, size)
