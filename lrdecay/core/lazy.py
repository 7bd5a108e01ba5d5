"""Faces of packages that import what they offer only when it is asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def make_lazy(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package's `__init__`.

    So a worker that needs one schema does not import pandas, and `--help` next to nothing.

    Args:
        package: its name.
        homes: modules of the package -> the names that are taken from each when they are first
            asked for; of one without names, the module itself.

    >>> get, _ = make_lazy("lrdecay.core", {"text": ["spell_count"]})
    >>> get("spell_count")(2, "run")
    '2 runs'
    """
    home_of = {name: module for module, names in homes.items() for name in names or [module]}

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{home_of[name]}")
        return module if name == home_of[name] else getattr(module, name)

    return get, lambda: sorted(home_of)
