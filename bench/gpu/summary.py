"""The tables of `bench/RESULTS.md` that are made of what a GPU measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from bench.gpu import problem
from bench.gpu.items import ITEMS
from bench.tables import Tables

ITEMS_TITLE = "On a GPU: what works"
TIMES_TITLE = "On a GPU: a step and an evaluation"


def write_tables(items: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a table of all items, and one of the times of steps, where there are any."""
    tables = Tables()
    rows = [["item", "question", "answer"]]
    rows += [[name, ITEMS[name].question, describe_answer(found)] for name, found in items.items()]
    tables.add(ITEMS_TITLE, "Each item ran in a process of its own.", rows)
    times = [
        {"item": name, **row}
        for name in ("speed", "kernels")
        for row in items.get(name, {}).get("rows", [])
    ]
    if times:
        text = (
            f"The cnn on images of {problem.SIDE}x{problem.SIDE}, batch {problem.BATCH}, Adam; one "
            f"process for each item. The evaluation is of {problem.TEST_IMAGES} images. Memory: "
            "what tensors took, and what was reserved for them, which the pools of captured graphs "
            "are part of."
        )
        tables.add(TIMES_TITLE, text, list_times(times))
    tables.write(torch.device("cuda"))


def describe_answer(found: Mapping[str, Any]) -> str:
    """Return in a few words what came of an item.

    >>> describe_answer({"right": True, "seconds": 8.1}), describe_answer({"skipped": "no GPU"})
    ('right, 8.1 s', 'skipped: no GPU')
    >>> describe_answer({"rows": [1, 2], "error": "not done after 9 s", "right": False})
    'failed: not done after 9 s; kept: rows (2)'
    """
    if "skipped" in found:
        return f"skipped: {found['skipped']}"
    if "error" not in found:
        return f"{'right' if found['right'] else 'wrong'}, {found['seconds']} s"
    why = str(found["error"]).splitlines()[0][:120]
    kept = [
        f"{name} ({len(value)})" if isinstance(value, list) else name
        for name, value in found.items()
        if name not in ("error", "right", "traceback", "printed", "seconds")
    ]
    return f"failed: {why}" + (f"; kept: {', '.join(kept)}" if kept else "")


def list_times(times: list[dict[str, Any]]) -> list[list[str]]:
    """Return the rows of the table of times, its header first.

    >>> row = {"runs": 1024, "batch_norm": False, "kernels": "torch", "precision": "float32"}
    >>> list_times([{"item": "speed", **row, "skipped": "out of memory"}])[1]
    ['speed', '1,024', 'no', 'torch', 'float32', 'out of memory', '', '', '', '']
    """
    head = ["item", "runs", "batch norm", "kernels", "precision", "ms a step", "us a run"]
    rows = [[*head, "ms to evaluate", "GiB allocated", "GiB reserved"]]
    for time in times:
        row = [time["item"], f"{time['runs']:,}", "yes" if time["batch_norm"] else "no"]
        row += [time["kernels"], time["precision"]]
        if "step_ms" in time:
            row += [f"{time['step_ms']:.2f}", f"{time['step_us_per_run']:.1f}"]
            row += [f"{time['evaluation_ms']:.2f}"]
            row += [f"{time[f'peak_{kind}_GiB']:.1f}" for kind in ("allocated", "reserved")]
        else:
            row += [time.get("skipped") or time["error"], "", "", "", ""]
        rows.append(row)
    return rows
