"""Kernels in Triton, for `kernels: triton`: each does in one pass what takes torch several.

Memory traffic is what a step of many small networks waits for. A block of convolution, bias,
max-pooling and ReLU reads its images once and writes a quarter of what the convolution gives; a
dropout draws its mask where it uses it; an optimizer's step reads and writes each number once.
Forwards and backwards all sums have a fixed order: there are no atomic operations.

Triton comes with torch for CUDA on Linux; it is imported when a kernel is first asked for.
"""

from typing import TYPE_CHECKING

from lrdecay.core.lazy import make_lazy

if TYPE_CHECKING:
    from lrdecay.engine.stacked.kernels.adam import adam_step as adam_step
    from lrdecay.engine.stacked.kernels.conv_block import fused_conv_block as fused_conv_block
    from lrdecay.engine.stacked.kernels.dropout import drop as drop
    from lrdecay.engine.stacked.kernels.sgd import sgd_step as sgd_step
else:
    __getattr__, __dir__, __all__ = make_lazy(
        __name__,
        {
            "adam": "adam_step",
            "conv_block": "fused_conv_block",
            "dropout": "drop",
            "sgd": "sgd_step",
        },
    )
