"""Synthetic results in the store's exact schema, for tests: the same call, the same rows."""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lrdecay.core.first_plan import FirstPlan
from lrdecay.store.parquet import write_table
from lrdecay.store.schema import EPOCHS, RUNS

TEST_IMAGES = 1000
SWEEP_TEXT = "name: synthetic\ndataset: digits\n"

Tables = tuple[pd.DataFrame, pd.DataFrame]
Status = Callable[[str, float, int], str]


def make_tables(
    schedulers: Sequence[str] = ("constant", "step", "cosine"),
    dropouts: Sequence[float] = (0.0, 0.3),
    seeds: int = 3,
    n_epochs: int = 4,
    *,
    validation: bool = True,
    status: Status = lambda scheduler, dropout, seed: "completed",
    **axes: Sequence[object],
) -> Tables:
    """`(runs, epochs)` of a full matrix; `axes` adds values for any other column of runs."""
    run_rows: list[dict[str, Any]] = []
    epoch_rows: list[dict[str, Any]] = []
    cells = itertools.product(
        itertools.product(*axes.values()), enumerate(schedulers), dropouts, range(seeds)
    )
    for number, (extra, (place, scheduler), dropout, seed) in enumerate(cells):
        run = _configuration(number, scheduler, dropout, seed, n_epochs, validation)
        run |= dict(zip(axes, extra, strict=True))
        run["status"] = status(scheduler, dropout, seed)
        curves = list(_curves(run, place, np.random.default_rng([number, seed])))
        epoch_rows += curves
        run_rows.append(run | _outcome(run, curves))
    return _frame(run_rows, RUNS), _frame(epoch_rows, EPOCHS)


def write_folder(
    folder: Path,
    tables: Tables,
    sweep_text: str = SWEEP_TEXT,
    planned: int | None = None,
    first_plan: FirstPlan | None = None,
) -> Path:
    """Write the two tables as a sweep of `planned` runs leaves them; finished unless given. Epochs
    of other runs are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    runs, epochs = tables
    tables = runs, epochs[epochs["run_id"].isin(runs["run_id"])]
    for name, table, schema in zip(("runs", "epochs"), tables, (RUNS, EPOCHS), strict=True):
        rows = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
        facts = {"planned": str(planned or len(runs)), "sweep": sweep_text}
        facts |= {} if first_plan is None else {"looks": first_plan.to_json()}
        write_table(rows, folder / f"{name}.parquet", facts)
    return folder


def _frame(rows: list[dict[str, Any]], schema: pa.Schema) -> pd.DataFrame:
    frame: pd.DataFrame = pa.Table.from_pylist(rows, schema=schema).to_pandas()
    return frame


def _configuration(
    number: int, scheduler: str, dropout: float, seed: int, n_epochs: int, validation: bool
) -> dict[str, Any]:
    return {
        "run_id": f"{number:016x}",
        "dataset": "digits",
        "dataset_digest": "d1" * 32,
        "validation": 300 if validation else 0,
        "model": "cnn",
        "batch_norm": False,
        "optimizer": "Adam",
        "optimizer_args": "{}",
        "lr": 0.001,
        "batch_size": 64,
        "epochs": n_epochs,
        "scheduler": scheduler,
        "scheduler_class": "LambdaLR",
        "scheduler_args": '{"interval":"epoch"}',
        "dropout": dropout,
        "precision": "float32",
        "kernels": "torch",
        "label_smoothing": 0.0,
        "clip_grad_norm": math.inf,
        "model_args": "{}",
        "augment": "{}",
        "loss_function": "cross_entropy",
        "seed": seed,
        "plugins": "{}",
        "phase": "compare",
        "engine": "reference",
        "group_size": 1,
        "device": "cpu",
        "torch_version": "2.15.0",
        "python_version": "3.12.1",
        "lrdecay_version": "0.1.0",
        "finished_at": datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
    }


def _rate(run: Mapping[str, Any], epoch: int) -> float:
    """A course for each label; plateau's alone depends on the seed and the dropout."""
    lr: float = run["lr"]
    done = (epoch - 1) / run["epochs"]
    match run["scheduler"]:
        case "step":
            return lr * (0.5 if done >= 0.5 else 1.0)
        case "cosine":
            return lr * (1 + math.cos(math.pi * done)) / 2
        case "plateau":
            return lr * 0.5 ** int(done * 4 + run["seed"] % 2 * 0.5 + run["dropout"])
        case _:
            return lr


def _curves(run: Mapping[str, Any], place: int, random: np.random.Generator) -> Any:
    """Rows of the epochs table; a run that did not complete stops after its first epoch."""
    splits = ("train", "train_eval", *(("val",) if run["validation"] else ()), "test")
    last = run["epochs"] if run["status"] == "completed" else 1
    limit = 0.02 + 0.004 * place + 0.02 * (run["dropout"] - 0.3) ** 2
    for epoch, split in itertools.product(range(1, last + 1), splits):
        trained = {"train": 1.5 * run["dropout"] * limit, "train_eval": -0.01}.get(split, 0.0)
        error = limit + trained + 0.15 * math.exp(-epoch / 2) + random.normal(0, 0.0012)
        rate = _rate(run, epoch)
        yield {name: run[name] for name in ("run_id", "scheduler", "dropout", "seed", "phase")} | {
            "epoch": epoch,
            "split": split,
            "loss": 3.3 * error,
            "accuracy": round((1 - error) * TEST_IMAGES) / TEST_IMAGES,
            "learning_rate": rate,
            "learning_rate_first": rate,
            "learning_rate_last": rate,
        }


def _outcome(run: Mapping[str, Any], curves: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns known only once a run has ended."""
    if run["status"] == "diverged":
        return {"diverged_at_step": 17 + run["seed"], "seconds": 1.0}
    if run["status"] == "failed":
        return {"error": f"RuntimeError: out of memory <seed {run['seed']}>"}
    at = {(row["split"], row["epoch"]): row for row in curves}
    rows = {split: at.get((split, run["epochs"]), {}) for split in ("val", "test")}
    right = np.arange(TEST_IMAGES) < round(rows["test"]["accuracy"] * TEST_IMAGES)
    outcome = {
        f"{split}_{metric}": row.get(metric)
        for split, row in rows.items()
        for metric in ("loss", "accuracy")
    }
    if run["validation"]:
        best = min(range(1, run["epochs"] + 1), key=lambda epoch: at["val", epoch]["loss"])
        outcome["best_epoch"] = best
        for split, metric in itertools.product(("val", "test"), ("loss", "accuracy")):
            outcome[f"best_{split}_{metric}"] = at[split, best][metric]
    return outcome | {
        "lr_changes": len({row["learning_rate"] for row in curves}) - 1,
        "applied_dropout": run["dropout"],
        "init_digest": f"init-{run['seed']}",
        "order_digest": f"order-{run['seed']}",
        "test_images": TEST_IMAGES,
        "test_correct": np.packbits(right).tobytes(),
        "seconds": 2.5,
        "samples_per_second": 4000.0,
    }
