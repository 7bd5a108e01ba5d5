"""Many networks of one architecture as one: each parameter has a leading run axis.

Tensors are named by their shape: R runs, L dropout layers, B images of a batch, C channels, H
height, W width, K classes; a last X is whatever comes.

A plain sequence of known layers runs as a `Chain`, any other module through `torch.func.vmap`.
The bits of the cnn on a CPU do not depend on which networks share a stack, as long as there are
two. Those of other networks may: some kernels treat odd widths by where in memory they stand.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from lrdecay.components import rng
from lrdecay.components.models import dropout
from lrdecay.components.models.dropout import StreamDropout
from lrdecay.engine.layers import Layers, list_layers
from lrdecay.engine.stacked import kernels, sequential
from lrdecay.engine.stacked.parameters import Row

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
            self._vmapped = _Vmapped(networks[0])
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

    def _drop(self, keys_LR: Tensor) -> "_Drop":
        how = keys_LR, self._thresholds_LR, self._scales_LR
        if isinstance(self._chain, sequential.InKernels):
            return _DropInKernel(*how)
        of_image = self._chain.dropped
        alike = all(len(set(of_network)) == 1 for of_network in self.rates)
        if self._row is None or of_image is None or not alike:
            return _Drop(*how)
        return _DropAtOnce(*how, of_image)

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


class _Drop:
    """Dropout of all runs at once; a rate of 0 keeps everything as it is."""

    def __init__(self, keys_LR: Tensor, thresholds_LR: Tensor, scales_LR: Tensor) -> None:
        self._keys_LR, self._thresholds_LR, self._scales_LR = keys_LR, thresholds_LR, scales_LR

    def __call__(self, x_RX: Tensor, place: int) -> Tensor:
        kept_RX, scale_R = self.draw(x_RX.shape, place)
        return dropout.apply_mask(x_RX, kept_RX, scale_R.view(-1, *(1,) * (x_RX.dim() - 1)))

    def draw(self, shape: torch.Size, place: int) -> tuple[Tensor, Tensor]:
        """Return what of (R, B, ...) is kept, and what each run's is multiplied with (R,)."""
        key_R1, threshold_R1 = self._keys_LR[place, :, None], self._thresholds_LR[place, :, None]
        kept_RX = rng.draw_mask(key_R1, threshold_R1, shape[1:], key_R1.device)
        return kept_RX, self._scales_LR[place]


class _DropInKernel(_Drop):
    """The same, whose masks are drawn where they are used."""

    def __call__(self, x_RX: Tensor, place: int) -> Tensor:
        of_layer = self._keys_LR[place], self._thresholds_LR[place], self._scales_LR[place]
        return kernels.drop(x_RX, *of_layer)


class _DropAtOnce(_Drop):
    """The same, of layers whose sizes are known and whose rates are one: all masks are drawn when
    the first is asked for."""

    def __init__(
        self, keys_LR: Tensor, thresholds_LR: Tensor, scales_LR: Tensor, of_image: Sequence[int]
    ) -> None:
        """`of_image` is how many numbers of an image each layer has."""
        super().__init__(keys_LR, thresholds_LR, scales_LR)
        self._of_image = of_image
        self._kept: tuple[Tensor, ...] = ()

    def draw(self, shape: torch.Size, place: int) -> tuple[Tensor, Tensor]:
        """Return what of (R, B, ...) is kept, and what each run's is multiplied with (R,)."""
        counts = [shape[1] * numbers for numbers in self._of_image]
        if not self._kept:
            uniforms = rng.draw_uniforms(self._keys_LR, counts)
            kept = uniforms >= self._thresholds_LR[0, :, None]
            self._kept = kept.split([count + count % 2 for count in counts], 1)
        return self._kept[place][:, : counts[place]].view(shape), self._scales_LR[place]


class _Vmapped:
    """Any module."""

    def __init__(self, network: nn.Module) -> None:
        self._network = deepcopy(network)
        stacked: dict[nn.Module, _VmappedDropout] = {}
        for parent in list(self._network.modules()):
            for name, child in parent._modules.items():
                if isinstance(child, StreamDropout):
                    parent._modules[name] = stacked.setdefault(child, _VmappedDropout())
        self._drops = [m for m in self._network.modules() if isinstance(m, _VmappedDropout)]

    def __call__(
        self, values: dict[str, Tensor], images: Tensor, keys_LR: Tensor | None, *rates_LR: Tensor
    ) -> Tensor:
        self._network.train(keys_LR is not None)
        axes = (0, None, None, 1, 1) if keys_LR is None else (0, 0, 1, 1, 1)
        mapped = vmap(self._compute_one, in_dims=axes, randomness="error")
        logits_RBK: Tensor = mapped(values, images, keys_LR, *rates_LR)
        return logits_RBK

    def _compute_one(
        self,
        values: dict[str, Tensor],
        x_BCHW: Tensor,
        keys_L: Tensor | None,
        thresholds_L: Tensor,
        scales_L: Tensor,
    ) -> Tensor:
        for index, layer in enumerate(self._drops):
            layer.key = None if keys_L is None else keys_L[index]
            layer.threshold, layer.scale = thresholds_L[index], scales_L[index]
        logits_BK: Tensor = functional_call(self._network, values, (x_BCHW,))
        return logits_BK


class _VmappedDropout(nn.Module):
    """What a `StreamDropout` is within vmap, where key and rate differ from run to run."""

    key: Tensor | None
    threshold: Tensor
    scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with the next mask applied; any shape."""
        if self.key is None:
            return x
        kept: Tensor = _Keep.apply(self.key, self.threshold, tuple(x.shape))
        self.key = rng.derive_keys(self.key, torch.zeros_like(self.key))
        dropped: Tensor = x * (kept * self.scale.to(x.dtype))
        return dropped


class _Keep(torch.autograd.Function):
    """`rng.draw_mask` as bytes, with a rule of its own for vmap: older ones cannot view bits."""

    @staticmethod
    def forward(key: Tensor, threshold: Tensor, shape: tuple[int, ...]) -> Tensor:
        return rng.draw_mask(key, threshold, shape, key.device).view(torch.uint8)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, key: Tensor, threshold: Tensor, shape: tuple[int, ...]
    ) -> tuple[Tensor, int]:
        # keys and thresholds differ from run to run: both have the run axis
        return _Keep.apply(key.unsqueeze(1), threshold.unsqueeze(1), shape), 0
