"""Where finished runs live: two parquet tables, written atomically, read back whole.

A results folder holds

    runs.parquet     one row per run of the sweep as it stands now
    epochs.parquet   one row per run x epoch x split
    sweep.yaml       the sweep file that the two tables belong to
    parts/           runs committed since the tables were last written
    earlier/         runs that the sweep file no longer asks for; used again if it does

A part is a folder that appears by one rename, so both of its tables exist or neither does.
Writing the tables (`Store.compact`) replaces each file by one rename as well and removes the
parts last, so a process killed at any point loses nothing that was committed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lrdecay.errors import InputError

if TYPE_CHECKING:
    from lrdecay.sweep import Run

SCHEMA_VERSION = 1
SPLITS = ("train", "train_eval", "val", "test")
STATUSES = ("completed", "diverged", "failed")

RUNS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        # what was asked for
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("dataset_digest", pa.string(), nullable=False),
        pa.field("validation", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("batch_norm", pa.bool_(), nullable=False),
        pa.field("optimizer", pa.string(), nullable=False),
        pa.field("optimizer_args", pa.string(), nullable=False),
        pa.field("lr", pa.float64(), nullable=False),
        pa.field("batch_size", pa.int32(), nullable=False),
        pa.field("epochs", pa.int32(), nullable=False),
        pa.field("scheduler", pa.string(), nullable=False),
        pa.field("scheduler_class", pa.string(), nullable=False),
        pa.field("scheduler_args", pa.string(), nullable=False),
        pa.field("dropout", pa.float64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        # how it ended
        pa.field("status", pa.string(), nullable=False),
        pa.field("diverged_at_step", pa.int64()),
        pa.field("error", pa.string()),
        pa.field("val_loss", pa.float64()),
        pa.field("val_accuracy", pa.float64()),
        pa.field("test_loss", pa.float64()),
        pa.field("test_accuracy", pa.float64()),
        pa.field("best_epoch", pa.int32()),
        pa.field("best_val_loss", pa.float64()),
        pa.field("best_val_accuracy", pa.float64()),
        pa.field("best_test_loss", pa.float64()),
        pa.field("best_test_accuracy", pa.float64()),
        pa.field("target", pa.float64()),
        pa.field("epochs_to_target", pa.int32()),
        pa.field("lr_changes", pa.int32()),
        pa.field("applied_dropout", pa.float64()),
        pa.field("init_digest", pa.string()),
        pa.field("order_digest", pa.string()),
        pa.field("test_images", pa.int32()),
        pa.field("test_correct", pa.binary()),
        # how it was made
        pa.field("seconds", pa.float64()),
        pa.field("samples_per_second", pa.float64()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("torch_version", pa.string(), nullable=False),
        pa.field("python_version", pa.string(), nullable=False),
        pa.field("lrdecay_version", pa.string(), nullable=False),
        pa.field("git_commit", pa.string()),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""One row per run; README and the tests describe each column."""

EPOCHS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("scheduler", pa.string(), nullable=False),
        pa.field("dropout", pa.float64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("accuracy", pa.float64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("learning_rate_first", pa.float64(), nullable=False),
        pa.field("learning_rate_last", pa.float64(), nullable=False),
    ]
)
"""One row per run, epoch (from 1) and split: loss in nats per image, accuracy in 0..1, and the
learning rate applied in that epoch (its mean, first and last over the epoch's steps)."""
