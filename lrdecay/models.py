"""The networks, built for an image shape and a number of classes."""

from __future__ import annotations

import hashlib
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from lrdecay import plugins, published, streams


class StreamDropout(nn.Module):
    """Dropout whose mask comes from a run's own stream instead of torch's generator.

    In training, each element is zeroed with probability `p` and the others are divided by 1 - p;
    in evaluation the input is returned as it is. `set_dropout_step` says which mask is next; a
    layer that is called more than once in a step draws another mask each time.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.key = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with the next mask applied; any shape."""
        if not self.training or self.p == 0:
            return x
        kept = streams.keep(self.key, streams.threshold(self.p), x.shape, x.device)
        self.key = streams.part(self.key, 0)
        return drop(x, kept, 1 / (1 - self.p))

    def extra_repr(self) -> str:
        """Return what `print(model)` shows of this layer."""
        return f"p={self.p}"


def drop(x: Tensor, kept: Tensor, scale: float | Tensor) -> Tensor:
    """Return `x` times `scale` where `kept`, and zero elsewhere."""
    # a CPU turns bytes into floats eight times as fast as it does Booleans
    return x * (kept.view(torch.uint8).to(x.dtype) * scale)


class CNN(nn.Sequential):
    """The tutorial's network: two 3x3 convolutions, each halved by max-pooling, two linear layers.

    Images (n, channels, height, width), at least 4x4, to logits (n, classes). Dropout stands
    before each linear layer; `batch_norm` adds a BatchNorm2d after each convolution.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, dropout: float, batch_norm: bool = False
    ) -> None:
        channels, height, width = shape
        if min(height, width) < 4:
            raise ValueError(f"the cnn needs images of at least 4x4 pixels, not {height}x{width}")
        # Pooling before ReLU gives the same values and gradients at a quarter of ReLU's work.
        features = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.BatchNorm2d(16) if batch_norm else nn.Identity(),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32) if batch_norm else nn.Identity(),
            nn.MaxPool2d(2),
            nn.ReLU(),
        )
        classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32 * (height // 4) * (width // 4), 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, classes),
        )
        super().__init__(OrderedDict(features=features, classifier=classifier))


MODELS: dict[str, Callable[..., nn.Module]] = {"cnn": CNN, **published.NETWORKS}
"""Name in a sweep file -> class, or a function that takes what a class would."""


def has_own_dropout(name: str) -> bool:
    """Return whether the network `name` has dropout rates of its own: a sweep gives it none."""
    return bool(getattr(MODELS[name], "own_dropout", False))


def takes_batch_norm(name: str) -> bool:
    """Return whether the network `name` can be had with batch normalisation."""
    return "batch_norm" in inspect.signature(MODELS[name]).parameters


def build(
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
    with streams.seeded(seed, "init"):
        options = {"batch_norm": batch_norm} if takes_batch_norm(name) else {}
        rate = () if has_own_dropout(name) else (dropout,)
        network = MODELS[name](shape, classes, *rate, **options)
    if not isinstance(network, nn.Module):
        raise TypeError(f"gives a {type(network).__name__}, and must give a torch.nn.Module")
    return _with_streams(network, dropout)


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
    own = plugins.find("model", name)
    if own is None:
        build(name, shape, classes, seed=0, dropout=_some_dropout(name), batch_norm=False)
        return
    try:
        problem = _trial(name, shape, classes)
    except Exception as error:  # it may raise anything
        raise ValueError(plugins.blame(own, error)) from error
    if problem is not None:
        raise ValueError(f"the plug-in model {name} of {own.origin}: {problem}")


@torch.no_grad()
def _trial(name: str, shape: tuple[int, int, int], classes: int) -> str | None:
    """Say what is wrong with a network that was built twice and saw a few images."""
    with torch.random.fork_rng(devices=[]):
        weights = set()
        for seed in (1, 2):
            torch.manual_seed(seed)
            rate = _some_dropout(name)
            network = build(name, shape, classes, seed=0, dropout=rate, batch_norm=False)
            weights.add(digest(network))
        logits = network.train()(torch.rand(4, *shape))
    if len(weights) > 1:
        return "begins with other weights each time; draw them with torch, which is seeded"
    given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if given != (4, classes):
        return f"gives {given} for 4 images of {classes} classes, and must give (4, {classes})"
    return None


def _some_dropout(name: str) -> float | None:
    return None if has_own_dropout(name) else 0.5


def dropout_layers(model: nn.Module) -> Iterator[StreamDropout]:
    """Yield the model's dropout layers in the order of definition."""
    return (layer for layer in model.modules() if isinstance(layer, StreamDropout))


def applied_dropout(model: nn.Module) -> float | None:
    """Return the rate that the live model's dropout layers share; None if they share none."""
    rates = {layer.p for layer in dropout_layers(model)}
    return rates.pop() if len(rates) == 1 else None


def set_dropout_step(model: nn.Module, seed: int, step: int) -> None:
    """Make every dropout layer draw the mask of optimizer step `step` (from 0) in its next call."""
    for index, layer in enumerate(dropout_layers(model)):
        layer.key = streams.key(seed, "dropout", step, index)


REFRESHED_BATCHES = 50
"""How many batches renew batch normalisation's statistics before an evaluation at averaged weights:
those of the first steps of a run (or of its first epoch, if that has fewer), with their masks."""


def has_running_statistics(model: nn.Module) -> bool:
    """Return whether the model normalises by means and variances that training gathers."""
    return any(name.split(".")[-1] == "running_mean" for name, _ in model.named_buffers())


def digest(model: nn.Module) -> str:
    """Return the first 16 hex digits of the SHA-256 of all parameters and buffers, in order."""
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().numpy().tobytes())
    return sha.hexdigest()[:16]
