"""Gradients of many runs, clipped to a norm, each run's on its own."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.linalg import vector_norm

from lrdecay.core.run import Run

_EPS = 1e-6


class Clipping:
    """What `torch.nn.utils.clip_grad_norm_` does, with a largest norm for each run.

    As there, a norm that is not finite takes the gradients along: nothing is an error.
    """

    def __init__(self, runs: Sequence[Run], like: Tensor) -> None:
        """Take the device and the type of numbers of `like`."""
        limits = torch.tensor([run.clip_grad_norm for run in runs], dtype=torch.float64)
        self._limits_R = limits.to(like)

    def clip(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the gradients (R, ...) of all parameters, of each run at most as long as it may
        be. New ones: two parameters may share a gradient."""
        # one run's numbers in a row: how they are added up does not depend on the other runs
        rows = [g.reshape(len(g), -1).contiguous() for g in gradients if g is not None]
        norm_R = vector_norm(torch.stack([vector_norm(row, dim=1) for row in rows], 1), dim=1)
        share_R = (self._limits_R / (norm_R + _EPS)).clamp(max=1)
        return [
            None if g is None else g * share_R.view(-1, *(1,) * (g.dim() - 1)) for g in gradients
        ]
