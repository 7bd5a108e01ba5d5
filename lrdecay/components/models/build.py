"""Networks, built for an image shape and a number of classes."""

import hashlib
import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lrdecay.components import registry, rng
from lrdecay.components.models import published
from lrdecay.components.models.cnn import CNN
from lrdecay.components.models.dropout import StreamDropout
from lrdecay.core.run import Run

MODELS: dict[str, Callable[..., nn.Module]] = registry.REGISTRIES["model"]
"""Name in a sweep file -> class, or a function that takes what a class would."""
MODELS.update({"cnn": CNN, **published.NETWORKS})


def has_own_dropout(name: str) -> bool:
    """Return whether the network `name` has dropout rates of its own: a sweep gives it none."""
    return bool(getattr(MODELS[name], "own_dropout", False))


def allow_dropout(name: str, rate: float) -> float | None:
    """Return the dropout rate that the network `name` is built with: `rate`, or None where it has
    rates of its own."""
    return None if has_own_dropout(name) else rate


def takes_batch_norm(name: str) -> bool:
    """Return whether the network `name` can be had with batch normalisation."""
    return "batch_norm" in inspect.signature(MODELS[name]).parameters


def build_model(
    name: str,
    shape: tuple[int, int, int],
    classes: int,
    *,
    seed: int,
    dropout: float | None,
    batch_norm: bool,
) -> nn.Module:
    """Return the network `name` with initial weights that depend on the seed and the shape alone.

    It is built on the CPU, whatever device it goes to, so that the weights are the same there.
    Each nn.Dropout in it becomes a `StreamDropout` of the run's rate, or of its own rate where the
    run has none.
    """
    with rng.seed_torch(seed, "init"):
        options = {"batch_norm": batch_norm} if takes_batch_norm(name) else {}
        rate = () if dropout is None else (dropout,)
        network = MODELS[name](shape, classes, *rate, **options)
    if not isinstance(network, nn.Module):
        raise TypeError(f"gives a {type(network).__name__}, and must give a torch.nn.Module")
    return _with_streams(network, dropout)


def build_network(run: Run, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the network of a run, before its first step."""
    seed, dropout, batch_norm = run.seed, run.dropout, run.batch_norm
    return build_model(run.model, shape, classes, seed=seed, dropout=dropout, batch_norm=batch_norm)


def _with_streams(network: nn.Module, dropout: float | None) -> nn.Module:
    """Replace each nn.Dropout; one that stands in several places stays one layer."""
    replaced: dict[nn.Module, nn.Module] = {}
    for parent in network.modules():
        for name, child in parent._modules.items():
            if type(child) is nn.Dropout:
                replaced.setdefault(child, StreamDropout(child.p if dropout is None else dropout))
                parent._modules[name] = replaced[child]
    return network


def check_shape(name: str, shape: tuple[int, int, int], classes: int = 2) -> None:
    """Raise `ValueError` if the network `name` cannot be built for images of this shape, and if a
    plug-in's does not make logits of them, or not from the seed's weights."""
    own = registry.find_plugin("model", name)
    if own is None:
        rate = allow_dropout(name, 0.5)
        build_model(name, shape, classes, seed=0, dropout=rate, batch_norm=False)
        return
    try:
        problem = _try_model(name, shape, classes)
    except (Exception, SystemExit) as error:  # it may raise anything
        raise ValueError(registry.blame_plugin(own, error)) from error
    if problem is not None:
        raise ValueError(f"the plug-in model {name} of {own.origin}: {problem}")


@torch.no_grad()
def _try_model(name: str, shape: tuple[int, int, int], classes: int) -> str | None:
    """Say what is wrong with a network that was built twice and saw a few images."""
    with torch.random.fork_rng(devices=[]):
        weights = set()
        for seed in (1, 2):
            torch.manual_seed(seed)
            rate = allow_dropout(name, 0.5)
            network = build_model(name, shape, classes, seed=0, dropout=rate, batch_norm=False)
            weights.add(digest_weights(network))
        logits = network.train()(torch.rand(4, *shape))
    if len(weights) > 1:
        return "begins with other weights each time; draw them with torch, which is seeded"
    given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if given != (4, classes):
        return f"gives {given} for 4 images of {classes} classes, and must give (4, {classes})"
    return None


REFRESHED_BATCHES = 50
"""How many batches renew batch normalisation's statistics before an evaluation at averaged weights:
those of the first steps of a run (or of its first epoch, if that has fewer), augmented as they were
then, with their masks."""


def has_running_statistics(model: nn.Module) -> bool:
    """Return whether the model normalises by means and variances that training gathers."""
    return any(name.split(".")[-1] == "running_mean" for name, _ in model.named_buffers())


def digest_weights(model: nn.Module) -> str:
    """Return the first 16 hex digits of the SHA-256 of all parameters and buffers, in order."""
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().numpy().tobytes())
    return sha.hexdigest()[:16]
