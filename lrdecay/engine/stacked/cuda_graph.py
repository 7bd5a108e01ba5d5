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
    with torch.cuda.graph(graph):
        outputs = step(*buffers)
    with torch.no_grad():
        for tensor, value in zip(state, before, strict=True):
            tensor.copy_(value)

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        for buffer, value in zip(buffers, inputs, strict=True):
            buffer.copy_(value)
        graph.replay()
        return outputs

    return replay
