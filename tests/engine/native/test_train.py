"""Whole runs on the native engine: what they record, their bits, and where they diverge."""

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.every_kind import OPTIMIZERS
from helpers.results import assert_same
from helpers.tiers import slow_but
from helpers.training import (
    CPU,
    curve,
    data_of,
    digits,
    few_digits,
    follow_plateau,
    runs,
    split,
    sweep,
    train,
)

from lrdecay.components.datasets.dataset import Data, Split, make_dataset
from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.engine.native import network
from lrdecay.engine.native.train import time_native, train_native
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_runs
from lrdecay.store.schema import EPOCHS, RUNS, Record
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import load_sweep

pytestmark = pytest.mark.usefixtures("needs_kernel")

TIMES = ("seconds", "samples_per_second", "finished_at")
ALL_SPLITS = ("train", "train_eval", "val", "test")


def train_here(run: Run, **changed: Split) -> Record:
    return train_native(run, replace(split(run.validation), **changed))


def same_bits(one: Record, other: Record) -> bool:
    rows = [{k: v for k, v in record.run.items() if k not in TIMES} for record in (one, other)]
    return rows[0] == rows[1] and one.epochs == other.epochs


def count_right(record: Record) -> int:
    return round(360 * record.run["test_accuracy"])


@pytest.mark.parametrize("optimizer", slow_but(["adam", "adadelta"], OPTIMIZERS))
def test_short_runs_are_those_of_the_reference(optimizer):
    """The double build says the same to nine digits; this is what float32 leaves of it."""
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nepochs: 2\ndropout: 0.3\nseeds: [1]"
    for run in runs(text, few=True).values():
        data = data_of(run)
        record, expected = train_native(run, data), reference.train_one(run, data, CPU)
        for name in ALL_SPLITS:
            losses = curve(record, name), curve(expected, name)
            np.testing.assert_allclose(*losses, rtol=1e-3, err_msg=run.scheduler)
            right = curve(record, name, "accuracy"), curve(expected, name, "accuracy")
            np.testing.assert_allclose(*right, atol=2 / 90)
        for column in ("init_digest", "order_digest", "applied_dropout", "lr_changes"):
            assert record.run[column] == expected.run[column]
        if run.scheduler != "plateau":
            for row, theirs in zip(record.epochs, expected.epochs, strict=True):
                for column in ("learning_rate", "learning_rate_first", "learning_rate_last"):
                    assert row[column] == theirs[column]


@pytest.mark.slow
def test_whole_runs_end_where_the_reference_s_end():
    """Every scheduler, dropout and seed of 20 runs, within three test images."""
    together = list_runs(sweep("epochs: 5\ndropout: [0.0, 0.5]\nseeds: 2"), digits())
    assert len(together) == 20
    apart = [count_right(train_here(run)) - count_right(train(run)) for run in together]
    assert max(map(abs, apart)) <= 3


@pytest.mark.slow
def test_the_default_sweep_ends_where_the_reference_s_ends():
    """On average over seeds, within three test images, where the rate falls.

    At the sweep's constant rate, momentum makes noise of any rounding, between the stacked engine
    and the reference as here; in float64 every image is the same (test_gradients.py).
    """
    apart = defaultdict(list)
    for run in list_runs(load_sweep("digits"), digits()):
        if run.seed < 4 and run.scheduler in ("step", "cosine"):
            right = count_right(train_here(run)), count_right(train(run))
            apart[run.scheduler, run.dropout].append(right[0] - right[1])
    assert len(apart) == 6
    for differences in apart.values():
        assert abs(np.mean(differences)) <= 3
    assert np.median(np.abs([*apart.values()])) <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_images_as_a_dataset_has_them_are_read_as_they_are(channels):
    """A dataset has its channels last in memory, which for one channel is no difference."""
    generator = torch.Generator().manual_seed(5)

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        size = (count, channels, 9, 6)
        images = torch.randint(256, size, generator=generator, dtype=torch.uint8)
        return images, images.float().mean((1, 2, 3)).gt(127.5).long()

    data = make_dataset("made_up", draw(200), draw(80)).split(40)
    assert data.train.images.is_contiguous() == (channels == 1)
    run = runs("epochs: 2\ndropout: 0.3")["constant"]
    record, expected = train_native(run, data), reference.train_one(run, data, CPU)
    for name in ALL_SPLITS:
        assert curve(record, name) == pytest.approx(curve(expected, name), rel=1e-5)
    assert record.run["test_correct"] == expected.run["test_correct"]


