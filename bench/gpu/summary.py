"""The tables of `bench/RESULTS.md` that are made of what a GPU measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from bench.gpu.items import ITEMS
from bench.tables import Tables


def write_tables(results: Mapping[str, Any]) -> None:
    """Write a table of all items, and one of the times of steps, where they were measured."""
    tables = Tables()
    items = results["items"]
    rows = [["item", "question", "answer", "seconds"]]
    for name, found in items.items():
        rows.append([name, ITEMS[name].question, describe_answer(found), str(found["seconds"])])
    tables.add("On a GPU: what works", "Each item ran in a process of its own.", rows)
    times = [row for name in ("speed", "kernels") for row in items.get(name, {}).get("rows", [])]
    if times:
        tables.add(
            "On a GPU: a step and an evaluation",
            "The cnn on images of 28x28, batch 64, Adam; one process. The evaluation is of "
            f"{times[0].get('evaluated_images')} images.",
            list_times(times),
        )
    tables.write(torch.device("cuda"))


def describe_answer(found: Mapping[str, Any]) -> str:
    """Return one word on an item, or why there is none.

    >>> describe_answer({"right": True}), describe_answer({"skipped": "no GPU"})
    ('right', 'skipped: no GPU')
    """
    if "skipped" in found:
        return f"skipped: {found['skipped']}"
    if "error" in found:
        return f"failed: {str(found['error']).splitlines()[0][:120]}"
    return "right" if found["right"] else "wrong"


def list_times(times: list[dict[str, Any]]) -> list[list[str]]:
    """Return the rows of the table of times, its header first.

    >>> row = {"runs": 1024, "batch_norm": False, "kernels": "torch", "precision": "float32"}
    >>> list_times([row])[1]
    ['1,024', 'no', 'torch', 'float32', 'out of memory', '', '', '']
    """
    head = ["runs", "batch norm", "kernels", "precision"]
    rows = [[*head, "ms a step", "us a run", "ms to evaluate", "peak GiB"]]
    for time in times:
        row = [f"{time['runs']:,}", "yes" if time["batch_norm"] else "no"]
        row += [time["kernels"], time["precision"]]
        if "step_ms" in time:
            row += [
                f"{time['step_ms']:.2f}",
                f"{time['step_us_per_run']:.1f}",
                f"{time['evaluation_ms']:.2f}",
                f"{time['peak_GiB']:.1f}",
            ]
        else:
            row += ["out of memory", "", "", ""]
        rows.append(row)
    return rows
