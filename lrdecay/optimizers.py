"""Optimizer names a sweep file may use, and the arguments of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

CLASSES: dict[str, Callable[..., Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
}


def build(
    name: str, parameters: Iterable[Parameter], lr: float, arguments: Mapping[str, Any]
) -> Optimizer:
    """Return torch's own optimizer, in its fused form (one kernel for all parameters)."""
    return CLASSES[name](parameters, lr=lr, fused=True, **arguments)
