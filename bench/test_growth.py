"""How the cost of a run grows with the number of runs at once and with the size of the images."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import pytest
from conftest import DEVICE

from bench import side
from lrdecay.engine.stacked import lockstep
from lrdecay.execution.memory import measure_run_bytes

ROUNDS, BATCH = 3, 64
COUNTS = [2**n for n in range(11)]
SIDES = (8, 12, 16, 20, 24, 28, 32)
_STEP: dict[tuple[int, int], list[float]] = {}
_MEMORY: dict[int, tuple[float, float]] = {}


@pytest.fixture(scope="module", autouse=True)
def _report(tables):
    yield
    if not _STEP:
        return
    rows = [["runs at once", "ms per run and step", "runs x steps/s"]]
    for count in COUNTS:
        seconds = median(_STEP[8, count]) / count
        rows.append([f"{count:,}", f"{1e3 * seconds:.2f}", f"{1 / seconds:,.0f}"])
    where = "one process, one thread" if DEVICE == "cpu" else "one process"
    tables.add(
        "Cost by number of runs at once",
        f"The stacked engine's training step on images of 8x8, batch {BATCH}, Adam; {where}. A run "
        "alone is trained twice, and so is the last of three, so that its bits are those that it "
        "has in company.",
        rows,
    )
    rows = [["images", *(f"{count} runs" for count in (1, 4, 16))]]
    for size in SIDES:
        cells = [1e3 * median(_STEP[size, count]) / max(count, 1) for count in (0, 4, 16)]
        rows.append([f"{size}x{size}", *(f"{cell:.2f}" for cell in cells)])
    rows[0][1] = "reference engine"
    tables.add(
        "Cost by image size",
        f"Milliseconds per run and training step, batch {BATCH}; {where}.",
        rows,
    )
    if _MEMORY:
        rows = [["images", "measured", "estimated"]]
        for size, (measured, estimated) in _MEMORY.items():
            rows.append(
                [f"{size}x{size}", f"{measured / 2**20:.1f} MiB", f"{estimated / 2**20:.1f} MiB"]
            )
        tables.add(
            "Peak memory per run",
            "Measured as the difference of the peak between two group sizes, each in a process of "
            "its own; estimated as groups are planned, which keeps within 90% of what is free.",
            rows,
        )


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_runs_at_once(benchmark, one_process, round_, count):
    _step(benchmark, one_process, 8, count, steps=4 if count > 64 else 12)


@pytest.mark.parametrize("count", [0, 4, 16])
@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_image_size(benchmark, one_process, round_, size, count):
    _step(benchmark, one_process, size, count, steps=8)


@pytest.mark.parametrize("size", [8, 28])
def test_memory(benchmark, size):
    few, many = (8, 40) if DEVICE == "cpu" else (16, 128)
    peaks = []

    def measure() -> None:
        for count in (few, many):
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                peaks.append(process.submit(side.peak_memory, size, count, DEVICE).result())

    benchmark.pedantic(measure, rounds=1)
    run, _ = side.prepared("digits", None, 1198, "cpu")
    images = side.random_split(size, lockstep.EVALUATION_BATCH, DEVICE).images
    _MEMORY[size] = ((peaks[1] - peaks[0]) / (many - few), measure_run_bytes(run, images, 10))


def _step(benchmark, one_process, size: int, count: int, steps: int) -> None:
    """Time one training step; a count of 0 is the reference engine."""
    task = (side.take_steps, size, count, steps, DEVICE)
    one_process.submit(*task).result()  # the first steps pay for what later ones find ready
    benchmark.pedantic(lambda: one_process.submit(*task).result(), rounds=1)
    _STEP.setdefault((size, count), []).append(benchmark.stats.stats.median / steps)