def test_rows_have_the_schemas_columns():
    told = []
    run = runs("epochs: 3")["step"]
    record = train_native(run, split(), lambda run, epoch: told.append((run.run_id, epoch.number)))
    assert told == [(run.run_id, number) for number in (1, 2, 3)]
    assert set(record.run) == set(RUNS.names)
    assert all(set(row) == set(EPOCHS.names) for row in record.epochs)
    assert (record.run["engine"], record.run["group_size"]) == ("native", 1)
    assert record.run["device"] == train(run).run["device"]
    assert record.run["samples_per_second"] == pytest.approx(3 * 1198 / record.run["seconds"])
    bits = np.unpackbits(np.frombuffer(record.run["test_correct"], np.uint8))[:360]
    assert bits.mean() == record.run["test_accuracy"]


def test_without_validation_there_are_no_rows_of_it():
    run = replace(runs("epochs: 2")["constant"], validation=0)
    record = train_here(run)
    assert {row["split"] for row in record.epochs} == {"train", "train_eval", "test"}
    assert record.run["val_loss"] is None


def test_a_run_has_the_same_bits_alone_in_any_order_and_company(variant, monkeypatch):
    load = network.load_kernel
    monkeypatch.setattr(network, "load_kernel", lambda: load(variant))
    text = "epochs: 2\ndropout: [0.0, 0.3]\nbatch_size: 50\noptimizer: {name: OPTIMIZER}"
    by_name = {name: text.replace("OPTIMIZER", name) for name in ("Adam", "AdamWScheduleFree")}
    plain = "schedulers: {c: {class: constant}, s: {class: StepLR, step_size: 1}}\n"
    data = few_digits().split(239)
    together = [run for name in by_name for run in list_runs(sweep(by_name[name], plain), digits())]
    assert len(together) == 8
    once = [train_native(run, data) for run in together]
    back = [train_native(run, data) for run in reversed(together)][::-1]
    assert all(map(same_bits, once, back))
    for pixels in (1, 4 * 50 * 64):  # a step a call, and four
        monkeypatch.setattr(network, "_PIXELS_PER_CALL", pixels)
        again = [train_native(run, data) for run in together]
        assert all(map(same_bits, once, again))
    assert len({tuple(curve(record, "val")) for record in once}) == 8  # or nothing is shown


def test_the_data_are_left_as_they_are():
    data = split()
    parts = [getattr(data, name) for name in ("train", "train_eval", "validation", "test")]
    before = [(part.images.clone(), part.labels.clone()) for part in parts]
    train_here(runs("epochs: 1")["constant"])
    for part, (images, labels) in zip(parts, before, strict=True):
        assert part.images.equal(images)
        assert part.labels.equal(labels)


@pytest.mark.slow
def test_workers_change_no_bit(tmp_path):
    file = tmp_path / "small.yaml"
    schedulers = "{c: {class: constant}, p: {class: ReduceLROnPlateau, patience: 0}}"
    file.write_text(
        f"name: small\ndataset: digits\nepochs: 2\nschedulers: {schedulers}\n"
        "dropout: [0.0, 0.3]\nseeds: 3\n"
    )
    folders = []
    for workers in (0, 1, 2):
        results = tmp_path / str(workers)
        run_sweep(file, results, workers=workers, engine="native")
        folders.append(results / "small")
        assert set(read_runs(folders[-1])["engine"]) == {"native"}
    for folder in folders[1:]:
        assert_same(folder, folders[0])


def test_two_schedulers_are_bit_identical_until_their_rates_differ():
    by_label = runs("dropout: 0.3\nepochs: 7")
    constant, step = train_here(by_label["constant"]), train_here(by_label["step"])
    for name in ALL_SPLITS:
        assert curve(constant, name)[:5] == curve(step, name)[:5]
        assert curve(constant, name)[5] != curve(step, name)[5]


def test_the_test_set_steers_nothing():
    run = runs("epochs: 3")["plateau"]
    test = split().test
    record = train_here(run)
    other = train_here(run, test=Split(-test.images, test.labels))
    for name in ("train", "train_eval", "val"):
        assert curve(record, name) == curve(other, name)
    assert curve(record, "test") != curve(other, "test")


def test_to_be_evaluated_elsewhere_steers_nothing(monkeypatch):
    """Training goes on from its own weights, to the bit."""
    run = runs(f"optimizer: {OPTIMIZERS['free']}\nepochs: 3")["constant"]
    averaged = train_here(run)
    monkeypatch.setattr(
        "lrdecay.engine.stacked.optimizers.AdamWScheduleFree.averaged", lambda *_: None
    )
    as_trained = train_here(run)
    assert curve(as_trained, "train") == curve(averaged, "train")
    assert set(curve(as_trained, "val")).isdisjoint(curve(averaged, "val"))


