"""The side of a Ray actor that is in it: plans, and trains groups one after another.

`actor` is the other side; nothing here needs Ray itself but the name of the node.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import torch

from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core.errors import DeviceLostError
from lrdecay.core.run import SEMANTICS, Run
from lrdecay.core.text import describe_error
from lrdecay.engine import devices
from lrdecay.engine.precision import use_training_settings
from lrdecay.execution.executor import Site, plan_site
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.messages import Beat, Lost, Ready
from lrdecay.execution.trainer import Setup, Trains

_GATHER_SECONDS = 0.05
_BEAT_SECONDS = 1.0
_END = None


class RayWorker:
    """Holds the data on its device and trains groups, telling how it goes in streams of lists."""

    def __init__(self) -> None:
        self._trainer: Trains | None = None

    def survey(self, device: str, precision: str, kernels: str) -> tuple[tuple[str, str], int]:
        """Return the values of `MADE_WITH` here, and how many cores the node has.

        Raises `InputError` where the device is not there, or cannot compute so.
        """
        found = devices.find_device(device, precision, kernels)
        return devices.describe_device(found), os.cpu_count() or 1

    def plan(
        self, site: Site, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None
    ) -> Plan:
        """Return the groups in which runs train here."""
        return plan_site(site, runs, data, engine, group_size)

    def begin(
        self, setup: Setup, data: Dataset | None, expected: tuple[str, ...] | None, semantics: int
    ) -> Iterator[list[Any]]:
        """Take the data, if any, and say whether this node can train as the coordinator expects."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        try:
            if semantics != SEMANTICS:
                raise RuntimeError(f"node {node} has another lrdecay than the coordinator")
            here = devices.describe_device(torch.device(setup.device))
            if expected is not None and here != tuple(expected):
                raise RuntimeError(
                    f"node {node} has torch {here[1]} on {here[0]}, and others torch {expected[1]} "
                    f"on {expected[0]}; such numbers are not compared unless --allow-mixed"
                )
            with use_training_settings():
                self._trainer = setup.trainer(replace(setup, data=data))
        except Exception as error:
            yield [Ready(describe_error(error), node)]
        else:
            yield [Ready(node=node)]

    def train(self, group: Group) -> Iterator[list[Any]]:
        """Train a group; what there is to tell comes at least once a second, in order."""
        told: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._train, args=(group, told), daemon=True).start()
        messages: list[Any] = []
        while not (messages and messages[-1] is _END):
            messages = _next_few(told)
            yield [message for message in messages if message is not _END]

    def _train(self, group: Group, told: SimpleQueue[Any]) -> None:
        try:
            assert self._trainer is not None
            with use_training_settings():
                self._trainer.train(group, told.put)
        except DeviceLostError as error:
            told.put(Lost(str(error)))
        except BaseException:  # no run's error: those are in its record
            os._exit(1)
        told.put(_END)


def _next_few(told: SimpleQueue[Any]) -> list[Any]:
    """Return the messages so far, or a beat after a moment of silence."""
    try:
        messages = [told.get(timeout=_BEAT_SECONDS)]
    except Empty:
        return [Beat()]
    time.sleep(_GATHER_SECONDS)
    while not told.empty():
        messages.append(told.get())
    return messages
