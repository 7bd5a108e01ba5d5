"""A GPU, pretended on a CPU: tensors compute there, and are said to be on `cuda:0`.

Within `pretend_gpu()` tensors of both devices do not mix, every wait of the host for the device is
noted with the line that asked for it and is an error within a capture, and a CUDA graph is recorded
operation by operation and done again in the same memory. What it cannot show is a GPU's own
rounding, cuDNN's rules of capture, autocast, memory and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from helpers.pretended_device import Graph, PretendedGPU, Stream
from helpers.pretended_modes import Computing, Placing
from torch.overrides import _get_current_function_mode_stack

from lrdecay.engine import devices
from lrdecay.engine.stacked import cuda_graph

MEMORY = 140 * 2**30
"""Bytes that are free, whatever is computed."""


@contextmanager
def pretend_gpu() -> Iterator[PretendedGPU]:
    """Within the block torch has one GPU."""
    gpu = PretendedGPU()
    with pytest.MonkeyPatch.context() as patch:
        _replace_cuda(patch, gpu)
        for function in torch.autograd.Function.__subclasses__():
            if function.__module__.startswith("lrdecay."):
                _see_within(patch, gpu, function)
        devices.device_name.cache_clear()
        try:
            with Computing(gpu), Placing(gpu):
                yield gpu
        finally:
            devices.device_name.cache_clear()


def _replace_cuda(patch: pytest.MonkeyPatch, gpu: PretendedGPU) -> None:
    only = Stream()
    replaced: dict[str, Any] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "get_device_name": lambda *which: "Pretended GPU",
        "mem_get_info": lambda *which: (MEMORY, MEMORY),
        "empty_cache": lambda: None,
        "manual_seed": lambda seed: None,
        "synchronize": lambda *which: gpu.wait("synchronize"),
        "Stream": lambda *options: Stream(),
        "current_stream": lambda *which: only,
        "stream": nullcontext,
        "CUDAGraph": lambda: Graph(gpu),
        "graph": gpu.capture,
        "graph_pool_handle": lambda: (0, 1),
    }
    for name, stand_in in replaced.items():
        patch.setattr(torch.cuda, name, stand_in)
    patch.setattr(cuda_graph, "failures", [])  # as in a process of its own
    # torch's own optimizers ask a real stream whether it is captured
    check = "_accelerator_graph_capture_health_check"
    patch.setattr(torch.optim.Optimizer, check, lambda optimizer: None)


def _see_within(patch: pytest.MonkeyPatch, gpu: PretendedGPU, function: Any) -> None:
    """Have an autograd function of our own see devices within vmap too, where torch leaves its
    modes out."""

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        def seeing(*args: Any) -> Any:
            seen = any(isinstance(mode, Placing) for mode in _get_current_function_mode_stack())
            with nullcontext() if seen else Placing(gpu):
                return method(*args)

        return seeing

    for name in ("forward", "backward"):
        if name in function.__dict__:
            patch.setattr(function, name, staticmethod(wrap(getattr(function, name))))
