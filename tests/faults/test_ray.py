"""A real Ray cluster of two nodes on this machine's loopback, and what may happen to it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from helpers.results import assert_same

from lrdecay.execution.ray.worker import RayWorker
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.layout import list_current
from lrdecay.store.reader import read_runs

TEXT = """\
name: small
dataset: digits
epochs: 8
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 4, gamma: 0.5}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
dropout: [0.0, 0.3]
seeds: 4
"""
pytestmark = pytest.mark.soak  # a cluster takes its time to start

RUNS = 24
PATIENCE = 300  # seconds, for a machine that does much else
# a cluster on this machine's loopback alone
os.environ.update(
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_worker_niceness="0",  # 15 else: its actors would wait for all else that this machine does
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "small.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def fresh(file, tmp_path_factory):
    return run_sweep(file, tmp_path_factory.mktemp("fresh"), workers=2).folder


class Nodes:
    """A head node with no room for work, and two nodes with one core each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        here = {"node_ip_address": "127.0.0.1"}
        head = {**here, "num_cpus": 0, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address = self._cluster.address
        self._nodes = [self._cluster.add_node(num_cpus=1, **here) for _ in range(2)]

    def kill_one(self) -> None:
        """Kill a node, and all processes on it."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def add_one(self) -> None:
        self._nodes.append(self._cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1"))

    def end(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    started = Nodes()
    try:
        yield started
    finally:
        started.end()


@contextmanager
def sweeping(nodes: Nodes, file: Path, results: Path) -> Iterator[subprocess.Popen[str]]:
    command = ("-m", "lrdecay", "sweep", file, "--results", results)
    options = ("--executor", "ray", "--address", nodes.address, "--group-size", 2)
    with subprocess.Popen(
        [sys.executable, *map(str, (*command, *options))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def done(results: Path) -> int:
    """How many runs have been committed."""
    folder = results / "small"
    return len(read_runs(folder)) if list_current(folder, "runs") else 0


def until(count: int, results: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while done(results) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finished(process: subprocess.Popen[str]) -> str:
    text = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, text
    return text


TRAINING = f"ray::{RayWorker.__name__}.train".encode()
"""What Ray calls the process of an actor while it trains."""


def actors() -> list[int]:
    """The processes that train at the moment, on the nodes of this process."""
    parents, training = {}, []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit():
                pid = int(folder.name)
                parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if (folder / "cmdline").read_bytes().startswith(TRAINING):
                    training.append(pid)
    return [pid for pid in training if os.getpid() in ancestors(pid, parents)]


def ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while (pid := parents.get(pid, 0)) > 0:
        yield pid


def test_a_cluster_gives_the_tables_of_this_machine_also_when_a_node_is_killed(
    nodes, file, fresh, tmp_path, figure
):
    with sweeping(nodes, file, tmp_path / "whole") as process:
        text = finished(process)
    assert f"{RUNS} runs, {RUNS} trained now (0 diverged, 0 failed)" in text
    assert "2 processes" in text
    assert_same(tmp_path / "whole" / "small", fresh)
    with sweeping(nodes, file, tmp_path / "killed") as process:
        until(4, tmp_path / "killed", process)
        nodes.kill_one()
        before = done(tmp_path / "killed")
        text = finished(process)
    nodes.add_one()
    assert before < RUNS
    assert_same(tmp_path / "killed" / "small", fresh)
    figure("Ray: a node killed", f"after {before} of {RUNS} runs: the same tables")


def test_actors_killed_at_random(nodes, file, tmp_path, often, figure):
    wanted, killed = often(0, 10), 0
    if not wanted:
        pytest.skip("a minute or two: in `make faults`")
    chance = random.Random(0)
    # many runs, so that none is struck three times
    many = tmp_path / "small.yaml"
    many.write_text(TEXT.replace("seeds: 4", "seeds: 16").replace("epochs: 8", "epochs: 3"))
    fresh = run_sweep(many, tmp_path / "fresh", workers=2).folder
    with sweeping(nodes, many, tmp_path) as process:
        while killed < wanted and process.poll() is None:
            time.sleep(chance.uniform(0.0, 2.0))
            if there := actors():
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(there), signal.SIGKILL)
                    killed += 1
        text = finished(process)
    assert killed == wanted, text
    assert_same(tmp_path / "small", fresh)
    figure("Ray: actors killed at random", f"{killed} times: the same tables")


def test_the_coordinator_killed_and_started_again(nodes, file, fresh, tmp_path, often, figure):
    counts = []
    if not often(0, 1):
        pytest.skip("a minute or two: in `make faults`")
    for share in (1, 2, 3):
        with sweeping(nodes, file, tmp_path) as process:
            until(share * 4, tmp_path, process)
        counts.append(done(tmp_path))
    with sweeping(nodes, file, tmp_path) as process:
        text = finished(process)
    assert 0 < counts[-1] < RUNS
    assert f"{counts[-1]} from before" in text
    assert_same(tmp_path / "small", fresh)
    figure("Ray: coordinator killed", f"after {counts} of {RUNS} runs: the same tables")
