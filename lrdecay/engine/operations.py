"""What torch computes, watched operation by operation."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

OnOperation = Callable[[list[Tensor], list[Tensor]], None]
"""Called with the tensors that an operation was given, and those that it made."""


class OperationWatch(TorchDispatchMode):
    """Within the block a function is called after each operation, those within vmap included."""

    def __init__(self, on_operation: OnOperation) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on_operation = on_operation

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        self._on_operation(_list_tensors((args, kwargs)), _list_tensors(made))
        return made

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # to keep its compiler from looking at this class torch would import it, which takes seconds
        return False


def _list_tensors(values: Any) -> list[Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, Tensor)]
