"""Optimizer names a sweep file may use, and the arguments of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from schedulefree import AdamWScheduleFree
from torch.nn import Parameter
from torch.optim import Optimizer

CLASSES: dict[str, Callable[..., Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
    "RMSprop": torch.optim.RMSprop,
    "AdamWScheduleFree": AdamWScheduleFree,
}


def build(
    name: str, parameters: Iterable[Parameter], lr: float, arguments: Mapping[str, Any]
) -> Optimizer:
    """Return the optimizer, ready to train: in its fused form (one kernel for all parameters) where
    it has one, and in training mode where it has modes."""
    fused = {"fused": True} if "fused" in inspect.signature(CLASSES[name]).parameters else {}
    optimizer = CLASSES[name](parameters, lr=lr, **fused, **arguments)
    if isinstance(optimizer, AdamWScheduleFree):
        optimizer.train()
    return optimizer
