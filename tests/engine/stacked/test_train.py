"""The stacked engine against the reference engine, and runs in company against runs alone."""

import json
import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.every_kind import OPTIMIZERS, SCHEDULERS, every_scheduler
from helpers.tiers import slow_but
from helpers.training import CPU, curve, data_of, digits, follow_plateau, runs, split, sweep
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from lrdecay.components import schedulers
from lrdecay.components.datasets.dataset import Split
from lrdecay.components.models import build
from lrdecay.components.models.build import MODELS, build_model
from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.engine.stacked import lockstep, train
from lrdecay.engine.stacked.kinds import lockstep_kind
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.store.schema import EPOCHS, RUNS, Record
from lrdecay.sweep.matrix import list_runs

STEPS = 50
# those that have every term; the others are tried with more by `make faults`
RICHEST = ("adam", "rmsprop_all", "free_all")
OTHERS = tuple(name for name in OPTIMIZERS if name not in RICHEST)
# what may differ between two trainings of one run
TIMES = ("seconds", "samples_per_second", "group_size", "finished_at")


def reference_course(run: Run) -> tuple[np.ndarray, list[object]]:
    """The loss of every step, and the validation loss of every epoch."""
    losses: list[float] = []

    def remember(epoch, batches, of_epoch):
        if len(of_epoch) == batches:
            losses.extend(loss.item() for loss in of_epoch)

    record = reference.train_one(run, data_of(run), CPU, on_batch=remember)
    return np.array(losses), curve(record, "val")


def reference_losses(run: Run) -> np.ndarray:
    return reference_course(run)[0]


def stacked_course(together: list[Run]) -> tuple[np.ndarray, np.ndarray]:
    """The loss of every step, and the validation loss of every epoch, one column a run."""
    data = data_of(together[0])
    group = Lockstep(together, data.train, data.classes, CPU)
    losses, held_out = [], []
    for _ in range(together[0].epochs):
        losses.append(group.train_epoch().losses.numpy()[:, : len(together)])
        metrics, _ = group.evaluate(data.validation)
        held_out.append([m.loss for m in metrics[: len(together)]])
        group.end_epoch(held_out[-1])
    return np.concatenate(losses), np.array(held_out)


def stacked_losses(together: list[Run]) -> np.ndarray:
    return stacked_course(together)[0]


def stacked_train(together: list[Run], **changed: Split):
    data = replace(split(together[0].validation), **changed)
    return train.train_stacked(together, data, CPU)


def same_bits(one, other) -> bool:
    """Whether two records are of one run with one outcome, to the last bit."""
    rows = [{k: v for k, v in record.run.items() if k not in TIMES} for record in (one, other)]
    return rows[0] == rows[1] and one.epochs == other.epochs


def test_no_scheduler_class_is_left_out():
    together = {name for name in schedulers.CLASSES if not schedulers.list_needs(name)}
    assert SCHEDULERS.keys() == together


def assert_first_steps(together: list[Run], tolerance: float) -> None:
    found, held_out = stacked_course(together)
    assert len(found) >= STEPS
    for place, run in enumerate(together):
        expected, of_epochs = reference_course(run)
        for mine, theirs in (
            (found[:STEPS, place], expected[:STEPS]),
            (held_out[:, place], of_epochs),
        ):
            np.testing.assert_allclose(mine, theirs, rtol=tolerance, err_msg=run.scheduler)


@pytest.mark.parametrize(
    ("optimizer", "batch_norm"),
    slow_but(
        [],
        product(OPTIMIZERS, ("false", "true")),
        soak=[
            *((name, "true") for name in OTHERS),
            *((name, "false") for name in ("rmsprop", "momentum", "free", "nesterov")),
            *((name, "false") for name in ("adamw", "adam_decay", "adadelta")),
        ],
    ),
)
@pytest.mark.usefixtures("double_precision")
def test_the_first_steps_are_those_of_the_reference(optimizer, batch_norm):
    """With every scheduler, and with batch normalisation every other."""
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nmodel: {{batch_norm: {batch_norm}}}\n"
    text += "epochs: 3\ndropout: 0.3\n"
    together = list(runs(text, every_scheduler(optimizer), few=True).values())
    assert len(together) == len(SCHEDULERS)
    if batch_norm == "true":
        together = together[::2]
    assert_first_steps(together, 1e-9)


