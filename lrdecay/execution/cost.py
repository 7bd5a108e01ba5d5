"""What runs cost, as far as can be said without measuring: the same on every machine."""

from functools import cache

import torch

from lrdecay.components.datasets.dataset import Dataset
from lrdecay.components.models.build import allow_dropout, build_model
from lrdecay.core.run import Run, parse_arguments


def count_images(run: Run, dataset: Dataset) -> int:
    """Return how many images a run trains on, in all of its epochs."""
    return run.epochs * (dataset.train_count - run.validation)


def estimate_flops(run: Run, dataset: Dataset) -> float:
    """Return about how many floating-point operations a run's training takes: its images times what
    one of them costs forwards and backwards. Good for sharing work out, not for telling time."""
    network = run.model, run.model_args, run.batch_norm
    per_image = _per_image(*network, dataset.shape, dataset.classes)
    return 3.0 * count_images(run, dataset) * per_image


@cache
def _per_image(
    name: str, arguments: str, batch_norm: bool, shape: tuple[int, int, int], classes: int
) -> float:
    """Return the operations of one forward pass of one image: of products and convolutions, beside
    which the rest is little."""
    from torch.utils.flop_counter import FlopCounterMode  # which imports torch's compiler

    network = build_model(
        *(name, shape, classes),
        seed=0,
        dropout=allow_dropout(name, 0.0),
        batch_norm=batch_norm,
        arguments=parse_arguments(arguments),
    )
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, *shape))
    return float(max(counter.get_total_flops(), 1))
