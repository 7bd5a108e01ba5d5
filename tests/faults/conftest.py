"""How often faults are tried, and the figures that come of it."""

import os
from collections.abc import Callable

import pytest

FULL_VARIABLE = "LRDECAY_FAULTS"
"""`full` tries each fault as often as a statement about it needs, and prints the figures."""


@pytest.fixture(scope="session")
def often() -> Callable[[int, int], int]:
    """`often(short, full)` is how many times to try something."""
    full = os.environ.get(FULL_VARIABLE) == "full"
    return lambda short, long: long if full else short


@pytest.fixture
def figure(request) -> Callable[[str, object], None]:
    """`figure(name, value)` has a line printed after the tests."""
    return lambda name, value: request.node.user_properties.append(("figure", (name, str(value))))


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the figures; reports bring them here from whichever process ran the test."""
    reports = [r for of_kind in terminalreporter.stats.values() for r in of_kind]
    figures = [
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for kind, value in report.user_properties
        if kind == "figure"
    ]
    if figures and os.environ.get(FULL_VARIABLE) == "full":
        terminalreporter.section("faults")
        width = max(len(name) for name, _ in figures)
        for name, value in figures:
            terminalreporter.write_line(f"{name:<{width}}  {value}")
