"""How numbers are computed: what a training process sets, and the precision a run asks for."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def use_training_settings() -> Iterator[None]:
    """Within the block torch computes as it does in every worker, so that bits are equal: in one
    thread, in float32, without what makes a GPU rough (TF32) or vary from call to call."""
    cudnn = torch.backends.cudnn
    with ExitStack() as undo:
        undo.callback(torch.set_num_threads, torch.get_num_threads())
        undo.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float32)
        _set_matmul_precision("highest", undo)
        undo.enter_context(torch.enable_grad())
        undo.enter_context(
            cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        )
        yield


@contextmanager
def use_precision(precision: str, device: torch.device) -> Iterator[None]:
    """Within the block networks compute in `precision`; weights and updates stay float32.

    `tf32` shortens the factors of a GPU's products to 10 bits of mantissa; `bfloat16` is torch's
    autocast. `tf32x3` is for the kernels in Triton: what torch computes then is in float32.
    """
    cudnn = torch.backends.cudnn
    with ExitStack() as undo:
        if precision == "bfloat16":
            # without its cache: a captured graph must cast the weights again at every replay
            undo.enter_context(torch.autocast(device.type, torch.bfloat16, cache_enabled=False))
        elif precision == "tf32":
            undo.callback(setattr, cudnn, "allow_tf32", cudnn.allow_tf32)
            _set_matmul_precision("high", undo)
            cudnn.allow_tf32 = True
        yield


def _set_matmul_precision(precision: str, undo: ExitStack) -> None:
    undo.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    torch.set_float32_matmul_precision(precision)
