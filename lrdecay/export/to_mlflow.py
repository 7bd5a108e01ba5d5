"""Runs to a store of MLflow in sqlite: one experiment, and in it a run for each run.

Parameters are what was asked for, metrics the curves by epoch and the final numbers, tags how the
run ended and what made it. A run that diverged or failed has the status FAILED.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lrdecay.export.exporting import Tables
from lrdecay.export.rows import Run, runs_of

# before the import, which would begin to report who uses it
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH
from sqlalchemy import Engine, event

FILE = "mlflow.db"


def write(tables: Tables, folder: Path) -> None:
    """Write mlflow.db into a folder."""
    with _quiet(), _unhurried_disk():
        client = MlflowClient(tracking_uri=f"sqlite:///{folder.resolve() / FILE}")
        artifacts = (tables.home / "artifacts").as_uri()
        experiment = client.create_experiment(tables.name, artifact_location=artifacts)
        for run in runs_of(tables):
            _write_run(client, experiment, run)


def _write_run(client: MlflowClient, experiment: str, run: Run) -> None:
    ended = round(1000 * run.finished.timestamp())
    tags = {"run_id": run.id} | run.made_by
    made = client.create_run(
        experiment, start_time=ended - round(1000 * run.seconds), run_name=run.name
    ).info.run_id
    client.log_batch(
        made,
        params=[
            Param(name, str(value)[:MAX_PARAM_VAL_LENGTH]) for name, value in run.parameters.items()
        ],
        tags=[
            RunTag(f"lrdecay.{name}", value[:MAX_TAG_VAL_LENGTH]) for name, value in tags.items()
        ],
    )
    metrics = list(_metrics(run, ended))
    for start in range(0, len(metrics), MAX_METRICS_PER_BATCH):
        client.log_batch(made, metrics=metrics[start : start + MAX_METRICS_PER_BATCH])
    client.set_terminated(made, "FINISHED" if run.completed else "FAILED", ended)


def _metrics(run: Run, at: int) -> Iterator[Metric]:
    for epoch, numbers in run.curves.items():
        for name, value in numbers.items():
            yield Metric(name, value, at, epoch)
    for name, value in run.outcomes.items():
        yield Metric(f"final/{name}", value, at, max(run.curves, default=0))


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what is logged as a new database is made, a line for each of its versions."""
    loggers = [logging.getLogger(name) for name in ("alembic", "mlflow")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _unhurried_disk() -> Iterator[None]:
    """Let sqlite not wait for the disk after each of its many small steps: until the export is
    whole it is worth nothing, and it can be made again."""

    def connected(connection: Any, record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