@pytest.mark.parametrize(
    "optimizer", slow_but([], OPTIMIZERS, soak=[*OTHERS, "free_all", "rmsprop_all"])
)
def test_in_single_precision_too(optimizer):
    """Within 1e-4, but for a run in a hundred or, with the larger steps of RMSprop under CyclicLR,
    one in seven: rounding decides a near tie, and the losses part. Two memory layouts of the
    reference engine part as often, so each run has a seed of its own here, and two in twelve may.
    """
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nepochs: 3\ndropout: 0.3\n"
    by_label = runs(text, every_scheduler(optimizer))
    twelve = list(by_label.values())[:12]
    together = [replace(run, seed=seed) for seed, run in enumerate(twelve)]
    expected = np.stack([reference_losses(run)[:STEPS] for run in together], 1)
    apart = np.abs(stacked_losses(together)[:STEPS] / expected - 1).max(0)
    assert np.median(apart) < 1e-5
    assert (apart > 1e-4).sum() <= 2


@pytest.mark.slow
@pytest.mark.usefixtures("double_precision")
def test_statistics_are_refreshed_by_the_same_batches(monkeypatch):
    """An epoch has 60 batches here, and no more than 50 of them are used."""
    text = f"optimizer: {OPTIMIZERS['free']}\nmodel: {{batch_norm: true}}\n"
    text += "batch_size: 20\nepochs: 2\ndropout: 0.3\nseeds: 2"
    together = list_runs(sweep(text, "schedulers: {c: {class: constant}}\n"), digits())
    assert_first_steps(together, 1e-9)
    losses, held_out = stacked_course(together)
    for count, same in ((49, False), (51, False), (50, True)):
        monkeypatch.setattr(build, "REFRESHED_BATCHES", count)
        again, other = stacked_course(together)
        assert (other == held_out).all() == same
        assert (again == losses).all()  # whatever is evaluated, it steers nothing


@pytest.mark.parametrize("batch_norm", slow_but(["false"], ["false", "true"]))
def test_to_be_evaluated_elsewhere_steers_nothing(monkeypatch, batch_norm):
    """Training goes on from its own weights and statistics, to the bit, in either engine."""
    text = f"optimizer: {OPTIMIZERS['free']}\nmodel: {{batch_norm: {batch_norm}}}\nepochs: 3"
    together = list(runs(text).values())
    together = [run for run in together if run.scheduler != "plateau"]
    averaged, alone = stacked_course(together), reference_course(together[0])
    monkeypatch.setattr(Lockstep, "_to_evaluation", lambda group: None)
    monkeypatch.setattr(reference, "_to_evaluation", lambda *args: {})
    as_trained, alone_as_trained = stacked_course(together), reference_course(together[0])
    assert (as_trained[0] == averaged[0]).all()
    assert (as_trained[1] != averaged[1]).all()
    assert (alone_as_trained[0] == alone[0]).all()
    assert set(alone_as_trained[1]).isdisjoint(alone[1])


@pytest.mark.parametrize("optimizer", slow_but(["adam", "free_all"], OPTIMIZERS))
def test_all_that_trains_keeps_its_addresses(optimizer):
    """A CUDA graph knows its tensors by them; they change only where runs are left out."""
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nmodel: {{batch_norm: true}}\nseeds: 3"
    together = list_runs(sweep(text, "schedulers: {c: {class: constant}}\n"), digits())
    data = split()
    group = Lockstep(together, data.train, data.classes, CPU)

    def addresses() -> list[int]:
        return [tensor.data_ptr() for tensor in group._stack.state + group._update.state]

    before = addresses()
    for _ in range(2):
        group.train_epoch()
        group.evaluate(data.test)
        group.end_epoch([1.0, 1.0, 1.0])
        assert addresses() == before


