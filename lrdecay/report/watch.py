"""A report that is rewritten while its sweep trains, here or in another process."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from lrdecay.core import signals
from lrdecay.core.errors import InputError
from lrdecay.report import index
from lrdecay.report.html import add_reload, write_page
from lrdecay.report.page import read_and_render
from lrdecay.store.lock import find_holder
from lrdecay.store.schema import TABLES

INTERVAL = 2.0
"""Seconds between two looks at the folder."""
RELOAD = 5
"""Seconds after which a browser loads the watched page again."""

State = tuple[tuple[str, int, int], ...]


def watch_results(
    folder: Path, path: Path, say: Callable[[str], None], interval: float = INTERVAL
) -> None:
    """Rewrite the report of a results folder as runs land in it, with a line for each time.

    It returns when all runs that the sweep asks for have ended and nobody writes to the folder any
    more. However it ends, the page that is left does not load itself again.

    Raises:
        InputError: there are no results and nobody is about to write any, or they are damaged.
    """
    seen: State | None = None
    page: str | None = None
    progress: index.Overview | None = None
    waited = False
    try:
        while True:
            began = time.monotonic()
            # before anything is read: what lands later makes another state
            busy, now = find_holder(folder) is not None, read_state(folder)
            if now != seen:
                try:
                    progress = _read_progress(folder, busy)
                    if progress is not None and progress.done:
                        page = read_and_render(folder)
                        write_page(add_reload(page, RELOAD), path)
                        say(f"{path}: {progress.done} of {progress.planned} runs")
                    seen = now
                except FileNotFoundError:  # a sweep has just moved its parts on: look again
                    if not busy:
                        raise
            if not busy and progress is not None and progress.complete:
                return
            if not busy and not waited:
                say(f"{folder}: nobody trains there at the moment; waiting for more runs")
            waited = not busy
            # at most half of a core, however long the page takes
            time.sleep(max(interval, time.monotonic() - began))
    finally:
        if page is not None:
            with signals.hold_signals():
                write_page(page, path)


def read_state(folder: Path) -> State:
    """Return what tells that a folder's results have changed: names, times and sizes of files.

    A part or batch is named by a digest of what it holds, so that its name tells all.
    """
    found = []
    for name in TABLES:
        path = folder / f"{name}.parquet"
        if path.is_file():
            stat = path.stat()
            found.append((name, stat.st_mtime_ns, stat.st_size))
    for kind in ("parts", "batches"):
        home = folder / kind
        names = os.listdir(home) if home.is_dir() else []
        found += [(name, 0, 0) for name in sorted(names) if name[0] != "."]
    return tuple(found)


def _read_progress(folder: Path, busy: bool) -> index.Overview | None:
    """None while a sweep has begun and no table is there yet."""
    try:
        return index.read_overview(folder)
    except InputError:
        if busy and not read_state(folder):
            return None
        raise
