"""Networks, built for an image shape and a number of classes."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lrdecay.components import registry, rng
from lrdecay.components.models import classifiers, published
from lrdecay.components.models.arguments import BATCH_NORM
from lrdecay.components.models.cnn import CNN
from lrdecay.components.models.dropout import StreamDropout
from lrdecay.components.models.resnet import ResNet
from lrdecay.core.run import Run

MODELS: dict[str, Callable[..., nn.Module]] = registry.REGISTRIES["model"]
"""Name in a sweep file -> class, or a function that takes what a class would. Those of torchvision
are beside it: `find_model` knows them too."""
MODELS.update({"cnn": CNN, **published.NETWORKS, "resnet": ResNet})

registry.CATALOGUES["model"] = registry.Catalogue(
    "a classifier of torchvision", classifiers.find_classifier, classifiers.list_classifiers
)


def find_model(name: str) -> Callable[..., nn.Module]:
    """Return the class of the network `name`, or a function that takes what a class would."""
    found: Callable[..., nn.Module] = registry.find_thing("model", name)
    return found


def has_own_dropout(name: str) -> bool:
    """Return whether the network `name` has dropout rates of its own, or no dropout: a sweep gives
    it none."""
    return bool(getattr(find_model(name), "own_dropout", False))


def allow_dropout(name: str, rate: float) -> float | None:
    """Return the dropout rate that the network `name` is built with: `rate`, or None where it has
    rates of its own."""
    return None if has_own_dropout(name) else rate


def takes_batch_norm(name: str) -> bool:
    """Return whether the network `name` can be had with batch normalisation."""
    return BATCH_NORM in inspect.signature(find_model(name)).parameters


def build_model(
    name: str,
    shape: tuple[int, int, int],
    classes: int,
    *,
    seed: int,
    dropout: float | None,
    batch_norm: bool,
    arguments: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Return the network `name` with initial weights that depend on the seed and the shape alone.

    `arguments` are its own ones; its defaults unless given.

    It is built on the CPU, whatever device it goes to, so that the weights are the same there.
    Each nn.Dropout in it becomes a `StreamDropout` of the run's rate, or of its own rate where the
    run has none.
    """
    with rng.seed_torch(seed, "init"):
        options = {BATCH_NORM: batch_norm} if takes_batch_norm(name) else {}
        rate = () if dropout is None else (dropout,)
        network = find_model(name)(shape, classes, *rate, **options, **(arguments or {}))
    if not isinstance(network, nn.Module):
        raise TypeError(f"gives a {type(network).__name__}, and must give a torch.nn.Module")
    return _with_streams(network, dropout)


def build_network(run: Run, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the network of a run, before its first step."""
    return build_model(
        run.model,
        shape,
        classes,
        seed=run.seed,
        dropout=run.dropout,
        batch_norm=run.batch_norm,
        arguments=run.model_arguments,
    )


def _with_streams(network: nn.Module, dropout: float | None) -> nn.Module:
    """Replace each nn.Dropout; one that stands in several places stays one layer."""
    replaced: dict[nn.Module, nn.Module] = {}
    for parent in network.modules():
        for name, child in parent._modules.items():
            if type(child) is nn.Dropout:
                replaced.setdefault(child, StreamDropout(child.p if dropout is None else dropout))
                parent._modules[name] = replaced[child]
    return network


def check_shape(
    name: str,
    shape: tuple[int, int, int],
    classes: int = 2,
    arguments: Mapping[str, Any] | None = None,
) -> None:
    """Raise `ValueError` if the network `name` cannot be built with these arguments for images of
    this shape, and if a plug-in's does not make logits of them, or not from the seed's weights."""
    own = registry.find_plugin("model", name)
    build = partial(
        build_model,
        name,
        shape,
        classes,
        seed=0,
        dropout=allow_dropout(name, 0.5),
        batch_norm=False,
        arguments=arguments,
    )
    if own is None:
        network = build()
        known = find_model(name)
        if isinstance(known, classifiers.Classifier):
            known.check_images(network, shape, (arguments or {}).get("stem", "standard"))
        return
    try:
        problem = _try_model(build, shape, classes)
    except (Exception, SystemExit) as error:  # it may raise anything
        raise ValueError(registry.blame_plugin(own, error)) from error
    if problem is not None:
        raise ValueError(f"the plug-in model {name} of {own.origin}: {problem}")


@torch.no_grad()
def _try_model(
    build: Callable[[], nn.Module], shape: tuple[int, int, int], classes: int
) -> str | None:
    """Say what is wrong with a network that was built twice and saw a few images."""
    with torch.random.fork_rng(devices=[]):
        weights = set()
        for seed in (1, 2):
            torch.manual_seed(seed)
            network = build()
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
