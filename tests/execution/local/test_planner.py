"""Planning in a process of its own: the same plan, its errors, and nothing left of it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.plugged import as_in_a_new_process
from helpers.pretended_gpu import pretend_gpu
from helpers.training import digits, runs, sweep

from lrdecay.components import plugins
from lrdecay.core import signals
from lrdecay.core.errors import DamagedError, DeviceLostError, InputError, WorkerError
from lrdecay.engine import devices
from lrdecay.execution import executor, grouping
from lrdecay.execution.executor import Site, plan_site
from lrdecay.execution.grouping import Group, Plan
from lrdecay.execution.local import executor as local
from lrdecay.execution.local import planner
from lrdecay.execution.local.executor import Local
from lrdecay.execution.local.planner import plan_elsewhere
from lrdecay.sweep.matrix import list_runs

HERE = Site("cpu", ("", ""), 2, 2)

TALKS = """\
import sys

import torch
from torch import nn


class Talks(nn.Module):
    def __init__(self, shape, classes, dropout):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

    def forward(self, images):
        print("a", len(images), "of them")
        FAIL
        return self.layers(images)


MODELS = {"Talks": Talks}
"""


def talking(tmp_path, fails: str = "pass") -> str:
    path = tmp_path / "talks.py"
    path.write_text(TALKS.replace("FAIL", fails))
    return str(path)


@pytest.mark.slow
def test_it_is_the_plan_that_would_be_made_here(tmp_path):
    """Of a plug-in too, whatever that prints."""
    with as_in_a_new_process():
        plugins.load_plugins([talking(tmp_path)])
        pending = list_runs(sweep("seeds: 3\nbatch_size: [64, 300]"), digits())
        pending += [replace(run, model="Talks") for run in pending[:4]]
        asked = pending, digits(), "stacked", None
        found = plan_elsewhere(HERE, *asked)
        assert found == plan_site(HERE, *asked)
    assert {group.engine for group in found.groups} == {"stacked"}
    assert sum(len(group.runs) for group in found.groups) == 34
    assert not signals.children


def test_what_a_plan_looks_at_is_all_that_it_is_given():
    few = planner._take_few(digits(), 300)
    assert (few.train_count, few.classes, few.shape) == (1437, 10, (1, 8, 8))
    assert few.train_images.equal(digits().train_images[:300])
    assert few.train_images.untyped_storage().nbytes() == 300 * 64
    assert len(few.test_images) == 0


@pytest.mark.slow
def test_a_network_that_cannot_be_stacked_is_a_note(tmp_path):
    with as_in_a_new_process():
        plugins.load_plugins([talking(tmp_path, 'raise ValueError("not today")')])
        run = replace(runs()["constant"], model="Talks")
        found = plan_elsewhere(HERE, [run], digits(), "stacked", None)
    note = "Talks: runs train one at a time, since not today"
    assert found == Plan((Group("reference", (run,)),), (note,))


@pytest.mark.slow
def test_its_errors_are_raised_here(tmp_path):
    with as_in_a_new_process():
        given = talking(tmp_path, "raise MemoryError(3)")
        plugins.load_plugins([given])
        run = replace(runs()["constant"], model="Talks")
        with pytest.raises(RuntimeError, match=r"^MemoryError: 3"):
            plan_elsewhere(HERE, [run], digits(), "stacked", None)
        (tmp_path / "talks.py").write_text("MODELS = {}")
        with pytest.raises(InputError, match=r"talks\.py: gives nothing"):
            plan_elsewhere(HERE, [run], digits(), "stacked", None)


def test_an_error_is_sent_as_one_that_everybody_knows():
    class OwnError(ValueError):
        pass

    for error, kind, text in (
        (OwnError("no luck"), RuntimeError, "OwnError: no luck"),
        (DamagedError(Path("x"), "torn"), InputError, str(DamagedError(Path("x"), "torn"))),
        (DeviceLostError("gone"), WorkerError, "gone"),
    ):
        found = planner._to_sendable(error)
        assert (type(found), str(found)) == (kind, text)


def test_that_it_died_is_said(monkeypatch):
    monkeypatch.setattr(planner, "_ANSWER", "worker.os._exit")  # with the pipe's number
    with pytest.raises(WorkerError, match=r"^the process that plans died \(exit status \d+\)$"):
        plan_elsewhere(HERE, list(runs().values()), digits(), "stacked", None)
    assert not signals.children


def test_an_interrupt_ends_it(monkeypatch):
    started = []
    real = planner.start_python

    def start(function, variables):
        process, connection = real("worker.time.sleep", variables)

        def interrupt():
            raise KeyboardInterrupt

        connection.recv = interrupt
        started.append(process)
        return process, connection

    monkeypatch.setattr(planner, "start_python", start)
    with pytest.raises(KeyboardInterrupt):
        plan_elsewhere(HERE, list(runs().values()), digits(), "stacked", None)
    assert started[0].poll() == -9
    assert not signals.children


def test_nothing_to_plan_takes_no_process(monkeypatch):
    monkeypatch.setattr(sys, "executable", "nowhere")
    assert plan_elsewhere(HERE, [], digits(), "auto", None) == Plan(())


@pytest.mark.parametrize(
    ("device", "workers", "elsewhere"),
    [("cuda", 1, True), ("cuda", 0, False), ("cpu", 2, False), ("auto", 2, True)],
)
def test_on_a_gpu_the_coordinator_leaves_planning_to_it(monkeypatch, device, workers, elsewhere):
    """Without workers the coordinator trains itself."""
    asked = []
    monkeypatch.setattr(local, "plan_site", lambda *given: asked.append((False, given)))
    monkeypatch.setattr(local, "plan_elsewhere", lambda *given: asked.append((True, given)))
    given = [runs()["constant"]], digits(), "auto", 5
    with pretend_gpu():
        executor = Local(device, workers)
        executor.plan(*given)
        assert asked == [(elsewhere, (executor.site(), *given))]
    devices.device_name.cache_clear()


# What a GPU itself has to say


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nProcess 1 has")
BROKEN = torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            FULL,
            "planning failed on the GPU, where two runs are tried (CUDA out of memory. Tried to "
            "allocate 2.00 GiB.); end what else fills its memory, give a smaller batch_size, or "
            "train one run at a time with --engine reference",
        ),
        (
            BROKEN,
            "planning failed on the GPU, where two runs are tried (CUDA error: an illegal memory "
            "access was encountered); `nvidia-smi` shows whether it works, and --device cpu does "
            "without",
        ),
    ],
)
@pytest.mark.parametrize("place", ["check_same_results", "measure_run_bytes"])
def test_a_gpu_that_cannot_plan_says_so_and_what_helps(monkeypatch, error, message, place):
    def fail(*given):
        raise error

    monkeypatch.setattr(grouping, place, fail)
    asked = [runs()["constant"]], digits(), "stacked", None
    with pretend_gpu():
        with pytest.raises(WorkerError) as raised:
            plan_site(replace(HERE, device="cuda"), *asked)
        assert str(raised.value) == message
        assert raised.value.__cause__ is error
        # one run at a time tries nothing
        plan = plan_site(replace(HERE, device="cuda"), *asked[:2], "reference", None)
        assert [group.engine for group in plan.groups] == ["reference"]
    with pytest.raises(type(error)):
        plan_site(HERE, *asked)


def test_an_error_of_a_plan_is_no_gpu_s(monkeypatch):
    def fail(*given):
        raise ZeroDivisionError

    monkeypatch.setattr(executor.grouping, "plan_groups", fail)
    with pytest.raises(ZeroDivisionError):
        plan_site(replace(HERE, device="cuda"), [], digits(), "auto", None)
