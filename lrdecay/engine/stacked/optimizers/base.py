"""What every optimizer for many runs is, and the arithmetic that several share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor

Arguments = Mapping[str, Any]


class Update(ABC):
    """One optimizer for a group of runs, each with its own arguments."""

    def __init__(
        self, parameters: Sequence[Tensor], arguments: Sequence[Arguments], buffers: int = 2
    ) -> None:
        """`buffers` is how many tensors are kept for each parameter, zero at the start."""
        self._arguments = list(arguments)
        self._decays = any(a["weight_decay"] for a in arguments)
        self._spares = any(not a.get("decay_biases", True) for a in arguments)
        self.state = [torch.zeros_like(p) for p in parameters for _ in range(buffers)]
        """All that a step changes beside the parameters, each (runs, ...)."""

    @abstractmethod
    def coefficients(self, rates: Tensor, momenta: Tensor, first: int) -> Tensor:
        """Return (steps, numbers, runs) for steps `first`, `first` + 1, ...; ask in order, once.

        `rates` and `momenta` are (steps, runs); a momentum is Adam's first beta. All in float64.
        """

    def apply(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], row: Tensor
    ) -> None:
        """Change the parameters in place by one step; `row` is (numbers, runs).

        A parameter without a gradient is left alone, in every step: Adam counts steps for all.
        """
        each = len(self.state) // len(parameters)
        for index, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            if g is not None:
                self._change(
                    p, g, self.state[index * each : (index + 1) * each], expand_like(p, row)
                )

    @abstractmethod
    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        """Change a parameter by its gradient, and its part of the state, in place; `numbers` are
        those of the step, each (runs, 1, ...)."""

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

    def _with_decay(self, p: Tensor, g: Tensor, decays: Sequence[Tensor]) -> Tensor:
        """Return the gradient with what weight decay adds to it."""
        return torch.addcmul(g, p, self._decay(p, decays)) if self._decays else g

    def _split_decay(self, decay: Tensor, none: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return the weight decay of weights, and that of what has one dimension: `none` where the
        run spares it."""
        spared = [not a.get("decay_biases", True) for a in self._arguments]
        return decay, torch.where(torch.tensor(spared), none, decay)

    def _of_runs(self, name: str) -> Tensor:
        return torch.tensor([float(a[name]) for a in self._arguments], dtype=torch.float64)


def safe_root(square: Tensor) -> Tensor:
    """Return the root of an average of squares; infinite where one of them was too large to hold.

    There the parameter stays where it is from then on, as with torch, which for its order of
    multiplying can hold a few larger ones: up to 6e20 with Adam's defaults, not 1.8e19.
    `lerp_`, which keeps the average, makes NaN of infinity; a gradient that is not finite itself
    shows in what is divided.
    """
    return square.nan_to_num(nan=inf, posinf=inf, neginf=-inf).sqrt_()


def stack_numbers(*numbers: Tensor) -> Tensor:
    """Return (steps, numbers, runs) from numbers of (steps, runs), or of (runs,) in all steps."""
    return torch.stack(torch.broadcast_tensors(*numbers), 1)


def expand_like(parameter: Tensor, row: Tensor) -> list[Tensor]:
    """Return each number as (runs, 1, ...), to be used with a parameter."""
    shape = (-1, *(1,) * (parameter.dim() - 1))
    return [number.view(shape) for number in row.unbind()]
