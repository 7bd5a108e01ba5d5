"""The confusion matrix of an evaluation, and the metrics that follow from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Counts = npt.NDArray[np.int64]
"""(classes, classes): how many images of each class (row) were taken for each (column)."""
Names = Sequence[str]
"""Names of metrics, each one of `METRICS`."""

_COUNTS_AT_ONCE = 2**24  # on the device, int64


def measure_classes(
    names: Names, labels: Tensor, likeliest: Tensor, classes: int
) -> list[dict[str, float]]:
    """Return metrics by name, those that are asked for, of each run.

    Args:
        names: of `METRICS`; nothing is counted where there are none.
        labels: the class of each image (n,), from 0 to `classes` - 1.
        likeliest: the class that each run takes it for (runs, n), on the same device.
        classes: how many there are.
    """
    if not names:
        return [{} for _ in likeliest]
    counts_of = count_confusions(labels, likeliest, classes)
    return [{name: METRICS[name](counts) for name in names} for counts in counts_of]


def count_confusions(labels: Tensor, likeliest: Tensor, classes: int) -> list[Counts]:
    """Return the confusion matrix of each run; what is given is as for `measure_classes`.

    >>> count_confusions(torch.tensor([0, 0, 1]), torch.tensor([[0, 1, 1]]), 2)[0].tolist()
    [[1, 1], [0, 1]]
    """
    size = classes**2
    found: list[Counts] = []
    for some in likeliest.split(max(1, _COUNTS_AT_ONCE // size)):
        firsts = size * torch.arange(len(some), device=some.device)
        cells = firsts[:, None] + classes * labels + some
        counts = cells.flatten().bincount(minlength=size * len(some)).cpu()
        found.extend(counts.view(-1, classes, classes).numpy())
    return found


def balanced_accuracy(counts: Counts) -> float:
    """Return the mean over classes of the share of their images that are right, from 0 to 1.

    Classes without an image are left out, as scikit-learn's `balanced_accuracy_score` does.

    >>> balanced_accuracy(np.array([[3, 1, 0], [0, 1, 0], [0, 0, 0]]))
    0.875
    """
    images = counts.sum(axis=1)
    there = images > 0
    return _mean(counts.diagonal()[there] / images[there])


def macro_f1(counts: Counts) -> float:
    """Return the mean over classes of F1, from 0 to 1: 2 right / (images + taken for it).

    Classes without an image that none is taken for are left out, as scikit-learn's
    `f1_score(average="macro", zero_division=0)` does.

    >>> round(macro_f1(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])), 9)
    0.733333333
    """
    both = counts.sum(axis=1) + counts.sum(axis=0)
    there = both > 0
    return _mean(2 * counts.diagonal()[there] / both[there])


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean())


METRICS: Mapping[str, Callable[[Counts], float]] = {
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
}
"""By name, as `store.columns.CLASS_METRICS` has them."""
