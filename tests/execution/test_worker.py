"""A training process: what it does when a group cannot be trained whole."""

import gc
import signal
import weakref

import pytest
import torch
from helpers.plugged import as_in_a_new_process
from helpers.tiers import slow_but
from helpers.training import digits, runs, sweep

from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.models import build
from lrdecay.core import signals
from lrdecay.core.errors import DeviceLostError, WorkerError
from lrdecay.engine import reference
from lrdecay.engine.precision import use_precision, use_training_settings
from lrdecay.engine.stacked import train as train_module
from lrdecay.engine.stacked.train import train_stacked
from lrdecay.execution.grouping import Group
from lrdecay.execution.local.process import training_environment
from lrdecay.execution.messages import EpochDone, Note
from lrdecay.execution.trainer import Setup, Trainer
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_runs
from lrdecay.store.schema import Record
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

SETUP = Setup(DatasetSpec(name="digits"), None, digits().digest, 239, "cpu")


def trained(together, trainer=None):
    """All that is told while a group trains: records, notes, epochs."""
    told = {Record: [], Note: [], EpochDone: []}
    trainer = trainer or Trainer(SETUP)
    trainer.train(Group("stacked", tuple(together)), lambda m: told[type(m)].append(m))
    return told[Record], [note.text for note in told[Note]], told[EpochDone]


def too_much(above: int, error: Exception):
    """A `stacked.train` that fails with more runs than memory has room for."""
    real, sizes = train_stacked, []

    def train(together, *args):
        sizes.append(len(together))
        if len(together) > above:
            raise error
        return real(together, *args)

    return train, sizes


OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
)


@pytest.mark.parametrize("error", slow_but(OUT_OF_MEMORY[:1], OUT_OF_MEMORY))
def test_out_of_memory_halves_the_group_and_loses_nothing(monkeypatch, error):
    together = list_runs(
        sweep("epochs: 1\nseeds: 7", "schedulers: {c: {class: constant}}\n"), digits()
    )
    whole, _, _ = trained(together)
    train, sizes = too_much(2, error)
    monkeypatch.setattr("lrdecay.engine.stacked.train.train_stacked", train)
    trainer = Trainer(SETUP)
    records, notes, _ = trained(together, trainer)
    assert sizes == [7, 4, 2, 2, 2, 1]  # what was too much once is not tried again
    assert notes == [
        "out of memory with 7 runs at once; going on with 4",
        "out of memory with 4 runs at once; going on with 2",
    ]
    assert [record.run["status"] for record in records] == ["completed"] * 7
    assert [record.epochs for record in records] == [record.epochs for record in whole]
    assert [record.run["group_size"] for record in records] == [2, 2, 2, 2, 2, 2, 1]
    # the next group is not tried whole again
    sizes.clear()
    records, notes, _ = trained(together[:5], trainer)
    assert (sizes, notes, len(records)) == ([2, 2, 1], [], 5)


def test_a_run_alone_that_finds_no_memory_has_failed(monkeypatch):
    train, _ = too_much(0, torch.OutOfMemoryError("CUDA out of memory."))
    monkeypatch.setattr("lrdecay.engine.stacked.train.train_stacked", train)
    ((record,), _, _) = trained([runs("epochs: 1")["constant"]])
    assert record.run["status"] == "failed"
    assert record.run["error"] == "OutOfMemoryError: CUDA out of memory."
    assert record.run["engine"] == "stacked"


def test_an_error_while_a_capture_ends_hides_no_lack_of_memory(monkeypatch):
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error")
    except RuntimeError as error:
        train, sizes = too_much(2, error)
    monkeypatch.setattr("lrdecay.engine.stacked.train.train_stacked", train)
    together = list_runs(
        sweep("epochs: 1\nseeds: 4", "schedulers: {c: {class: constant}}\n"), digits()
    )
    records, notes, _ = trained(together)
    assert (sizes, len(records)) == ([4, 2, 2], 4)
    assert notes == ["out of memory with 4 runs at once; going on with 2"]


def test_what_a_group_held_is_free_when_it_ends(monkeypatch):
    """Else a group that found too little memory would still hold it when its halves are tried."""
    groups = []
    real = train_module.Lockstep

    def lockstep(*args):
        group = real(*args)
        groups.append(weakref.ref(group))
        return group

    monkeypatch.setattr(train_module, "Lockstep", lockstep)
    gc.disable()
    try:
        trained(list(runs("epochs: 1").values()))
    finally:
        gc.enable()
    assert [group() for group in groups] == [None]


def test_one_bad_run_fails_alone(monkeypatch):
    together = list_runs(
        sweep("epochs: 1\nseeds: 5", "schedulers: {c: {class: constant}}\n"), digits()
    )
    real = train_stacked

    def train(some, *args):
        if together[3] in some:
            raise ValueError("no such luck")
        return real(some, *args)

    monkeypatch.setattr("lrdecay.engine.stacked.train.train_stacked", train)
    records, notes, epochs = trained(together)
    statuses = {record.run["seed"]: record.run["status"] for record in records}
    assert statuses == {n: "failed" if n == 3 else "completed" for n in range(5)}
    assert notes == []
    assert sorted(done.run.seed for done in epochs) == [0, 1, 2, 4]


