"""`kernels: triton` in a sweep file: what it is recorded as, and where it is refused."""

from dataclasses import replace

import pyarrow as pa
import pytest
import torch
from helpers.folders import RUN
from helpers.training import digits, sweep

from lrdecay.core.errors import InputError
from lrdecay.engine import devices
from lrdecay.engine.stacked.kinds import lockstep_kind
from lrdecay.execution.local.executor import Local
from lrdecay.execution.ray.worker import RayWorker
from lrdecay.store.schema import make_plan
from lrdecay.sweep.matrix import list_runs

TEXT = "schedulers:\n  one: {class: constant}\n"
NO_GPU = "kernels: triton needs a GPU; a CPU computes with kernels: torch"
SITES = {
    "local": lambda kernels: Local("cpu").site("float32", kernels),
    "auto": lambda kernels: Local("auto").site("float32", kernels),
    "ray": lambda kernels: RayWorker().survey("cpu", "float32", kernels),
}


@pytest.fixture
def pretended_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def test_it_is_off_unless_a_file_says_so_and_recorded():
    for lines, kernels, precision in (
        ("", "torch", "float32"),
        ("kernels: torch\nprecision: tf32\n", "torch", "tf32"),
        ("kernels: triton\n", "triton", "float32"),
        ("kernels: triton\nprecision: tf32x3\n", "triton", "tf32x3"),
    ):
        (run,) = list_runs(sweep(lines, TEXT), digits())
        assert (run.kernels, run.precision) == (kernels, precision)
        row = make_plan([run]).select(["run_id", "precision", "kernels"]).to_pylist()
        assert row == [{"run_id": run.run_id, "precision": precision, "kernels": kernels}]


def test_it_is_part_of_what_identifies_a_run_unless_it_is_off():
    assert RUN.kernels == "torch"
    assert replace(RUN, kernels="torch").run_id == RUN.run_id
    ids = {replace(RUN, kernels="triton", precision=each).run_id for each in ("float32", "tf32x3")}
    assert len(ids | {RUN.run_id, replace(RUN, precision="tf32x3").run_id}) == 4


def test_its_column_is_never_null():
    field = make_plan([RUN]).schema.field("kernels")
    assert (field.type, field.nullable) == (pa.string(), False)


def test_runs_of_other_kernels_do_not_train_in_lockstep():
    assert lockstep_kind(RUN) != lockstep_kind(replace(RUN, kernels="triton"))


@pytest.mark.parametrize("name", SITES)
def test_a_cpu_refuses_it(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError) as caught:
        SITES[name]("triton")
    assert str(caught.value) == NO_GPU
    SITES[name]("torch")


@pytest.mark.usefixtures("pretended_gpu")
def test_a_gpu_without_the_package_refuses_it(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", {"torch": True}.get)
    with pytest.raises(
        InputError, match="needs the package triton, which comes with torch for CUDA"
    ):
        devices.find_device("auto", "tf32x3", "triton")
    assert devices.find_device("cuda", "tf32", "torch").type == "cuda"


@pytest.mark.usefixtures("pretended_gpu")
def test_a_gpu_with_the_package_takes_it(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", {"triton": True}.get)
    for device in ("auto", "cuda"):
        assert devices.find_device(device, "tf32x3", "triton").type == "cuda"
    with pytest.raises(InputError) as caught:  # the CPU of a machine that has one
        devices.find_device("cpu", "float32", "triton")
    assert str(caught.value) == NO_GPU