@pytest.mark.slow
@settings(
    max_examples=max(2, settings.default.max_examples // 74),  # each trains up to eight runs
    derandomize=True,
    suppress_health_check=[*HealthCheck],
)
@given(data=st.data())
@pytest.mark.usefixtures("double_precision")
def test_any_configuration_is_the_reference_s(data):
    optimizer = data.draw(st.sampled_from(sorted(OPTIMIZERS)))
    batch_norm = data.draw(st.sampled_from(["false", "true"]))
    batch_size = data.draw(st.integers(24, 200))
    cells = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(SCHEDULERS)),
                st.sampled_from([0.0, 0.1, 0.5, 0.9]),
                st.integers(0, 2**63 - 1),
                st.floats(0.25, 1.0),
            ),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    epochs = math.ceil(STEPS / math.ceil(1198 / batch_size))
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nmodel: {{batch_norm: {batch_norm}}}\n"
    text += f"batch_size: {batch_size}\nepochs: {epochs}\n"
    by_label = runs(text, every_scheduler(optimizer))
    together = [
        replace(by_label[label], dropout=dropout, seed=seed, lr=by_label[label].lr * share)
        for label, dropout, seed, share in cells
    ]
    assert_first_steps(together, 1e-9)


@pytest.mark.slow
def test_whole_runs_end_where_the_reference_s_end():
    """Every scheduler, dropout and seed of the digits benchmark's first two seeds, 5 epochs."""
    together = list_runs(sweep("epochs: 5\ndropout: [0.0, 0.5]\nseeds: 2"), digits())
    assert len(together) == 20
    for run, record in zip(together, stacked_train(together), strict=True):
        expected = reference.train_one(run, split(), CPU)
        apart = record.run["test_accuracy"] - expected.run["test_accuracy"]
        assert abs(apart) <= 3 / 360 + 1e-9
        for column in ("init_digest", "order_digest", "applied_dropout", "lr_changes"):
            assert record.run[column] == expected.run[column]
        for name in ("train", "train_eval", "val", "test"):
            assert curve(record, name)[0] == pytest.approx(curve(expected, name)[0], rel=1e-4)
        for row, theirs in zip(record.epochs, expected.epochs, strict=True):
            for column in ("run_id", "scheduler", "dropout", "seed", "epoch", "split"):
                assert row[column] == theirs[column]
            if run.scheduler_class != "ReduceLROnPlateau":
                for column in ("learning_rate", "learning_rate_first", "learning_rate_last"):
                    assert row[column] == theirs[column]


@pytest.mark.parametrize(
    ("optimizer", "batch_norm"),
    slow_but(
        [],
        product(("adam", "adamw", "nesterov", "rmsprop_all", "free_all"), ("false", "true")),
        soak=[
            *((name, "true") for name in ("adam", "adamw", "nesterov")),
            *((name, "false") for name in ("adamw", "free_all", "nesterov", "rmsprop_all")),
        ],
    ),
)
def test_a_run_is_the_same_to_the_bit_alone_and_in_any_company(optimizer, batch_norm):
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nmodel: {{batch_norm: {batch_norm}}}\n"
    text += "epochs: 2\ndropout: [0.0, 0.3]\nseeds: 2\nbatch_size: 50"
    all_runs = list_runs(sweep(text), digits())
    assert len(all_runs) == 20
    together = stacked_train(all_runs)
    for places in ([0], [13], [7, 2], [2, 7, 19], [19, 18, 17, 3, 0], range(3, 16)):
        chosen = [all_runs[place] for place in places]
        for place, record in zip(places, stacked_train(chosen), strict=True):
            assert same_bits(record, together[place])
    assert len({json.dumps(record.epochs) for record in together}) == 20  # or nothing is shown


