"""How runs end: completed, diverged, failed; and that one run's end is no other's."""

import math
import os
import signal
import time
from collections import Counter
from dataclasses import replace

import pytest
import torch
from helpers.results import assert_same
from helpers.training import CPU, data_of, digits, sweep

from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.components.plugins import Loaded
from lrdecay.core.errors import WorkerError
from lrdecay.engine import reference
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.optimizers import build_update
from lrdecay.engine.stacked.optimizers.base import Update
from lrdecay.execution import worker_handle
from lrdecay.execution.grouping import Group
from lrdecay.execution.local.executor import Local
from lrdecay.execution.local.process import Process
from lrdecay.execution.messages import EpochDone, Note
from lrdecay.execution.trainer import Setup
from lrdecay.execution.worker_handle import Clock
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_runs
from lrdecay.store.schema import Record
from lrdecay.sweep.matrix import list_runs

STEPS = 19  # in an epoch on the digits
SETUP = Setup(DatasetSpec(name="digits"), None, digits().digest, 239, "cpu")


def seeds(count: int, more: str = "epochs: 2\n"):
    text = f"seeds: {count}\n{more}"
    return sweep(text, "schedulers: {constant: {class: constant}}\n")


# Gradients that are not finite


def infinite_gradient(monkeypatch, engine: str, step: int, place: int) -> None:
    """Make all gradients of a step infinite: of the run at a place in a group, or of one alone."""
    if engine == "stacked":
        real, done = Update.__init__, Counter()

        def init(self, *args, **options):
            real(self, *args, **options)
            apply = self.apply

            def broken(parameters, gradients, row):
                if done[self] == step:
                    for gradient in gradients:
                        gradient[place] = math.inf
                done[self] += 1
                apply(parameters, gradients, row)

            self.apply = broken

        monkeypatch.setattr(Update, "__init__", init)
        return
    build = build_optimizer

    def built(*args):
        optimizer = build(*args)
        steps = []

        def break_it(*_):
            parameters = optimizer.param_groups[0]["params"]
            if len(steps) == step and len(parameters) > 1:  # not that of a scheduler's own
                for parameter in parameters:
                    parameter.grad.fill_(math.inf)
            steps.append(None)

        optimizer.register_step_pre_hook(break_it)
        return optimizer

    monkeypatch.setattr("lrdecay.engine.reference.build_optimizer", built)


@pytest.mark.parametrize("engine", ["reference", "stacked"])
@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "RMSprop"])
@pytest.mark.parametrize(
    ("step", "recorded"),
    # the next loss is the first that is not finite; after an epoch's last step an evaluation is
    [(0, 1), (STEPS - 1, STEPS - 1), (STEPS + 3, STEPS + 4)],
)
def test_an_infinite_gradient_is_divergence(monkeypatch, engine, optimizer, step, recorded):
    together = list_runs(
        seeds(3, f"epochs: 2\noptimizer: {{name: {optimizer}, lr: 0.001}}\n"), digits()
    )
    data = data_of(together[0])
    if engine == "reference":
        infinite_gradient(monkeypatch, engine, step, 0)
        broken = reference.train_one(together[1], data, CPU)
    else:
        calm = train.train_stacked(together, data, CPU)
        infinite_gradient(monkeypatch, engine, step, 1)
        first, broken, last = train.train_stacked(together, data, CPU)
        assert [first.epochs, last.epochs] == [calm[0].epochs, calm[2].epochs]
        assert first.run["test_correct"] == calm[0].run["test_correct"]
    assert (broken.run["status"], broken.run["diverged_at_step"]) == ("diverged", recorded)
    assert {row["epoch"] for row in broken.epochs} == ({1} if step >= STEPS else set())
    assert all(math.isfinite(row["loss"]) for row in broken.epochs)


# Workers that die, stop or hang

