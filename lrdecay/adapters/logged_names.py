"""Metrics as other trainers name them: a prefix for the split, then the metric's own name."""

from collections.abc import Mapping
from typing import Any

from lrdecay.execution.own import Trial


def log_by_split(
    trial: Trial, epoch: int, metrics: Mapping[str, Any], splits: Mapping[str, str]
) -> None:
    """Log those metrics of an epoch whose names begin with a known prefix, such as `val_loss`.

    Args:
        trial: logs them.
        epoch: the epoch, from 1.
        metrics: by name; a name without a known prefix is left out.
        splits: prefix -> split of the trial.
    """
    of_split: dict[str, dict[str, Any]] = {}
    for name, value in metrics.items():
        prefix, _, own = name.partition("_")
        if prefix in splits and own:
            of_split.setdefault(splits[prefix], {})[own] = value
    for split, values in of_split.items():
        trial.log(epoch, split, **values)
