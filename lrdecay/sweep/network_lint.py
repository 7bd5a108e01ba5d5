"""Axes of a matrix that change nothing of what networks compute, found before anything trains."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.models import dropout
from lrdecay.components.models.build import build_network
from lrdecay.core.run import Run
from lrdecay.core.text import join_words, to_text

_AXES = ("model", "model_args", "batch_norm", "dropout")
_IMAGES = 8


def lint_networks(cells: Sequence[Run], dataset: Dataset) -> list[str]:
    """Return a warning for each axis of networks and values of it at which those of one seed
    compute the same in training: runs would be the same too."""
    kinds = {_read_axes(cell): cell for cell in cells}
    if len(kinds) == 1:
        return []
    images = dataset.train_images[:_IMAGES].float() / dataset.full_scale
    computed = {
        values: _compute_outputs(build_network(cell, dataset.shape, dataset.classes), images)
        for values, cell in kinds.items()
    }
    texts = [text for place in range(len(_AXES)) for text in _find_alike(computed, place)]
    return list(dict.fromkeys(texts))


def _read_axes(cell: Run) -> tuple[object, ...]:
    return tuple(getattr(cell, axis) for axis in _AXES)


def _find_alike(computed: dict[tuple[object, ...], bytes], place: int) -> Iterator[str]:
    """Yield which values of one axis change nothing, the others being what they are."""
    alike: dict[object, list[tuple[object, ...]]] = {}
    for values, outputs in computed.items():
        alike.setdefault((*values[:place], *values[place + 1 :], outputs), []).append(values)
    axis = _AXES[place]
    for same in alike.values():
        if len(same) > 1:
            named = join_words([to_text(values[place]) for values in same])
            what = f"{named} compute the same"
            if axis != "model":
                what = f"{same[0][0]} computes the same at {named}"
            yield f"{axis}: {what}, so that runs would be the same; leave all but one of them out"


@torch.no_grad()
def _compute_outputs(network: nn.Module, images: torch.Tensor) -> bytes:
    """Return the logits of the first training step, as bytes."""
    dropout.set_dropout_step(network, seed=0, step=0)
    with rng.seed_torch(0, "other"):
        logits: torch.Tensor = network.train()(images)
    return logits.numpy().tobytes()
