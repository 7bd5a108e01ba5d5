"""How numbers are computed: what a training process sets, and the precision a run asks for."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def use_training_settings() -> Iterator[None]:
    """Within the block torch computes as it does in every worker, so that bits are equal: in one
    thread, in float32, without what makes a GPU rough (TF32) or vary from call to call."""
    cudnn = torch.backends.cudnn
    before = (torch.get_num_threads(), torch.get_default_dtype())
    precision = torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.enable_grad(),
            cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_default_dtype(before[1])
        torch.set_float32_matmul_precision(precision)


@contextmanager
def use_precision(precision: str, device: torch.device) -> Iterator[None]:
    """Within the block networks compute in `precision`; weights and updates stay float32.

    `tf32` shortens the factors of a GPU's products to 10 bits of mantissa; `bfloat16` is torch's
    autocast.
    """
    if precision == "bfloat16":
        # without its cache: a captured graph must cast the weights anew at every replay
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            yield
    elif precision == "tf32":
        cudnn = torch.backends.cudnn
        before = (torch.get_float32_matmul_precision(), cudnn.allow_tf32)
        torch.set_float32_matmul_precision("high")
        cudnn.allow_tf32 = True
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            cudnn.allow_tf32 = before[1]
    else:
        yield
