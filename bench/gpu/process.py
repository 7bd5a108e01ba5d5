"""An item's process: what it has found is written as it comes, and outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bench.gpu.items import Found, SkippedError

ENDS = ("right", "skipped", "error")
"""One of these is in what an item has found to its end."""


def measure_here(measure: Callable[[], Iterator[Found]], out: Path) -> None:
    """Measure in this process, and write what is found after each part of it."""
    found: Found = {}
    try:
        for part in measure():
            found |= part
            _write(found, out)
    except SkippedError as why:
        found["skipped"] = str(why)
    except Exception as error:
        lines = traceback.format_exc().splitlines()
        found |= {"error": f"{type(error).__name__}: {error}", "traceback": lines[-20:]}
    _write(found, out)


def measure_apart(command: Sequence[str], limit: float) -> Found:
    """Return what a process finds that is told where to write it, `--out FILE`.

    It is ended after `limit` seconds, with all that it started. What it had written by then, or
    before it died, is kept beside the `error` that says so.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder, "found.json"), Path(folder, "log.txt")
        with log.open("w") as printed:
            process = subprocess.Popen(
                [*command, "--out", str(out)],
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                ended = f"its process ended with code {process.wait(limit)}"
            except subprocess.TimeoutExpired:
                ended = f"not done after {limit:.0f} s"
            finally:
                with suppress(ProcessLookupError):  # its own processes too
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        found: Found = json.loads(out.read_text()) if out.exists() else {}
        if not any(end in found for end in ENDS):
            found["error"] = ended
        if "error" in found:
            found |= {"right": False, "printed": log.read_text(errors="replace")[-3000:]}
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def _write(found: Found, out: Path) -> None:
    """Write all or nothing: the process may be ended at any moment."""
    part = out.with_suffix(".part")
    part.write_text(json.dumps(found, default=str))
    part.replace(out)
