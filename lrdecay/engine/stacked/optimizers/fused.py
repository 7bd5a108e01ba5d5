"""The optimizers whose step is one kernel in Triton (`kernels: triton`)."""

from torch import Tensor

from lrdecay.engine.stacked import kernels
from lrdecay.engine.stacked.optimizers.adam import Adam
from lrdecay.engine.stacked.optimizers.momentum import SGD


class FusedAdam(Adam):
    """Adam and AdamW in one pass over each parameter."""

    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        average, square = state
        weight1, weight2, eps, size, *decays = numbers
        decay = self._decay(p, decays) if self._decays else None
        kernels.adam_step(
            *(p, g, average, square), *(weight1, weight2, eps, size), decay, self._decoupled
        )


class FusedSGD(SGD):
    """SGD in one pass over each parameter."""

    def _change(self, p: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> None:
        of_weights, of_biases, kept, added, along_buffer, along_direction = numbers
        decay = self._decay(p, (of_weights, of_biases)) if self._decays else None
        buffer = state[0] if state else None
        kernels.sgd_step(p, g, buffer, kept, added, along_buffer, along_direction, decay)
