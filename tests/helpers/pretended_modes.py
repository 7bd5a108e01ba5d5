"""The two modes of torch that a pretended GPU rests on: where tensors are, and what is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from helpers.pretended_device import PretendedGPU, find_line
from helpers.pretended_graph import list_tensors, storage_of
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")

_aten = torch.ops.aten
_WAITS = {
    _aten._local_scalar_dense.default,
    _aten._unique2.default,
    _aten.bincount.default,
    _aten.equal.default,
    _aten.is_nonzero.default,
    _aten.masked_select.default,
    _aten.nonzero.default,
    _aten.repeat_interleave.Tensor,
    _aten.unique_consecutive.default,
}
"""What gives the host a value, or a tensor whose size depends on values."""
_INDEXING = {_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default}


class Placing(TorchFunctionMode):
    """Says where tensors are, and moves them."""

    def __init__(self, gpu: PretendedGPU) -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        asked = getattr(func, "__self__", None)
        if asked is torch.Tensor.is_cuda:
            return self._gpu.holds(args[0])
        if asked is torch.Tensor.device:
            return CUDA if self._gpu.holds(args[0]) else CPU
        if func in (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda):
            return self._move(func, args, kwargs)
        if func in (torch.Tensor.numpy, torch.Tensor.tolist) and self._gpu.holds(args[0]):
            if func is torch.Tensor.numpy:
                raise TypeError("can't convert cuda:0 device type tensor to numpy")
            self._gpu.wait("tolist")
        if kwargs.get("device") is not None:
            return self._make(func, args, kwargs)
        here = any(map(self._gpu.holds, list_tensors((args, kwargs))))
        with self._makes(here or self._gpu.makes_here):
            return func(*args, **kwargs)

    def _make(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Make a tensor on the device that is named."""
        here = torch.device(kwargs.pop("device")).type == "cuda"
        if here and func in (torch.tensor, torch.as_tensor):
            self._gpu.wait("a tensor of the host's numbers")
        with self._makes(here):
            made = func(*args, **kwargs, device=CPU)
        for tensor in list_tensors(made):
            (self._gpu.take if here else self._gpu.give)(tensor)
        return made

    def _move(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
        tensor, *others = args
        target = kwargs.pop("device", None)
        target = CUDA if func is torch.Tensor.cuda else CPU if func is torch.Tensor.cpu else target
        dtypes = [each for each in others if isinstance(each, torch.dtype)]
        for each in others:
            if isinstance(each, Tensor):
                target = CUDA if self._gpu.holds(each) else CPU
                dtypes.append(each.dtype)
            elif isinstance(each, torch.device | str):
                target = each
        moved: Tensor = tensor.to(*dtypes, **kwargs) if dtypes or kwargs else tensor
        here = self._gpu.holds(tensor)
        there = here if target is None else torch.device(target).type == "cuda"
        if there != here:
            self._gpu.wait("to the device" if there else "to the host")
            with self._makes(there):
                moved = moved.clone()
            (self._gpu.take if there else self._gpu.give)(moved)
        return moved

    @contextmanager
    def _makes(self, here: bool) -> Iterator[None]:
        before, self._gpu.makes_here = self._gpu.makes_here, here
        try:
            yield
        finally:
            self._gpu.makes_here = before


class Computing(TorchDispatchMode):
    """Sees every operation: what it makes of tensors on the device is there too."""

    def __init__(self, gpu: PretendedGPU) -> None:
        super().__init__()
        self._gpu = gpu
        self._last = False  # whether the last operation was on the device

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = list_tensors((args, kwargs))
        places = [self._gpu.holds(tensor) for tensor in given]
        in_backward = torch._C._current_graph_task_id() != -1
        of_nothing = self._last if in_backward else self._gpu.makes_here
        self._last = here = any(places) if given else of_nothing
        if any(places):
            self._check(func, args, given, places)
        recording = self._gpu.capturing if here else None
        if recording is not None:
            recording.expect(given)
        made = func(*args, **kwargs)
        known = set(map(storage_of, given))
        for tensor in list_tensors(made) if here else ():
            if storage_of(tensor) not in known:
                self._gpu.take(tensor)
        if recording is not None:
            recording.add(func, args, kwargs, made)
        return made

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, which takes seconds

    def _check(self, func: Any, args: Any, given: list[Tensor], places: list[bool]) -> None:
        if func in _WAITS or _has_mask(func, args):
            self._gpu.wait(str(func))
        if all(places):
            return
        if func is _aten.copy_.default:
            self._gpu.wait("a copy between devices")
        elif func in _INDEXING and places[0]:
            self._gpu.wait("the host's indices")
        elif any(tensor.dim() for tensor, here in zip(given, places, strict=True) if not here):
            pairs = zip(given, places, strict=True)
            shapes = [(tuple(t.shape), "cuda" if on else "cpu") for t, on in pairs]
            raise RuntimeError(
                f"Expected all tensors to be on the same device: {func} of {shapes} at "
                f"{find_line()}"
            )


def _has_mask(func: Any, args: Any) -> bool:
    """Whether an index is a mask, of which only the device knows how much it takes."""
    masks = (torch.bool, torch.uint8)
    return func in _INDEXING and any(tensor.dtype in masks for tensor in list_tensors(args[1]))
