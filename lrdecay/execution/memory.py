"""How much memory runs take that train at once, and how much there is."""

import weakref
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lrdecay.components.datasets.dataset import Split
from lrdecay.components.models.build import allow_dropout
from lrdecay.core.run import Run
from lrdecay.engine.measured import EVALUATION_BATCH
from lrdecay.engine.operations import OperationWatch
from lrdecay.engine.stacked import lockstep
from lrdecay.engine.stacked.ensemble import Stack, choose_form


def build_two(run: Run, images: Tensor, classes: int) -> list[nn.Module]:
    """Return networks of a run, on the CPU: of two seeds, one without dropout and one with."""
    rates = [allow_dropout(run.model, rate) for rate in (0.0, 0.5)]
    runs = [replace(run, seed=seed, dropout=rate) for seed, rate in enumerate(rates)]
    labels = torch.zeros(len(images), dtype=torch.int64)
    return lockstep.build_networks(runs, Split(images, labels), classes)


def measure_run_bytes(run: Run, images: Tensor, classes: int) -> int:
    """Return about how much memory one more run in a group takes, from a trial of two.

    That is weights with their gradients and three times as much for the optimizer, and what a step
    and an evaluation take: the larger on a CPU, both on a GPU, where captured steps have memory of
    their own. A step has `batch_size` images: what the forward pass keeps for the backward pass,
    and as much again for gradients. An evaluation has more, and of each only what a forward pass
    holds at one moment. `images` (n, channels, height, width) are at
    least as many as are ever used at once, if there are so many.
    """
    form = choose_form(images.device, run.kernels, run.precision)
    stack = Stack(build_two(run, images, classes), images.device, form)
    weights = sum(tensor.nbytes for tensor in stack.state)
    step = 2 * _count_kept(stack, images[: run.batch_size])
    evaluation = _count_held(stack, images[:EVALUATION_BATCH])
    both = sum if images.device.type == "cuda" else max
    return (both((step, evaluation)) + 5 * weights) // 2


def _count_kept(stack: Stack, images: Tensor) -> int:
    """Return the bytes that the forward pass of a step keeps for the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    keys = torch.zeros(stack.dropout_layers, 2, dtype=torch.int64, device=images.device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = stack.logits(images.expand(2, *images.shape), keys)
    del logits
    return sum(kept.values())


def _count_held(stack: Stack, images: Tensor) -> int:
    """Return the bytes that an evaluation holds where it holds most."""
    held = _Held()
    with torch.no_grad(), OperationWatch(held.see):
        stack.logits(images, None)
    return held.most


class _Held:
    """The memory of what is computed, until that is dropped; `most` is the most that there is at
    once, in bytes, with as much again for what is just being made: libraries put it into an order
    of their own."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._known: set[int] = set()

    def see(self, given: list[Tensor], made: list[Tensor]) -> None:
        """Count what an operation makes."""
        viewed = {tensor.untyped_storage()._cdata for tensor in given}
        for tensor in made:
            storage = tensor.untyped_storage()
            if storage._cdata not in viewed | self._known:
                self._hold(storage)

    def _hold(self, storage: torch.UntypedStorage) -> None:
        size, place = storage.nbytes(), storage._cdata

        def drop() -> None:
            self._known.discard(place)
            self._now -= size

        weakref.finalize(storage, drop)
        self._known.add(place)
        self._now += size
        self.most = max(self.most, self._now + size)


def find_free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a GPU, or that this machine has available."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return int(dict(line.split(":", 1) for line in lines)["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return 2**32
