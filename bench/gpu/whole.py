"""What a user does, whole: a sweep through worker processes, and what happens as memory ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from torch import nn

from bench.gpu import problem
from bench.gpu.items import SkippedError, item
from lrdecay import read_runs
from lrdecay.components.datasets.spec import DatasetSpec
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


@item(limit=150)
def sweep(device: torch.device) -> dict[str, object]:
    """Does `lrdecay sweep` give the same tables with one worker and with two, and how fast?"""
    tables, found = [], {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gpu.yaml")
        file.write_text(SWEEP)
        for workers in (1, 2):
            results = Path(folder, str(workers))
            asked = [sys.executable, "-m", "lrdecay", "sweep", file, "--results", results]
            asked += ["--device", "cuda", "--workers", str(workers)]
            started = time.perf_counter()
            done = subprocess.run(asked, capture_output=True, text=True)
            found[f"workers_{workers}_s"] = round(time.perf_counter() - started, 1)
            if done.returncode:
                return {**found, "error": (done.stdout + done.stderr)[-2000:], "right": False}
            tables.append(read_runs(results / "gpu").sort_values("run_id"))
    first, second = (table.set_index("run_id") for table in tables)
    same = ["status", "test_accuracy", "test_loss", "rates_digest", "order_digest", "init_digest"]
    best = first.groupby(["dropout", "scheduler"])["test_accuracy"].mean()
    return {
        **found,
        "runs": len(first),
        "status": Counter(first["status"]),
        "engines": Counter(first["engine"]),
        "mean_accuracy": {" ".join(map(str, cell)): round(x, 4) for cell, x in best.items()},
        "right": bool(first[same].equals(second[same])),
    }


@item(limit=60)
def memory(device: torch.device) -> dict[str, object]:
    """Is the estimate of memory right, and does a sweep go on where memory ends?"""
    rows = {}
    for batch_norm in (False, True):
        runs = problem.make_runs(128, batch_norm=batch_norm)
        data = problem.split(runs, device)
        images = data.train.images[:250]
        estimated = measure_run_bytes(runs[0], images, data.classes)
        peaks = []
        for count in (16, 128):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            with use_training_settings():
                group = Lockstep(runs[:count], data.train.first(640), data.classes, device)
                group.train_epoch()
                group.evaluate(data.test)
            peaks.append(torch.cuda.max_memory_allocated())
            del group
        rows["batch norm" if batch_norm else "plain"] = {
            "measured_MiB": (peaks[1] - peaks[0]) / 112 / 2**20,
            "estimated_MiB": estimated / 2**20,
        }
    return {"a_run": rows, **_run_out(device)}


def _run_out(device: torch.device) -> dict[str, object]:
    """Train with too little memory for all runs at once."""
    runs = tuple(problem.make_runs(256))
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
    records = [message for message in told if isinstance(message, Record)]
    statuses = Counter(record.run["status"] for record in records)
    notes = [message.text for message in told if isinstance(message, Note)]
    return {
        "at_2_GiB": {"status": statuses, "notes": notes},
        "right": statuses == {"completed": len(runs)} and bool(notes),
    }


@item(limit=60)
def resnet(device: torch.device) -> dict[str, object]:
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
            return {"stackable": str(error), "right": False}
        times = {}
        for count in (2, 8):
            group = Lockstep(runs[:count], data.train.first(640), data.classes, device)
            group.train_epoch()
            torch.cuda.synchronize()
            started = time.perf_counter()
            group.train_epoch()
            torch.cuda.synchronize()
            times[f"step_ms_per_run_of_{count}"] = 100 * (time.perf_counter() - started) / count
    return {"stackable": "yes", **times, "right": True}
