"""The kernels in Triton against torch's: whether they are right, and which is faster."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import torch
from torch import Tensor

from bench.gpu import problem
from bench.gpu.cases import Case, find_why_too_old, is_right
from bench.gpu.items import Found, SkippedError, item
from lrdecay.engine.precision import use_precision, use_training_settings
from lrdecay.engine.stacked.lockstep import Lockstep

PRECISIONS = ("float32", "tf32x3", "tf32")
COUNTS = (256, 64, 1024)
"""First what a sweep trains at once."""
NEAR = 1e-4
"""Most that losses may differ, where float32 is meant; it is about 2.3 at first."""


@item(limit=110)
def kernels(device: torch.device) -> Iterator[Found]:
    """Are the kernels in Triton right, and faster than torch's? Which should be the default?"""
    if find_spec("triton") is None:
        raise SkippedError("triton is not installed")
    if why := find_why_too_old(device):
        raise SkippedError(why)
    plain = _train_briefly("torch", "float32", device)
    apart: dict[str, dict[str, float]] = {}
    for precision in PRECISIONS:
        apart[precision] = _compare(plain, _train_briefly("triton", precision, device))
        yield {"differences_to_torch": apart}
    again = [_train_briefly("triton", "float32", device) for _ in range(2)]
    repeats = all(map(torch.equal, again[0][1], again[1][1]))
    yield {"repeats": repeats}
    rows: list[Found] = []
    for count in COUNTS:
        for by, precision in (("torch", "float32"), *(("triton", each) for each in PRECISIONS)):
            rows.append(Case(count, False, by, precision).measure(device))
            yield {"rows": rows}
        right = repeats and all(apart[p]["losses"] < NEAR for p in ("float32", "tf32x3"))
        yield {"default_should_be": _choose_default(rows) if right else "torch"}
    yield {"right": right and all(map(is_right, rows))}


def _choose_default(rows: list[Found]) -> str:
    """Return which is faster for as many runs as a sweep trains at once."""
    same = [row for row in rows if (row["runs"], row["precision"]) == (COUNTS[0], "float32")]
    took = {row["kernels"]: row["step_ms"] for row in same if "step_ms" in row}
    return "triton" if len(took) == 2 and took["triton"] < took["torch"] else "torch"  # type: ignore[operator]


def _train_briefly(by: str, precision: str, device: torch.device) -> tuple[Tensor, list[Tensor]]:
    """Return the losses of six steps of eight runs (steps, runs), and the weights after them."""
    runs = problem.make_runs(8, precision=precision, kernels=by)
    data = problem.split(runs, device)
    with use_training_settings(), use_precision(precision, device):
        group = Lockstep(runs, data.train.first(6 * problem.BATCH), data.classes, device)
        losses = group.train_epoch().losses
        return losses, [tensor.detach().clone() for tensor in group._stack.state]


def _compare(
    some: tuple[Tensor, list[Tensor]], others: tuple[Tensor, list[Tensor]]
) -> dict[str, float]:
    """Return the largest differences. Losses are what is judged: where a gradient is next to
    nothing, Adam moves a weight one way or the other by its rounding alone."""
    pairs = zip(some[1], others[1], strict=True)
    return {
        "losses": float((some[0] - others[0]).abs().max()),
        "weights": max(float((a - b).abs().max()) for a, b in pairs),
    }
