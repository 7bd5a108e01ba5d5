"""Losses by name: functions of logits (B, K) and labels (B,) that give the loss of each image."""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from lrdecay.components import registry
from lrdecay.core.run import Run

Loss = Callable[[Tensor, Tensor], Tensor]

CROSS_ENTROPY = "cross_entropy"

LOSSES: dict[str, Loss] = registry.REGISTRIES["loss"]
"""Name in a sweep file -> function."""

_IMAGES = 6


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, reduction="none")


LOSSES[CROSS_ENTROPY] = _cross_entropy


def find_mean_loss(run: Run, logits: Tensor, labels: Tensor) -> Tensor:
    """Return what a step of a run minimises: the mean over its images."""
    if run.loss_function == CROSS_ENTROPY:
        return F.cross_entropy(logits, labels, label_smoothing=run.label_smoothing)
    return LOSSES[run.loss_function](logits, labels).mean()


def check_loss(name: str, classes: int) -> None:
    """Raise `ValueError` if a plug-in's loss cannot be trained with; lrdecay's own can."""
    own = registry.find_plugin("loss", name)
    problem = None if own is None else _find_problem(own, classes)
    if problem is not None:
        raise ValueError(problem)


@lru_cache(maxsize=64)
def _find_problem(own: registry.Plugged, classes: int) -> str | None:
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            problem = _try_loss(own.name, classes)
    except (Exception, SystemExit) as error:  # it may raise anything
        return registry.blame_plugin(own, error)
    return problem and f"the plug-in loss {own.name} of {own.origin}: {problem}"


def _try_loss(name: str, classes: int) -> str | None:
    """Say what is wrong with the losses of a few images."""
    logits = torch.linspace(-2, 2, _IMAGES * classes).sin().mul(3).view(_IMAGES, classes)
    labels = torch.arange(_IMAGES) % classes
    before = torch.get_rng_state()

    def call(part: slice) -> Tensor:
        return LOSSES[name](logits[part].clone().requires_grad_(), labels[part].clone())

    losses = call(slice(None))
    if not torch.equal(torch.get_rng_state(), before):
        return "draws random numbers, and must give the same losses each time"
    if not isinstance(losses, Tensor):
        return f"gives a {type(losses).__name__}, and must give a tensor"
    if losses.shape != labels.shape or losses.dtype != logits.dtype:
        of_it = f"{losses.dtype} {tuple(losses.shape)}"
        return f"gives {of_it} for {_IMAGES} images, and must give {logits.dtype} ({_IMAGES},)"
    if not losses.requires_grad:
        return "gives losses without a gradient"
    if not losses.isfinite().all():
        return "gives losses that are not finite"
    if not torch.equal(call(slice(None)), losses):
        return "gives other losses each time"
    alone = torch.cat([call(slice(place, place + 1)) for place in range(_IMAGES)])
    if not torch.allclose(alone, losses, rtol=1e-4, atol=1e-5):
        return "gives an image a loss that depends on the images beside it; the mean is taken later"
    return None
