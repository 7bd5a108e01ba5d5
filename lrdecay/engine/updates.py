"""The optimizers for many runs at once: each parameter has a leading run axis.

What differs between runs and steps (learning rate, momentum, bias correction, weight decay) is
computed ahead in float64 and comes to the device as coefficients, one row of (numbers, runs) a
step; the update itself is a few passes over each parameter. An operation that rounds more than once
is used only where it runs along one run's elements at a time: a run's bits then do not depend on
where in the group it stands.

Formulas: torch.optim's documentation of Adam, AdamW, SGD, RMSprop and Adadelta; for
AdamWScheduleFree the package schedulefree (Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky,
"The Road Less Scheduled", 2024).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor

Arguments = Mapping[str, Any]


class Update(ABC):
    """One optimizer for a group of runs, each with its own arguments."""

    def __init__(self, arguments: Sequence[Arguments], state: list[Tensor]) -> None:
        self._arguments = list(arguments)
        self._decays = any(a["weight_decay"] for a in arguments)
        self._spares = any(not a.get("decay_biases", True) for a in arguments)
        self.state = state
        """All that a step changes beside the parameters, each (runs, ...)."""

    @abstractmethod
    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return (steps, numbers, runs) for steps `first`, `first` + 1, ...; ask in order, once.

        `rates` and `momenta` are (steps, runs); a momentum is Adam's first beta. All in float64.
        """

    @abstractmethod
    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step; `row` is (numbers, runs).

        A parameter without a gradient is left alone, in every step: Adam counts steps for all.
        """

    def averaged(self, parameters: Sequence[Tensor]) -> list[Tensor] | None:
        """Return where the parameters are to be evaluated, or None: where training has them."""
        return None

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the runs at these places."""
        self._arguments = [self._arguments[place] for place in places]
        self.state = [tensor[list(places)] for tensor in self.state]

    def _decay(self, p: Tensor, decays: Sequence[Tensor]) -> Tensor:
        """Return what weight decay takes of a parameter, by `decays`: of weights, of biases."""
        return decays[self._spares and p.dim() <= 2]

    def _decay_of_biases(self, decay: Tensor, none: float = 0.0) -> Tensor:
        """Return the weight decay of what has one dimension, `none` where the run spares it."""
        spared = [not a.get("decay_biases", True) for a in self._arguments]
        return torch.where(torch.tensor(spared), none, decay)

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
        taken = 1 - rates * decay if self._decoupled else decay.expand_as(rates)
        return _stacked(
            1 - momenta,
            (1 - beta2).expand_as(rates),
            self._of_runs("eps") * correction,
            -rates / (1 - momenta**number) * correction,
            taken,
            self._decay_of_biases(taken, 1.0 if self._decoupled else 0.0),
        )

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step."""
        states = zip(self.state[::2], self.state[1::2], strict=True)
        for p, g, (average, square) in zip(parameters, gradients, states, strict=True):
            if g is None:
                continue
            weight1, weight2, eps, size, *decays = _like(p, row)
            decay = self._decay(p, decays)
            if self._decays and self._decoupled:
                p.mul_(decay)
            gradient = g if self._decoupled or not self._decays else torch.addcmul(g, p, decay)
            average.lerp_(gradient, weight1)
            square.lerp_(gradient * gradient, weight2)
            p.addcdiv_(average * size, _root(square).add_(eps))


class SGD(Update):
    """torch.optim.SGD, with momentum and Nesterov's."""

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        self._has_momentum = any(a["momentum"] for a in arguments)
        buffers = [torch.zeros_like(p) for p in parameters] if self._has_momentum else []
        super().__init__(arguments, buffers)

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return the weight decay, and what `_move` takes."""
        decay = self._of_runs("weight_decay").expand_as(rates)
        numbers = _by_momentum(rates, momenta, self._of_runs("nesterov"))
        return _stacked(decay, self._decay_of_biases(decay), *numbers)

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step."""
        for index, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            if g is None:
                continue
            of_weights, of_biases, *numbers = _like(p, row)
            decay = self._decay(p, (of_weights, of_biases))
            gradient = torch.addcmul(g, p, decay) if self._decays else g
            _move(p, gradient, self.state[index] if self._has_momentum else None, numbers)


class RMSprop(Update):
    """torch.optim.RMSprop, with momentum and centered."""

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        self._centered = any(a["centered"] for a in arguments)
        self._has_momentum = any(a["momentum"] for a in arguments)
        self._tensors = 1 + self._centered + self._has_momentum
        super().__init__(
            arguments, [torch.zeros_like(p) for p in parameters for _ in range(self._tensors)]
        )

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - alpha, eps, how much of the squared average gradient is taken off, the weight
        decay, and what `_move` takes."""
        decay = self._of_runs("weight_decay").expand_as(rates)
        return _stacked(
            (1 - self._of_runs("alpha")).expand_as(rates),
            self._of_runs("eps").expand_as(rates),
            -self._of_runs("centered").expand_as(rates),
            decay,
            self._decay_of_biases(decay),
            *_by_momentum(rates, momenta, torch.zeros_like(rates)),
        )

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step."""
        for index, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            if g is None:
                continue
            weight, eps, taken, of_weights, of_biases, *numbers = _like(p, row)
            decay = self._decay(p, (of_weights, of_biases))
            square, *others = self.state[index * self._tensors : (index + 1) * self._tensors]
            gradient = torch.addcmul(g, p, decay) if self._decays else g
            square.lerp_(gradient * gradient, weight)
            variance = square
            if self._centered:
                average = others[0].lerp_(gradient, weight)
                variance = torch.addcmul(square, average * average, taken)
            direction = gradient / _root(variance).add_(eps)
            _move(p, direction, others[-1] if self._has_momentum else None, numbers)


