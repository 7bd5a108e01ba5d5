"""What is timed: a number of runs at once, with batch normalisation or not, computed one way."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median

import torch

from bench.gpu import problem
from bench.gpu.items import Found
from lrdecay.core.text import first_line
from lrdecay.engine.device_errors import is_device_lost, is_out_of_memory
from lrdecay.engine.precision import use_precision, use_training_settings
from lrdecay.engine.stacked.lockstep import Lockstep

ROUNDS = 3
SEEDS = 16
"""Of all runs that are timed, however many. It takes 13 ms of a CPU to initialise one network, so
half a minute for 1,024 of them, and networks of one seed are made once. Seeds change what is
computed, not how long it takes; only the order of the images, which an epoch draws once for each
seed, costs less than that of as many seeds, as it does in a sweep, whose cells share them."""
NEEDS_AMPERE = ("tf32", "tf32x3", "bfloat16")
"""Precisions that older GPUs do not have, or only emulate."""


@dataclass(frozen=True)
class Case:
    """Runs of the cnn that train at once, and how."""

    runs: int
    batch_norm: bool = False
    kernels: str = "torch"
    precision: str = "float32"

    def build(self, device: torch.device) -> Lockstep:
        """Return them before their first step, with whole batches only."""
        runs = problem.make_runs(
            self.runs, "cnn", self.batch_norm, self.precision, self.kernels, seeds=SEEDS
        )
        data = problem.split(runs, device)
        whole = len(data.train) // problem.BATCH * problem.BATCH
        return Lockstep(runs, data.train.first(whole), data.classes, device)

    def measure(self, device: torch.device) -> Found:
        """Return a row of the table of times; without them where there are none, with why."""
        row = asdict(self)
        modern = self.kernels == "triton" or self.precision in NEEDS_AMPERE
        if modern and (why := find_why_too_old(device)):
            return {**row, "skipped": why}
        try:
            return row | self._time(device)
        except Exception as error:
            if is_out_of_memory(error):
                return {**row, "skipped": "out of memory"}
            if is_device_lost(error):  # nothing that comes after it can be right
                raise
            return {**row, "error": f"{type(error).__name__}: {first_line(error)}"}

    def _time(self, device: torch.device) -> Found:
        steps, evaluations = [], []
        with (
            use_training_settings(),
            use_precision(self.precision, device),
            watch_memory() as most,
        ):
            group = self.build(device)
            test = problem.split(problem.make_runs(1), device).test
            for _ in range(ROUNDS + 1):  # the first pays for what later ones find ready
                steps.append(time_call(group.train_epoch) / len(group._sizes))
                evaluations.append(time_call(lambda: group.evaluate(test)))
        return {
            "step_ms": 1e3 * median(steps[1:]),
            "step_us_per_run": 1e6 * median(steps[1:]) / self.runs,
            "evaluation_ms": 1e3 * median(evaluations[1:]),
            "peak_allocated_GiB": most["allocated"] / 2**30,
            "peak_reserved_GiB": most["reserved"] / 2**30,
        }


def is_right(row: Found) -> bool:
    """Return whether a case was timed, or is one that this GPU cannot do."""
    return "error" not in row


def find_why_too_old(device: torch.device) -> str | None:
    """Return why a GPU has no TF32 and bfloat16, and no kernels in Triton, if it has none."""
    major, minor = torch.cuda.get_device_capability(device)
    if major >= 8:
        return None
    return f"needs compute capability 8.0; this GPU has {major}.{minor}"


@contextmanager
def watch_memory() -> Iterator[dict[str, int]]:
    """Give, after the block, the most bytes of the GPU that tensors took (`allocated`) and that
    torch held for them (`reserved`), which the pools of captured graphs are part of."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    most: dict[str, int] = {}
    yield most
    most["allocated"] = torch.cuda.max_memory_allocated()
    most["reserved"] = torch.cuda.max_memory_reserved()


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes, to the end of what it has the GPU do."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - started