class Enough(BaseException):
    """An error of a plug-in's own that no one catches by accident."""


ENDS = (
    (SystemExit(3), "SystemExit: 3"),
    (SystemExit("nothing left to learn"), "SystemExit: nothing left to learn"),
    (GeneratorExit(), "GeneratorExit"),
    (Enough("of it"), "Enough: of it"),
)


def let_fail(monkeypatch, engine, error, at):
    """Have the engine end with this error where it trains one run."""
    place = {
        "stacked": "lrdecay.engine.stacked.train.train_stacked",
        "reference": "lrdecay.engine.reference.train_one",
    }[engine]
    real = {"stacked": train_stacked, "reference": reference.train_one}[engine]

    def train(some, *args):
        if at == some or (isinstance(some, tuple) and at in some):
            raise error
        return real(some, *args)

    monkeypatch.setattr(place, train)


@pytest.mark.parametrize("engine", ["reference", "stacked"])
@pytest.mark.parametrize(("error", "said"), ENDS)
def test_a_run_that_would_end_the_process_fails_alone(monkeypatch, engine, error, said):
    together = list_runs(
        sweep("epochs: 1\nseeds: 3", "schedulers: {c: {class: constant}}\n"), digits()
    )
    let_fail(monkeypatch, engine, error, together[1])
    records = []
    Trainer(SETUP).train(Group(engine, tuple(together)), records.append)
    ended = {r.run["seed"]: (r.run["status"], r.run["error"]) for r in records if type(r) is Record}
    assert ended == {0: ("completed", None), 1: ("failed", said), 2: ("completed", None)}


@pytest.mark.parametrize("engine", ["reference", "stacked"])
def test_an_interrupt_is_no_run_s_error(monkeypatch, engine):
    run = runs("epochs: 1")["constant"]
    let_fail(monkeypatch, engine, KeyboardInterrupt(), run)
    told = []
    with pytest.raises(KeyboardInterrupt):
        Trainer(SETUP).train(Group(engine, (run,)), told.append)
    assert told == []
    # one that a library took for an error of its own
    let_fail(monkeypatch, engine, RuntimeError("the callback failed"), run)
    monkeypatch.setattr(signals, "_first", (signal.SIGINT, 0.0))
    with pytest.raises(signals.Stopped):
        Trainer(SETUP).train(Group(engine, (run,)), told.append)
    assert told == []


LOST = torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel")


@pytest.mark.parametrize("engine", ["reference", "stacked"])
def test_a_gpu_that_is_lost_is_no_run_s_error_and_nothing_is_tried_after_it(monkeypatch, engine):
    together = list_runs(
        sweep("epochs: 1\nseeds: 3", "schedulers: {c: {class: constant}}\n"), digits()
    )
    let_fail(monkeypatch, engine, LOST, together[1])
    told = []
    with pytest.raises(DeviceLostError) as raised:
        Trainer(SETUP).train(Group(engine, tuple(together)), told.append)
    reason = "AcceleratorError: CUDA error: an illegal memory access was encountered"
    assert str(raised.value) == reason
    done = [message.run["seed"] for message in told if isinstance(message, Record)]
    assert done == ([0] if engine == "reference" else [])


def test_in_this_process_a_lost_gpu_ends_the_sweep_with_what_is_done(monkeypatch, tmp_path):
    text = "name: small\ndataset: digits\nepochs: 1\nschedulers: {c: {class: constant}}\nseeds: 3\n"
    asked = parse_sweep(text)
    let_fail(monkeypatch, "reference", LOST, list_runs(asked, digits())[1])
    with pytest.raises(WorkerError) as raised:
        run_sweep(asked, tmp_path, workers=0, engine="reference")
    assert str(raised.value) == (
        "the GPU failed (AcceleratorError: CUDA error: an illegal memory access was encountered), "
        "and this process cannot go on with it; with 1 worker or more a fresh one does"
    )
    assert read_runs(tmp_path / "small")["seed"].tolist() == [0]


BREAKS = """\
import math

import torch
from torch import nn

broken = False


class Breaks(nn.Module):
    def __init__(self, shape, classes, dropout):
        super().__init__()
        self.layer = nn.Linear(math.prod(shape), classes)
        self.bad = bool(torch.rand(()) < 0.25)

    def forward(self, images):
        global broken
        broken = broken or (self.bad and self.training and len(images) > 16)
        if broken:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
        return self.layer(images.flatten(1))


MODELS = {"Breaks": Breaks}
"""


class Notes:
    """What a sweep says on its way."""

    def __init__(self):
        self.told = []

    def start(self, *given): ...

    def grow(self, *given): ...

    def epoch(self, *given): ...

    def finished(self, *given): ...

    def note(self, text):
        self.told.append(text)


