"""A CUDA graph, pretended: operations are recorded with the memory that they use, and done again
in that very memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten


def list_tensors(values: Any) -> list[Tensor]:
    """The tensors in nested arguments, in order."""
    return [each for each in tree_leaves(values) if isinstance(each, Tensor)]


def storage_of(tensor: Tensor) -> int:
    """What names the memory of a tensor as long as it lives."""
    return tensor.untyped_storage()._cdata


class Borrowed:
    """A tensor in memory from outside a graph, which a graph knows by its address alone."""

    def __init__(self, tensor: Tensor) -> None:
        self._storage = StorageWeakRef(tensor.untyped_storage())
        self._dtype = tensor.dtype
        self._place = tensor.storage_offset(), tensor.size(), tensor.stride()

    def find(self) -> Tensor:
        """Return the tensor; a real graph would read whatever is at the address now."""
        storage = torch.UntypedStorage._new_with_weak_ptr(self._storage.cdata)
        if storage is None:
            raise RuntimeError("a graph uses memory that has been freed")
        return torch.empty(0, dtype=self._dtype).set_(storage, *self._place)


@dataclass(frozen=True)
class Operation:
    """One operation: its arguments, flattened, and those of its outputs that it makes anew."""

    function: Callable[..., Any]
    arguments: list[Any]
    spec: TreeSpec
    outputs: list[tuple[int, Tensor]]

    def repeat(self) -> None:
        """Do it again, into the memory that it wrote to before."""
        found = [each.find() if isinstance(each, Borrowed) else each for each in self.arguments]
        args, kwargs = tree_unflatten(found, self.spec)
        made = list_tensors(self.function(*args, **kwargs))
        for place, output in self.outputs:
            output.copy_(made[place])


class Recording:
    """What is computed on the device while a graph is captured.

    As on a GPU nothing is computed then: `end` puts back what was written to memory from outside,
    and fills the graph's own memory with what is no number.
    """

    def __init__(self, on_device: Callable[[Tensor], bool]) -> None:
        self._on_device = on_device
        self._operations: list[Operation] = []
        self._own: dict[int, Tensor] = {}
        self._views: list[Tensor] = []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def expect(self, given: list[Tensor]) -> None:
        """Remember what memory from outside holds before an operation has it."""
        for tensor in given:
            place = storage_of(tensor)
            known = place in self._own or place in self._before
            if not known and self._on_device(tensor):
                storage = tensor.untyped_storage()
                self._before[place] = storage, storage.clone()

    def add(self, function: Any, args: Any, kwargs: Any, made: Any) -> None:
        """Record an operation that has just been done."""
        given = {storage_of(tensor) for tensor in list_tensors((args, kwargs))}
        outputs = [
            (place, tensor.detach())
            for place, tensor in enumerate(list_tensors(made))
            if storage_of(tensor) not in given
        ]
        if not outputs and not function._schema.is_mutable:
            self._views += list_tensors(made)
            return
        self._own |= {storage_of(tensor): tensor for _, tensor in outputs}
        arguments, spec = tree_flatten((args, kwargs))
        kept = [self._keep(each) if isinstance(each, Tensor) else each for each in arguments]
        self._operations.append(Operation(function, kept, spec, outputs))

    def _keep(self, tensor: Tensor) -> Tensor | Borrowed:
        tensor = tensor.detach()
        if storage_of(tensor) in self._own:
            return tensor
        # a number from the host is what it was when the graph was captured
        return Borrowed(tensor) if self._on_device(tensor) else tensor.clone()

    def end(self) -> None:
        """End the capture."""
        with _unseen():
            for storage, before in self._before.values():
                storage.copy_(before)
            for tensor in self._own.values():
                tensor.untyped_storage().fill_(255)
        self._before.clear()

    def replay(self) -> None:
        """Compute what was recorded."""
        with _unseen(), torch.no_grad():
            for operation in self._operations:
                operation.repeat()


@contextmanager
def _unseen() -> Iterator[None]:
    """Within the block no mode sees what is computed."""
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
        yield
