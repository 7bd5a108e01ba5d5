"""Many networks of one architecture as one: each parameter has a leading run axis.

Tensors are named by their shape: R runs, L dropout layers, B images of a batch, C channels, H
height, W width, K classes; a last X is whatever comes.

A plain sequence of known layers runs as a `Chain`, any other module through `torch.func.vmap`.
The bits of the cnn on a CPU do not depend on which networks share a stack, as long as there are
two. Those of other networks may: some kernels treat odd widths by where in memory they stand.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from lrdecay.components import rng
from lrdecay.components.models import dropout
from lrdecay.engine.layers import Layers, list_layers
from lrdecay.engine.stacked import drops, sequential
from lrdecay.engine.stacked.parameters import Row
from lrdecay.engine.stacked.vmapped import Vmapped

Form = Callable[[Layers], sequential.Chain]
"""Makes what runs a sequence of layers for all copies."""


class Stack:
    """Copies of one network with weights of their own, each with dropout rates of its own.

    A plain sequence of layers takes the form that is fastest on the device, unless one is given.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        device: torch.device,
        form: Form | None = None,
    ) -> None:
        """`form` is how a sequence of known layers is run: `choose_form` of the device, unless
        given."""
        parameters, buffers = stack_module_state(list(networks))
        self._trained = [name for name, value in parameters.items() if value.requires_grad]
        self._values = {
            name: value.detach().to(device).requires_grad_(value.requires_grad)
            for name, value in {**parameters, **buffers}.items()
        }
        self._device = device
        dropouts = [dropout.list_dropout_layers(network) for network in networks]
        self._set_rates([[layer.p for layer in of_network] for of_network in dropouts])
        self.dropout_layers = len(list(dropout.list_dropout_layers(networks[0])))
        layers = list_layers(networks[0])
        self.is_chain = layers is not None
        self._row: Row | None = None
        if layers is None:
            self._vmapped = Vmapped(networks[0])
        else:
            self._chain = (form or choose_form(device))(layers)
            if isinstance(self._chain, sequential.InBatch):
                self._join_parameters()

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained, each (R, ...)."""
        return [self._values[name] for name in self._trained]

    @property
    def state(self) -> list[Tensor]:
        """All that training changes: parameters and buffers, each (R, ...)."""
        return list(self._values.values())

    def list_moved(self, apart: bool) -> list[Tensor]:
        """Return what an optimizer moves: the parameters, or views of all of them in a row, with
        `apart` weights and the rest each in one (weights have a dimension more)."""
        return self.parameters if self._row is None else self._row.split(self._row.values, apart)

    def line_up(self, gradients: Sequence[Tensor | None], apart: bool) -> Sequence[Tensor | None]:
        """Return the gradients of the parameters as those of what is moved."""
        if self._row is None:
            return gradients
        found = [gradient for gradient in gradients if gradient is not None]
        assert len(found) == len(gradients)  # a chain uses all that it has
        return self._row.split(self._row.join_gradients(found), apart)

    def logits(self, images: Tensor, keys_LR: Tensor | None, in_row: bool = False) -> Tensor:
        """Return (R, B, K).

        In training, `images` are (R, B, C, H, W), and the keys name the mask of each dropout layer.
        Without keys it is evaluation, and all runs see the same images (B, C, H, W). `in_row`:
        gradients may be written over those of the step before, for `line_up`.
        """
        how = self._thresholds_LR, self._scales_LR
        if not self.is_chain:
            return self._vmapped(self._values, images, keys_LR, *how)
        drop = None if keys_LR is None else self._drop(keys_LR)
        into = {}
        if in_row and self._row is not None:
            into = dict(zip(self._trained, self._row.gradients, strict=True))
        return self._chain(self._values, images, len(self.rates), drop, into)

    def _drop(self, keys_LR: Tensor) -> drops.Drop:
        how = keys_LR, self._thresholds_LR, self._scales_LR
        if isinstance(self._chain, sequential.InKernels):
            return drops.DropInKernel(*how)
        of_image = self._chain.dropped
        alike = all(len(set(of_network)) == 1 for of_network in self.rates)
        if self._row is None or of_image is None or not alike:
            return drops.Drop(*how)
        return drops.DropAtOnce(*how, of_image)

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the networks at these places."""
        index = torch.tensor(places, device=self._device)
        self._values = {
            name: value.detach()[index].requires_grad_(value.requires_grad)
            for name, value in self._values.items()
        }
        if self._row is not None:
            self._join_parameters()
        self._set_rates([self.rates[place] for place in places])

    def _join_parameters(self) -> None:
        """Have all that is trained in one tensor, of which the parameters are views."""
        self._row = Row(self.parameters)
        self._values |= zip(self._trained, self._row.views, strict=True)

    def _set_rates(self, rates: Sequence[Sequence[float]]) -> None:
        """Take the rates of each network's dropout layers."""
        self.rates = [list(of_network) for of_network in rates]
        by_layer = list(zip(*rates, strict=True))
        thresholds = [[rng.mask_threshold(rate) for rate in of_layer] for of_layer in by_layer]
        scales = [[1 / (1 - rate) for rate in of_layer] for of_layer in by_layer]
        shape, device = (len(by_layer), len(rates)), self._device
        self._thresholds_LR = torch.tensor(thresholds, dtype=torch.int32, device=device).view(shape)
        self._scales_LR = torch.tensor(scales, device=device).view(shape)


def choose_form(device: torch.device, kernels: str = "torch", precision: str = "float32") -> Form:
    """Return the form in which a sequence of known layers is fastest on a device, by the `kernels`
    and the `precision` of a run."""
    if kernels == "triton":
        return partial(sequential.InKernels, precision=precision)
    return sequential.InBatch if device.type == "cuda" else sequential.InChannels