FRAGILE = """\
import os, signal, time
from pathlib import Path
from torch.optim.lr_scheduler import StepLR
from lrdecay.execution import trainer

class Own(StepLR):
    pass

SCHEDULERS = {{"Own": Own}}

def once(name):
    try:
        (Path({folder!r}) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

real = trainer.train.train_stacked

def train(runs, *args):
    found = {{run.seed for run in runs}}
    if 1 in found:
        os.kill(os.getpid(), signal.SIGKILL)
    if 2 in found and once("raised"):
        raise ValueError("no such luck\\nnor any other")
    if 3 in found and once("slept"):
        time.sleep(600)
    if 4 in found:
        raise ValueError("never any luck")
    return real(runs, *args)

trainer.train.train_stacked = train
"""


def fragile(folder) -> Setup:
    """Workers in which seed 1 kills, 2 raises once, 3 sleeps once and 4 always raises."""
    path = folder / "fragile.py"
    path.write_text(FRAGILE.format(folder=str(folder)))
    return replace(SETUP, plugins=Loaded(given=(str(path),)))


@pytest.mark.soak
def test_what_fails_is_tried_again_and_what_succeeds_is_as_ever(tmp_path):
    runs = list_runs(seeds(6), digits())
    calm = {run.seed: train.train_stacked([run], data_of(run), CPU)[0] for run in runs}
    records, notes = {}, []

    def tell(message):
        match message:
            case Record():
                assert message.run["seed"] not in records
                records[message.run["seed"]] = message
            case Note():
                notes.append(message.text)

    groups = [Group("stacked", (run,)) for run in runs]
    Local(workers=2, time_limit=30).train(groups, fragile(tmp_path), tell)
    assert {seed: record.run["status"] for seed, record in records.items()} == {
        seed: "failed" if seed in (1, 4) else "completed" for seed in range(6)
    }
    assert records[1].run["error"] == "the worker process died (exit status -9) (tried 3 times)"
    assert records[4].run["error"] == "ValueError: never any luck (tried 3 times)"
    for seed in (0, 2, 3, 5):
        assert records[seed].epochs == calm[seed].epochs
        assert records[seed].run["test_correct"] == calm[seed].run["test_correct"]
    name, again = "constant, dropout 0.3, seed", "trying again, alone"
    died = "the worker process died (exit status -9)"
    assert sorted(notes) == [
        f"{name} 1: {died}; {again} (2 of 3)",
        f"{name} 1: {died}; {again} (3 of 3)",
        f"{name} 2: ValueError: no such luck; {again} (2 of 3)",
        f"{name} 3: no epoch was finished within 30 s (--time-limit); {again} (2 of 3)",
        f"{name} 4: ValueError: never any luck; {again} (2 of 3)",
        f"{name} 4: ValueError: never any luck; {again} (3 of 3)",
    ]


TINY = """\
name: tiny
dataset: digits
epochs: 3
schedulers:
  constant: {class: constant}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
seeds: 2
"""


class Strikes:
    """Sends a signal to the worker of the first run that has finished an epoch."""

    def __init__(self, monkeypatch, number: int) -> None:
        self.notes: list[str] = []
        self.struck: list[int] = []
        self._number = number
        self._workers = []
        start = Process.start.__func__

        def remember(cls, *args):
            self._workers.append(start(cls, *args))
            return self._workers[-1]

        monkeypatch.setattr(Process, "start", classmethod(remember))

    def start(self, runs, done, workers):
        """Nothing is shown."""

    def epoch(self, done: EpochDone):
        if not self.struck:
            process = next(w.process for w in self._workers if done.run in w.runs)
            self.struck.append(process.pid)
            os.kill(process.pid, self._number)

    def note(self, text):
        self.notes.append(text)

    def finished(self, record):
        """Nothing is shown."""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("number", "size", "cause"),
    [
        (signal.SIGKILL, 1, "the worker process died (exit status -9)"),
        (signal.SIGSTOP, 2, "the worker process said nothing for 5 s and was ended"),
    ],
)
def test_runs_of_a_worker_that_is_struck_end_the_same(
    torch_engines, tmp_path, monkeypatch, number, size, cause
):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    fresh = run_sweep(file, tmp_path / "fresh", workers=0).folder
    monkeypatch.setattr(worker_handle, "SILENCE_SECONDS", 5.0)
    progress = Strikes(monkeypatch, number)
    summary = run_sweep(file, tmp_path, workers=1, group_size=size, progress=progress)
    assert len(progress.struck) == 1
    (note,) = progress.notes
    expected = f"{cause} with 2 runs at once; they start again, 1 at once"
    if size == 1:
        expected = f"constant, dropout 0.3, seed 0: {cause}; trying again, alone (2 of 3)"
    assert note == expected
    assert (summary.completed, summary.failed) == (4, 0)
    assert_same(summary.folder, fresh)


