"""`make gpu`: measures each item in a process of its own, and writes down what it found at once.

    python -m bench.gpu [--pretend] [ITEM ...]

An item that fails, hangs or kills its process takes nothing from the others. All of it is in
`bench/gpu-results.json` after every item, and in tables in `bench/RESULTS.md` at the end, where a
GPU was measured. Without a GPU each item says why it was skipped; `--pretend` measures what can be
on a GPU that is pretended on a CPU (tests/helpers/pretended_gpu.py).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path

import torch

from bench.gpu import correctness, summary, timing, whole
from bench.gpu.items import ITEMS, Item, SkippedError
from lrdecay.engine import provenance

__all__ = ["correctness", "timing", "whole"]  # importing them fills ITEMS

FILE = Path(__file__).parents[1] / "gpu-results.json"
BUDGET = 480.0
"""Seconds for all of it."""
ORDER = (
    *("facts", "stackable", "same bits", "sweep", "speed", "tutorial loop"),
    *("kernels", "top kernels", "memory", "resnet"),
)


def main() -> int:
    """Measure what was asked for, and return how many items came out wrong."""
    parser = argparse.ArgumentParser(description="What a GPU does, measured in eight minutes.")
    parser.add_argument("items", nargs="*", help=f"of: {', '.join(ORDER)} (default: all)")
    parser.add_argument("--pretend", action="store_true", help="on a GPU pretended on a CPU")
    parser.add_argument("--out", type=Path, default=FILE, help="the JSON that is written")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        _measure(ITEMS[asked.only], asked.pretend, asked.out)
        return 0
    unknown = [name for name in asked.items if name not in ITEMS]
    if unknown:
        parser.error(f"no such item: {', '.join(unknown)}; there are {', '.join(ORDER)}")
    return _measure_all(asked.items or ORDER, asked.pretend, asked.out)


def _measure_all(names: tuple[str, ...] | list[str], pretend: bool, file: Path) -> int:
    started = time.monotonic()
    results: dict[str, object] = {
        "made_with": provenance.read_versions(),
        "device": "pretended" if pretend else "cuda" if torch.cuda.is_available() else "none",
        "items": {},
    }
    wrong = 0
    for name in names:
        left = BUDGET - (time.monotonic() - started)
        found = _measure_apart(ITEMS[name], pretend, left)
        wrong += found.get("right") is False
        results["items"][name] = found  # type: ignore[index]
        file.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: {_describe(found)}", flush=True)
    if results["device"] == "cuda":
        summary.write_tables(results)
    print(f"written to {os.path.relpath(file)}")
    return wrong


def _measure_apart(item: Item, pretend: bool, left: float) -> dict[str, object]:
    """Measure in a process of its own, which ends at its limit."""
    if left < 10:
        return {"skipped": f"the {BUDGET:.0f} s for all items are over"}
    if pretend and not item.pretended:
        return {"skipped": "needs a real GPU"}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder, "found.json"), Path(folder, "log.txt")
        command = [sys.executable, "-m", "bench.gpu", "--only", item.name, "--out", str(out)]
        command += ["--pretend"] * pretend
        with log.open("w") as printed:
            process = subprocess.Popen(
                command, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
            )
            limit = min(item.limit, left)
            try:
                code = process.wait(limit)
                found: dict[str, object] = {"error": f"its process ended with code {code}"}
            except subprocess.TimeoutExpired:
                found = {"error": f"not done after {limit:.0f} s"}
            finally:
                with suppress(ProcessLookupError):  # its own processes too
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if out.exists():
            found = json.loads(out.read_text())
        if "error" in found:
            found |= {"right": False, "printed": log.read_text()[-3000:]}
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def _measure(item: Item, pretend: bool, out: Path) -> None:
    """Measure an item in this process, and write what it found."""
    with ExitStack() as undo:
        if pretend:
            sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
            from helpers.pretended_gpu import pretend_gpu

            undo.enter_context(pretend_gpu())
        try:
            if not torch.cuda.is_available():
                raise SkippedError(f"torch {torch.__version__} finds no GPU here")
            found = item.measure(torch.device("cuda"))
        except SkippedError as why:
            found = {"skipped": str(why)}
        except Exception as error:
            lines = traceback.format_exc().splitlines()
            found = {"error": f"{type(error).__name__}: {error}", "traceback": lines[-20:]}
    out.write_text(json.dumps(found, default=str))


def _describe(found: dict[str, object]) -> str:
    if "skipped" in found:
        return f"skipped: {found['skipped']}"
    if "error" in found:
        return f"FAILED after {found['seconds']} s: {found['error']}"
    return f"{'right' if found['right'] else 'WRONG'}, {found['seconds']} s"


if __name__ == "__main__":
    sys.exit(min(main(), 1))
