"""Whether copies of a network compute as one what each of them computes alone.

What they mean is compared in float64 on the CPU, where nothing but a mistake makes a difference: in
float32 what is right differs by more, as batch normalisation of images that are black but for a few
pixels does, or a GPU's fast convolutions. The device only has to be able to compute it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from lrdecay.components import rng
from lrdecay.components.models import dropout
from lrdecay.core.text import first_line
from lrdecay.engine.device_errors import is_device_error
from lrdecay.engine.operations import OperationWatch
from lrdecay.engine.precision import use_precision
from lrdecay.engine.stacked.ensemble import Stack, choose_form

_IMAGES = 16  # what a network means does not depend on how many it sees at once

_Same = Callable[[Tensor, Tensor], bool]


class CannotStackError(Exception):
    """Why a network's copies cannot run as one."""


def check_same_results(
    networks: Sequence[nn.Module], x_BCHW: Tensor, precision: str = "float32"
) -> None:
    """Raise `CannotStackError` unless the networks compute the same stacked as alone, in training
    and in evaluation, and can be computed on the device in the `precision` that runs ask for. Give
    two of different weights and dropout rates, and images on the device.

    An error of the device, such as too little memory, is raised as it is.
    """
    device, few_BCHW = x_BCHW.device, x_BCHW[:_IMAGES]
    parameters = [p for network in networks for p in network.parameters()]
    if any(p._backward_hooks or p._post_accumulate_grad_hooks for p in parameters):
        raise CannotStackError("a hook on a parameter would be lost")
    try:
        if _stays_in_float64(networks[0], few_BCHW):
            same = _compare_in_float64(networks, few_BCHW)
        else:
            # a network may make float32 of all it gets, or need the device: then its rounding
            # there is part of both results
            same = _compare(networks, Stack(networks, device), few_BCHW, _is_close)
        with use_precision(precision, device):
            compute_both(Stack(networks, device), few_BCHW)
    except (Exception, SystemExit) as error:  # whatever vmap or the module has to say
        if is_device_error(error):
            raise
        raise CannotStackError(first_line(error)) from error
    if not same:
        raise CannotStackError("stacked, its copies do not compute what they compute alone")


def _stays_in_float64(network: nn.Module, x_BCHW: Tensor) -> bool:
    """Return whether a network that is given float64 on the CPU computes in nothing else."""
    met: set[torch.dtype] = set()

    def look(given: list[Tensor], made: list[Tensor]) -> None:
        met.update(tensor.dtype for tensor in made if tensor.is_floating_point())

    try:
        exact, images = _to_float64(network), x_BCHW.cpu().double()
        with _float64_by_default(), OperationWatch(look):
            exact.train()(images)
    except (Exception, SystemExit) as error:
        if is_device_error(error):
            raise
        return False
    return met == {torch.float64}


def _compare_in_float64(networks: Sequence[nn.Module], x_BCHW: Tensor) -> bool:
    form = choose_form(x_BCHW.device)
    with _float64_by_default():
        exact = [_to_float64(network) for network in networks]
        stack = Stack(exact, torch.device("cpu"), form)
        return _compare(exact, stack, x_BCHW.cpu().double(), _is_equal)


def _compare(networks: Sequence[nn.Module], stack: Stack, x_BCHW: Tensor, same: _Same) -> bool:
    """Return whether logits and gradients in training, and logits in evaluation, are the same."""
    alone = [deepcopy(network).to(x_BCHW.device) for network in networks]
    for seed, network in enumerate(alone):
        dropout.set_dropout_step(network, seed, step=0)
    training, evaluation = compute_both(stack, x_BCHW)
    lone = [network.train()(x_BCHW) for network in alone]
    for logits in lone:
        _weigh(logits).backward()
    if not same(training, torch.stack(lone)) or not _compare_gradients(stack, alone, same):
        return False
    return same(evaluation, torch.stack([network.eval()(x_BCHW) for network in alone]))


def compute_both(stack: Stack, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits of a step of training, whose gradients are the stack's then, and logits of an
    evaluation, each (R, B, K)."""
    runs = len(stack.rates)
    keys_R = rng.make_keys(range(runs), "dropout", x_BCHW.device)
    keys_R = rng.derive_keys(keys_R, torch.zeros_like(keys_R))
    layers_L = torch.arange(stack.dropout_layers, device=x_BCHW.device)
    keys_LR = rng.derive_keys(keys_R, layers_L[:, None])
    training = stack.logits(x_BCHW.expand(runs, *x_BCHW.shape), keys_LR)
    torch.stack([_weigh(logits_BK) for logits_BK in training]).sum().backward()
    return training, stack.logits(x_BCHW, None)


def _weigh(logits_BK: Tensor) -> Tensor:
    """Return a sum of logits by which every image has gradients of its own."""
    # not the plain sum: batch normalisation takes the same from every image
    weights = torch.linspace(-1, 1, logits_BK.numel(), device=logits_BK.device)
    return (logits_BK * weights.view(logits_BK.shape)).sum() / len(logits_BK)


def _compare_gradients(stack: Stack, alone: Sequence[nn.Module], same: _Same) -> bool:
    """Compare the gradients of all that is trained: a hook may change them and nothing else."""
    trained = [[p.grad for p in network.parameters() if p.requires_grad] for network in alone]
    for together, *each in zip((p.grad for p in stack.parameters), *trained, strict=True):
        there = [gradient for gradient in each if gradient is not None]
        if together is None or len(there) < len(each):
            if together is not None or there:
                return False
        elif not same(together, torch.stack(there)):
            return False
    return True


@torch.no_grad()
def _is_equal(together: Tensor, alone: Tensor) -> bool:
    """Whether nothing differs but what float64 rounds, which is little beside the largest value."""
    if together.shape != alone.shape:
        return False
    largest = float(alone.abs().max()) if alone.numel() else 0.0
    return bool(((together - alone).abs() <= 1e-6 * largest + 1e-12).all())


def _is_close(together: Tensor, alone: Tensor) -> bool:
    return together.shape == alone.shape and torch.allclose(together, alone, rtol=1e-3, atol=1e-4)


@contextmanager
def _float64_by_default() -> Iterator[None]:
    """Within the block what a network makes without a dtype is float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _to_float64(network: nn.Module) -> nn.Module:
    return deepcopy(network).to("cpu", torch.float64)