@pytest.mark.slow
def test_runs_of_different_rates_and_arguments_share_a_group():
    text = "optimizer: {name: Adam, lr: [0.001, 0.01], eps: [1e-8, 1e-3], weight_decay: [0.1, 0.2]}"
    together = list_runs(
        sweep(f"{text}\nepochs: 3", "schedulers: {c: {class: constant}}\n"), digits()
    )
    assert len(together) == 8
    assert len({lockstep_kind(run) for run in together}) == 1
    found = stacked_losses(together)[:STEPS]
    for place, run in enumerate(together):
        np.testing.assert_allclose(found[:, place], reference_losses(run)[:STEPS], rtol=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "too_fast"),
    slow_but([("free", 1e38)], [("sgd", 1e6), ("rmsprop_all", 1e38), ("free", 1e38)]),
)
@pytest.mark.parametrize("wild", slow_but([[1]], [[0], [1], [0, 2], [0, 1, 2]]))
def test_a_diverging_run_disturbs_no_other(wild, optimizer, too_fast):
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nepochs: 3\nseeds: 3"
    calm = list_runs(sweep(text, "schedulers: {c: {class: constant}}\n"), digits())
    together = [replace(run, lr=too_fast) if i in wild else run for i, run in enumerate(calm)]
    for place, record in enumerate(stacked_train(together)):
        if place in wild:
            alone = reference.train_one(together[place], split(), CPU)
            assert record.run["status"] == alone.run["status"] == "diverged"
            assert record.run["diverged_at_step"] == alone.run["diverged_at_step"]
            assert record.epochs == []
            for column in ("test_loss", "test_accuracy", "best_epoch", "test_correct"):
                assert record.run[column] is None
        else:
            (alone,) = stacked_train([calm[place]])
            assert record.run["status"] == "completed"
            assert same_bits(record, alone)


@pytest.mark.parametrize("step", slow_but([19], [0, 18, 19, 25]))
def test_the_step_of_divergence_is_exact_and_finished_epochs_stay(monkeypatch, step):
    """The second run's loss of step `step` is made infinite; an epoch has 19 steps."""
    real, steps = lockstep._losses, 0

    def sometimes_infinite(logits, labels):
        nonlocal steps
        losses = real(logits, labels)
        if not torch.is_grad_enabled():  # an evaluation
            return losses
        steps += 1
        factor = torch.ones(len(losses), 1)
        if len(losses) == 4 and steps == step + 1:  # three runs, the last of them twice
            factor[1] = math.inf
        return losses * factor

    together = list_runs(
        sweep("epochs: 3\nseeds: 3", "schedulers: {c: {class: constant}}\n"), digits()
    )
    calm = stacked_train(together)
    monkeypatch.setattr(lockstep, "_losses", sometimes_infinite)
    records = stacked_train(together)
    assert [record.run["status"] for record in records] == ["completed", "diverged", "completed"]
    assert records[1].run["diverged_at_step"] == step
    assert records[1].epochs == calm[1].epochs[: 4 * (step // 19)]
    for place in (0, 2):
        assert same_bits(records[place], calm[place])


@pytest.mark.parametrize(
    ("broken", "status"),
    [("train_eval", "diverged"), ("validation", "diverged"), ("test", "completed")],
)
def test_a_loss_that_is_not_finite_anywhere_but_on_test_is_divergence(broken, status):
    part = getattr(split(), broken)
    images = part.images.clone()
    images[3, 0, 0, 0] = math.nan
    together = [runs("epochs: 1")["constant"], runs("epochs: 1\nseeds: [1]")["constant"]]
    for record in stacked_train(together, **{broken: Split(images, part.labels)}):
        assert record.run["status"] == status
        assert record.run["diverged_at_step"] == (18 if status == "diverged" else None)


def test_plateau_listens_to_its_own_run_s_validation_loss():
    """The rates that two runs were given are those of torch's object fed with their losses."""
    text = "epochs: 8\nseeds: 4\ndropout: 0.5\noptimizer: {lr: 0.01}"
    plateau = "schedulers: {p: {class: ReduceLROnPlateau, factor: 0.5, patience: 0}}\n"
    records = stacked_train(list_runs(sweep(text, plateau), digits()))
    courses = set()
    for record in records:
        rates = follow_plateau(curve(record, "val"), lr=0.01, factor=0.5, patience=0)
        assert curve(record, "train", "learning_rate") == pytest.approx(rates, rel=1e-12)
        courses.add(tuple(rates))
    assert len(courses) > 1  # or one run's loss could have steered all


def rates_by_torch(run: Run, record: Record) -> list[float]:
    """The rates at the end of each epoch by torch's own plateau, from what the run recorded."""
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.01)
    monitor, mode = ("loss", "min") if run.scheduler == "loss" else ("accuracy", "max")
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, factor=0.5, patience=0)
    rates = []
    for number, value in enumerate(curve(record, "val", monitor)):
        rates.append(optimizer.param_groups[0]["lr"])
        if number > 0 or run.scheduler != "warm":  # whose first epoch is its warmup
            scheduler.step(value)
    return rates


