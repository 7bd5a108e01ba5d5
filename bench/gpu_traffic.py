"""Counts what a training step of the stacked engine would have a GPU do: launches and bytes moved.

Nothing is measured. A step is computed on the CPU in the form that a GPU has, and every operation
that is a kernel there counts as one launch, which reads each distinct tensor that it is given once
and writes each that it changes or returns once. Views and allocations are free; a tensor that is
expanded counts as what lies in memory; gathering reads as much as it writes, and scattering moves
what is scattered. Counters of the random streams, which a CPU keeps and a GPU does not, are not
counted: in a step of the cnn they are two launches.

    python bench/gpu_traffic.py [RUNS] [IMAGE SIDE]
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import Split
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.engine.precision import use_precision, use_training_settings
from lrdecay.engine.stacked import ensemble, lockstep
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

_ALLOCATE = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided")
_FREE = (*_ALLOCATE, "resize_", "lift_fresh", "_local_scalar_dense", "scalar_tensor")
_GATHER = ("index", "gather", "index_select", "embedding")
_SCATTER = ("scatter_", "scatter_add_")
_ONLY_WRITE = ("copy_", "fill_", "zero_")
_FILL = ("new_zeros", "zeros_like", "new_ones", "ones_like", "new_full", "full_like")


@dataclass
class Counts:
    """What one run's share of a step is: launches are those of all runs together."""

    runs: int
    launches: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)

    @property
    def total_launches(self) -> int:
        return self.launches.total()

    @property
    def megabytes(self) -> float:
        """Megabytes (10**6 bytes) read and written, for each run."""
        return self.moved.total() / self.runs / 1e6


class Traffic(TorchDispatchMode):
    """Counts operations while it is active."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func._schema.name.split("::")[1]
        changed = list(_find_changed(func._schema, args, kwargs))
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        returned = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        homes = {_home(each) for each in given}
        fresh = [each for each in returned if _home(each) not in homes]
        if name in _FREE or not (changed or fresh):
            return result
        written = [*changed, *fresh]
        only_written = changed if name in _ONLY_WRITE or _takes_out(func._schema) else []
        known = {_place(each) for each in only_written}
        read = {_place(each): each for each in given if _place(each) not in known}
        if name in _GATHER:
            read = {_place(each): each for each in [*given[1:], *written]}
        elif name in _SCATTER:
            read = {_place(each): each for each in given[1:]}
            written = [given[-1]] * (1 + (name == "scatter_add_"))
        elif name in _FILL:
            read = {}
        bytes_moved = sum(map(_bytes, read.values())) + sum(map(_bytes, written))
        self.counts.launches[name] += 1
        self.counts.moved[name] += bytes_moved
        return result


def _find_changed(schema: Any, args: Any, kwargs: Any) -> Iterator[Tensor]:
    """Yield the arguments that an operation writes to."""
    for place, argument in enumerate(schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from (each for each in tree_leaves(value) if isinstance(each, Tensor))


def _takes_out(schema: Any) -> bool:
    return any(argument.is_out for argument in schema.arguments)


def _home(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _place(tensor: Tensor) -> tuple[object, ...]:
    return _home(tensor), tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def _bytes(tensor: Tensor) -> int:
    """Return the bytes that a tensor has in memory, where it is expanded or overlaps itself."""
    if tensor.numel() == 0:
        return 0
    sides = zip(tensor.shape, tensor.stride(), strict=True)
    span = 1 + sum((size - 1) * stride for size, stride in sides)
    return min(tensor.numel(), span) * tensor.element_size()


@contextmanager
def use_gpu_form() -> Iterator[None]:
    """Within the block groups on the CPU are computed in the form that is chosen for a GPU."""

    # on a pretended GPU (tests/helpers/) the counters of the streams would be counted too
    def choose(device: torch.device, *how: str) -> ensemble.Form:
        return ensemble.choose_form(torch.device("cuda"), *how)

    differentiate = lockstep.differentiate_losses

    def derive(losses: Tensor, parameters: Sequence[Tensor], device: torch.device) -> Any:
        return differentiate(losses, parameters, torch.device("cuda"))

    with (
        patch.object(lockstep, "choose_form", choose),
        patch.object(lockstep, "differentiate_losses", derive),
    ):
        yield


def count_step(
    runs: int = 16,
    side: int = 28,
    batch_norm: bool = False,
    optimizer: str = "{name: Adam, lr: 0.001}",
    seeds: int | None = None,
    kernels: str = "torch",
    more: str = "",
) -> Counts:
    """Return the counts of one step of the cnn: batches of 64, so many runs, each with a seed of
    its own unless there are fewer `seeds`; `more` are further lines of the sweep file. Kernels in
    Triton, which have to be noted instead of launched, are not counted: they are no operations of
    torch."""
    dataset = sources.load_dataset(DatasetSpec(name="digits"))
    text = f"dataset: digits\nmodel: {{batch_norm: {str(batch_norm).lower()}}}\n"
    text += f"kernels: {kernels}\noptimizer: {optimizer}\nseeds: {seeds or runs}\n{more}"
    text += f"dropout: {[0.3 + 0.01 * place for place in range(runs // (seeds or runs))]}\n"
    together = list_runs(parse_sweep(f"{text}schedulers: {{c: {{class: constant}}}}\n"), dataset)
    assert len(together) == runs
    images = torch.randn(64, 1, side, side).contiguous(memory_format=torch.channels_last)
    split = Split(images, torch.randint(10, (64,)))
    counts = Counts(runs)
    with use_training_settings(), use_precision("float32", torch.device("cpu")), use_gpu_form():
        group = lockstep.Lockstep(together, split, 10, torch.device("cpu"))
        group.train_epoch()
        rates, momenta = group._rates.next_epoch()
        row = group._update.coefficients(rates, momenta, 1)[0].float()
        batch, keys = group._order(1), group._keys(1)[0]
        with Traffic(counts):
            group._step(batch, row, keys, *group._augment_keys(1))
    return counts


def main() -> None:
    runs, side = (int(each) for each in (*sys.argv[1:], *("16", "28")[len(sys.argv) - 1 :]))
    for batch_norm in (False, True):
        counts = count_step(runs, side, batch_norm)
        print(
            f"cnn{', batch norm' if batch_norm else ''}, Adam, {runs} runs, {side}x{side}: "
            f"{counts.total_launches} launches, {counts.megabytes:.1f} MB per run and step"
        )
        for name, moved in counts.moved.most_common():
            print(f"  {moved / runs / 1e6:7.2f} MB {counts.launches[name]:4} {name}")


if __name__ == "__main__":
    main()
