"""The kernels in Triton against torch's: whether they are right, and which is faster."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import torch

from bench.gpu import problem
from bench.gpu.cases import Case, find_why_too_old, is_right
from bench.gpu.items import Found, SkippedError, item
from bench.gpu.training import NEAR, Trained, train_briefly

PRECISIONS = ("float32", "tf32x3", "tf32")
COUNTS = (256, 64, 1024)
"""First what a sweep trains at once."""
EXACT = ("float32", "tf32x3")
"""Those that are to be as near to float32 as it is to itself."""
JUDGED = "losses_of_half_the_runs"


@item(limit=110)
def kernels(device: torch.device) -> Iterator[Found]:
    """Are the kernels in Triton right, and faster than torch's? Which should be the default?"""
    if find_spec("triton") is None:
        raise SkippedError("triton is not installed")
    if why := find_why_too_old(device):
        raise SkippedError(why)
    plain = _train("torch", "float32", device)
    apart: dict[str, dict[str, float]] = {}
    for precision in PRECISIONS:
        apart[precision] = plain.compare(_train("triton", precision, device))
        yield {"differences_to_torch": apart}
    again = [_train("triton", "float32", device) for _ in range(2)]
    repeats = again[0].equals(again[1])
    right = repeats and all(apart[each][JUDGED] < NEAR for each in EXACT)
    yield {"repeats": repeats}
    rows: list[Found] = []
    for count in COUNTS:
        for by, precision in (("torch", "float32"), *(("triton", each) for each in PRECISIONS)):
            rows.append(Case(count, False, by, precision).measure(device))
            yield {"rows": rows}
        yield {"default_should_be": _choose_default(rows) if right else "torch"}
    yield {"right": right and all(map(is_right, rows))}


def _choose_default(rows: list[Found]) -> str:
    """Return which is faster for as many runs as a sweep trains at once."""
    same = [row for row in rows if (row["runs"], row["precision"]) == (COUNTS[0], "float32")]
    took = {row["kernels"]: row["step_ms"] for row in same if "step_ms" in row}
    return "triton" if len(took) == 2 and took["triton"] < took["torch"] else "torch"


def _train(by: str, precision: str, device: torch.device) -> Trained:
    return train_briefly(problem.make_runs(8, precision=precision, kernels=by), device)