@pytest.mark.slow
def test_plateau_listens_to_the_validation_accuracy_in_both_engines_and_after_a_warmup():
    text = "epochs: 12\nseeds: 2\noptimizer: {lr: 0.01}"
    given = """schedulers:
  loss: {class: ReduceLROnPlateau, factor: 0.5, patience: 0}
  accuracy: {class: ReduceLROnPlateau, factor: 0.5, patience: 0, monitor: val_accuracy}
  warm:
    class: WarmupLR
    warmup_iters: 1 epoch
    then: {class: ReduceLROnPlateau, factor: 0.5, patience: 0, monitor: val_accuracy}
"""
    together = list_runs(sweep(text, given), digits())
    courses = {}
    for run, record in zip(together, stacked_train(together), strict=True):
        for each in (record, reference.train_one(run, split(run.validation), CPU)):
            assert each.run["status"] == "completed"
            rates = rates_by_torch(run, each)
            assert curve(each, "train", "learning_rate_last") == pytest.approx(rates, rel=1e-12)
            courses[run.scheduler, run.seed] = rates
    assert courses["loss", 0] != courses["accuracy", 0]
    for label in ("accuracy", "warm"):  # or nothing was shown
        assert min(rate for seed in (0, 1) for rate in courses[label, seed]) < 0.01


def test_two_schedulers_are_bit_identical_until_their_rates_differ():
    by_label = runs("dropout: 0.3\nepochs: 7")
    constant, step = stacked_train([by_label["constant"], by_label["step"]])
    for name in ("train", "train_eval", "val", "test"):
        assert curve(constant, name)[:5] == curve(step, name)[:5]
        assert curve(constant, name)[5:] != curve(step, name)[5:]


def test_evaluation_counts_what_the_reference_counts():
    data = split()
    together = list_runs(sweep("seeds: 3", "schedulers: {c: {class: constant}}\n"), digits())
    group = Lockstep(together, data.train, data.classes, CPU)
    for part in (data.test, data.validation, Split(data.test.images[:1], data.test.labels[:1])):
        metrics, likeliest = group.evaluate(part)
        for place, run in enumerate(together):
            model = build_model("cnn", (1, 8, 8), 10, seed=run.seed, dropout=0.3, batch_norm=False)
            expected, theirs = reference.evaluate(model, part)
            assert metrics[place].loss == pytest.approx(expected.loss, rel=1e-5)
            assert metrics[place].accuracy == expected.accuracy
            assert likeliest[place].equal(theirs)


def test_rows_have_the_schemas_columns_and_the_share_of_the_time():
    together = list(runs("epochs: 2").values())
    told = []
    records = train.train_stacked(
        together, split(), CPU, lambda run, epoch: told.append((run.run_id, epoch.number))
    )
    assert told == [(run.run_id, number) for number in (1, 2) for run in together]
    for run, record in zip(together, records, strict=True):
        assert record.run["run_id"] == run.run_id
        assert set(record.run) == set(RUNS.names)
        assert all(set(row) == set(EPOCHS.names) for row in record.epochs)
        assert (record.run["engine"], record.run["group_size"]) == ("stacked", 5)
        assert record.run["seconds"] == records[0].run["seconds"]
        rate = 2 * 1198 / record.run["seconds"]
        assert record.run["samples_per_second"] == pytest.approx(rate)
        bits = np.unpackbits(np.frombuffer(record.run["test_correct"], np.uint8))[:360]
        assert bits.mean() == record.run["test_accuracy"]


@pytest.mark.slow
def test_bfloat16_is_used_where_it_is_asked_for_and_nowhere_else():
    together = [runs("epochs: 3\nseeds: [1]")["constant"], runs("epochs: 3")["constant"]]
    exact = stacked_train(together)
    short = [replace(run, precision="bfloat16") for run in together]
    for rough, record in zip(stacked_train(short), exact, strict=True):
        mine, theirs = curve(rough, "train"), curve(record, "train")
        assert mine != theirs
        assert mine == pytest.approx(theirs, rel=0.05)
        alone = reference.train_one(short[exact.index(record)], split(), CPU)
        assert curve(alone, "train") == pytest.approx(mine, rel=0.02)
        assert curve(alone, "train") != mine
    assert same_bits(stacked_train(together)[0], exact[0])  # the setting is gone again


