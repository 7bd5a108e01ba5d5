"""The only place that knows CUDA graphs: a step's hundreds of kernels launched as one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lrdecay.core.text import first_line
from lrdecay.engine.device_errors import is_out_of_memory

Step = Callable[..., tuple[Tensor, ...]]

_WARM_UPS = 3


class CannotCaptureError(Exception):
    """Why a step cannot be captured; what it changes is as it was before."""


class Graphs:
    """One step as CUDA graphs, one for each shape of its inputs.

    If it cannot be captured it is taken as it is from then on, and `on_failure` is called with why.
    """

    def __init__(self, on_failure: Callable[[str], None]) -> None:
        self._steps: dict[torch.Size, Step] = {}
        self._captures = True
        self._on_failure = on_failure

    def find_step(self, step: Step, inputs: Sequence[Tensor], state: Sequence[Tensor]) -> Step:
        """Return what does the same as `step`; see `capture_step`. `step` itself is not kept."""
        shape = inputs[0].shape
        if self._captures and shape not in self._steps:
            try:
                self._steps[shape] = capture_step(step, inputs, state)
            except CannotCaptureError as error:
                self._captures = False
                self._on_failure(str(error))
        return self._steps[shape] if self._captures else step

    def clear(self) -> None:
        """Forget the graphs: the tensors that they know are others now."""
        self._steps.clear()


def capture_step(step: Step, examples: Sequence[Tensor], state: Sequence[Tensor]) -> Step:
    """Return what does the same as `step` on a GPU in one launch, for inputs shaped as `examples`.

    `step` must not wait for the device, and everything it changes in place must be in `state`. It
    is captured once and then replayed; its outputs are overwritten by the next call.

    Raises `CannotCaptureError` for a step that does wait, or else cannot be captured.
    """
    buffers = [example.clone() for example in examples]
    before = [tensor.detach().clone() for tensor in state]
    # capturing needs the allocator and the libraries to have settled, on another stream
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            step(*buffers)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            outputs = step(*buffers)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        _put_back(state, before)  # on a GPU that is lost, this says so
        raise CannotCaptureError(first_line(error)) from error
    _put_back(state, before)

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        for buffer, value in zip(buffers, inputs, strict=True):
            buffer.copy_(value)
        graph.replay()
        return outputs

    return replay


@torch.no_grad()
def _put_back(state: Sequence[Tensor], before: Sequence[Tensor]) -> None:
    for tensor, value in zip(state, before, strict=True):
        tensor.copy_(value)
