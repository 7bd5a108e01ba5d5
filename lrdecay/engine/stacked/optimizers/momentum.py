"""The optimizers that move along a direction with momentum: SGD and RMSprop."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lrdecay.engine.stacked.optimizers.base import Arguments, Update, safe_root, stack_numbers


class SGD(Update):
    """torch.optim.SGD, with momentum and Nesterov's."""

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        super().__init__(parameters, arguments, buffers=any(a["momentum"] for a in arguments))

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return the weight decay, and what `move_parameter` takes."""
        numbers = momentum_shares(rates, momenta, self._of_runs("nesterov"))
        return stack_numbers(*self._split_decay(self._of_runs("weight_decay")), *numbers)

    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        of_weights, of_biases, *of_moving = numbers
        gradient = self._with_decay(p, g, (of_weights, of_biases))
        move_parameter(p, gradient, state[0] if state else None, of_moving)


class RMSprop(Update):
    """torch.optim.RMSprop, with momentum and centered."""

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        self._centered = any(a["centered"] for a in arguments)
        self._has_momentum = any(a["momentum"] for a in arguments)
        super().__init__(parameters, arguments, 1 + self._centered + self._has_momentum)

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - alpha, eps, how much of the squared average gradient is taken off, the weight
        decay, and what `move_parameter` takes."""
        return stack_numbers(
            1 - self._of_runs("alpha"),
            self._of_runs("eps"),
            -self._of_runs("centered"),
            *self._split_decay(self._of_runs("weight_decay")),
            *momentum_shares(rates, momenta, torch.zeros_like(rates)),
        )

    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        square, *others = state
        weight, eps, taken, of_weights, of_biases, *of_moving = numbers
        gradient = self._with_decay(p, g, (of_weights, of_biases))
        square.lerp_(gradient * gradient, weight)
        variance = square
        if self._centered:
            average = others[0].lerp_(gradient, weight)
            variance = torch.addcmul(square, average * average, taken)
        direction = gradient / safe_root(variance).add_(eps)
        move_parameter(p, direction, others[-1] if self._has_momentum else None, of_moving)


def momentum_shares(rates: Tensor, momenta: Tensor, nesterov: Tensor) -> tuple[Tensor, ...]:
    """Return how much of buffer and direction go into the buffer, and how much of each goes into
    the parameter."""
    # torch leaves the buffer alone while a cycled momentum is zero
    moves = momenta > 0
    return (
        torch.where(moves, momenta, 1.0),
        moves.double(),
        # Nesterov goes along direction and buffer, the others along the buffer
        -rates * torch.where(nesterov > 0, momenta, moves.double()),
        torch.where(moves, -rates * nesterov, -rates),
    )


def move_parameter(
    p: Tensor, direction: Tensor, buffer: Tensor | None, numbers: Sequence[Tensor]
) -> None:
    """Move a parameter along a direction, and along its momentum's buffer if it has one."""
    kept, added, along_buffer, along_direction = numbers
    if buffer is not None:
        # it begins at zero: after the first step it is the direction, as torch's
        buffer.mul_(kept).addcmul_(direction, added)
        p.addcmul_(buffer, along_buffer)
    p.addcmul_(direction, along_direction)
