"""Two short epochs of some runs, and how far those of two devices or kernels are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.gpu import problem
from lrdecay.core.run import Run
from lrdecay.engine.precision import use_precision, use_training_settings
from lrdecay.engine.stacked.lockstep import Lockstep

IMAGES = 5 * problem.BATCH + 9
NEAR = 1e-4
"""Most that the losses of most runs may differ, where the same is computed in float32."""


@dataclass(frozen=True)
class Trained:
    """The losses of the first epoch (steps, runs), and the weights after the second, on the CPU."""

    losses: Tensor
    weights: list[Tensor]

    def equals(self, other: Trained) -> bool:
        """Return whether all weights are the same, to the bit."""
        return all(map(torch.equal, self.weights, other.weights))

    def compare(self, other: Trained) -> dict[str, float]:
        """Return how much losses and weights differ at most, and losses in half of the runs.

        What half of the runs do is judged. In float32 a run now and then has two numbers under a
        pool, or one before a ReLU, that are so near that rounding decides; from there on it is
        another run, by 1e-3. What is computed wrongly is wrong in all of them.
        """
        of_runs = (self.losses - other.losses).abs().amax(0)
        pairs = zip(self.weights, other.weights, strict=True)
        return {
            "losses_of_half_the_runs": float(of_runs.median()),
            "losses": float(of_runs.max()),
            "weights": max(float((a - b).abs().max()) for a, b in pairs),
        }


def train_briefly(
    runs: Sequence[Run], device: torch.device, keep: Sequence[int] | None = None
) -> Trained:
    """Train runs for two epochs, after the first only those at the places to `keep`, if given."""
    data = problem.split(runs, device)
    with use_training_settings(), use_precision(runs[0].precision, device):
        group = Lockstep(runs, data.train.first(IMAGES), data.classes, device)
        losses = group.train_epoch().losses
        group.end_epoch([None] * len(runs))
        if keep is not None:
            group.keep(keep)
        group.train_epoch()
        return Trained(losses, [tensor.detach().cpu() for tensor in group._stack.state])
