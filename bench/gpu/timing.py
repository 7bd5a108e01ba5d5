"""How long steps and evaluations take on a GPU, and what in them takes it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import TensorDataset

from bench.gpu import cases, problem
from bench.gpu.cases import Case
from bench.gpu.items import Found, item
from lrdecay.engine.precision import use_training_settings

COUNTS = (16, 64, 256, 1024)
PRECISIONS = ("tf32", "bfloat16")
AT_MOST = 256
"""Runs that train at once: what a sweep plans at most."""
TOP = 15


@item(limit=100)
def speed(device: torch.device) -> Iterator[Found]:
    """How many milliseconds do a step and an evaluation take, by runs at once and precision?"""
    rows: list[Found] = []
    for case in _list_cases():
        rows.append(case.measure(device))
        yield {"rows": rows}
    yield {"right": all(map(cases.is_right, rows))}


def _list_cases() -> list[Case]:
    """The fewest runs first, the most last: what takes longest is what may be missing."""
    found = [Case(count, norm) for count in COUNTS for norm in (False, True)]
    found += [Case(AT_MOST, norm, "torch", p) for p in PRECISIONS for norm in (False, True)]
    return sorted(found, key=lambda case: case.runs)


@item(limit=50)
def tutorial_loop(device: torch.device) -> Iterator[Found]:
    """How long does a step of the tutorial's loop take, and how many times as fast is a group?"""
    from bench import tutorial  # torchvision with it, as slow to import as all else here

    data = problem.split(problem.make_runs(1), device)
    train = TensorDataset(data.train.images.cpu(), data.train.labels.cpu())
    test = TensorDataset(data.test.images.cpu()[:1], data.test.labels.cpu()[:1])
    steps = -(-len(train) // problem.BATCH)

    def loop() -> None:
        tutorial.train(train, test, problem.SIDE, 1, "cuda")

    loops, groups = [], []
    with use_training_settings():
        group = Case(AT_MOST).build(device)
        for _ in range(cases.ROUNDS + 1):  # the first pays for what later ones find ready
            loops.append(cases.time_call(loop) / steps)
            groups.append(cases.time_call(group.train_epoch) / len(group._sizes) / AT_MOST)
    pairs = zip(loops[1:], groups[1:], strict=True)
    yield {
        "loop_step_ms": 1e3 * median(loops[1:]),
        "group_step_ms_per_run": 1e3 * median(groups[1:]),
        "times_as_fast": median(of_loop / of_group for of_loop, of_group in pairs),
        "right": True,
    }


@item(limit=40)
def top_kernels(device: torch.device) -> Iterator[Found]:
    """Which fifteen kernels take the time of a step of 256 runs?"""
    found: dict[str, list[Found]] = {}
    for batch_norm in (False, True):
        with use_training_settings():
            group = Case(AT_MOST, batch_norm).build(device)
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
            for event in events[:TOP]
        ]
        yield {"kernels": found}
        del group
        torch.cuda.empty_cache()
    yield {"right": all(found.values())}
