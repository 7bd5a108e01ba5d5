"""A GPU's driver, and why torch cannot use it."""

import os
import re
import warnings
from contextlib import suppress
from pathlib import Path

import torch

from lrdecay.core.text import first_line

_VERSION_FILE = Path("/proc/driver/nvidia/version")
_NO_DEVICES = ("", "-1", "NoDevFiles")  # what users, or Slurm for a job without GPUs, hide them by
_LEAST = {"11": 450, "12": 525, "13": 580}
"""CUDA's major version -> the oldest driver that runs it; source: NVIDIA, "CUDA Compatibility",
minor version compatibility."""


def is_gpu_usable() -> bool:
    """Return whether torch can use a GPU here."""
    with warnings.catch_warnings():
        # that a driver is too old torch says here, once; `explain_unused_gpu` says it to users
        warnings.simplefilter("ignore")
        return torch.cuda.is_available()


def explain_unused_gpu() -> str | None:
    """Return why torch cannot use the GPU that this machine seems to have, and how it could.

    None where it can, where there is no sign of a GPU, and where the user hides it.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in _NO_DEVICES
    if hidden or torch.version.hip is not None or is_gpu_usable():
        return None
    said, version = _ask_torch(), read_driver_version()
    too_old = re.search(r"driver on your system is too old(?: \(found version (\d+)\))?", said)
    if version is None and not too_old:
        return None
    name = f"NVIDIA driver {version}" if version else "NVIDIA driver"
    needed = torch.version.cuda
    if needed is None:
        return (
            f"torch {torch.__version__} is built without CUDA, and this machine has the {name}; "
            f"install a torch with CUDA (pytorch.org/get-started)"
        )
    least = _LEAST.get(needed.partition(".")[0])
    if too_old or (least and version and int(version.partition(".")[0]) < least):
        runs = f" and runs CUDA {_spell_cuda(too_old[1])}" if too_old and too_old[1] else ""
        newer = f"driver {least} or newer" if least else "a newer driver"
        return (
            f"the {name} is too old{runs}, and torch {torch.__version__} needs CUDA {needed}; "
            f"install {newer}, or a torch for an older CUDA (pytorch.org/get-started)"
        )
    return (
        f"torch {torch.__version__}, for CUDA {needed}, cannot use the GPU of this machine, which "
        f"has the {name} ({said}); give this process the GPU, as `docker run --gpus all` does"
    )


def read_driver_version() -> str | None:
    """Return the version of the NVIDIA driver that this machine runs, such as 535.129.03."""
    with suppress(OSError):
        found = re.search(r"\b\d{3}\.\d+(?:\.\d+)?\b", _VERSION_FILE.read_text())
        return found and found[0]
    return None


def _ask_torch() -> str:
    """Return what torch says first when it is asked for a GPU that it cannot use."""
    try:
        torch.cuda.init()
    except Exception as error:
        return first_line(error).partition(". ")[0]
    return "it finds none"


def _spell_cuda(version: str) -> str:
    """Return a version of CUDA as it is known.

    >>> _spell_cuda("11040"), _spell_cuda("12020")
    ('11.4', '12.2')
    """
    return f"{int(version) // 1000}.{int(version) % 1000 // 10}"
