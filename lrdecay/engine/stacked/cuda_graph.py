"""The only place that knows CUDA graphs: a step's hundreds of kernels launched as one."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from lrdecay.core.errors import DeviceLostError
from lrdecay.core.text import first_line
from lrdecay.engine.device_errors import is_out_of_memory

Step = Callable[..., tuple[Tensor, ...]]
Pool = Any
"""The memory that graphs have for themselves, as `torch.cuda.graph_pool_handle` names it."""

_WARM_UPS = 3

failures: list[str] = []
"""Why a step of this process could not be captured. After one torch may not capture any other (2.11
does not end what it began with its allocator), so that none is tried."""


class CannotCaptureError(Exception):
    """Why a step cannot be captured; what it changes is as it was before."""


class Graphs:
    """One step as CUDA graphs, one for each shape of its inputs; never two at once, so that they
    share their memory.

    If it cannot be captured it is taken as it is from then on, and `on_failure` is called with why.
    """

    def __init__(self, on_failure: Callable[[str], None]) -> None:
        self._steps: dict[torch.Size, Step] = {}
        self._pool: Pool | None = None
        self._on_failure: Callable[[str], None] | None = on_failure

    def find_step(self, step: Step, inputs: Sequence[Tensor], state: Sequence[Tensor]) -> Step:
        """Return what does the same as `step`; see `capture_step`. `step` itself is not kept."""
        shape = inputs[0].shape
        if not failures and shape not in self._steps:
            try:
                self._steps[shape] = self._capture(step, inputs, state)
            except CannotCaptureError as error:
                failures.append(str(error))
        if not failures:
            return self._steps[shape]
        if self._on_failure is not None:
            self._on_failure(failures[0])
            self._on_failure = None
        return step

    def clear(self) -> None:
        """Forget the graphs: the tensors that they know are others now."""
        self._steps.clear()
        self._pool = None

    def _capture(self, step: Step, inputs: Sequence[Tensor], state: Sequence[Tensor]) -> Step:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return capture_step(step, inputs, state, self._pool)


def capture_step(
    step: Step, examples: Sequence[Tensor], state: Sequence[Tensor], pool: Pool | None = None
) -> Step:
    """Return what does the same as `step` on a GPU in one launch, for inputs shaped as `examples`.

    `step` must not wait for the device, and everything it changes in place must be in `state`. It
    is captured once and then replayed; its outputs are overwritten by the next call. Its memory is
    in `pool`, or in one of its own.

    Raises `CannotCaptureError` for a step that does wait, or else cannot be captured, and
    `DeviceLostError` where memory ends within the capture.
    """
    buffers = [example.clone() for example in examples]
    before = [tensor.detach().clone() for tensor in state]
    # capturing needs the allocator and the libraries to have settled, on another stream
    stream = _side_stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            step(*buffers)
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.empty_cache()  # no graph has the memory of that stream
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, pool=pool):
            outputs = step(*buffers)
    except Exception as error:
        if is_out_of_memory(error):
            # for fewer runs it may do, but in a process that can capture: see `failures`
            raise DeviceLostError(f"out of memory for a CUDA graph: {first_line(error)}") from error
        _put_back(state, before)  # on a GPU that is lost, this says so
        raise CannotCaptureError(first_line(error)) from error
    _put_back(state, before)

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        for buffer, value in zip(buffers, inputs, strict=True):
            buffer.copy_(value)
        graph.replay()
        return outputs

    return replay


@cache
def _side_stream() -> Any:
    """Return the stream of all warm-ups: what one has had is kept for it alone."""
    return torch.cuda.Stream()


@torch.no_grad()
def _put_back(state: Sequence[Tensor], before: Sequence[Tensor]) -> None:
    for tensor, value in zip(state, before, strict=True):
        tensor.copy_(value)