class Adadelta(Update):
    """torch.optim.Adadelta: steps as long as the root of the average squared step before."""

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        super().__init__(arguments, [torch.zeros_like(p) for p in parameters for _ in range(2)])

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - rho, eps, minus the rate and the weight decay."""
        decay = self._of_runs("weight_decay").expand_as(rates)
        return _stacked(
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
            weight, eps, size, *decays = _like(p, row)
            gradient = torch.addcmul(g, p, self._decay(p, decays)) if self._decays else g
            square.lerp_(gradient * gradient, weight)
            step = (moved + eps).sqrt_().div_(_root(square + eps)).mul_(gradient)
            moved.lerp_(step * step, weight)
            p.addcmul_(step, size)


class AdamWScheduleFree(Update):
    """schedulefree.AdamWScheduleFree.

    Plain steps move z; x is a weighted average of all z, and is what is evaluated. Gradients are
    taken at y = (1 - beta1) z + beta1 x, which is where training has the parameters.
    """

    def __init__(self, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> None:
        starts = [(p.detach().clone(), torch.zeros_like(p)) for p in parameters]
        super().__init__(arguments, [tensor for pair in starts for tensor in pair])
        self._highest = torch.zeros(len(arguments), dtype=torch.float64)
        self._total = torch.zeros(len(arguments), dtype=torch.float64)

    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return 1 - beta2, the bias correction and eps with it, the weight decay, the weight of z
        in its average, and how far y and z go."""
        beta1, beta2 = self._betas()
        number = torch.arange(first + 1, first + 1 + len(rates), dtype=torch.float64)[:, None]
        warmed = rates * (number / self._of_runs("warmup_steps").clamp(min=1)).clamp(max=1)
        share = self._shares(warmed, number[:, 0])
        correction = (1 - beta2**number).sqrt()
        decay = self._of_runs("weight_decay").expand_as(rates)
        return _stacked(
            (1 - beta2).expand_as(rates),
            correction,
            self._of_runs("eps") * correction,
            decay,
            self._decay_of_biases(decay),
            share,
            warmed * (beta1 * (1 - share) - 1),
            -warmed,
        )

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters, which are y, in place by one step."""
        states = zip(self.state[::2], self.state[1::2], strict=True)
        for p, g, (z, square) in zip(parameters, gradients, states, strict=True):
            if g is None:
                continue
            weight2, correction, eps, *decays, share, along_y, along_z = _like(p, row)
            square.lerp_(g * g, weight2)
            direction = (g * correction).div_(_root(square).add_(eps))
            if self._decays:
                direction.addcmul_(p, self._decay(p, decays))
            p.lerp_(z, share).addcmul_(direction, along_y)
            z.addcmul_(direction, along_z)

    def averaged(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Return x, from y and z."""
        row = 1 - 1 / self._betas()[:1]
        pairs = zip(parameters, self.state[::2], strict=True)
        return [torch.lerp(p, z, *_like(p, row.to(p))) for p, z in pairs]

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


def build(name: str, parameters: Sequence[Tensor], arguments: Sequence[Arguments]) -> Update:
    """Return optimizer `name` for stacked parameters, with each run's arguments."""
    match name:
        case "SGD":
            return SGD(parameters, arguments)
        case "RMSprop":
            return RMSprop(parameters, arguments)
        case "Adadelta":
            return Adadelta(parameters, arguments)
        case "AdamWScheduleFree":
            return AdamWScheduleFree(parameters, arguments)
    return Adam(parameters, arguments, decoupled=name == "AdamW")


def _root(square: Tensor) -> Tensor:
    """Return the root of an average of squares; infinite where one of them was too large to hold.

    There the parameter stays where it is from then on, as with torch, which for its order of
    multiplying can hold a few larger ones: up to 6e20 with Adam's defaults, not 1.8e19.
    `lerp_`, which keeps the average, makes NaN of infinity; a gradient that is not finite itself
    shows in what is divided.
    """
    return square.nan_to_num(nan=inf, posinf=inf, neginf=-inf).sqrt_()


def _by_momentum(rates: Tensor, momenta: Tensor, nesterov: Tensor) -> tuple[Tensor, ...]:
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


def _move(p: Tensor, direction: Tensor, buffer: Tensor | None, numbers: Sequence[Tensor]) -> None:
    """Move a parameter along a direction, and along its momentum's buffer if it has one."""
    kept, added, along_buffer, along_direction = numbers
    if buffer is not None:
        # it begins at zero: after the first step it is the direction, as torch's
        buffer.mul_(kept).addcmul_(direction, added)
        p.addcmul_(buffer, along_buffer)
    p.addcmul_(direction, along_direction)


def _stacked(*numbers: Tensor) -> Tensor:
    return torch.stack(numbers, 1)


def _like(parameter: Tensor, row: Tensor) -> list[Tensor]:
    """Return each number as (runs, 1, ...), to be used with a parameter."""
    shape = (-1, *(1,) * (parameter.dim() - 1))
    return [number.view(shape) for number in row.unbind()]
