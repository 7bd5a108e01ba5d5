"""What a sweep costs beside training: planning, dispatch, commits, with runs that are made up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import simulate

_MEASURED: dict[tuple[str, int], tuple[float, int]] = {}
_SIZES = {"local": (1_000, 10_000, 100_000), "shards": (1_000, 10_000), "ray": (1_000, 10_000)}
_WHERE = {
    "local": f"{simulate.WORKERS} processes",
    "shards": f"{simulate.SHARDS} shards one after the other, then merged",
    "ray": f"Ray on this machine, {simulate.WORKERS} actors",
}
_PLANNED = (1_000, 10_000, 100_000)
_GROUP = 16  # runs of the digits that train at once


@pytest.fixture(scope="module", autouse=True)
def _report(tables):
    yield
    for on, sizes in _SIZES.items():
        if not all((on, count) in _MEASURED for count in sizes):
            continue
        rows = [["runs", "seconds", "ms per run", "ms per group of 16", "peak memory"]]
        start, _ = _MEASURED[on, sizes[0]]
        for count in sizes:
            seconds, peak = _MEASURED[on, count]
            each = ["", ""]
            if count > sizes[0]:
                per_run = 1e3 * (seconds - start) / (count - sizes[0])
                each = [f"{per_run:.2f}", f"{_GROUP * per_run:.1f}"]
            rows.append([f"{count:,}", f"{seconds:.1f}", *each, f"{peak / 2**20:,.0f} MiB"])
        tables.add(
            f"Cost beside training: {_WHERE[on]}",
            "A sweep of the digits whose runs end at once with made-up results of 5 epochs: the "
            "matrix, its groups, their dispatch, and every commit, to the finished tables. Per "
            "run: what each one costs beyond the first 1,000, whose seconds are mostly for "
            "processes to start. The memory is the coordinator's, of which torch itself takes "
            "three quarters of a GiB.",
            rows,
        )
    if all(("plan", count) in _MEASURED for count in _PLANNED):
        rows = [["runs", "seconds", "peak memory"]]
        for count in _PLANNED:
            seconds, peak = _MEASURED["plan", count]
            rows.append([f"{count:,}", f"{seconds:.1f}", f"{peak / 2**20:,.0f} MiB"])
        tables.add(
            "Cost of planning",
            "`lrdecay plan` of such a sweep, from its file read to the last line: most of the "
            "seconds are a few training steps that are timed, and of the memory torch itself takes "
            "three quarters of a GiB.",
            rows,
        )


@pytest.mark.parametrize(
    ("on", "count"),
    [*((on, n) for on, ns in _SIZES.items() for n in ns), *(("plan", n) for n in _PLANNED)],
)
def test_simulated_sweep(benchmark, tmp_path, on, count):
    script = Path(simulate.__file__)

    def sweep() -> None:
        command = [sys.executable, script, str(count), on, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        _MEASURED[on, count] = (found["seconds"], found["peak"])

    benchmark.pedantic(sweep, rounds=1)
