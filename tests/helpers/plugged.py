"""The plug-ins of a process, forgotten."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lrdecay.components import plugins, registry, schedulers
from lrdecay.components.registry import PLUGGED, REGISTRIES


@contextmanager
def as_in_a_new_process() -> Iterator[Callable[[], None]]:
    """Within the block no plug-in is loaded, and afterwards none that was is left; what it gives
    forgets them too."""
    before = {kind: dict(held) for kind, held in REGISTRIES.items()}
    search = list(sys.path)

    def forget() -> None:
        for kind, held in REGISTRIES.items():
            held.clear()
            held.update(before[kind])
        PLUGGED.clear()
        plugins._given.clear()
        registry._find_entry_points.cache_clear()
        schedulers.argument_model.cache_clear()
        sys.path[:] = search

    forget()
    yield forget
    forget()
