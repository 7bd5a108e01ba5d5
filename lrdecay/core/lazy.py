"""Faces of packages that import what they offer only when it is asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def make_lazy(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for a package's `__init__`.

    So a worker that needs one schema does not import pandas, and `--help` next to nothing. What
    type checkers see stands beside it, as imports under `TYPE_CHECKING`.

    Args:
        package: its name.
        homes: modules of the package -> the names, with spaces between them, that are taken from
            each when they are first asked for; of one without names, the module itself.

    >>> get, _, names = make_lazy("lrdecay.core", {"text": "quote spell_count"})
    >>> names, get("spell_count")(2, "run")
    (['quote', 'spell_count'], '2 runs')
    """
    home_of = {name: home for home, names in homes.items() for name in names.split() or [home]}
    offered = sorted(home_of)

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = home_of[name]
        module = import_module(f"{package}.{home}")
        return getattr(module, name) if homes[home] else module

    return get, lambda: list(offered), offered
