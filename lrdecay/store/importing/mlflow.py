"""MLflow: the runs of one experiment of a store, which is a file of sqlite or a folder."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from lrdecay.core.errors import InputError
from lrdecay.core.text import first_line, join_some, quote
from lrdecay.store.importing.curves import CURVES, Source

_SQLITE = "sqlite:///"
_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_PAGE = 1000


def is_mlflow_store(place: str) -> bool:
    """Return whether a place looks like a store: an address, a file of sqlite, or a folder that
    MLflow keeps its runs in."""
    address, _, _ = place.partition("#")
    path = Path(address)
    return (
        address.startswith(_SQLITE)
        or path.suffix in _SUFFIXES
        or (path.is_dir() and any(path.glob("*/meta.yaml")))
    )


def read_mlflow(place: str) -> Source:
    """Return a row for each run of an experiment: its id as `run`, its name, its `status`, and its
    parameters, last metrics and tags, each under its own name.

    Where a metric has the name of a parameter, the latter is called `params.NAME`.

    Args:
        place: `sqlite:///FILE`, the file, or a folder; with `#EXPERIMENT` where it holds several.

    Raises:
        InputError: there is no such store or experiment, or the extra is not installed.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a folder is only read here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what MLflow's own code is warned of
        return _read_store(place)


def _read_store(place: str) -> Source:
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError as error:
        raise InputError("a store of MLflow is read with MLflow: install the extra `mlflow`") from (
            error
        )
    address, _, wanted = place.partition("#")
    path = Path(address.removeprefix(_SQLITE))
    if not path.exists():  # MLflow would make one
        raise InputError(f"{address}: no such file or folder")
    level = logging.getLogger("mlflow").level
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        client = MlflowClient(f"{_SQLITE}{path}" if path.is_file() else str(path))
        experiment = _find_experiment(client, address, wanted)
        return _read_runs(client, experiment)
    except (MlflowException, SQLAlchemyError) as error:
        raise InputError(f"{address}: no store that MLflow reads ({first_line(error)})") from error
    finally:
        logging.getLogger("mlflow").setLevel(level)


def _find_experiment(client: Any, address: str, wanted: str) -> str:
    """Return the id of the experiment that is meant; unless one is named, the only one with
    runs."""
    experiments = list(client.search_experiments())
    names = [experiment.name for experiment in experiments]
    if wanted:
        chosen = [experiment for experiment in experiments if experiment.name == wanted]
    else:
        chosen = [
            each for each in experiments if client.search_runs([each.experiment_id], "", 1, 1)
        ]
    if len(chosen) == 1:
        return str(chosen[0].experiment_id)
    there = join_some(names, 10) if names else "none"
    if wanted:
        raise InputError(f"{address}: no experiment {quote(wanted)}; there are: {there}")
    if not chosen:
        raise InputError(f"{address}: no experiment with runs; there are: {there}")
    raise InputError(f"{address}: several experiments; add the name, as in {address}#{names[0]}")


def _read_runs(client: Any, experiment: str) -> Source:
    rows, curves, token = [], [], None
    while True:
        page = client.search_runs([experiment], max_results=_PAGE, page_token=token)
        for run in page:
            rows.append(_make_row(run))
            for name in run.data.metrics:
                for point in client.get_metric_history(run.info.run_id, name):
                    curves.append((run.info.run_id, point.step, name, point.value))
        token = page.token
        if not token:
            return Source(pd.DataFrame(rows), pd.DataFrame(curves, columns=list(CURVES)))


def _make_row(run: Any) -> dict[str, Any]:
    row = {"run": run.info.run_id, "run_name": run.info.run_name, "status": run.info.status}
    metrics = run.data.metrics
    taken = {*row, *metrics}
    row |= {f"params.{k}" if k in taken else k: v for k, v in run.data.params.items()}
    tags = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")}
    row |= {f"tags.{k}" if k in (*row, *metrics) else k: v for k, v in tags.items()}
    return row | {f"metrics.{k}" if k in row else k: v for k, v in metrics.items()}
