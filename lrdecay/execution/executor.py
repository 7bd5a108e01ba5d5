"""What an executor is: where runs train, and how their groups are planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core.errors import InputError, WorkerError
from lrdecay.core.run import Run
from lrdecay.core.text import first_line
from lrdecay.engine.device_errors import is_device_error, is_out_of_memory
from lrdecay.execution import grouping
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.messages import Tell
from lrdecay.execution.trainer import Setup


@dataclass(frozen=True)
class Site:
    """What runs train on: `device` is cpu or cuda, `made_with` the values of `schema.MADE_WITH`,
    `workers` how many groups may train at once (0: one, in this process), and `sharing` how many
    of them there are to one memory; `notes` are what a user should know of the choice."""

    device: str
    made_with: tuple[str, ...]
    workers: int
    sharing: int
    notes: tuple[str, ...] = ()


class Executor(Protocol):
    """Trains groups of runs somewhere."""

    def site(self, precision: str, kernels: str) -> Site:
        """Return what runs of this precision, computed by these kernels, train on.

        Raises `InputError` where there is nothing that they could train on.
        """

    def plan(self, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None) -> Plan:
        """Return the groups in which runs train; see `plan_groups`.

        Raises `WorkerError` where the device cannot even try them.
        """

    def train(self, groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
        """Train every group; `tell` is called in this thread as epochs and runs finish, in any
        order.

        Raises `WorkerError` where nothing can train, and `KeyboardInterrupt` once the workers have
        ended and those runs that they had finished are told.
        """


def plan_site(
    site: Site, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None
) -> Plan:
    """Return the groups in which runs train, as planned on the machine where they do.

    Raises `WorkerError` where its GPU is too full to try two runs, or refuses to compute.
    """
    options = site.workers, engine, group_size, site.sharing
    try:
        return grouping.plan_groups(runs, data, torch.device(site.device), *options)
    except Exception as error:
        if site.device == "cpu" or not is_device_error(error):
            raise
        raise WorkerError(_explain_failure(error)) from error


def _explain_failure(error: Exception) -> str:
    said = f"planning failed on the GPU, where two runs are tried ({first_line(error)})"
    if not is_out_of_memory(error):
        return f"{said}; `nvidia-smi` shows whether it works, and --device cpu does without"
    return (
        f"{said}; end what else fills its memory, give a smaller batch_size, or train one run at a "
        f"time with --engine reference"
    )


def check_limits(workers: int | None, time_limit: float | None, fewest: int = 0) -> None:
    """Raise `InputError` for a number of workers or a time limit that cannot be meant."""
    if workers is not None and workers < fewest:
        raise InputError(f"workers: must be at least {fewest}, not {workers}")
    if time_limit is not None and workers == 0:
        raise InputError("time_limit: with 0 workers nothing can end a run; give 1 worker or more")
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit: must be more than 0 seconds, not {time_limit:g}")
