"""About how long a sweep takes."""

from __future__ import annotations

import torch

from lrdecay.data import Dataset
from lrdecay.engine import lockstep, reference, stacked
from lrdecay.groups import Plan
from lrdecay.precision import training_settings


def estimate_seconds(plan: Plan, dataset: Dataset, device: torch.device) -> float:
    """Return about how long the groups take, one after the other, from a few measured steps."""
    if not plan.groups:
        return 0.0
    whole = dataset.split(plan.groups[0].runs[0].validation, device)
    evaluated = len(whole.train_eval) + len(whole.test) + len(whole.validation or ())
    rates: dict[tuple[object, ...], tuple[float, float]] = {}
    seconds = 0.0
    with training_settings():
        for group in plan.groups:
            first = group.runs[0]
            alike = (group.engine, len(group.runs), lockstep.kind(first), first.dropout != 0)
            if alike not in rates:
                rates[alike] = (
                    stacked.seconds_per_image(group.runs, whole, device)
                    if group.engine == stacked.NAME
                    else reference.seconds_per_image(first, whole, device)
                )
            training, evaluation = rates[alike]
            of_epoch = training * len(whole.train) + evaluation * evaluated
            seconds += len(group.runs) * first.epochs * of_epoch
    return seconds