class Residual(nn.Module):
    """A model that is no plain sequence: with a sum, and one dropout layer in two places."""

    def __init__(self, shape, classes, dropout, batch_norm):
        super().__init__()
        self.inner = nn.Linear(math.prod(shape), math.prod(shape))
        self.norm = nn.BatchNorm1d(math.prod(shape)) if batch_norm else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.outer = nn.Linear(math.prod(shape), classes)

    def forward(self, x):
        x = x.flatten(1)
        x = x + self.drop(self.norm(F.gelu(self.inner(x))))
        return self.outer(self.drop(x))


@pytest.mark.parametrize("batch_norm", slow_but([True], [False, True]))
def test_a_model_of_one_s_own_trains_together_as_alone(monkeypatch, batch_norm):
    monkeypatch.setitem(MODELS, "mine", Residual)
    by_label = runs("epochs: 3\ndropout: 0.4")
    together = [
        replace(run, model="mine", batch_norm=batch_norm, seed=seed)
        for seed, run in enumerate(by_label.values())
    ]
    found = stacked_losses(together)[:STEPS]
    for place, run in enumerate(together):
        np.testing.assert_allclose(found[:, place], reference_losses(run)[:STEPS], rtol=1e-4)
    records = stacked_train(together)
    for places in ([4], [3, 1], [0, 2, 4]):
        again = stacked_train([together[place] for place in places])
        assert all(same_bits(one, records[place]) for one, place in zip(again, places, strict=True))
    assert {record.run["applied_dropout"] for record in records} == {0.4}


class Masked(nn.Sequential):
    """Batch normalisation of what dropout leaves: its statistics depend on the masks."""

    def __init__(self, shape, classes, dropout, batch_norm):
        width = math.prod(shape)
        layers = (nn.Dropout(dropout), nn.BatchNorm1d(width), nn.Linear(width, classes))
        super().__init__(nn.Flatten(), *layers)


@pytest.mark.usefixtures("double_precision")
def test_statistics_are_refreshed_with_the_same_masks(monkeypatch):
    monkeypatch.setitem(MODELS, "mine", Masked)
    found = runs(f"optimizer: {OPTIMIZERS['free']}\nepochs: 3\ndropout: 0.5").values()
    together = [replace(run, model="mine", seed=seed) for seed, run in enumerate(found)]
    assert_first_steps(together, 1e-9)


def test_the_time_of_an_image_is_measured():
    together = list_runs(sweep("seeds: 4", "schedulers: {c: {class: constant}}\n"), digits())
    training, evaluation = train.time_stacked(together, split(), CPU)
    assert 0 < evaluation < training < 0.01


def test_the_time_of_a_run_that_is_shorter_than_the_trial_is_measured_too():
    one = "schedulers: {c: {class: OneCycleLR, max_lr: 0.01, total_steps: steps}}\n"
    together = list_runs(sweep("epochs: 1\nbatch_size: 600", one), digits())
    assert min(train.time_stacked(together, split(), CPU)) > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_follows_the_reference_and_repeats_itself():
    """CUDA graphs, the batch fold and the device's own kernels, within single precision."""
    cuda = torch.device("cuda")
    data = digits().split(239, cuda)
    text = "epochs: 3\ndropout: [0.0, 0.3]\nmodel: {batch_norm: [false, true]}"
    all_runs = list_runs(sweep(text), digits())
    for batch_norm in (False, True):
        together = [run for run in all_runs if run.batch_norm == batch_norm]
        first = train.train_stacked(together, data, cuda)
        for run, record, again in zip(
            together, first, train.train_stacked(together, data, cuda), strict=True
        ):
            on_cpu = reference.train_one(run, split(), CPU)
            assert curve(record, "train") == pytest.approx(curve(on_cpu, "train"), rel=1e-3)
            assert curve(record, "train") == pytest.approx(curve(again, "train"), rel=1e-4)
            assert record.run["order_digest"] == on_cpu.run["order_digest"]
