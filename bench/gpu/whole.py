"""What a user does, whole: a sweep through worker processes, and what happens as memory ends."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import run as run_command

import pandas as pd
import torch
from torch import nn

from bench.gpu import cases, problem
from bench.gpu.items import Found, SkippedError, item
from lrdecay import read_runs
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.engine.measured import EVALUATION_BATCH
from lrdecay.engine.precision import use_training_settings
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.engine.stacked.stack_check import CannotStackError, check_same_results
from lrdecay.execution.grouping import Group
from lrdecay.execution.memory import measure_run_bytes
from lrdecay.execution.messages import Message, Note
from lrdecay.execution.trainer import Setup, Trainer
from lrdecay.store.schema import Record

SWEEP = """
name: gpu
dataset: digits
optimizer: {name: Adam, lr: 0.01}
epochs: 5
schedulers:
  constant: {class: constant}
  cosine:   {class: CosineAnnealingLR, T_max: epochs}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
dropout: [0.0, 0.3]
seeds: 32
comparison: {reference: constant, metric: test_accuracy, margin: 0.5}
"""


COUNTS = (16, 128)
"""Runs at once whose memory is compared."""
OUT_OF_MEMORY = 256
"""Runs that do not fit into 2 GiB at once."""
NEAR = 0.02
"""Most that the mean test accuracy of a cell may differ between two trainings on a GPU."""
CELL = ["dropout", "scheduler"]
DIGESTS = ["rates_digest", "order_digest", "init_digest"]


@item(limit=120)
def sweep(device: torch.device) -> Iterator[Found]:
    """Does `lrdecay sweep` give the same results with one worker and with two, and how fast?"""
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gpu.yaml")
        file.write_text(SWEEP)
        for workers in (1, 2):
            results = Path(folder, str(workers))
            asked = [sys.executable, "-m", "lrdecay", "sweep", file, "--results", results]
            asked += ["--device", "cuda", "--workers", str(workers)]
            started = time.perf_counter()
            done = run_command(asked, capture_output=True, text=True)
            yield {f"workers_{workers}_s": round(time.perf_counter() - started, 1)}
            if done.returncode:
                said = (done.stdout + done.stderr)[-2000:]
                yield {"error": f"lrdecay sweep ended with code {done.returncode}", "said": said}
                return
            tables.append(read_runs(results / "gpu"))
            yield describe_runs(tables[-1])
    yield compare_tables(*tables)


def describe_runs(runs: pd.DataFrame) -> Found:
    """Return what became of the runs of a table."""
    means = runs.groupby(CELL)["test_accuracy"].mean()
    return {
        "runs": len(runs),
        "status": Counter(runs["status"]),
        "engines": Counter(runs["engine"]),
        "mean_accuracy": {" ".join(map(str, cell)): round(x, 4) for cell, x in means.items()},
    }


def compare_tables(first: pd.DataFrame, second: pd.DataFrame) -> Found:
    """Return whether the runs of two tables are the same, and nearly equal in what came of them.

    Whether they are equal to the bit is reported, not judged: other groups may mean other bits.
    """
    one, two = (table.set_index("run_id").sort_index() for table in (first, second))
    means = [table.groupby(CELL)["test_accuracy"].mean() for table in (one, two)]
    apart = float((means[0] - means[1]).abs().max())
    complete = all((table["status"] == "completed").all() for table in (one, two))
    digests = one[DIGESTS].equals(two[DIGESTS])
    outcomes = ["test_accuracy", "test_loss"]
    return {
        "digests_are_equal": digests,
        "largest_difference_of_mean_accuracy": apart,
        "bits_are_equal": one[outcomes].equals(two[outcomes]),
        "right": bool(complete and digests and apart <= NEAR),
    }


@item(limit=60)
def memory(device: torch.device) -> Iterator[Found]:
    """Does a run take no more memory than is estimated, and does a sweep go on where it ends?"""
    rows = {}
    for batch_norm in (False, True):
        runs = problem.make_runs(COUNTS[1], batch_norm=batch_norm, seeds=cases.SEEDS)
        data = problem.split(runs, device)
        images = data.train.images[:EVALUATION_BATCH]
        estimated = measure_run_bytes(runs[0], images, data.classes)
        peaks = []
        for count in COUNTS:
            with use_training_settings(), cases.watch_memory() as most:
                group = Lockstep(runs[:count], data.train.first(640), data.classes, device)
                group.train_epoch()
                group.evaluate(data.test)
            del group
            peaks.append(most)
        more = {kind: peaks[1][kind] - peaks[0][kind] for kind in ("allocated", "reserved")}
        row = {f"{kind}_MiB": more[kind] / (COUNTS[1] - COUNTS[0]) / 2**20 for kind in more}
        rows["batch norm" if batch_norm else "plain"] = row | {"estimated_MiB": estimated / 2**20}
        yield {"a_run": rows}
    enough = all(row["reserved_MiB"] <= row["estimated_MiB"] for row in rows.values())
    told = _run_out(device)
    yield {"estimates_are_enough": enough, "at_2_GiB": told}
    completed = told["status"] == {"completed": OUT_OF_MEMORY}
    yield {"right": bool(enough and completed and told["notes"])}


def _run_out(device: torch.device) -> Found:
    """Return what comes of training with too little memory for all runs at once."""
    runs = tuple(problem.make_runs(OUT_OF_MEMORY))
    data = problem.made_up()
    setup = Setup(
        DatasetSpec(name="digits"), None, data.digest, runs[0].validation, str(device), data=data
    )
    trainer = Trainer(setup)
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2 * 2**30) / total)
    told: list[Message] = []
    trainer.train(Group(train.NAME, runs), told.append)
    torch.cuda.set_per_process_memory_fraction(1.0)
    statuses = Counter(each.run["status"] for each in told if isinstance(each, Record))
    return {"status": statuses, "notes": [each.text for each in told if isinstance(each, Note)]}


@item(limit=60)
def resnet(device: torch.device) -> Iterator[Found]:
    """Does a network that is no plain sequence train many at once, through vmap, and how fast?"""
    try:
        from torchvision.models import resnet18
    except ImportError as error:
        raise SkippedError("torchvision is not installed") from error
    from lrdecay.components.models.build import MODELS

    def small(shape: tuple[int, int, int], classes: int) -> nn.Module:
        network = resnet18(num_classes=classes, norm_layer=lambda width: nn.GroupNorm(8, width))
        network.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
        return network

    small.own_dropout = True  # type: ignore[attr-defined]
    MODELS["resnet18"] = small
    runs = problem.make_runs(8, "resnet18")
    data = problem.split(runs, device)
    with use_training_settings():
        try:
            two = [small(data.shape, data.classes) for _ in range(2)]
            check_same_results(two, data.train.images[: problem.BATCH])
        except CannotStackError as error:
            yield {"stackable": str(error), "right": False}
            return
        yield {"stackable": "yes"}
        for count in (2, 8):
            group = Lockstep(runs[:count], data.train.first(10 * problem.BATCH), 10, device)
            group.train_epoch()
            took = cases.time_call(group.train_epoch) / len(group._sizes) / count
            yield {f"step_ms_per_run_of_{count}": 1e3 * took}
    yield {"right": True}
