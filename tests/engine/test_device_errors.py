"""What is a device's error, and what is a network's."""

import pytest
import torch

from lrdecay.engine.device_errors import is_device_error, is_device_lost, is_out_of_memory

OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total"),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
    MemoryError(),
)
LOST = (
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    torch.AcceleratorError("CUDA error: device-side assert triggered"),
    torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA driver error: unknown error"),
)
OTHERS = (
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x64 and 63x10)"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed"),
    RuntimeError("CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasSgemm(handle, opa)`"),
    torch.AcceleratorError("CUDA error: invalid configuration argument\nCUDA kernel errors"),
    torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device"),
    torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing"),
    RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
    ValueError("CUDA error: not said by torch"),
    SystemExit(3),
)


@pytest.mark.parametrize("error", [*OUT_OF_MEMORY, *LOST, *OTHERS])
def test_an_error_is_of_one_kind(error):
    assert is_out_of_memory(error) == (error in OUT_OF_MEMORY)
    assert is_device_lost(error) == (error in LOST)
    assert is_device_error(error) == (error in (*OUT_OF_MEMORY, *LOST))


def chain(first: BaseException, then: BaseException, cause: bool) -> BaseException:
    first, then = (type(each)(*each.args) for each in (first, then))
    try:
        try:
            raise first
        except BaseException as error:
            raise then from (error if cause else None)
    except BaseException as error:
        return error


@pytest.mark.parametrize("cause", [False, True])
def test_what_an_error_came_of_counts(cause):
    """A plug-in may catch anything, and a capture ends in its own way after what ended it."""
    assert is_device_lost(chain(LOST[0], ValueError("no luck"), cause))
    assert is_out_of_memory(chain(OUT_OF_MEMORY[0], LOST[0], cause))
    assert not is_device_lost(chain(OUT_OF_MEMORY[0], LOST[0], cause))
    assert not is_device_error(chain(OTHERS[0], OTHERS[3], cause))
