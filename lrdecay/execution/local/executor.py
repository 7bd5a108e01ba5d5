"""Where runs train: in this process, or in processes of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core import signals
from lrdecay.core.errors import DeviceLostError, WorkerError
from lrdecay.core.run import Run
from lrdecay.engine import devices
from lrdecay.engine.precision import use_training_settings
from lrdecay.execution.executor import Site, check_limits, plan_site
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.local.planner import plan_elsewhere
from lrdecay.execution.local.process import Process
from lrdecay.execution.messages import Tell
from lrdecay.execution.pool import Pool
from lrdecay.execution.trainer import Setup
from lrdecay.execution.worker_handle import Clock, Inbox, Worker


@dataclass(frozen=True)
class Local:
    """This machine.

    `device` is auto, cpu or cuda, and `workers` the number of processes: by default one per core,
    or one per GPU, among which they are dealt out evenly. 0 is this process itself, for debugging:
    a run is tried once then. `time_limit` is the longest that a group may take from one finished
    epoch to the next, in seconds; it takes a process that can be ended.
    """

    device: str = "auto"
    workers: int | None = None
    time_limit: float | None = None

    def __post_init__(self) -> None:
        check_limits(self.workers, self.time_limit)

    def site(self, precision: str = "float32", kernels: str = "torch") -> Site:
        """Return what runs of this precision, computed by these kernels, train on."""
        device = devices.find_device(self.device, precision, kernels)
        workers = devices.count_workers(device) if self.workers is None else self.workers
        places = len(devices.list_gpus()) if device.type == "cuda" else 1
        return Site(
            str(device),
            devices.describe_device(device),
            workers,
            sharing=-(-workers // places),
            notes=devices.explain_choice(self.device),
        )

    def plan(self, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None) -> Plan:
        """Return the groups in which runs train."""
        site = self.site()
        # without workers this process is the one that uses the GPU
        plan = plan_elsewhere if site.device == "cuda" and site.workers else plan_site
        return plan(site, runs, data, engine, group_size)

    def train(self, groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
        """Train every group."""
        site = self.site()
        if site.workers == 0:
            _train_here(groups, setup, tell)
            return
        # each process reads the data itself: through a pipe they would be as many copies at once
        start = partial(_start, replace(setup, data=None), count())
        with signals.hold_signals():
            Pool(groups, start, lambda: site.workers, setup.device, tell, self.time_limit).train()


def _train_here(groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
    with use_training_settings():
        trainer = setup.trainer(setup)
        try:
            for group in groups:
                trainer.train(group, tell)
        except DeviceLostError as error:
            raise WorkerError(
                f"the GPU failed ({error}), and this process cannot go on with it; with 1 worker "
                f"or more a fresh one does"
            ) from error


def _start(setup: Setup, numbers: count[int], clock: Clock, inbox: Inbox) -> Worker:
    variables = devices.gpu_environment(next(numbers)) if setup.device == "cuda" else {}
    return Process.start(setup, variables, clock, inbox)
