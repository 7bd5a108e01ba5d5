"""Where runs train: on a Ray cluster, each worker a long-lived actor that holds the data.

The coordinator, here, gives out groups and hears of every run, which counts once it has committed
it; a run that was on a node or in an actor that is gone goes to another. Needs the extra `ray`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lrdecay.components.datasets.dataset import Dataset
from lrdecay.core import signals
from lrdecay.core.errors import InputError, WorkerError
from lrdecay.core.run import SEMANTICS, Run
from lrdecay.core.text import first_line
from lrdecay.execution.executor import Site, check_limits
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.local.process import training_environment
from lrdecay.execution.messages import Tell
from lrdecay.execution.pool import Pool
from lrdecay.execution.ray.actor import Actor, Listener
from lrdecay.execution.ray.connect import connect_ray
from lrdecay.execution.ray.worker import RayWorker
from lrdecay.execution.trainer import Setup
from lrdecay.execution.worker_handle import LOOK_SECONDS, Clock, Inbox

_TRIES = 3


class Cluster:
    """A Ray cluster: the one at `address` (HOST:PORT), else the one that this machine belongs to,
    else one that begins and ends with this process.

    `workers` is the most actors at once; by default as many as the cluster has cores, or GPUs when
    each takes `gpus` of one (0.5: two share one). `device` is auto, cpu or cuda; auto is cuda where
    any node has a GPU. Nodes of another processor, GPU or torch than that of the first are refused
    unless `allow_mixed`. `time_limit` is as for `Local`.

    Raises `InputError` where Ray is not installed or no cluster answers.
    """

    def __init__(
        self,
        address: str | None = None,
        device: str = "auto",
        workers: int | None = None,
        gpus: float = 1.0,
        time_limit: float | None = None,
        allow_mixed: bool = False,
    ) -> None:
        check_limits(workers, time_limit, fewest=1)
        if not 0 < gpus <= 1:
            raise InputError(f"gpus: a worker takes a share of one GPU, as 0.5, not {gpus:g}")
        self._ray = connect_ray(address)
        self._most, self._gpus, self._time_limit = workers, gpus, time_limit
        self._allow_mixed = allow_mixed
        on_gpu = self._ray.cluster_resources().get("GPU", 0) > 0
        self._device = ("cuda" if on_gpu else "cpu") if device == "auto" else device
        self._scouts: list[Any] = []
        self._site: Site | None = None
        self._put: tuple[Dataset | None, Any] | None = None

    def site(self, precision: str, kernels: str) -> Site:
        """Return what runs of this precision, computed by these kernels, train on, as the first
        node that has room finds it."""
        made_with, cores = self._ask("survey", self._device, precision, kernels)
        room = self._room()
        # on one node's memory, which a cluster of equal nodes shares out in equal parts
        sharing = max(1, int(1 / self._gpus)) if self._device == "cuda" else min(room, cores)
        self._site = Site(self._device, made_with, room, sharing)
        return self._site

    def plan(self, runs: Sequence[Run], data: Dataset, engine: str, group_size: int | None) -> Plan:
        """Return the groups in which runs train, as planned on a node where they do."""
        arguments = (tuple(runs), self._stored(data), engine, group_size)
        planned: Plan = self._ask("plan", self._known(), *arguments)
        return planned

    def train(self, groups: Sequence[Group], setup: Setup, tell: Tell) -> None:
        """Train every group."""
        data = self._stored(setup.data)
        # what the coordinator has loaded, the nodes need not have
        light = replace(setup, data=None)
        expected = None if self._allow_mixed else self._known().made_with
        begin = (light, data, expected, SEMANTICS)
        ears = Listener(self._ray)

        def start(clock: Clock, inbox: Inbox) -> Actor:
            handle = self._scouts.pop() if self._scouts else self._actor()
            actor = Actor(handle, ears, clock, inbox)
            actor.follow(handle.begin.options(num_returns="streaming").remote(*begin))
            return actor

        with self._errors(), signals.hold_signals():
            try:
                Pool(groups, start, self._room, setup.device, tell, self._time_limit).train()
            finally:
                ears.stop()

    def _room(self) -> int:
        """Return how many workers the cluster has room for; at least one, which waits for it."""
        has = self._ray.cluster_resources()
        places = int(has.get("CPU", 0))
        if self._device == "cuda":
            places = min(places, int(has.get("GPU", 0) / self._gpus + 1e-9))
        return max(1, places if self._most is None else min(places, self._most))

    def _known(self) -> Site:
        if self._site is None:
            raise ValueError("ask for the site first")
        return self._site

    def _ask(self, method: str, *arguments: Any, tries: int = _TRIES) -> Any:
        """Return what an actor answers that is the first to train later; a lost one is replaced."""
        if not self._scouts:
            self._scouts.append(self._actor())
        with self._errors():
            try:
                return self._get(getattr(self._scouts[0], method).remote(*arguments))
            except self._ray.exceptions.RayActorError:
                self._scouts.clear()
                if tries == 1:
                    raise
        return self._ask(method, *arguments, tries=tries - 1)

    def _actor(self) -> Any:
        gpus = self._gpus if self._device == "cuda" else 0
        environment_of = {"env_vars": training_environment()}
        made = self._ray.remote(RayWorker)
        return made.options(num_cpus=1, num_gpus=gpus, runtime_env=environment_of).remote()

    def _get(self, reference: Any) -> Any:
        """Wait for an answer, and let a signal end the waiting."""
        while True:
            ready, _ = self._ray.wait([reference], timeout=LOOK_SECONDS)
            signals.check_signals()
            if ready:
                return self._ray.get(reference)

    def _stored(self, data: Dataset | None) -> Any:
        if self._put is None or self._put[0] is not data:
            self._put = (data, self._ray.put(data))
        return self._put[1]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Let what ended a task be raised as what it was, and the cluster's own end be said."""
        try:
            yield
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError | WorkerError):
                raise error.cause from None
            raise
        except self._ray.exceptions.RayError as error:
            raise WorkerError(f"Ray: {first_line(error)}") from None