def test_plateau_listens_to_the_validation_loss():
    text = "epochs: 8\nseeds: 4\ndropout: 0.5\noptimizer: {lr: 0.01}"
    plateau = "schedulers: {p: {class: ReduceLROnPlateau, factor: 0.5, patience: 0}}\n"
    courses = set()
    for run in list_runs(sweep(text, plateau), digits()):
        record = train_here(run)
        rates = follow_plateau(curve(record, "val"), lr=0.01, factor=0.5, patience=0)
        assert curve(record, "train", "learning_rate") == pytest.approx(rates, rel=1e-12)
        courses.add(tuple(rates))
    assert len(courses) > 1


@pytest.mark.parametrize(
    ("optimizer", "too_fast"),
    slow_but(
        [("sgd", 1e6), ("adam", 1e12), ("free", 1e38)],
        [
            *(("sgd", 1e6), ("sgd", 1e19), ("sgd", 1e30), ("momentum", 1e4), ("nesterov", 1e8)),
            *(("adam", 1e12), ("adamw", 1e38), ("rmsprop_all", 1e38), ("free", 1e38)),
        ],
    ),
)
def test_a_run_diverges_at_the_step_at_which_the_reference_s_does(optimizer, too_fast):
    run = runs(f"optimizer: {OPTIMIZERS[optimizer]}\nepochs: 3\ndropout: 0.3")["constant"]
    run = replace(run, lr=too_fast)
    record, expected = train_here(run), train(run)
    assert record.run["status"] == expected.run["status"] == "diverged"
    assert record.run["diverged_at_step"] == expected.run["diverged_at_step"]
    assert record.epochs == expected.epochs == []
    for column in ("test_loss", "test_accuracy", "best_epoch", "test_correct"):
        assert record.run[column] is None


@pytest.mark.parametrize("step", [0, 18, 19, 25])
def test_the_step_of_divergence_is_exact_and_finished_epochs_stay(monkeypatch, step):
    """The images of step `step` are none; an epoch has 19 steps."""
    run = runs("epochs: 3")["constant"]
    calm = train_here(run)
    take_steps, taken = network.Network.take_steps, 0

    def sometimes_broken(self, images, order, first, *of_steps):
        nonlocal taken
        epoch, place = divmod(step, 19)
        if first == 19 * epoch:
            broken = images.images.clone()
            broken[order[64 * place]] = math.nan
            images = Split(broken, images.labels)
        taken += 1
        return take_steps(self, images, order, first, *of_steps)

    monkeypatch.setattr(network.Network, "take_steps", sometimes_broken)
    for length in (1, 2**20):
        monkeypatch.setattr(network, "_PIXELS_PER_CALL", length)
        record = train_here(run)
        assert record.run["status"] == "diverged"
        assert record.run["diverged_at_step"] == step
        assert record.epochs == calm.epochs[: 4 * (step // 19)]
    assert taken == 2 * (step // 19 + 1)


@pytest.mark.parametrize(
    ("broken", "status"),
    [("train_eval", "diverged"), ("validation", "diverged"), ("test", "completed")],
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_anywhere_but_on_test_is_divergence(broken, status, value):
    part = getattr(split(), broken)
    images = part.images.clone()
    images[3, 0, 4, 4] = value
    changed = {broken: Split(images, part.labels)}
    run = runs("epochs: 1")["constant"]
    record = train_here(run, **changed)
    expected = reference.train_one(run, replace(split(), **changed), CPU)
    for each in (record, expected):
        assert each.run["status"] == status
        assert each.run["diverged_at_step"] == (18 if status == "diverged" else None)
    assert record.run["test_correct"] == expected.run["test_correct"]


def test_a_batch_of_more_images_than_there_are_takes_memory_for_those():
    whole = replace(runs("epochs: 2")["constant"], batch_size=len(split().train))
    larger = replace(whole, batch_size=10**9)  # about five terabytes
    one, other = train_here(whole), train_here(larger)
    for name in ALL_SPLITS:
        assert curve(one, name) == curve(other, name)
    assert other.run["batch_size"] == 10**9
    assert other.run["status"] == "completed"
    assert min(time_native(larger, split())) > 0


def test_a_trial_takes_time_and_no_schedule():
    run = runs("epochs: 3")["onecycle"]  # of 57 steps, more than a trial has
    training, evaluation = time_native(run, split())
    assert min(training, evaluation) > 0
    few: Data = few_digits().split(239)
    assert all(each > 0 for each in time_native(replace(run, batch_size=100), few))
