"""Which of a test's cases `make test` leaves to `make test-all`."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

FULL_VARIABLE = "LRDECAY_FAULTS"
"""`full` tries each fault as often as a statement about it needs, and prints the figures."""


def slow_but(quick: Collection[Any], cases: Iterable[Any], soak: Collection[Any] = ()) -> list[Any]:
    """Return cases to parametrize with, all of them slow but those that are quick or soak."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if case in quick else pytest.mark.soak if case in soak else pytest.mark.slow,
        )
        for case in cases
    ]
