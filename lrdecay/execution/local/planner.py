"""Planning in a process of its own, which leaves nothing on the GPU once it has ended.

A process that has used a GPU keeps a part of its memory, and one that is for one process at a time
(exclusive mode) altogether: the coordinator, which lives as long as its workers, never uses any.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from lrdecay.components import plugins
from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core import signals
from lrdecay.core.errors import WorkerError
from lrdecay.core.run import Run
from lrdecay.core.text import describe_error
from lrdecay.execution.executor import Site, plan_site
from lrdecay.execution.grouping import Plan, count_at_once
from lrdecay.execution.local.process import training_environment

_CODE = "from lrdecay.execution.local import planner; planner.answer_request()"


def plan_elsewhere(
    site: Site, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None
) -> Plan:
    """Return what `plan_site` does in a process of its own, or raise what it raises there."""
    if not runs:
        return Plan(())
    few = _take_few(data, max(map(count_at_once, runs)))
    request = pickle.dumps((plugins.list_loaded(), (site, tuple(runs), few, engine, group_size)))
    # as `Process`, and for the same reasons no child of multiprocessing's
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **training_environment()},
        process_group=0,
    ) as process:
        signals.children.add(process)
        try:
            answer, _ = process.communicate(request)
        finally:
            process.kill()
            signals.children.discard(process)
    if not answer:
        raise WorkerError(f"the process that plans died (exit status {process.returncode})")
    found = pickle.loads(answer)
    if isinstance(found, Plan):
        return found
    raise found


def answer_request() -> None:
    """Plan what comes through standard input; the plan, or why there is none, goes out through
    standard output."""
    # what a plug-in prints is no part of the answer
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    loaded, asked = pickle.load(sys.stdin.buffer)
    found: Plan | Exception
    try:
        plugins.load_as_elsewhere(loaded)
        found = plan_site(*asked)
    except Exception as error:
        found = _to_sendable(error)
    with os.fdopen(answer, "wb") as out:
        pickle.dump(found, out)


def _take_few(data: Dataset, images: int) -> Dataset:
    """Return the dataset with no more images than a plan looks at; the labels stay, which tell how
    many there are."""
    none = data.test_images[:0].clone()
    return replace(data, train_images=data.train_images[:images].clone(), test_images=none)


def _to_sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a plug-in's may be made of anything
        return RuntimeError(describe_error(error))
    return error
