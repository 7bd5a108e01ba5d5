"""Collects what the benchmarks measure, prints it as tables and writes `bench/RESULTS.md`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from bench.crew import Crew
from bench.tables import CORES, RESULTS, Tables
from lrdecay.execution.local.process import training_environment

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PROCESSES = 1 if DEVICE == "cuda" else CORES

USERS_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "NPROC": "1",
    "JAX_PLATFORMS": "cpu",  # XLA's threads
}

_TABLES = Tables()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=5, help="rounds of the benchmark of speed")
    parser.addoption("--results", type=Path, default=RESULTS, help="the file to write tables into")


@pytest.fixture(scope="session")
def tables() -> Tables:
    return _TABLES


@pytest.fixture(scope="session")
def crews() -> Iterator[dict[str, Crew]]:
    """As many processes as `lrdecay sweep` would use here, with one thread each: started as a user
    would, and as lrdecay starts them."""
    with (
        Crew(PROCESSES, USERS_ENVIRONMENT) as users,
        Crew(PROCESSES, training_environment()) as ours,
    ):
        yield {"user's": users, "lrdecay's": ours}


@pytest.fixture(scope="session")
def one_process() -> Iterator[ProcessPoolExecutor]:
    """One such process."""
    os.environ.update(training_environment())
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool


def pytest_benchmark_group_stats(config, benchmarks, group_by):  # type: ignore[no-untyped-def]
    """Leave pytest-benchmark's own table out: it would have a row for every round."""
    return []


def pytest_terminal_summary(terminalreporter) -> None:  # type: ignore[no-untyped-def]
    if not _TABLES.sections:
        return
    file = terminalreporter.config.getoption("results")
    text = _TABLES.write(torch.device(DEVICE), file)
    terminalreporter.write_line("")
    terminalreporter.write(text)
    terminalreporter.write_line(f"\nwritten to {file}")
