"""The tutorial's loop, the reference engine and the stacked engine, interleaved.

Both sides use the whole machine as they would: the loop one process with torch's threads, lrdecay
one process per core with one thread each (one process on a GPU). A call trains from the initial
weights and measures the test set after each epoch; lrdecay measures validation and train_eval too.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from statistics import median

import pytest
import side
import tutorial
from conftest import DEVICE, PROCESSES
from side import Task

from lrdecay.components.datasets import sources
from lrdecay.components.datasets.spec import DatasetSpec

ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """What both sides train on, and how long: images and epochs of a call, and of a whole run."""

    images: int
    test: int
    epochs: int
    side: int
    run: str
    images_of_run: int


CASES = {
    "digits": Case(1198, 360, 5, 8, "20 epochs", 20 * 1198),
    # a tenth of the training images
    "mnist": Case(5500, 1000, 1, 28, "10 epochs", 10 * 55_000),
}
LOOP = "tutorial's loop"
CONTENDERS = {
    LOOP: None,
    "reference engine": 0,
    **{
        f"stacked, {count} runs": count
        for count in ((4, 16, 64) if DEVICE == "cpu" else (16, 64, 256))
    },
}
_TIMES: dict[tuple[str, str], list[float]] = {}
_PEAKS: list[float] = []


def folder() -> str:
    return os.environ.get("LRDECAY_DATA", "data")


def present(dataset: str) -> bool:
    try:
        sources.load_dataset(DatasetSpec(name=dataset), folder(), download=False)  # type: ignore[arg-type]
    except sources.AbsentError:
        return False
    return True


@pytest.fixture(scope="module", autouse=True)
def _report(tables):
    yield
    peak = median(_PEAKS)
    for dataset, case in CASES.items():
        if (dataset, LOOP) not in _TIMES:
            continue
        loop = median(_TIMES[dataset, LOOP])
        rows = [["", "samples/s", f"runs/h ({case.run})", "ratio to the loop", "share of peak"]]
        for contender, count in CONTENDERS.items():
            if (dataset, contender) not in _TIMES:
                continue
            times = _TIMES[dataset, contender]
            done = case.images * case.epochs
            done *= 1 if count is None else PROCESSES * max(count, 1)
            base = case.images * case.epochs
            ratios = [
                done / mine / (base / theirs)
                for mine, theirs in zip(times, _TIMES[dataset, LOOP], strict=True)
            ]
            rate = done / median(times)
            share = rate * side.flops_per_image(case.side) / peak
            rows.append(
                [
                    contender,
                    f"{rate:,.0f}",
                    f"{3600 * rate / case.images_of_run:,.0f}",
                    f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
                    f"{share:.0%}",
                ]
            )
        text = (
            f"{case.images:,} training images of {case.side}x{case.side}, batch 64, Adam; "
            f"{ROUNDS} rounds, the loop {loop:.2f} s a call. A sample is one training image of one "
            f"run. The ratio is the median of the rounds' ratios, with the range. Peak: "
            f"{peak / 1e9:,.0f} GFLOP/s float32, measured in the same rounds as a product of "
            f"matrices on {PROCESSES} {'core' if DEVICE == 'cpu' else 'GPU'}"
            f"{'s' if PROCESSES > 1 else ''}."
        )
        tables.add(f"Training on {dataset}", text, rows)


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("dataset", CASES)
def test_training(benchmark, processes, dataset, round_, contender):
    case, count = CASES[dataset], CONTENDERS[contender]
    if dataset != "digits" and not present(dataset):
        pytest.skip(f"{dataset} is not in {folder()}; set LRDECAY_DATA")
    if dataset == "mnist" and DEVICE == "cpu" and (count or 0) > 4:
        pytest.skip("takes long and says nothing more")
    if count is None:
        sets = getattr(tutorial, dataset)(case.images, case.test, folder())

        def call() -> None:
            tutorial.train(*sets, case.side, case.epochs, DEVICE)
    else:
        task = Task(dataset, folder(), case.images, case.epochs, count, DEVICE)
        list(processes.map(side.prepare, [task] * PROCESSES))

        def call() -> None:
            list(processes.map(side.train, [task] * PROCESSES))

    benchmark.pedantic(call, rounds=1)
    _TIMES.setdefault((dataset, contender), []).append(benchmark.stats.stats.median)
    if count == 0:
        started = time.perf_counter()
        done = sum(processes.map(side.multiply, [DEVICE] * PROCESSES))
        _PEAKS.append(done / (time.perf_counter() - started))
