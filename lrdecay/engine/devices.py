"""Where this machine can train: its processor or a GPU, and how many processes at once."""

import os
import platform
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

from lrdecay.core.errors import InputError
from lrdecay.engine import driver


def find_device(device: str, precision: str = "float32", kernels: str = "torch") -> torch.device:
    """Return the device that `auto`, `cpu` or `cuda` names here; see `explain_choice`.

    Raises `InputError` where there is none, and where it cannot compute in `precision` or by
    `kernels`.
    """
    available = driver.is_gpu_usable()
    if device == "auto":
        device = "cuda" if available else "cpu"
    if device == "cuda" and not available:
        why = driver.explain_unused_gpu() or "torch finds no GPU here; use cpu or auto"
        raise InputError(f"--device cuda: {why}")
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device {device}: expected auto, cpu or cuda")
    if kernels == "triton":
        _require_triton(device)
    if device == "cpu" and precision == "tf32":
        raise InputError("precision: tf32 needs a GPU; a CPU computes in float32 or bfloat16")
    return torch.device(device)


def explain_choice(device: str) -> tuple[str, ...]:
    """Return what a user should know of what `find_device` takes: that `auto` is no GPU, where one
    seems to be there."""
    why = driver.explain_unused_gpu() if device == "auto" else None
    return () if why is None else (f"training on the CPU: {why}",)


def _require_triton(device: str) -> None:
    if device == "cpu":
        raise InputError("kernels: triton needs a GPU; a CPU computes with kernels: torch")
    if find_spec("triton") is None:
        raise InputError(
            "kernels: triton needs the package triton, which comes with torch for CUDA on Linux; "
            "install it, or give kernels: torch"
        )


def count_workers(device: torch.device) -> int:
    """Return one worker per core that this process may use, or one per GPU."""
    if device.type == "cuda":
        return len(list_gpus())
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def list_gpus() -> list[int]:
    """Return the numbers of the GPUs of one model, that of the first; runs train on these."""
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return [index for index, name in enumerate(names) if name == names[0]]


def gpu_environment(number: int) -> dict[str, str]:
    """Return the environment variables of a process that is to see one GPU, dealt out in turn."""
    ours = list_gpus()
    index = ours[number % len(ours)]
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {"CUDA_VISIBLE_DEVICES": listed.split(",")[index].strip() if listed else str(index)}


def describe_device(device: torch.device) -> tuple[str, str]:
    """Return what numbers that are computed here depend on, as `schema.MADE_WITH` names it."""
    return device_name(device), torch.__version__


@cache
def device_name(device: torch.device) -> str:
    """Return the model name of a processor or GPU, such as `NVIDIA H200`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
