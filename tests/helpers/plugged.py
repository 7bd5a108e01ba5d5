"""The plug-ins of a process, forgotten."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lrdecay.components import plugins, schedulers
from lrdecay.components.registry import KINDS, PLUGGED, REGISTRIES


@contextmanager
def as_in_a_new_process() -> Iterator[Callable[[], None]]:
    """Within the block no plug-in is loaded, and afterwards none that was is left; what it gives
    forgets them too."""
    registries = [REGISTRIES[kind] for kind in KINDS]
    before = [dict(registry) for registry in registries]
    search = list(sys.path)

    def forget() -> None:
        for registry, content in zip(registries, before, strict=True):
            registry.clear()
            registry.update(content)
        PLUGGED.clear()
        plugins._given.clear()
        plugins._load_entry_points.cache_clear()
        schedulers.argument_model.cache_clear()
        sys.path[:] = search

    forget()
    yield forget
    forget()
