"""Collects what the benchmarks measure, prints it as tables and writes `bench/RESULTS.md`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from lrdecay.engine import provenance
from lrdecay.engine.devices import count_workers, device_name
from lrdecay.execution.local.process import training_environment

RESULTS = Path(__file__).parent / "RESULTS.md"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CORES = count_workers(torch.device("cpu"))
PROCESSES = 1 if DEVICE == "cuda" else CORES


_METHOD = (
    "Written by `make bench`. Each round times every contender once, in turn; figures are medians "
    "over the rounds. Machines are shared and noisy: the ratios mean more than the times. What was "
    "measured where stands under each table; a GPU's speed is unmeasured where no table names one."
)


class Tables:
    """Sections of the results, in the order in which they are added."""

    def __init__(self) -> None:
        self.sections: list[tuple[str, str, list[list[str]]]] = []

    def add(self, title: str, text: str, rows: list[list[str]]) -> None:
        """Add a table, its header first."""
        self.sections.append((title, text, rows))

    def markdown(self, before: str = "") -> str:
        """Return all sections, those that were not measured now as they were before."""
        kept = dict(_sections(before))
        for title, text, rows in self.sections:
            head, *body = rows
            lines = [head, ["---"] * len(head), *body]
            table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            kept[title] = f"{text}\n\n{table}\n\n{_machine()}"
        parts = ["# Measured speed", _METHOD]
        for title, section in kept.items():
            parts += [f"## {title}", section]
        return "\n\n".join(parts) + "\n"


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for section in text.split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        yield title, rest.strip()


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
    text = _TABLES.markdown(RESULTS.read_text() if RESULTS.exists() else "")
    RESULTS.write_text(text)
    terminalreporter.write_line("")
    terminalreporter.write(text)
    terminalreporter.write_line(f"\nwritten to {RESULTS.relative_to(Path.cwd())}")


def _machine() -> str:
    device = torch.device(DEVICE)
    versions = provenance.read_versions()
    commit = str(versions["git_commit"] or "unknown")[:12]
    parts = [
        f"{device_name(device)}",
        f"{CORES} cores used by each side" if DEVICE == "cpu" else f"one GPU, {CORES} CPU cores",
        f"torch {versions['torch_version']}",
        f"Python {versions['python_version']}",
        f"lrdecay {versions['lrdecay_version']} ({commit})",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    return f"Measured on: {', '.join(parts)}."
