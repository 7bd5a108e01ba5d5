"""A pretended GPU: what is on it, and what has happened to it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from helpers.pretended_graph import Recording, storage_of
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

_ELSEWHERE = (str(Path(torch.__file__).parent), str(Path(__file__).with_name("pretended_")))


class Wait(NamedTuple):
    """The host has waited for the device: why, and in which line."""

    why: str
    where: str


class PretendedGPU:
    """What is on the device, and what has happened to it."""

    def __init__(self) -> None:
        self.waits: list[Wait] = []
        self.captures = 0
        self.replays = 0
        self.capturing: Recording | None = None
        self.makes_here = False
        """Whether a tensor that is made of no other one is on the device."""
        self._storages: dict[int, StorageWeakRef] = {}
        self._most = 1000  # more are looked through for those that are gone

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is on the device."""
        found = self._storages.get(storage_of(_unwrap(tensor)))
        return found is not None and not found.expired()

    def take(self, tensor: Tensor) -> None:
        """Have a tensor on the device."""
        tensor = _unwrap(tensor)
        self._storages[storage_of(tensor)] = StorageWeakRef(tensor.untyped_storage())
        if len(self._storages) > self._most:
            there = self._storages.items()
            self._storages = {place: each for place, each in there if not each.expired()}
            self._most = 1000 + 2 * len(self._storages)

    def give(self, tensor: Tensor) -> None:
        """Have a tensor on the host."""
        self._storages.pop(storage_of(_unwrap(tensor)), None)

    def wait(self, why: str) -> None:
        """Let the host wait for the device, which it must not within a capture."""
        where = find_line()
        if self.capturing is not None:
            raise torch.AcceleratorError(
                f"CUDA error: operation not permitted when stream is capturing ({why} at {where})"
            )
        self.waits.append(Wait(why, where))

    @contextmanager
    def capture(self, graph: Graph, *_: Any, **options: Any) -> Iterator[None]:
        """Stand in for `torch.cuda.graph`."""
        self.captures += 1
        self.capturing = recording = Recording(self.holds)
        try:
            yield
        finally:
            self.capturing = None
            recording.end()
        graph.recording = recording


class Graph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self, gpu: PretendedGPU) -> None:
        self._gpu = gpu
        self.recording: Recording | None = None

    def replay(self) -> None:
        """Compute what was captured."""
        assert self.recording is not None, "nothing was captured"
        self._gpu.replays += 1
        self.recording.replay()


class Stream:
    """Stands in for `torch.cuda.Stream`: all that is asked of this device it does at once."""

    def wait_stream(self, other: Stream) -> None:
        """Wait for nothing."""


def _unwrap(tensor: Tensor) -> Tensor:
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    return tensor


def find_line() -> str:
    """The innermost line that is neither torch's nor this tool's."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_ELSEWHERE):
            return f"{Path(frame.filename).name}:{frame.lineno} {frame.line}"
    return "an unknown line"
