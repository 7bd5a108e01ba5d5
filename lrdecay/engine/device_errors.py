"""Errors that are a device's and no network's: its memory is full, or it cannot go on."""

from collections.abc import Iterator

import torch

# torch has no class of its own for a CPU that has no memory left, nor for a library on a GPU
_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "CUDA error: out of memory",
    "_STATUS_ALLOC_FAILED",
)
_OF_LIBRARIES = ("CUDA error", "CUDA driver error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS")
# a call that was refused, after which a GPU goes on as before; of any other error it may not
_REFUSED = (
    *("_STATUS_NOT_SUPPORTED", "_STATUS_INVALID_VALUE", "_STATUS_BAD_PARAM"),
    *("_STATUS_ARCH_MISMATCH", "CUDA error: invalid argument"),
    *("CUDA error: invalid configuration argument", "CUDA error: invalid device function"),
    *("CUDA error: no kernel image is available", "CUDA error: operation not supported"),
    *("CUDA error: too many resources requested for launch", "stream is capturing"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error came of memory that was too small, a GPU's or the machine's."""
    # ending a capture may fail in its own way after it
    return any(_lacks_memory(each) for each in _list_causes(error))


def is_device_lost(error: BaseException) -> bool:
    """Return whether a GPU failed: its context may be broken then, and nothing that this process
    asks of it afterwards is sure to succeed. A call that it refused breaks nothing."""
    return not is_out_of_memory(error) and any(map(_is_of_gpu, _list_causes(error)))


def is_device_error(error: BaseException) -> bool:
    """Return whether an error says something of the device, and nothing of what it computed."""
    return is_out_of_memory(error) or is_device_lost(error)


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _lacks_memory(error: BaseException) -> bool:
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or any(words in str(error) for words in _NO_MEMORY)


def _is_of_gpu(error: BaseException) -> bool:
    text = str(error) if isinstance(error, RuntimeError) else ""
    known = isinstance(error, torch.AcceleratorError) or any(map(text.__contains__, _OF_LIBRARIES))
    return known and not any(words in text for words in _REFUSED)
