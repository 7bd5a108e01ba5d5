"""Collects what the benchmarks measure, prints it as tables and writes `bench/RESULTS.md`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from tables import CORES, RESULTS, Tables

from lrdecay.execution.local.process import training_environment

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PROCESSES = 1 if DEVICE == "cuda" else CORES

_TABLES = Tables()


@pytest.fixture(scope="session")
def tables() -> Tables:
    return _TABLES


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPoolExecutor]:
    """As many processes as `lrdecay sweep` would use here, with one thread each."""
    os.environ.update(training_environment())
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        yield pool


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
    text = _TABLES.write(torch.device(DEVICE))
    terminalreporter.write_line("")
    terminalreporter.write(text)
    terminalreporter.write_line(f"\nwritten to {RESULTS.relative_to(Path.cwd())}")
