"""Whether `kernels: triton` work where runs train: they compile, and compute what torch does."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from lrdecay.components.datasets.dataset import Split
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.core.text import first_line
from lrdecay.engine.device_errors import is_device_error
from lrdecay.engine.precision import use_precision
from lrdecay.engine.stacked.ensemble import Stack, choose_form
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.engine.stacked.stack_check import compute_both

# of the largest value: a rounding may choose another winner of a pool, whose gradients differ
_TOLERANCE = {"float32": 0.01, "tf32x3": 0.01, "tf32": 0.05}


def check_kernels(run: Run, networks: Sequence[nn.Module], images: Tensor, classes: int) -> None:
    """Raise `InputError` unless a run's networks compute with kernels about what they compute
    without, and can be trained with them. Give two, and images (B, C, H, W) on the device.

    An error of the device, such as too little memory, is raised as it is.
    """
    batch = images[: run.batch_size]
    try:
        plain = _compute_all(Stack(networks, batch.device), batch)
        form = choose_form(batch.device, run.kernels, run.precision)
        with use_precision(run.precision, batch.device):
            fused = _compute_all(Stack(networks, batch.device, form), batch)
            _train_step(run, batch, classes)
    except Exception as error:  # whatever a compiler has to say
        if is_device_error(error):
            raise
        raise InputError(
            f"kernels: {run.kernels} cannot be used here ({first_line(error)}); kernels: torch can"
        ) from error
    for ours, theirs in zip(fused, plain, strict=True):
        apart = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))
        if not apart <= _TOLERANCE[run.precision]:
            raise InputError(
                f"kernels: {run.kernels} do not compute here what torch does: {run.model} differs "
                f"by {apart:.1%} of the largest value; give kernels: torch"
            )


def _compute_all(stack: Stack, images: Tensor) -> list[Tensor]:
    """Return logits in training and in evaluation, and all gradients."""
    training, evaluation = compute_both(stack, images)
    gradients = (parameter.grad for parameter in stack.parameters)
    found = training, evaluation, *(each for each in gradients if each is not None)
    return [each.detach() for each in found]


def _train_step(run: Run, images: Tensor, classes: int) -> None:
    # a schedule may be longer than a step
    runs = [replace(run.at_constant_rate(), seed=seed) for seed in range(2)]
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    Lockstep(runs, Split(images, labels), classes, images.device).train_epoch()
