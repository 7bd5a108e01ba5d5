"""Runs to a store of MLflow in sqlite: one experiment, and in it a run for each run.

Parameters are what was asked for, metrics the curves by epoch and the final numbers, tags how the
run ended and what made it. A run that diverged or failed has the status FAILED. MLflow's id of a
run is its run_id.

MLflow's client makes the database and the experiment. The runs go in as whole blocks of rows,
through MLflow's own mapping of its tables: the client, which is made for one program that trains,
takes a tenth of a second for each. A test holds every row to the one that the client writes.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from lrdecay.store.export.base import Tables, Told
from lrdecay.store.export.rows import Run, list_exported

# before the import, which would begin to report who uses it
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import (
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH
from sqlalchemy import Engine, create_engine, event, insert

FILE = "mlflow.db"
_AT_ONCE = 50  # runs in a block

Rows = dict[Any, list[dict[str, Any]]]
"""MLflow's class of a table -> rows for it."""


def write_mlflow(tables: Tables, folder: Path, told: Told) -> None:
    """Write mlflow.db into a folder."""
    address = f"sqlite:///{folder.resolve() / FILE}"
    artifacts = (tables.home / "artifacts").as_uri()
    runs, count = list_exported(tables), 0
    with _quiet(), _unhurried_disk():
        client = MlflowClient(tracking_uri=address)
        experiment = int(client.create_experiment(tables.name, artifact_location=artifacts))
        engine = create_engine(address)
        try:
            with engine.begin() as connection:
                while block := list(islice(runs, _AT_ONCE)):
                    for table, rows in _rows(block, experiment, artifacts).items():
                        if rows:
                            connection.execute(insert(table), rows)
                    count += len(block)
                    told(count, len(tables.runs))
        finally:
            engine.dispose()


def _rows(runs: list[Run], experiment: int, artifacts: str) -> Rows:
    """Return the rows of some runs, in the order in which tables must be filled."""
    found: Rows = {SqlRun: [], SqlTag: [], SqlParam: [], SqlMetric: [], SqlLatestMetric: []}
    for run in runs:
        ended = round(1000 * run.finished.timestamp())
        found[SqlRun].append(
            {
                "run_uuid": run.id,
                "name": run.name,
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": "unknown",
                "status": "FINISHED" if run.completed else "FAILED",
                "start_time": ended - round(1000 * run.seconds),
                "end_time": ended,
                "source_version": "",
                "lifecycle_stage": "active",
                "artifact_uri": f"{artifacts}/{run.id}/artifacts",
                "experiment_id": experiment,
            }
        )
        own = {"run_uuid": run.id}
        tags = {
            f"lrdecay.{name}": value for name, value in ({"run_id": run.id} | run.made_by).items()
        }
        found[SqlTag] += [
            own | {"key": name, "value": value[:MAX_TAG_VAL_LENGTH]}
            for name, value in ({MLFLOW_RUN_NAME: run.name} | tags).items()
        ]
        found[SqlParam] += [
            own | {"key": name, "value": str(value)[:MAX_PARAM_VAL_LENGTH]}
            for name, value in run.parameters.items()
        ]
        metrics = [own | metric for metric in _metrics(run, ended)]
        found[SqlMetric] += metrics
        found[SqlLatestMetric] += {metric["key"]: metric for metric in metrics}.values()
    return found


def _metrics(run: Run, at: int) -> Iterator[dict[str, Any]]:
    """Give the metrics epoch by epoch."""
    for epoch in sorted(run.curves):
        for name, value in run.curves[epoch].items():
            yield {"key": name, "timestamp": at, "step": epoch, **_number(value)}
    last = max(run.curves, default=0)
    for name, value in run.outcomes.items():
        yield {"key": f"final/{name}", "timestamp": at, "step": last, **_number(value)}


def _number(value: float) -> dict[str, Any]:
    """Return a number as MLflow stores it in databases, which need not know infinity."""
    if math.isnan(value):
        return {"value": 0.0, "is_nan": True}
    largest = sys.float_info.max
    return {"value": min(max(value, -largest), largest), "is_nan": False}


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
        connection.execute("PRAGMA cache_size=-200000")  # 200 MB, for its indexes are large

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