@pytest.mark.slow
def test_a_sweep_goes_on_in_fresh_processes_after_a_gpu_is_lost(tmp_path):
    """In a process that has lost it nothing works any more; one run of five is to blame."""
    (tmp_path / "breaks.py").write_text(BREAKS)
    file = tmp_path / "five.yaml"
    file.write_text(
        "name: five\ndataset: digits\nepochs: 1\nmodel: Breaks\n"
        "schedulers: {c: {class: constant}}\nseeds: 5\n"
    )
    seen = Notes()
    with as_in_a_new_process():
        given = {"workers": 1, "plugins": [str(tmp_path / "breaks.py")], "engine": "reference"}
        summary = run_sweep(file, tmp_path, progress=seen, **given)
        rows = read_runs(summary.folder).set_index("seed")
        networks = {
            seed: build.build_model(
                "Breaks", (1, 8, 8), 10, seed=seed, dropout=0.3, batch_norm=False
            )
            for seed in range(5)
        }
    bad = [seed for seed, network in networks.items() if network.bad]
    assert 0 < len(bad) < 5
    lost = "the worker process's GPU failed (AcceleratorError: CUDA error: an illegal memory access"
    for seed in range(5):
        assert rows.loc[seed, "status"] == ("failed" if seed in bad else "completed")
        if seed in bad:
            assert rows.loc[seed, "error"] == f"{lost} was encountered) (tried 3 times)"
    again = [note for note in seen.told if "trying again, alone" in note]
    assert len(again) == 2 * len(bad)
    assert all(lost in note for note in again)


def test_what_is_true_of_all_that_trains_is_told_once(monkeypatch, tmp_path):
    """However many groups of however many workers say so."""
    real = train_stacked

    def train(some, data, device, on_epoch, on_note, class_metrics):
        on_note("cnn: trains without CUDA graphs")
        return real(some, data, device, on_epoch, None, class_metrics)

    monkeypatch.setattr("lrdecay.engine.stacked.train.train_stacked", train)
    text = "name: small\ndataset: digits\nepochs: 1\nschedulers: {c: {class: constant}}\nseeds: 4\n"
    seen = Notes()
    run_sweep(parse_sweep(text), tmp_path, workers=0, engine="stacked", group_size=2, progress=seen)
    assert seen.told.count("cnn: trains without CUDA graphs") == 1
    _, notes, _ = trained(list_runs(parse_sweep(text), digits()))
    assert notes == ["cnn: trains without CUDA graphs"]


QUITS = """\
import sys

import torch
from torch import nn


class Quits(nn.Module):
    def __init__(self, shape, classes, dropout):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

    def forward(self, images):
        if self.training and torch.is_grad_enabled():
            sys.exit("nothing left to learn")
        return self.layers(images)


MODELS = {"Quits": Quits}
"""


@pytest.mark.parametrize("engine", ["auto", "stacked"])
def test_a_sweep_in_this_process_goes_on_after_a_network_that_exits(tmp_path, engine):
    (tmp_path / "quits.py").write_text(QUITS)
    file = tmp_path / "two.yaml"
    file.write_text(
        "name: two\ndataset: digits\nepochs: 1\nmodel: {name: [Quits, cnn]}\n"
        "schedulers: {c: {class: constant}}\nseeds: 2\n"
    )
    with as_in_a_new_process():
        given = {"workers": 0, "plugins": [str(tmp_path / "quits.py")], "engine": engine}
        summary = run_sweep(file, tmp_path, **given)
    assert (summary.completed, summary.failed) == (2, 2)
    rows = read_runs(summary.folder)
    errors = rows[rows["model"] == "Quits"]["error"].tolist()
    assert errors == ["SystemExit: nothing left to learn"] * 2
    assert rows[rows["model"] == "cnn"]["status"].tolist() == ["completed"] * 2


def test_a_training_process_keeps_its_memory(monkeypatch):
    """By default glibc gives a step's memory back and faults it in again: 1,400 times a step."""
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    alone = training_environment()["GLIBC_TUNABLES"]
    assert "glibc.malloc.trim_threshold=4294967296" in alone.split(":")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    # of two equal names glibc takes the last
    assert training_environment()["GLIBC_TUNABLES"] == f"{alone}:glibc.malloc.hugetlb=0"
    assert training_environment()["OMP_NUM_THREADS"] == "1"


def test_tf32_holds_within_its_block_alone():
    cudnn = torch.backends.cudnn
    with use_training_settings():
        for precision, words, allowed in (("float32", "highest", False), ("tf32", "high", True)):
            with use_precision(precision, torch.device("cpu")):
                assert torch.get_float32_matmul_precision() == words
                assert cudnn.allow_tf32 == allowed
            assert torch.get_float32_matmul_precision() == "highest"
            assert not cudnn.allow_tf32
