"""Plain loops, the tutorial's loop, JAX and lrdecay's engines, interleaved.

All use the whole machine: one process per core with one thread each (one process on a GPU); the
tutorial's loop is one process with torch's own threads. A task is whole runs from the initial
weights. All but the tutorial's loop, which measures the test set alone, measure three splits after
each epoch: a sample of the training images, the validation images and the test set.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from statistics import median

import pytest
from conftest import DEVICE, PROCESSES

from bench import side, speed_table
from bench.contestants import Contestant, list_contestants
from bench.crew import Crew
from bench.side import Task
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.spec import DatasetSpec

SECONDS = 1.0  # a call takes about as long, with as many runs one after the other as that takes
CASES = {
    "digits": speed_table.Case("digits", 1198, 5, side=8, run_epochs=20, run_images=1198),
    "mnist": speed_table.Case("mnist", 6400, 1, side=28, run_epochs=10, run_images=55_000),
}
TRIED = {"digits": 1198, "mnist": 640}  # training images on which numbers of runs at once are tried
CONTESTANTS = {each.name: each for each in list_contestants(DEVICE)}
PEAK = "peak"

_RATES: dict[str, dict[str, list[float]]] = {name: {} for name in CASES}
_PEAKS: dict[str, list[float]] = {name: [] for name in CASES}
_TASKS: dict[tuple[str, str], Task] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Everyone once in each round."""
    metafunc.parametrize("dataset", CASES)
    metafunc.parametrize("round_", range(metafunc.config.getoption("rounds")))
    metafunc.parametrize("name", [*CONTESTANTS, PEAK])


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
    for dataset, case in CASES.items():
        if not _PEAKS[dataset]:
            continue
        runs = {name: task.runs for (of, name), task in _TASKS.items() if of == dataset}
        text, rows = speed_table.make_table(
            case, _RATES[dataset], runs, median(_PEAKS[dataset]), PROCESSES, DEVICE
        )
        tables.add(f"Training on {dataset}", text, rows)


def test_training(benchmark, crews, dataset, round_, name):
    if not present(dataset):
        pytest.skip(f"{dataset} is not in {folder()}; set LRDECAY_DATA")
    if name == PEAK:
        crew = crews["lrdecay's"]
        done = benchmark.pedantic(lambda: sum(crew.do(side.multiply, DEVICE)), rounds=1)
        _PEAKS[dataset].append(done / benchmark.stats.stats.median)
        return
    contestant = CONTESTANTS[name]
    crew = crews.get(contestant.processes)
    if (dataset, name) not in _TASKS:
        _TASKS[dataset, name] = choose_task(contestant, crew, CASES[dataset])
    task = _TASKS[dataset, name]
    benchmark.pedantic(lambda: do(contestant, crew, task), rounds=1)
    trained = task.trained * (PROCESSES if crew else 1)
    _RATES[dataset].setdefault(name, []).append(trained / benchmark.stats.stats.median)


def do(contestant: Contestant, crew: Crew | None, task: Task) -> float:
    """Return the seconds that a task takes in all processes at once."""
    started = time.perf_counter()
    if crew is None:
        contestant.train(task)
    else:
        crew.do(contestant.train, task)
    return time.perf_counter() - started


def choose_task(contestant: Contestant, crew: Crew | None, case: speed_table.Case) -> Task:
    """Return the task at the fastest number of runs at once, about `SECONDS` long.

    Every task is done once before it is timed: first steps pay for what later ones find ready.
    """
    task = Task(case.dataset, folder(), case.images, case.epochs, DEVICE)
    if len(contestant.at_once) > 1:
        tried = [replace(task, images=TRIED[case.dataset], runs=n) for n in contestant.at_once]
        for each in tried:
            do(contestant, crew, each)
        rates = [each.trained / do(contestant, crew, each) for each in tried]
        task = replace(task, runs=tried[rates.index(max(rates))].runs)
    do(contestant, crew, task)
    seconds = do(contestant, crew, task)
    return replace(task, times=max(1, round(SECONDS / seconds)))
