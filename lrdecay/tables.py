"""The two tables: their columns, and how they are written to and read from parquet.

One versioned schema for every write; page checksums written always and verified on every read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from lrdecay.errors import InputError

SCHEMA_VERSION = 3
SPLITS = ("train", "train_eval", "val", "test")
STATUSES = ("completed", "diverged", "failed")

RUNS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        # what was asked for; the JSON columns hold every argument, defaults filled in
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
        pa.field("precision", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        # what of these a plug-in gave: kind and name -> digest of its code, as JSON
        pa.field("plugins", pa.string(), nullable=False),
        # choose: a trial of a base rate; compare: all else. Null where the sweep file gives lr
        pa.field("phase", pa.string(), nullable=False),
        pa.field("lr_chosen_per", pa.string()),
        # how it ended: numbers of the last epoch, and of the one with the lowest validation loss
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
        # the validation accuracy to reach, and the first epoch (from 1) that reaches it
        pa.field("target", pa.float64()),
        pa.field("epochs_to_target", pa.int32()),
        # steps whose learning rate differs from the step before
        pa.field("lr_changes", pa.int32()),
        # read from the live model
        pa.field("applied_dropout", pa.float64()),
        # of the initial weights, and of the first epoch's order: equal for equal seeds
        pa.field("init_digest", pa.string()),
        pa.field("order_digest", pa.string()),
        # which test images were right after the last epoch: numpy.unpackbits of test_correct
        pa.field("test_images", pa.int32()),
        pa.field("test_correct", pa.binary()),
        # how it was made; of runs that trained together each has its share of the seconds
        pa.field("seconds", pa.float64()),
        pa.field("samples_per_second", pa.float64()),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("group_size", pa.int32()),
        pa.field("device", pa.string(), nullable=False),
        pa.field("torch_version", pa.string(), nullable=False),
        pa.field("python_version", pa.string(), nullable=False),
        pa.field("lrdecay_version", pa.string(), nullable=False),
        pa.field("git_commit", pa.string()),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""One row per run. Losses are means per image in nats, accuracies from 0 to 1; null is what a run
does not have, such as the final numbers of a run that diverged."""

EPOCHS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("scheduler", pa.string(), nullable=False),
        pa.field("dropout", pa.float64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),
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

TABLES = {"runs": RUNS, "epochs": EPOCHS}

_PREFIX = "lrdecay."


@dataclass(frozen=True)
class Record:
    """One finished run: its row in `runs` and its rows in `epochs`, by column name."""

    run: Mapping[str, object]
    epochs: Sequence[Mapping[str, object]]


def table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table; each row must have exactly the schema's columns."""
    for row in rows:
        if row.keys() != set(schema.names):
            odd = sorted(row.keys() ^ set(schema.names))
            raise ValueError(f"a row's columns are not the schema's: {', '.join(odd)}")
    return pa.Table.from_pylist(list(rows), schema=schema)


def read(path: Path) -> pa.Table:
    """Return a table as it was written, checksums verified.

    Raises `InputError` for a damaged file and for one of another version of the schema.
    """
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        version = _metadata(file).get("schema", "none")
        found: pa.Table = file.read()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: damaged, or no table of lrdecay's ({reason})") from error
    if version != str(SCHEMA_VERSION):
        raise InputError(
            f"{path}: this lrdecay reads version {SCHEMA_VERSION} of the tables; "
            f"the file has version {version}"
        )
    return found


def read_facts(path: Path) -> dict[str, str]:
    """Return the facts that were written with a table."""
    return _metadata(pq.ParquetFile(path))


def write(content: pa.Table, path: Path, facts: Mapping[str, str] | None = None) -> None:
    """Write a table so that `path` holds either what it held before or all of the new one.

    `facts` go into the file's own metadata.
    """
    facts = {"schema": str(SCHEMA_VERSION), **(facts or {})}
    content = content.replace_schema_metadata({_PREFIX + k: v for k, v in facts.items()})
    with _replacing(path) as file:
        pq.write_table(content, file, compression="zstd", write_page_checksum=True)


def write_text(text: str, path: Path) -> None:
    """Write text in the same way: all of it, or nothing."""
    with _replacing(path) as file:
        file.write(text.encode())


def sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    sync(path.parent)


def _metadata(file: pq.ParquetFile) -> dict[str, str]:
    stored = file.schema_arrow.metadata or {}
    return {
        key.decode().removeprefix(_PREFIX): value.decode()
        for key, value in stored.items()
        if key.decode().startswith(_PREFIX)
    }
