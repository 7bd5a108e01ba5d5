"""`make gpu`: measures each item in a process of its own, and writes down what it found at once.

    python -m bench.gpu [--pretend] [ITEM ...]

An item that fails, hangs or kills its process takes nothing from the others, and what it had found
by then is kept. All of it is in `bench/gpu-results.json` after every item, and in tables in
`bench/RESULTS.md` at the end, where a GPU was measured. Without a GPU each item says why it was
skipped; `--pretend` measures what can be on a GPU that is pretended on a CPU
(tests/helpers/pretended_gpu.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from bench.gpu import correctness, kernels, process, summary, timing, whole
from bench.gpu.items import ITEMS, Found, Item
from lrdecay.engine import provenance

__all__ = ["correctness", "kernels", "timing", "whole"]  # importing them fills ITEMS

FILE = Path(__file__).parents[1] / "gpu-results.json"
BUDGET = 480.0
"""Seconds for all of it."""
FIRST = ("facts", "stackable", "same bits", "sweep", "kernels", "speed")
"""What matters most, in this order: even if each of these took all that it may, the others would
have what they may."""
ORDER = (*FIRST, "tutorial loop", "memory", "top kernels", "resnet")


def main() -> int:
    """Measure what was asked for, and return how many items came out wrong."""
    parser = argparse.ArgumentParser(description="What a GPU does, measured in eight minutes.")
    parser.add_argument("items", nargs="*", help=f"of: {', '.join(ORDER)} (default: all)")
    parser.add_argument("--pretend", action="store_true", help="on a GPU pretended on a CPU")
    parser.add_argument("--out", type=Path, default=FILE, help="the JSON that is written")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        process.measure_here(lambda: _measure(ITEMS[asked.only], asked.pretend), asked.out)
        return 0
    unknown = [name for name in asked.items if name not in ITEMS]
    if unknown:
        parser.error(f"no such item: {', '.join(unknown)}; there are {', '.join(ORDER)}")
    return _measure_all(asked.items or ORDER, asked.pretend, asked.out)


def _measure_all(names: Sequence[str], pretend: bool, file: Path) -> int:
    started = time.monotonic()
    items: dict[str, Found] = {}
    results = {
        "made_with": provenance.read_versions(),
        "device": "pretended" if pretend else "cuda" if torch.cuda.is_available() else "none",
        "items": items,
    }
    for name in names:
        left = BUDGET - (time.monotonic() - started)
        found = items[name] = _measure_apart(ITEMS[name], pretend, left)
        file.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: {summary.describe_answer(found)}", flush=True)
    if results["device"] == "cuda":
        summary.write_tables(items)
    print(f"written to {os.path.relpath(file)}")
    return sum(found.get("right") is False for found in items.values())


def _measure_apart(item: Item, pretend: bool, left: float) -> Found:
    """Measure in a process of its own, in the seconds that are left."""
    if left < 10:
        return {"skipped": f"the {BUDGET:.0f} s for all items are over"}
    if pretend and not item.pretended:
        return {"skipped": "needs a real GPU"}
    if not (pretend or torch.cuda.is_available()):
        return {"skipped": f"torch {torch.__version__} finds no GPU here"}
    command = [sys.executable, "-m", "bench.gpu", "--only", item.name, *["--pretend"] * pretend]
    # a pretended GPU is as slow as its CPU is busy
    return process.measure_apart(command, left if pretend else min(item.limit, left))


def _measure(item: Item, pretend: bool) -> Iterator[Found]:
    """Measure in this process."""
    with ExitStack() as undo:
        if pretend:
            sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
            from helpers.pretended_gpu import pretend_gpu

            undo.enter_context(pretend_gpu())
        yield from item.measure(torch.device("cuda"))


if __name__ == "__main__":
    sys.exit(min(main(), 1))