def test_time_that_the_coordinator_slept_is_nobody_s_silence(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(worker_handle.time, "monotonic", lambda: now[0])
    clock = Clock()
    for seconds, expected in ((0.5, 0.5), (3600, 1.5), (0.25, 1.75)):
        now[0] += seconds
        clock.tick()
        assert clock.now == expected


def test_workers_that_only_ever_die_at_the_start_end_the_sweep(monkeypatch):
    notes = []
    monkeypatch.setattr("sys.executable", "/bin/false")
    group = Group("stacked", tuple(list_runs(seeds(2), digits())))
    with pytest.raises(WorkerError, match=r"ended before it could train \(exit status 1\)"):
        Local(workers=1).train([group], SETUP, notes.append)
    notes = [message.text for message in notes if isinstance(message, Note)]
    line = "the worker process died (exit status 1) while it started; another one starts"
    assert notes == [line] * 2


def test_what_had_finished_is_told_when_a_sweep_is_interrupted(monkeypatch):
    """The runs of a group end together: two wait while the first is told."""
    told, inboxes = [], []
    start = Process.start.__func__

    def remember(cls, *args):
        inboxes.append(args[-1])
        return start(cls, *args)

    def tell(message):
        if isinstance(message, Record):
            told.append(message.run["seed"])
            if len(told) == 1:
                while inboxes[0].qsize() < 2:
                    time.sleep(0.01)
                raise KeyboardInterrupt

    monkeypatch.setattr(Process, "start", classmethod(remember))
    with pytest.raises(KeyboardInterrupt):
        Local(workers=1).train(
            [Group("stacked", tuple(list_runs(seeds(3), digits())))], SETUP, tell
        )
    assert told == [0, 1, 2]


@pytest.mark.parametrize("engine", ["reference", "stacked"])
def test_a_learning_rate_of_a_million_diverges_and_leaves_the_other_run_alone(tmp_path, engine):
    rates = "epochs: 1\noptimizer: {name: SGD, lr: [1e6, 0.01]}\n"
    summary = run_sweep(seeds(1, rates), tmp_path, workers=0, engine=engine)
    calm = seeds(1, rates.replace("[1e6, 0.01]", "0.01"))
    alone = run_sweep(calm, tmp_path / "alone", workers=0, engine=engine)
    runs = read_runs(summary.folder).set_index("lr")
    assert runs["status"].to_dict() == {1e6: "diverged", 0.01: "completed"}
    assert runs["test_accuracy"].isna().to_dict() == {1e6: True, 0.01: False}
    (expected,) = read_runs(alone.folder)["test_correct"]
    assert runs["test_correct"][0.01] == expected


def test_torch_is_what_a_large_gradient_is_measured_by():
    """A square that float32 cannot hold stops a parameter, as with torch, and ends no run."""
    given = {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0}
    theirs = torch.nn.Parameter(torch.ones(5))
    optimizer = torch.optim.Adam([theirs], lr=0.01, fused=True, betas=(0.9, 0.999))
    mine = torch.ones(2, 5)
    update = build_update("Adam", [mine], [given, given])
    rates = torch.full((4, 2), 0.01, dtype=torch.float64)
    rows = update.coefficients(rates, torch.full_like(rates, 0.9), 0).float()
    for row, gradient in zip(rows, (1.0, 1e30, 1.0, -2.0), strict=True):
        theirs.grad = torch.full((5,), gradient)
        optimizer.step()
        update.apply([mine], [torch.full((2, 5), gradient)], row)
    torch.testing.assert_close(mine, theirs.detach().expand(2, 5))
    assert mine.isfinite().all()
