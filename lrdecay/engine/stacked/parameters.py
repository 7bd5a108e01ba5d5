"""All parameters of a run in a row: an optimizer passes over one tensor instead of one for each.

R runs, P numbers of a run.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import prod

import torch
from torch import Tensor

_TOGETHER = 4  # numbers: a GPU loads so many at once where they begin at a multiple of it


class Row:
    """The parameters of all runs in one tensor (R, P), weights first.

    What has one dimension in a network, biases and whatever batch normalisation scales and shifts
    by, comes last. Between two parameters there may be a few zeros, which nothing changes.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        """Copy the parameters, each (R, ...)."""
        is_weight = [parameter.dim() > 2 for parameter in parameters]
        self._order = sorted(range(len(parameters)), key=lambda index: not is_weight[index])
        lengths = [prod(parameters[index].shape[1:]) for index in self._order]
        rooms = [-(-length // _TOGETHER) * _TOGETHER for length in lengths]
        starts = list(accumulate(rooms, initial=0))
        self._weights = starts[sum(is_weight)]
        self._gaps = [
            parameters[0].new_zeros(len(parameters[0]), room - length) if room > length else None
            for room, length in zip(rooms, lengths, strict=True)
        ]
        self.values = self.join([parameter.detach() for parameter in parameters])
        self.views = list(parameters)
        """The parameters as views of `values`, in the order in which they were given."""
        self.gradients = list(parameters)
        """Where their gradients may be written: views of another row, which `join` then is."""
        self._gradient = torch.zeros_like(self.values)
        for index, start, length in zip(self._order, starts, lengths, strict=False):
            shape, place = parameters[index].shape, slice(start, start + length)
            self.views[index] = self.values[:, place].view(shape).detach().requires_grad_()
            self.gradients[index] = self._gradient[:, place].view(shape)

    def join_gradients(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return gradients of the parameters in a row (R, P): those that are not there are copied
        into it."""
        for gradient, place in zip(gradients, self.gradients, strict=True):
            if gradient.data_ptr() != place.data_ptr():
                place.copy_(gradient)
        return self._gradient

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return what there is of each parameter, such as its gradient, in a row (R, P)."""
        row = []
        for index, gap in zip(self._order, self._gaps, strict=True):
            part = parts[index].reshape(len(parts[index]), -1)
            row += [part] if gap is None else [part, gap]
        return torch.cat(row, 1)

    def split(self, row: Tensor, apart: bool) -> list[Tensor]:
        """Return a row in one piece, or `apart`: that of weights (R, 1, P), and the rest (R, P)."""
        if not apart:
            return [row]
        pieces = [row[:, None, : self._weights], row[:, self._weights :]]
        return [piece for piece in pieces if piece.numel()]
