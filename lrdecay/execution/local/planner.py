"""Planning in a process of its own, which leaves nothing on the GPU once it has ended.

A process that has used a GPU keeps a part of its memory, and one that is for one process at a time
(exclusive mode) altogether: the coordinator, which lives as long as its workers, never uses any.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrdecay.components import plugins
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core import signals
from lrdecay.core.errors import InputError, WorkerError
from lrdecay.core.run import Run
from lrdecay.core.text import describe_error
from lrdecay.execution.executor import Site, plan_site
from lrdecay.execution.grouping import Plan, count_at_once
from lrdecay.execution.local.process import start_python

_ANSWER = "planner.answer_request"


def plan_elsewhere(
    site: Site, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None
) -> Plan:
    """Return what `plan_site` does in a process of its own, or raise what it raises there."""
    if not runs:
        return Plan(())
    few = _to_arrays(_take_few(data, max(map(count_at_once, runs))))
    process, connection = start_python(_ANSWER, {})
    found: Plan | Exception
    try:
        connection.send((plugins.list_loaded(), (site, tuple(runs), few, engine, group_size)))
        found = connection.recv()
    except (EOFError, OSError):
        found = WorkerError(f"the process that plans died (exit status {process.wait()})")
    finally:
        process.kill()
        process.wait()
        connection.close()
        signals.children.discard(process)
    if isinstance(found, Plan):
        return found
    raise found


def answer_request(descriptor: int) -> None:
    """Plan what comes through the pipe with this file descriptor; the plan, or why there is none,
    goes back."""
    connection: Connection[Any, Any] = Connection(descriptor)
    loaded, (site, runs, few, *options) = connection.recv()
    found: Plan | Exception
    try:
        plugins.load_as_elsewhere(loaded)
        found = plan_site(site, runs, _from_arrays(few), *options)
    except Exception as error:
        found = _to_sendable(error)
    connection.send(found)


def _take_few(data: Dataset, images: int) -> Dataset:
    """Return the dataset with no more images than a plan looks at; the labels stay, which tell how
    many there are."""
    none = data.test_images[:0].clone()
    return replace(data, train_images=data.train_images[:images].clone(), test_images=none)


def _to_arrays(data: Dataset) -> dict[str, Any]:
    """Return the fields of a dataset: torch would send tensors by memory that is shared."""
    values = {each.name: getattr(data, each.name) for each in fields(data)}
    return {name: x.numpy() if isinstance(x, Tensor) else x for name, x in values.items()}


def _from_arrays(values: dict[str, Any]) -> Dataset:
    arrays = {name: x for name, x in values.items() if isinstance(x, np.ndarray)}
    return Dataset(**values | {name: torch.from_numpy(x) for name, x in arrays.items()})


def _to_sendable(error: Exception) -> Exception:
    """Return an error for whoever asked: a plug-in's may be made of anything."""
    for kind in (InputError, WorkerError):
        if isinstance(error, kind):
            return kind(str(error))
    return RuntimeError(describe_error(error))
