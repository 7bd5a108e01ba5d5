"""Where runs train: in this process, in processes on this machine, or on a Ray cluster (`on_ray`).

An executor says what it trains on, forms groups as suit that, and trains them: groups in, finished
runs out, a bounded number of groups at once. What it tells of a run is no result until the runner
has committed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Protocol

import torch

from lrdecay import devices, groups, signals
from lrdecay.data import Dataset
from lrdecay.errors import InputError
from lrdecay.groups import Group, Plan
from lrdecay.pool import Clock, Inbox, Pool, Worker
from lrdecay.precision import training_settings
from lrdecay.process import Process
from lrdecay.run import Run
from lrdecay.worker import Setup, Tell


@dataclass(frozen=True)
class Site:
    """What runs train on: `device` is cpu or cuda, `made_with` the values of `tables.MADE_WITH`,
    `workers` how many groups may train at once (0: one, in this process), and `sharing` how many
    of them there are to one memory."""

    device: str
    made_with: tuple[str, ...]
    workers: int
    sharing: int


class Executor(Protocol):
    """Trains groups of runs somewhere."""

    def site(self, precision: str) -> Site:
        """Return what runs of this precision train on.

        Raises `InputError` where there is nothing that they could train on.
        """

    def plan(self, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None) -> Plan:
        """Return the groups in which runs train; see `groups.plan`."""

    def train(self, groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
        """Train every group; `tell` is called in this thread as epochs and runs finish, in any
        order.

        Raises `WorkerError` where nothing can train, and `KeyboardInterrupt` once the workers have
        ended and those runs that they had finished are told.
        """


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

    def site(self, precision: str = "float32") -> Site:
        """Return what runs of this precision train on."""
        device = devices.find_device(self.device, precision)
        workers = devices.default_workers(device) if self.workers is None else self.workers
        places = len(devices.gpus()) if device.type == "cuda" else 1
        return Site(str(device), devices.made_with(device), workers, -(-workers // places))

    def plan(self, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None) -> Plan:
        """Return the groups in which runs train."""
        return plan_at(self.site(), runs, data, engine, group_size)

    def train(self, groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
        """Train every group."""
        site = self.site()
        if site.workers == 0:
            with training_settings():
                trainer = setup.trainer(setup)
                for group in groups:
                    trainer.train(group, tell)
            return
        # each process reads the data itself: through a pipe they would be as many copies at once
        start = partial(_start, replace(setup, data=None), count())
        with signals.held():
            Pool(groups, start, lambda: site.workers, setup.device, tell, self.time_limit).train()


def _start(setup: Setup, numbers: count[int], clock: Clock, inbox: Inbox) -> Worker:
    variables = devices.on_one_gpu(next(numbers)) if setup.device == "cuda" else {}
    return Process.start(setup, variables, clock, inbox)


def plan_at(
    site: Site, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None
) -> Plan:
    """Return the groups in which runs train, as planned on the machine where they do."""
    device = torch.device(site.device)
    return groups.plan(runs, data, device, site.workers, engine, group_size, site.sharing)


def check_limits(workers: int | None, time_limit: float | None, fewest: int = 0) -> None:
    """Raise `InputError` for a number of workers or a time limit that cannot be meant."""
    if workers is not None and workers < fewest:
        raise InputError(f"workers: must be at least {fewest}, not {workers}")
    if time_limit is not None and workers == 0:
        raise InputError("time_limit: with 0 workers nothing can end a run; give 1 worker or more")
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit: must be more than 0 seconds, not {time_limit:g}")
