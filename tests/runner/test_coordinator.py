"""A sweep from file to tables: complete, resumable, the same however it was run."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from math import ceil
from pathlib import Path

import pandas as pd
import pytest
import torch
from filelock import FileLock
from helpers.digits_sweep import TEXT, DigitsSweep
from helpers.results import assert_same, tables
from helpers.tiers import slow_but
from helpers.training import digits
from PIL import Image

from lrdecay.components import rng
from lrdecay.components.datasets.spec import DatasetSpec
from lrdecay.components.models import dropout
from lrdecay.components.models.build import build_model, digest_weights
from lrdecay.core.errors import InputError, WorkerError
from lrdecay.core.first_plan import FirstPlan
from lrdecay.engine import reference
from lrdecay.engine.devices import find_device
from lrdecay.engine.measured import Epoch, Metrics
from lrdecay.engine.stacked import train
from lrdecay.execution import grouping
from lrdecay.execution.estimate import estimate_seconds
from lrdecay.execution.grouping import Group
from lrdecay.execution.local.executor import Local
from lrdecay.execution.local.process import Process
from lrdecay.execution.messages import Beat, EpochDone, Note, Training
from lrdecay.execution.trainer import Setup, report_epoch
from lrdecay.runner.agenda import list_pending
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import Plan, read_plan, read_runs
from lrdecay.store.schema import Record
from lrdecay.store.writer import Store
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import load_sweep, parse_sweep


@pytest.fixture
def file(digits_sweep: DigitsSweep) -> Path:
    return digits_sweep.file


@pytest.fixture
def fresh(digits_sweep: DigitsSweep) -> Path:
    """The results folder of an uninterrupted sweep in one process."""
    return digits_sweep.folder


@pytest.mark.slow
def test_a_fresh_sweep_matches_the_contract(fresh, file):
    runs = pd.read_parquet(fresh / "runs.parquet")
    epochs = pd.read_parquet(fresh / "epochs.parquet")
    sweep = load_sweep(file)
    asked = list_runs(sweep, digits())
    assert len(runs) == 4 * 2 * 2 == len(asked)
    assert runs["run_id"].tolist() == [run.run_id for run in asked]
    assert runs["run_id"].is_unique
    for column in ("scheduler", "scheduler_class", "scheduler_args", "dropout", "seed", "lr"):
        assert runs[column].tolist() == [getattr(run, column) for run in asked]
    assert set(runs["status"]) == {"completed"}
    assert (runs["applied_dropout"] == runs["dropout"]).all()
    assert set(runs["dataset"]) == {"digits"}
    assert set(runs["dataset_digest"]) == {digits().digest}
    assert set(runs["validation"]) == {239}
    args = runs.set_index(["scheduler", "dropout", "seed"])["scheduler_args"]
    assert json.loads(args["onecycle", 0.0, 0])["total_steps"] == 3 * ceil(1198 / 64)

    assert Counter(epochs["split"]) == dict.fromkeys(("train", "train_eval", "val", "test"), 48)
    assert not epochs.duplicated(["run_id", "epoch", "split"]).any()
    assert set(epochs["epoch"]) == {1, 2, 3}
    assert epochs["accuracy"].between(0, 1).all()
    assert (epochs["loss"] > 0).all()
    step = epochs[(epochs["scheduler"] == "step") & (epochs["split"] == "val")]
    assert step.groupby("epoch")["learning_rate"].unique().map(list).to_dict() == {
        1: [0.001],
        2: [0.001],
        3: [0.0005],
    }
    # the two tables agree
    last = epochs[epochs["epoch"] == 3].pivot(index="run_id", columns="split")
    by_id = runs.set_index("run_id")
    for split in ("val", "test"):
        for column in ("loss", "accuracy"):
            expected = last[column, split].rename(f"{split}_{column}")
            pd.testing.assert_series_equal(
                by_id[f"{split}_{column}"].sort_index(), expected.sort_index()
            )
    val = epochs[epochs["split"] == "val"]
    best = val.loc[val.groupby("run_id")["loss"].idxmin()].set_index("run_id")["epoch"]
    assert (by_id["best_epoch"].sort_index() == best.sort_index()).all()
    reached = val[val["accuracy"] >= 0.85].groupby("run_id")["epoch"].min()
    pd.testing.assert_series_equal(
        by_id["epochs_to_target"].dropna().astype("int32").sort_index(),
        reached.sort_index(),
        check_names=False,
    )
    # pairing holds: one initial model and one order per seed
    assert (runs.groupby("seed")["init_digest"].nunique() == 1).all()
    assert (runs.groupby("seed")["order_digest"].nunique() == 1).all()
    assert runs["init_digest"].nunique() == 2


@pytest.mark.slow
def test_workers_and_order_change_no_bit(fresh, file, tmp_path):
    # whatever the process had set before
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    try:
        here = run_sweep(file, tmp_path / "here", workers=0).folder
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "medium")
    finally:
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision("highest")
    assert_same(here, fresh)
    reverse = tmp_path / "small.yaml"
    head, tail = TEXT.split("schedulers:\n")
    lines = tail.splitlines()
    reverse.write_text("\n".join([head, "schedulers:", *reversed(lines[:4]), *lines[4:]]))
    other = run_sweep(reverse, tmp_path / "other", workers=2).folder
    keys = ["run_id", "epoch", "split"]
    pd.testing.assert_frame_equal(
        tables(other)[1].sort_values(keys, ignore_index=True),
        tables(fresh)[1].sort_values(keys, ignore_index=True),
        check_exact=True,
    )


def test_the_second_time_nothing_trains(fresh, file, tmp_path, monkeypatch):
    fresh = Path(shutil.copytree(fresh, tmp_path / "small"))
    before = tables(fresh)
    written = read_runs(fresh)["finished_at"].tolist()
    monkeypatch.setattr(Local, "train", None)  # calling it would be an error
    summary = run_sweep(file, fresh.parent)
    assert (summary.total, summary.reused, summary.completed) == (16, 16, 0)
    assert read_runs(fresh)["finished_at"].tolist() == written
    for one, other in zip(before, tables(fresh), strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.soak
def test_a_killed_sweep_goes_on_to_the_same_tables(fresh, file, tmp_path):
    command = [sys.executable, "-m", "lrdecay", "sweep", str(file), "--results", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--workers", "2", "--group-size", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    parts = tmp_path / "small" / "parts"
    deadline = time.monotonic() + 120
    while not (parts.is_dir() and any(part.name[0] != "." for part in parts.iterdir())):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    output, _ = process.communicate(timeout=60)
    done = len(read_runs(tmp_path / "small"))
    assert 1 <= done < 16, output
    facts = digits().count_images(239)
    asked = "test_accuracy", "constant", ('constant {"interval":"epoch"}',), 0.05, 0.95
    first = FirstPlan(2, None, 6, *asked, seeds=(0, 1))
    plan = Plan(16, TEXT, target=0.85, data=facts, first_plan=first)
    assert read_plan(tmp_path / "small") == plan
    summary = run_sweep(file, tmp_path, workers=2)
    assert summary.reused >= done
    assert summary.reused + summary.completed == 16
    assert_same(summary.folder, fresh)


@pytest.mark.slow
def test_workers_end_when_the_coordinator_is_killed(file, tmp_path):
    command = [sys.executable, "-m", "lrdecay", "sweep", str(file), "--results", str(tmp_path)]
    process = subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.DEVNULL)
    children: list[int] = []
    deadline = time.monotonic() + 60
    while len(children) < 2 and process.poll() is None and time.monotonic() < deadline:
        found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        children = [int(child) for child in found]
        time.sleep(0.05)
    assert len(children) == 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(map(alive, children)):
        assert time.monotonic() < deadline, "a worker outlived its coordinator"
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_failing_run_is_recorded_and_the_others_go_on(file, tmp_path, monkeypatch):
    real = train.train_stacked

    def breaks_on_step(runs, *args):
        if any(run.scheduler == "step" and run.seed == 1 for run in runs):
            raise RuntimeError("no such luck")
        return real(runs, *args)

    with monkeypatch.context() as patch:
        patch.setattr("lrdecay.engine.stacked.train.train_stacked", breaks_on_step)
        summary = run_sweep(file, tmp_path, workers=0, engine="stacked")
    assert (summary.completed, summary.failed) == (14, 2)
    runs = read_runs(summary.folder)
    failed = runs[runs["status"] == "failed"]
    assert set(failed["error"]) == {"RuntimeError: no such luck"}
    assert list(failed["scheduler"]) == ["step", "step"]
    assert failed["test_accuracy"].isna().all()
    again = run_sweep(file, tmp_path, workers=0, engine="stacked")
    assert (again.reused, again.completed, again.failed) == (14, 2, 0)
    assert set(read_runs(again.folder)["status"]) == {"completed"}


def test_a_diverged_run_is_kept_and_not_tried_again(file, tmp_path):
    wild = tmp_path / "wild.yaml"
    wild.write_text(TEXT.replace("seeds: 2", "seeds: 1\noptimizer: {name: SGD, lr: [1e6, 0.01]}"))
    summary = run_sweep(wild, tmp_path, workers=0)
    runs = read_runs(summary.folder)
    # OneCycleLR sets its own rate, whatever the base rate is
    assert summary.diverged == 6
    assert set(runs[runs["status"] == "diverged"]["lr"]) == {1e6}
    assert runs[runs["status"] == "diverged"]["test_accuracy"].isna().all()
    assert run_sweep(wild, tmp_path, workers=0).reused == 16


@pytest.mark.parametrize("engine", slow_but([], ["reference", "stacked"], soak=["reference"]))
def test_a_worker_that_dies_fails_no_other_run(file, monkeypatch, engine):
    """The run it had is tried again alone; a group starts anew in halves."""
    runs = list_runs(load_sweep(file), digits())[:4]
    size = 1 if engine == "reference" else 4
    grouping = [Group(engine, tuple(runs[i : i + size])) for i in range(0, 4, size)]
    killed: list[int] = []
    records, notes = [], []

    def tell(message):
        match message:
            case EpochDone() if message.run == runs[0] and not killed:
                process = next(w.process for w in workers if runs[0] in w.runs)
                killed.append(process.pid)
                process.kill()
            case Record():
                records.append(message)
            case Note():
                notes.append(message.text)

    workers = []
    start = Process.start.__func__

    def remember(cls, *args):
        workers.append(start(cls, *args))
        return workers[-1]

    monkeypatch.setattr(Process, "start", classmethod(remember))
    setup = Setup(load_sweep(file).dataset, None, digits().digest, 239, "cpu")
    Local(workers=1).train(grouping, setup, tell)
    assert len(killed) == 1
    assert sorted(r.run["run_id"] for r in records) == sorted(run.run_id for run in runs)
    by_id = {record.run["run_id"]: record.run for record in records}
    statuses = [by_id[run.run_id]["status"] for run in runs]
    assert statuses == ["completed"] * 4
    if engine == "reference":
        assert notes == [
            "constant, dropout 0, seed 0: the worker process died (exit status -9); "
            "trying again, alone (2 of 3)"
        ]
    else:
        assert {row["group_size"] for row in by_id.values()} == {2}
        (note,) = notes
        assert note == (
            "the worker process died (exit status -9) with 4 runs at once; "
            "they start again, 2 at once"
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (
            Setup(DatasetSpec(name="mnist"), "/nowhere", "", 239, "cpu"),
            "AbsentError: mnist is not in",
        ),
        (
            Setup(DatasetSpec(name="digits"), None, "other", 239, "cpu"),
            "InputError: digits: the data have changed",
        ),
        (
            Setup(DatasetSpec(name="digits"), None, "", 239, "cpu", plugins=None),
            "AttributeError",
        ),  # anything that breaks before the first run
    ],
)
def test_workers_that_cannot_start_end_the_sweep_and_fail_no_run(file, setup, message):
    runs = list_runs(load_sweep(file), digits())
    records = []
    with pytest.raises(WorkerError, match=rf"a worker process cannot train: {message}"):
        Local(workers=2).train([Group("reference", tuple(runs))] * 2, setup, records.append)
    assert {type(message) for message in records} <= {Beat, Training}


@pytest.mark.slow
def test_files_in_the_current_folder_hide_no_module(file, tmp_path, monkeypatch):
    for name in ("torch.py", "random.py", "lrdecay.py"):
        (tmp_path / name).write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    records = []
    setup = Setup(DatasetSpec(name="digits"), None, digits().digest, 239, "cpu")
    group = Group("reference", tuple(list_runs(load_sweep(file), digits())[:1]))
    Local(workers=1).train([group], setup, records.append)
    assert records[-1].run["status"] == "completed"


def test_a_worker_that_is_killed_while_it_starts_ends_the_sweep(file, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    group = Group("reference", tuple(list_runs(load_sweep(file), digits())))
    setup = Setup(DatasetSpec(name="digits"), None, digits().digest, 239, "cpu")
    with pytest.raises(WorkerError, match=r"ended before it could train \(exit status 1\)"):
        Local(workers=2).train([group], setup, print)


@pytest.mark.slow
def test_a_changed_file_reuses_what_did_not_change(fresh, file, tmp_path):
    changed = tmp_path / "small.yaml"
    changed.write_text(TEXT.replace("seeds: 2", "seeds: 3").replace("step_size: 2", "step_size: 1"))
    folder = tmp_path / "results"
    first = run_sweep(file, folder, workers=0)
    second = run_sweep(changed, folder, workers=0)
    assert (first.total, second.total) == (16, 24)
    assert second.reused == 12  # all but the changed scheduler's four
    assert len(read_runs(second.folder)) == 24
    back = run_sweep(file, folder, workers=0)
    assert back.reused == 16
    assert_same(back.folder, fresh)


def test_one_coordinator_per_folder(file, tmp_path):
    (tmp_path / "small").mkdir()
    with (
        FileLock(tmp_path / "small" / ".lock"),
        pytest.raises(InputError, match=r"small: another sweep is writing"),
    ):
        run_sweep(file, tmp_path, workers=0)


def test_pending_is_what_is_not_done_in_order():
    runs = load_text("seeds: 3")
    assert list_pending(runs, {runs[1].run_id}) == [runs[0], *runs[2:]]
    assert list_pending(runs, set()) == runs


def load_text(more):
    from helpers.training import sweep

    return list_runs(sweep(more), digits())


def test_images_too_small_for_the_network_are_refused_before_anything_trains(tmp_path):
    for part in ("train", "test"):
        for label in ("a", "b"):
            folder = tmp_path / "dots" / part / label
            folder.mkdir(parents=True)
            Image.new("L", (3, 3)).save(folder / "1.png")
    small = tmp_path / "small.yaml"
    small.write_text(TEXT.replace("dataset: digits", "dataset: {folder: dots, channels: 1}"))
    with pytest.raises(InputError, match="dots: the cnn needs images of at least 4x4 pixels"):
        run_sweep(small, tmp_path / "results", workers=0)
    assert not (tmp_path / "results").exists()


def test_devices():
    assert find_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="auto, cpu or cuda"):
        find_device("tpu")


def test_the_estimate_is_images_times_seconds_per_image(monkeypatch):
    monkeypatch.setattr(reference, "time_reference", lambda run, data, device: (0.002, 0.001))
    monkeypatch.setattr(train, "time_stacked", lambda runs, data, device: (0.0004, 0.0002))
    runs, cpu = load_text("epochs: 3\nseeds: 2"), find_device("cpu")
    # 1,198 images to train on; 239 of them, 239 of validation and 360 of test to measure
    expected = len(runs) * 3 * (1198 * 0.002 + (239 + 239 + 360) * 0.001)
    for engine, share in (("reference", 1), ("stacked", 0.2)):
        plan = grouping.plan_groups(runs, digits(), cpu, 1, engine)
        assert sum(estimate_seconds(plan, digits(), cpu)) == pytest.approx(share * expected)
    assert estimate_seconds(grouping.Plan(()), digits(), cpu) == []


@pytest.mark.slow
def test_finished_runs_are_committed_as_they_come(file, tmp_path, monkeypatch):
    sizes: list[int] = []
    real = Store.commit

    def spy(self, records):
        sizes.append(len(records))
        real(self, records)

    monkeypatch.setattr(Store, "commit", spy)
    monkeypatch.setattr("lrdecay.runner.loop._COMMIT_SECONDS", 0.0)
    run_sweep(file, tmp_path, workers=0)
    assert sizes == [1] * 16


@pytest.mark.slow
def test_an_error_while_committing_leaves_tables_that_pandas_reads(file, tmp_path, monkeypatch):
    real, calls = Store.commit, 0

    def full(self, records):
        nonlocal calls
        calls += 1
        if calls > 3:
            raise OSError(28, "No space left on device")
        real(self, records)

    monkeypatch.setattr("lrdecay.runner.loop._COMMIT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", full)
        with pytest.raises(OSError, match="No space"):
            run_sweep(file, tmp_path, workers=0)
    assert len(pd.read_parquet(tmp_path / "small" / "runs.parquet")) == 3
    assert run_sweep(file, tmp_path, workers=0).reused == 3


def test_what_cannot_work_is_refused_before_anything_trains(file, tmp_path):
    with pytest.raises(InputError, match="workers: must be at least 0, not -1"):
        run_sweep(file, tmp_path, workers=-1)
    for text, message in (
        ("constant: {class: constant}", None),
        ("p: {class: ReduceLROnPlateau}", r"too few to hold .* p \(ReduceLROnPlateau\)"),
    ):
        few = replace(digits(), train_images=digits().train_images[:5])
        few = replace(few, train_labels=digits().train_labels[:5])
        asked = parse_sweep(f"dataset: digits\nschedulers:\n  {text}\n")
        if message is None:
            assert list_runs(asked, few)[0].validation == 0
        else:
            with pytest.raises(InputError, match=message):
                list_runs(asked, few)
    twins = "a: {class: OneCycleLR, max_lr: 0.1, total_steps: 38}\n"
    twins += "  b: {class: OneCycleLR, max_lr: 0.1, total_steps: steps}\n"
    asked = parse_sweep(f"dataset: digits\nepochs: 2\nschedulers:\n  {twins}")
    with pytest.raises(InputError, match=r"schedulers\.b: the same scheduler as a in runs of 2"):
        list_runs(asked, digits())
    sgd = "dataset: digits\noptimizer: SGD\nepochs: 2\nschedulers:\n  a: "
    for more in ("", ", cycle_momentum: true"):
        one = f"{{class: OneCycleLR, max_lr: 0.1, total_steps: steps{more}}}\n"
        with pytest.raises(InputError, match="OneCycleLR would give SGD a momentum"):
            list_runs(parse_sweep(sgd + one), digits())
    off = "{class: OneCycleLR, max_lr: 0.1, total_steps: steps, cycle_momentum: false}\n"
    assert len(list_runs(parse_sweep(sgd + off), digits())) == 1
    rmsprop = sgd.replace("SGD", "RMSprop")
    with pytest.raises(InputError, match="OneCycleLR would give RMSprop a momentum"):
        list_runs(parse_sweep(rmsprop + one), digits())
    moved = sgd.replace("SGD", "{name: RMSprop, momentum: 0.9}")
    assert len(list_runs(parse_sweep(moved + one), digits())) == 1
    free = sgd.replace("SGD", "[Adam, AdamWScheduleFree]")
    with pytest.raises(InputError, match="cycle the first beta, on which AdamWScheduleFree's"):
        list_runs(parse_sweep(free + one), digits())
    assert len(list_runs(parse_sweep(free + off), digits())) == 2


def test_progress_is_told_of_the_validation_accuracy():
    metrics = {"val": Metrics(1.0, 0.25), "test": Metrics(1.0, 0.75), "train": Metrics(1.0, 0.5)}
    run = load_text("seeds: 1")[0]
    assert report_epoch(run, Epoch(3, [0.1], metrics)) == EpochDone(run, 3, "val", 0.25)
    del metrics["val"]
    assert report_epoch(run, Epoch(3, [0.1], metrics)) == EpochDone(run, 3, "test", 0.75)


def test_masks_and_weights_are_those_of_the_streams():
    """Runs at one seed differ by their dropout rate alone, down to each mask's uniforms."""
    low, high = (
        build_model("cnn", (1, 8, 8), 10, seed=4, dropout=rate, batch_norm=False)
        for rate in (0.2, 0.5)
    )
    assert digest_weights(low) == digest_weights(high)
    for model in (low, high):
        dropout.set_dropout_step(model, seed=4, step=17)
    for one, other in zip(
        dropout.list_dropout_layers(low), dropout.list_dropout_layers(high), strict=True
    ):
        assert one.key == other.key
        kept = rng.draw_mask(one.key, rng.mask_threshold(0.2), (64, 128), "cpu")
        assert (kept | ~rng.draw_mask(one.key, rng.mask_threshold(0.5), (64, 128), "cpu")).all()
