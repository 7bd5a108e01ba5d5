"""What every test may ask for, and what every test gets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lrdecay.components.datasets.sources import DATA_VARIABLE

# in a process of xdist's it is set, and a console keeps what it finds when it is made
os.environ.pop("COLUMNS", None)

REQUIRE_VARIABLE = "LRDECAY_REQUIRE_DATA"
"""Set where the data must be there, so that no test is skipped for want of them unnoticed."""


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder that holds MNIST, as torchvision lays it out."""
    folder = os.environ.get(DATA_VARIABLE)
    if folder and (Path(folder) / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        return Path(folder)
    reason = f"no MNIST in {folder}" if folder else f"{DATA_VARIABLE} names no folder with MNIST"
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Float32 sums on the CPU depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
