"""A sweep whose runs are made up in an instant: what is left is planning, dispatch and commit.

    python bench/simulate.py RUNS local|shards|ray|here|plan FOLDER

prints seconds and the peak memory of the coordinator in bytes, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from lrdecay.cli.plan import print_plan
from lrdecay.components import schedulers
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core.run import Run
from lrdecay.engine.measured import Epoch, Measured, Metrics
from lrdecay.engine.record import record_finished
from lrdecay.execution.executor import Executor, Site
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.local.executor import Local
from lrdecay.execution.messages import Tell
from lrdecay.execution.trainer import Setup
from lrdecay.runner.coordinator import run_sweep
from lrdecay.runner.sharding import Shard
from lrdecay.store.merge import merge_results
from lrdecay.sweep.reading import parse_sweep

CELLS, SHARDS, WORKERS = 20, 3, 2
SWEEP = """
name: simulated
dataset: digits
epochs: 5
schedulers:
  constant: {{class: constant}}
  step:     {{class: StepLR, step_size: 2, gamma: 0.5}}
  cosine:   {{class: CosineAnnealingLR, T_max: epochs}}
  linear:   {{class: LinearToZeroLR}}
  plateau:  {{class: ReduceLROnPlateau, factor: 0.5, patience: 1}}
dropout: [0.0, 0.2, 0.3, 0.5]
seeds: {seeds}
"""
_SPLITS = ("train", "train_eval", "val", "test")
_STEPS = 19  # of an epoch of the digits
_RIGHT = torch.arange(360) % 2 == 0


class MakesUp:
    """Stands in for `Trainer`: every run ends at once, with numbers that mean nothing."""

    def __init__(self, setup: Setup) -> None:
        self._device = torch.device(setup.device)

    def train(self, group: Group, tell: Tell) -> None:
        for run in group.runs:
            key = (run.scheduler_class, run.scheduler_args, run.lr, run.epochs)
            epochs = [
                Epoch(number, rates, {split: Metrics(1.0, 0.5) for split in _SPLITS})
                for number, rates in enumerate(_rates(*key), 1)
            ]
            digests = (f"init {run.seed}", f"order {run.seed}")
            measured = Measured(epochs, None, run.dropout, *digests, _RIGHT, 1.0, 1, 1)
            tell(record_finished(run, measured, group.engine, self._device))


@cache
def _rates(name: str, arguments: str, lr: float, epochs: int) -> list[list[float]]:
    """The learning rates of each epoch's steps, if the loss never improves."""
    horizon = schedulers.Horizon.of(epochs, _STEPS, lr)
    of_steps = list(schedulers.simulate_schedule(name, json.loads(arguments), horizon).step_rates)
    return [of_steps[n * _STEPS : (n + 1) * _STEPS] for n in range(epochs)]


@dataclass(frozen=True)
class Simulated:
    """An executor of which the workers make runs up."""

    executor: Executor

    def site(self, precision: str, kernels: str) -> Site:
        return self.executor.site(precision, kernels)

    def plan(self, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None) -> Plan:
        return self.executor.plan(runs, data, engine, group_size)

    def train(self, groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
        self.executor.train(groups, replace(setup, trainer=MakesUp), tell)


def simulate(runs: int, on: str, folder: Path) -> float:
    """Return the seconds of a sweep of so many runs: of all shards and their merging, if in any; of
    its planning alone, on `plan`."""
    sweep = parse_sweep(SWEEP.format(seeds=runs // CELLS))
    executor: Executor = Local(workers=0 if on == "here" else WORKERS)
    if on == "ray":
        from lrdecay.execution.ray import Cluster

        executor = Cluster(workers=WORKERS)
    started = time.monotonic()
    if on == "plan":
        print_plan(sweep, None, executor, "auto", None)
    elif on == "shards":
        parts = [Shard(number, SHARDS) for number in range(1, SHARDS + 1)]
        done = [
            run_sweep(sweep, folder, executor=Simulated(executor), shard=s, progress=None)
            for s in parts
        ]
        merged = merge_results([each.folder for each in done], folder / sweep.name)
        assert (merged.runs, merged.missing) == (runs, 0)
    else:
        summary = run_sweep(sweep, folder, executor=Simulated(executor), progress=None)
        assert summary.completed == runs
    return time.monotonic() - started


def peak() -> int:
    """The most bytes that this process has had."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    # the workers find this module, under the name by which they unpickle from it
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    sys.path.insert(0, here)
    import simulate as module

    seconds = module.simulate(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    print(json.dumps({"seconds": seconds, "peak": peak()}))
