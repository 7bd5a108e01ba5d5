"""How long steps and evaluations take on a GPU, and what in them takes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import TensorDataset

from bench import tutorial
from bench.gpu import problem
from bench.gpu.items import SkippedError, item
from lrdecay.engine.precision import use_precision, use_training_settings
from lrdecay.engine.stacked.lockstep import Lockstep

COUNTS = (16, 64, 256, 1024)
PRECISIONS = (("torch", "tf32"), ("torch", "bfloat16"))
KERNELS = (("triton", "float32"), ("triton", "tf32x3"), ("triton", "tf32"))
"""With what computes them."""
ROUNDS = 3
AT_MOST = 256
"""Runs that train at once: what a sweep plans at most."""


@item(limit=150)
def speed(device: torch.device) -> dict[str, object]:
    """How many milliseconds do a step and an evaluation take, by runs at once and precision?"""
    cases = [(count, norm, "torch", "float32") for count in COUNTS for norm in (False, True)]
    cases += [(AT_MOST, norm, *how) for how in PRECISIONS for norm in (False, True)]
    rows = [_time_case(*case, device) for case in cases]
    return {"rows": rows, "right": all("step_ms" in row for row in rows)}


@item(limit=120)
def kernels(device: torch.device) -> dict[str, object]:
    """Are the kernels in Triton right, and faster than torch's? Which should be the default?"""
    _require_triton()
    plain = _train_briefly("torch", "float32", device)
    apart = {}
    for _, precision in KERNELS:
        weights = _train_briefly("triton", precision, device)
        pairs = zip(plain, weights, strict=True)
        apart[precision] = max(float((a - b).abs().max()) for a, b in pairs)
    again = _train_briefly("triton", "float32", device)
    repeats = all(map(torch.equal, _train_briefly("triton", "float32", device), again))
    rows = [
        _time_case(count, False, *how, device)
        for count in (64, AT_MOST, COUNTS[-1])
        for how in (("torch", "float32"), *KERNELS)
    ]
    steps = {(row["runs"], row["kernels"], row["precision"]): row.get("step_ms") for row in rows}
    torchs, ours = (steps[AT_MOST, by, "float32"] for by in ("torch", "triton"))
    faster = bool(torchs and ours and ours < torchs)
    right = repeats and apart["float32"] < 1e-4 and apart["tf32x3"] < 1e-4
    return {
        "largest_difference_to_torch": apart,
        "repeats": repeats,
        "rows": rows,
        "default_should_be": "triton" if right and faster else "torch",
        "right": right,
    }


def _require_triton() -> None:
    if find_spec("triton") is None:
        raise SkippedError("triton is not installed")


def _train_briefly(by: str, precision: str, device: torch.device) -> list[torch.Tensor]:
    """Return the weights after six steps of eight runs."""
    runs = problem.make_runs(8, precision=precision, kernels=by)
    data = problem.split(runs, device)
    with use_training_settings(), use_precision(precision, device):
        group = Lockstep(runs, data.train.first(6 * problem.BATCH), data.classes, device)
        group.train_epoch()
        return [tensor.detach().clone() for tensor in group._stack.state]


@item(limit=60)
def tutorial_loop(device: torch.device) -> dict[str, object]:
    """How long does a step of the tutorial's loop take, and how many times as fast is a group?"""
    data = problem.split(problem.make_runs(1), device)
    train = TensorDataset(data.train.images.cpu(), data.train.labels.cpu())
    test = TensorDataset(data.test.images.cpu()[:1], data.test.labels.cpu()[:1])
    steps = -(-len(train) // problem.BATCH)

    def loop() -> None:
        tutorial.train(train, test, 28, 1, "cuda")

    loops, groups = [], []
    with use_training_settings():
        group = _build(AT_MOST, False, "torch", "float32", device)
        for _ in range(ROUNDS + 1):  # the first pays for what later ones find ready
            loops.append(_time(loop))
            groups.append(_time(group.train_epoch))
    ratios = [AT_MOST * a / b for a, b in zip(loops[1:], groups[1:], strict=True)]
    return {
        "loop_step_ms": 1e3 * median(loops[1:]) / steps,
        "group_step_ms_per_run": 1e3 * median(groups[1:]) / steps / AT_MOST,
        "times_as_fast": median(ratios),
        "right": True,
    }


@item(limit=40)
def top_kernels(device: torch.device) -> dict[str, object]:
    """Which fifteen kernels take the time of a step of 256 runs?"""
    found = {}
    for batch_norm in (False, True):
        with use_training_settings():
            group = _build(AT_MOST, batch_norm, "torch", "float32", device)
            group.train_epoch()
            with profile(activities=[ProfilerActivity.CUDA]) as profiled:
                group.train_epoch()
                torch.cuda.synchronize()
        events = sorted(profiled.key_averages(), key=lambda e: -e.self_device_time_total)
        total = sum(event.self_device_time_total for event in events)
        found["batch norm" if batch_norm else "plain"] = [
            {
                "kernel": event.key[:90],
                "calls": event.count,
                "ms": round(event.self_device_time_total / 1e3, 3),
                "share": round(event.self_device_time_total / total, 3),
            }
            for event in events[:15]
        ]
        del group
        torch.cuda.empty_cache()
    return {"kernels": found, "right": all(found.values())}


def _build(count: int, batch_norm: bool, by: str, precision: str, device: torch.device) -> Lockstep:
    runs = problem.make_runs(count, batch_norm=batch_norm, precision=precision, kernels=by)
    data = problem.split(runs, device)
    whole = len(data.train) // problem.BATCH * problem.BATCH
    return Lockstep(runs, data.train.first(whole), data.classes, device)


def _time_case(
    count: int, batch_norm: bool, by: str, precision: str, device: torch.device
) -> dict[str, object]:
    """Return a row of the table of times; without them where memory is too small."""
    row: dict[str, object] = {"runs": count, "batch_norm": batch_norm}
    row |= {"kernels": by, "precision": precision}
    with suppress(torch.OutOfMemoryError):
        row |= _time_group(count, batch_norm, by, precision, device)
    torch.cuda.empty_cache()
    return row


def _time_group(
    count: int, batch_norm: bool, by: str, precision: str, device: torch.device
) -> dict[str, object]:
    with use_training_settings(), use_precision(precision, device):
        group = _build(count, batch_norm, by, precision, device)
        test = problem.split(problem.make_runs(1), device).test
        torch.cuda.reset_peak_memory_stats()
        steps, evaluations = [], []
        for _ in range(ROUNDS + 1):
            steps.append(_time(group.train_epoch) / len(group._sizes))
            evaluations.append(_time(lambda: group.evaluate(test)))
    return {
        "step_ms": 1e3 * median(steps[1:]),
        "step_us_per_run": 1e6 * median(steps[1:]) / count,
        "evaluation_ms": 1e3 * median(evaluations[1:]),
        "evaluated_images": len(test),
        "peak_GiB": torch.cuda.max_memory_allocated() / 2**30,
    }


def _time(call: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - started
