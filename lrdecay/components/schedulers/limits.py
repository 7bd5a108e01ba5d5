"""Values of arguments that torch takes, and that cannot work here."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch.optim import lr_scheduler

from lrdecay.components.schedulers.classes import LENGTHS, MONITORS, Monitor, is_plateau

_AT_LEAST_ONE = {
    *(("CosineAnnealingLR", "T_max"), ("CosineAnnealingWarmRestarts", "T_0")),
    *(("CyclicLR", "step_size_up"), ("OneCycleLR", "total_steps"), ("StepLR", "step_size")),
}
"""Lengths that torch divides by, or counts in."""


def check_values(name: str, resolved: Mapping[str, Any]) -> None:
    """Check the resolved arguments of one class, apart from what it holds.

    Raises:
        ValueError: one of them cannot work.
    """
    for key in ("base_momentum", "max_momentum"):
        value = resolved.get(key)
        if isinstance(value, float) and resolved.get("cycle_momentum") and not 0 <= value < 1:
            raise ValueError(f"{key}: must be at least 0 and below 1, not {value}")
    if is_plateau(name):
        _check_plateau(resolved)
    if name == "SequentialLR":
        milestones = resolved["milestones"]
        if any(after <= before for before, after in pairwise([0, *milestones])):
            raise ValueError(f"milestones: must rise from 1 on, not {milestones}")
    if not hasattr(lr_scheduler, name):
        return  # ours see to it themselves
    for key in LENGTHS.get(name, ()):
        value = resolved[key]
        for each in value if isinstance(value, list) else [value]:
            if each is not None and each < 0:
                raise ValueError(f"{key}: must not be negative, as {each} is")
            if each == 0 and (name, key) in _AT_LEAST_ONE:
                unit = f" {resolved['interval']}" if "interval" in resolved else ""
                raise ValueError(
                    f"{key}: must be at least 1{unit}, not 0; give a whole number from 1 on, or a "
                    f"length such as 2 epochs or 50%"
                )


def _check_plateau(resolved: Mapping[str, Any]) -> None:
    monitor: Monitor = resolved.get("monitor", "val_loss")
    mode = resolved.get("mode")
    if monitor == "val_loss" and mode == "max":
        raise ValueError(
            "mode: max is for what rises, and the validation loss falls; give monitor: "
            "val_accuracy, or leave mode out"
        )
    if monitor == "val_accuracy" and mode == "min":
        raise ValueError(
            "mode: min is for what falls, and the validation accuracy rises; leave mode out, or "
            "give monitor: val_loss"
        )
    if resolved["interval"] == "step":
        raise ValueError(f"interval: the {MONITORS[monitor]} is measured after every epoch")
