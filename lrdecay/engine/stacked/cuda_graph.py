"""The only place that knows CUDA graphs: a step's hundreds of kernels launched as one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[..., tuple[Tensor, ...]]

_WARM_UPS = 3


def capture_step(step: Step, examples: Sequence[Tensor], state: Sequence[Tensor]) -> Step:
    """Return what does the same as `step` on a GPU in one launch, for inputs shaped as `examples`.

    `step` must not wait for the device, and everything it changes in place must be in `state`. It
    is captured once and then replayed; its outputs are overwritten by the next call.
    """
    return _Captured(step, examples, state)


class _Captured:
    def __init__(self, step: Step, examples: Sequence[Tensor], state: Sequence[Tensor]) -> None:
        self._inputs = [example.clone() for example in examples]
        before = [tensor.detach().clone() for tensor in state]
        # capturing needs the allocator and the libraries to have settled, on another stream
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                step(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = step(*self._inputs)
        with torch.no_grad():
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._outputs
