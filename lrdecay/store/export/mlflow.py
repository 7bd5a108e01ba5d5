"""Runs to a store of MLflow in sqlite: one experiment, and in it a run for each run.

Parameters are what was asked for, metrics the curves by epoch and the final numbers, tags how the
run ended and what made it. A run that diverged or failed has the status FAILED. MLflow chooses its
own id for each run: the tag lrdecay.run_id has ours, and the name ends with it.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from lrdecay.store.export.base import OnProgress, Tables
from lrdecay.store.export.rows import Run, list_exported

# before the import, which would begin to report who uses it
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from sqlalchemy import Engine, event

FILE = "mlflow.db"


def write_mlflow(tables: Tables, folder: Path, on_progress: OnProgress) -> None:
    """Write mlflow.db into a folder."""
    # a name of its own: MLflow keeps the connection to each address as long as the program runs
    name = f"{uuid4().hex}.db"
    artifacts = (tables.home / "artifacts").as_uri()
    with _log_errors_only(), _leave_disk_unsynced(), TemporaryDirectory() as plain:
        # the folder by another path: an address has no place for `?`, nor for what is no UTF-8
        link = Path(plain).resolve() / "export"
        link.symlink_to(folder.resolve())
        client = MlflowClient(tracking_uri=f"sqlite:///{link / name}")
        experiment = client.create_experiment(tables.name, artifact_location=artifacts)
        for number, run in enumerate(list_exported(tables), 1):
            _write_run(run, client, experiment)
            on_progress(number, len(tables.runs))
    (folder / name).rename(folder / FILE)


def _write_run(run: Run, client: MlflowClient, experiment: str) -> None:
    ended = round(1000 * run.finished.timestamp())
    started = ended - round(1000 * run.seconds)
    made = client.create_run(experiment, start_time=started, run_name=run.name).info.run_id
    last = max(run.curves, default=0)
    outcomes = {f"final/{name}": value for name, value in run.outcomes.items()}
    tags = {"run_id": run.id} | run.made_by
    client.log_batch(
        made,
        metrics=[
            Metric(name, value, ended, step)
            for step, numbers in (*run.curves.items(), (last, outcomes))
            for name, value in numbers.items()
        ],
        params=[Param(name, str(value)) for name, value in run.parameters.items()],
        tags=[RunTag(f"lrdecay.{name}", value) for name, value in tags.items()],
        synchronous=True,
    )
    client.set_terminated(made, "FINISHED" if run.completed else "FAILED", ended)


@contextmanager
def _log_errors_only() -> Iterator[None]:
    """Leave out what is logged as a new database is made, a line for each of its versions."""
    loggers = [logging.getLogger(name) for name in ("alembic", "mlflow")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _leave_disk_unsynced() -> Iterator[None]:
    """Let sqlite not wait for the disk after each of its many small steps: until the export is
    complete it is worth nothing, and it can be made again."""

    def connected(connection: Any, record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
