"""One training run and its identity."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

SEMANTICS = 4
"""Raised whenever a change of code changes results: runs made before it then train again."""

ROLES = ("scheduler", "dataset", "phase", "lr_chosen_per")
"""Fields of a run that its results do not depend on: what it is called, and what it is used for."""


@dataclass(frozen=True)
class Run:
    """One training run, fully resolved. Two runs of one `run_id` are one run.

    Where a `trainer` is named, a loop of the user's own trains it: what that loop decides (dataset,
    network, batches, precision) is None then, whatever the type says, since no such run comes to
    the engines. `trainer_args` are the loop's own values as JSON.

    `phase` is `choose` for a trial of a base rate, else `compare`; `lr_chosen_per` says what such
    rates are chosen for (`scheduler` or `scheduler, dropout`), and is None where the file gives lr.
    """

    dataset: str
    dataset_digest: str
    validation: int
    model: str
    batch_norm: bool
    optimizer: str
    optimizer_args: str
    lr: float
    batch_size: int
    epochs: int
    scheduler: str
    scheduler_class: str
    scheduler_args: str
    dropout: float | None
    """None for a network with rates of its own."""
    precision: str
    seed: int
    plugins: str = "{}"
    """The digest of the code of each plug-in that the run uses, by kind and name, as JSON."""
    phase: str = "compare"
    lr_chosen_per: str | None = None
    kernels: str = "torch"
    """What computes where many runs train at once on a GPU: torch's own kernels, or `triton`."""
    label_smoothing: float = 0.0
    """That of the loss that training minimises."""
    clip_grad_norm: float = math.inf
    """The largest norm that all gradients together may have: infinite where nothing is clipped."""
    model_args: str = "{}"
    """The network's own arguments as JSON, defaults filled in."""
    augment: str = "{}"
    """What training images go through, as JSON: transform -> its argument."""
    loss_function: str = "cross_entropy"
    """What training minimises."""
    trainer: str | None = None
    trainer_args: str | None = None

    @cached_property
    def run_id(self) -> str:
        """The first 16 hex digits of the SHA-256 of all that results depend on.

        The scheduler's label and the dataset's name are what the user calls things, and its phase
        is what a run is used for, so they do not count; a field added later does, unless it has the
        value that all runs had before.
        """
        counted = {name: getattr(self, name) for name in _COUNTED} | {"semantics": SEMANTICS}
        for name, before in ADDED.items():
            if counted[name] == before:
                del counted[name]
        return hashlib.sha256(to_canonical_json(counted).encode()).hexdigest()[:16]

    @property
    def optimizer_arguments(self) -> Mapping[str, Any]:
        """`optimizer_args`, parsed; read-only. Of a run with a `trainer` none are known."""
        return parse_arguments(self.optimizer_args or "{}")

    @property
    def model_arguments(self) -> Mapping[str, Any]:
        """`model_args`, parsed; read-only."""
        return parse_arguments(self.model_args)

    @property
    def augmentation(self) -> Mapping[str, Any]:
        """`augment`, parsed; read-only."""
        return parse_arguments(self.augment)

    @property
    def scheduler_arguments(self) -> Mapping[str, Any]:
        """`scheduler_args`, parsed; read-only."""
        return parse_arguments(self.scheduler_args)

    @property
    def clips(self) -> bool:
        """Whether its gradients are clipped."""
        return self.clip_grad_norm < math.inf

    @property
    def schedule(self) -> tuple[str, str, str, str, float]:
        """All that its rates and momenta depend on, beside its length and what it monitors."""
        scheduler = self.scheduler_class, self.scheduler_args
        return (*scheduler, self.optimizer, self.optimizer_args, self.lr)

    def at_constant_rate(self) -> Run:
        """Return the run with no schedule, for a trial that only takes time."""
        return replace(self, scheduler_class="constant", scheduler_args='{"interval":"epoch"}')


ADDED: Mapping[str, Any] = {
    "kernels": "torch",
    "label_smoothing": 0.0,
    "clip_grad_norm": math.inf,
    "model_args": "{}",
    "augment": "{}",
    "loss_function": "cross_entropy",
    "trainer": None,
    "trainer_args": None,
}
"""Fields that were added without raising `SEMANTICS`, and their value in all runs before."""
_COUNTED = tuple(field.name for field in fields(Run) if field.name not in ROLES)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


@lru_cache(maxsize=4096)
def parse_arguments(text: str) -> Mapping[str, Any]:
    """Return a run's arguments from their JSON; runs of the same text share one read-only mapping,
    for there may be a million of them."""
    return MappingProxyType(json.loads(text))


def to_canonical_json(value: Mapping[str, Any]) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return _ENCODER.encode(value)
