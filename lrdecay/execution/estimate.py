"""About how long a sweep takes."""

import heapq
import math
from collections.abc import Sequence

import torch

from lrdecay.components.datasets.dataset import Data, Dataset
from lrdecay.engine import native, reference
from lrdecay.engine.native.train import time_native
from lrdecay.engine.precision import use_training_settings
from lrdecay.engine.stacked import train
from lrdecay.execution.grouping import Group, Plan, find_network, measure_group_bytes


def estimate_seconds(plan: Plan, dataset: Dataset, device: torch.device) -> list[float]:
    """Return about how long each group takes, from a few measured steps."""
    if not plan.groups:
        return []
    whole = dataset.split(plan.groups[0].runs[0].validation, device)
    evaluated = len(whole.train_eval) + len(whole.test) + len(whole.validation or ())
    rates: dict[tuple[object, ...], tuple[float, float]] = {}
    seconds = []
    with use_training_settings():
        for group in plan.groups:
            first = group.runs[0]
            alike = group.engine, len(group.runs), find_network(first), first.dropout != 0
            if alike not in rates:
                rates[alike] = _time_group(group, whole, device)
            training, evaluation = rates[alike]
            of_epoch = training * len(whole.train) + evaluation * evaluated
            seconds.append(len(group.runs) * first.epochs * of_epoch)
    return seconds


def _time_group(group: Group, data: Data, device: torch.device) -> tuple[float, float]:
    """Return how long an image of one run takes to train on and to evaluate."""
    if group.engine == train.NAME:
        return train.time_stacked(group.runs, data, device)
    if group.engine == native.NAME:
        return time_native(group.runs[0], data)
    return reference.time_reference(group.runs[0], data, device)


def schedule_groups(seconds: Sequence[float], workers: int) -> float:
    """Return when all groups have ended that workers take in this order, in seconds.

    >>> schedule_groups([3, 2, 2], workers=2)
    4.0
    """
    busy_until = [0.0] * max(workers, 1)
    for each in seconds:
        heapq.heapreplace(busy_until, busy_until[0] + each)
    return max(busy_until)


def estimate_bytes(plan: Plan, dataset: Dataset, device: torch.device) -> int:
    """Return about how much memory a worker needs at most beside torch itself: for the images as
    float32, and for the runs of a group that train at once."""
    images = dataset.train_count + len(dataset.test_labels)
    data = 4 * images * math.prod(dataset.shape)
    groups = {
        (group.engine, len(group.runs), find_network(group.runs[0])): group for group in plan.groups
    }
    with use_training_settings():
        of_runs = [measure_group_bytes(group, dataset, device) for group in groups.values()]
    return data + max(of_runs, default=0)
