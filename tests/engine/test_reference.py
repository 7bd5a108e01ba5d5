"""The reference engine against loops written out here, and the promises about randomness."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import schedulefree
import torch
import torch.nn.functional as F
from helpers.tiers import slow_but
from helpers.training import CPU, curve, data_of, runs, split, train
from torch import nn

from lrdecay.components import rng
from lrdecay.components.datasets.dataset import Data, Split
from lrdecay.components.models.build import MODELS, build_model
from lrdecay.components.models.dropout import set_dropout_step
from lrdecay.engine import reference
from lrdecay.engine.measured import Epoch, Metrics
from lrdecay.engine.record import _final_and_best, record_failed
from lrdecay.store.schema import EPOCHS, RUNS, make_table


def plain_loop(seed: int, epochs: int, rate_of_epoch) -> dict[str, list[float]]:
    """The tutorial's loop without dropout, in plain PyTorch and the tutorial's layer order."""
    data = split()
    with rng.seed_torch(seed, "init"):
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )
    optimizer = torch.optim.Adam(model.parameters())
    curves: dict[str, list[float]] = {"train": [], "val": [], "test": [], "test_accuracy": []}
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = rate_of_epoch(epoch)
        total = 0.0
        for batch in rng.draw_order(seed, epoch, len(data.train)).split(64):
            images, labels = data.train.images[batch], data.train.labels[batch]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        curves["train"].append(total / len(data.train))
        with torch.no_grad():
            for name, part in (("val", data.validation), ("test", data.test)):
                logits = model(part.images)
                curves[name].append(F.cross_entropy(logits, part.labels).item())
                if name == "test":
                    right = (logits.argmax(1) == part.labels).float().mean()
                    curves["test_accuracy"].append(right.item())
    return curves


def test_equals_a_plain_loop():
    expected = plain_loop(seed=3, epochs=3, rate_of_epoch=lambda epoch: 0.001)
    record = train(runs("dropout: 0\nepochs: 3\nseeds: [3]")["constant"])
    for name in ("train", "val", "test"):
        assert curve(record, name) == pytest.approx(expected[name], rel=2e-3)
    assert curve(record, "train")[0] == pytest.approx(expected["train"][0], rel=1e-5)
    accuracies = curve(record, "test", "accuracy")
    assert accuracies == pytest.approx(expected["test_accuracy"], abs=3 / 360)


def test_the_rates_that_torch_says_are_the_rates_that_train():
    record = train(runs("dropout: 0\nepochs: 7\nseeds: [3]")["step"])
    rates = [0.001] * 5 + [0.0005] * 2
    assert curve(record, "train", "learning_rate") == pytest.approx(rates, rel=1e-12)
    assert record.run["lr_changes"] == 1
    expected = plain_loop(seed=3, epochs=7, rate_of_epoch=lambda epoch: rates[epoch])
    assert curve(record, "train") == pytest.approx(expected["train"], rel=2e-2)


def test_step_and_constant_are_bit_identical_until_the_rate_drops():
    by_label = runs("dropout: 0.3\nepochs: 7")
    constant, step = train(by_label["constant"]), train(by_label["step"])
    for name in ("train", "train_eval", "val", "test"):
        assert curve(constant, name)[:5] == curve(step, name)[:5]
        assert curve(constant, name)[5] != curve(step, name)[5]


def test_a_seed_has_one_initial_model_and_one_order_whatever_else_differs():
    records = [
        train(run)
        for dropout in (0.0, 0.5)
        for run in runs(f"dropout: {dropout}\nepochs: 1\nseeds: [7]").values()
    ]
    assert len({record.run["init_digest"] for record in records}) == 1
    assert len({record.run["order_digest"] for record in records}) == 1
    other = train(runs("epochs: 1\nseeds: [8]")["constant"])
    assert other.run["init_digest"] != records[0].run["init_digest"]
    assert other.run["order_digest"] != records[0].run["order_digest"]
    order = rng.draw_order(7, 0, 1198)
    assert (
        records[0].run["order_digest"] == hashlib.sha256(order.numpy().tobytes()).hexdigest()[:16]
    )


def test_the_same_run_gives_the_same_bits_and_another_seed_does_not():
    run = runs("epochs: 2")["cosine"]
    first, second = train(run), train(run)
    assert first.epochs == second.epochs
    assert first.run["test_correct"] == second.run["test_correct"]
    assert train(replace(run, seed=1)).epochs != first.epochs


class Own(nn.Sequential):
    """A network that draws from torch's own generator, and works on its images in place."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(nn.Flatten(), nn.Linear(math.prod(shape), classes), nn.AlphaDropout(0.3))

    def forward(self, x):
        x -= 0.5
        return super().forward(x)


def test_a_network_s_own_randomness_is_the_seed_s(monkeypatch):
    monkeypatch.setitem(MODELS, "cnn", Own)
    run = runs("epochs: 2")["constant"]
    first = train(run)
    torch.manual_seed(123)
    before = torch.get_rng_state()
    assert train(run).epochs == first.epochs
    assert torch.get_rng_state().equal(before)
    assert train(replace(run, seed=1)).epochs != first.epochs


def test_a_network_that_works_in_place_leaves_the_data_as_they_are(monkeypatch):
    monkeypatch.setitem(MODELS, "cnn", Own)
    parts = (split().train, split().train_eval, split().validation, split().test)
    before = [part.images.clone() for part in parts]
    train(runs("epochs: 1")["constant"])
    assert all(part.images.equal(kept) for part, kept in zip(parts, before, strict=True))


def test_torch_s_own_generator_plays_no_part():
    run = runs("epochs: 1")["constant"]
    torch.manual_seed(1)
    first = train(run)
    torch.manual_seed(2)
    torch.rand(100)
    assert train(run).epochs == first.epochs


def test_the_test_set_steers_nothing():
    run = runs("dropout: 0.3\nepochs: 6")["plateau"]
    data = split()
    shuffled = data.test.labels[rng.draw_order(0, 0, len(data.test))]
    wrong = replace(data, test=Split(data.test.images, shuffled))
    honest = reference.train_one(run, data, CPU)
    misled = reference.train_one(run, wrong, CPU)
    assert curve(misled, "test") != curve(honest, "test")
    for name in ("train", "train_eval", "val"):
        assert curve(misled, name) == curve(honest, name)
        assert curve(misled, name, "learning_rate") == curve(honest, name, "learning_rate")
    assert misled.run["best_epoch"] == honest.run["best_epoch"]


def rates_of_plateau(data: Data, train=reference.train_one) -> list[object]:
    run = runs("epochs: 12\noptimizer: {lr: 0.01}")["plateau"]
    return curve(train(run, data, CPU), "train", "learning_rate")


def check_test_data_steer_nothing(rates_of: Callable[[Data], list[object]]) -> None:
    """The rates of a plateau scheduler are the same whatever the test images are called."""
    data = split(239)
    wrong = replace(data, test=replace(data.test, labels=(data.test.labels + 1) % 10))
    true, other = rates_of(data), rates_of(wrong)
    assert len(set(true)) > 2, "the plateau scheduler never fell, so nothing was tried"
    assert true == other, f"rates follow the test images: {true} and {other}"


def fed_test_loss(run, data, device):
    return reference.train_one(run, replace(data, validation=data.test), device)


def test_test_data_steer_nothing():
    check_test_data_steer_nothing(rates_of_plateau)


@pytest.mark.slow
def test_a_plateau_scheduler_fed_test_loss_is_found():
    with pytest.raises(AssertionError, match="rates follow the test images"):
        check_test_data_steer_nothing(partial(rates_of_plateau, train=fed_test_loss))


def test_plateau_follows_the_validation_loss():
    record = train(runs("optimizer: {lr: 0.01}\nepochs: 12")["plateau"])
    rate, best, expected = 0.01, math.inf, []
    for loss in curve(record, "val"):
        expected.append(rate)
        # torch's rule with patience 0 and a relative threshold of 1e-4
        if loss < best * (1 - 1e-4):
            best = loss
        else:
            rate *= 0.5
    assert curve(record, "val", "learning_rate") == pytest.approx(expected, rel=1e-12)
    assert min(expected) < 0.01  # or nothing was shown


@pytest.mark.slow
def test_plateau_follows_the_validation_accuracy_where_it_monitors_that():
    given = "schedulers: {p: {class: ReduceLROnPlateau, factor: 0.5, patience: 0, MONITOR}}\n"
    rates = {}
    for monitor in ("val_loss", "val_accuracy"):
        named = given.replace("MONITOR", f"monitor: {monitor}")
        record = train(runs("optimizer: {lr: 0.01}\nepochs: 12", named)["p"])
        assert record.run["status"] == "completed"
        rates[monitor] = curve(record, "val", "learning_rate")
    rate, best, expected = 0.01, -math.inf, []
    for accuracy in curve(record, "val", "accuracy"):
        expected.append(rate)
        # torch's rule with patience 0 and a relative threshold of 1e-4
        if accuracy > best * (1 + 1e-4):
            best = accuracy
        else:
            rate *= 0.5
    assert rates["val_accuracy"] == pytest.approx(expected, rel=1e-12)
    assert rates["val_accuracy"] != rates["val_loss"]


def test_a_per_step_scheduler_moves_within_an_epoch():
    record = train(runs("epochs: 2")["onecycle"])
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.001)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.003, total_steps=38)
    rates = []
    for _ in range(38):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    for epoch, row in enumerate(row for row in record.epochs if row["split"] == "train"):
        mine = rates[19 * epoch : 19 * epoch + 19]
        assert row["learning_rate"] == pytest.approx(np.mean(mine), rel=1e-12)
        assert (row["learning_rate_first"], row["learning_rate_last"]) == (mine[0], mine[-1])
    assert record.run["lr_changes"] == 37


def test_the_last_batch_counts_by_its_size():
    """17 images in batches of 16: the mean is per image, not per batch."""
    data = split()
    few = Split(data.train.images[:17], data.train.labels[:17])
    run = runs("dropout: 0\nepochs: 1\nbatch_size: 16\noptimizer: {name: SGD, lr: 1e-12}")[
        "constant"
    ]
    record = reference.train_one(run, replace(data, train=few), CPU)
    model = build_model("cnn", (1, 8, 8), 10, seed=0, dropout=0.0, batch_norm=False)
    metrics, likeliest = reference.evaluate(model, few)
    right = likeliest == few.labels
    assert curve(record, "train") == pytest.approx([metrics.loss], rel=1e-5)
    assert curve(record, "train", "accuracy") == [int(right.sum()) / 17]


def test_dropout_is_on_in_training_alone_and_read_from_the_live_model():
    data = split()
    frozen = "optimizer: {name: SGD, lr: 1e-12}\nepochs: 1\n"
    without = train(runs(frozen + "dropout: 0")["constant"])
    half = train(runs(frozen + "dropout: 0.5")["constant"])
    assert curve(without, "test") == curve(half, "test")  # the weights stand still
    assert curve(without, "train") != curve(half, "train")
    assert (without.run["applied_dropout"], half.run["applied_dropout"]) == (0.0, 0.5)
    assert len(data.train_eval) == len(data.validation)


def test_best_is_the_epoch_with_the_lowest_validation_loss():
    record = train(runs("optimizer: {lr: 0.03}\nepochs: 10")["constant"])
    best = int(np.argmin(curve(record, "val")))
    assert best < 9  # or best and final could not differ
    assert record.run["best_epoch"] == best + 1
    for part in ("val", "test"):
        for column in ("loss", "accuracy"):
            assert record.run[f"best_{part}_{column}"] == curve(record, part, column)[best]
            assert record.run[f"{part}_{column}"] == curve(record, part, column)[-1]


def test_the_bitmap_says_which_test_images_were_right():
    record = train(runs("epochs: 2")["constant"])
    bits = np.unpackbits(np.frombuffer(record.run["test_correct"], np.uint8))[:360]
    assert record.run["test_images"] == 360
    assert bits.mean() == record.run["test_accuracy"]


def test_a_diverging_run_keeps_what_it_has_and_invents_nothing():
    run = runs("optimizer: {name: SGD, lr: 1e6}\nepochs: 3")["constant"]
    record = train(run)
    assert record.run["status"] == "diverged"
    assert 1 <= record.run["diverged_at_step"] < 19
    assert record.epochs == []
    for column in ("test_loss", "test_accuracy", "best_epoch", "val_loss", "test_correct"):
        assert record.run[column] is None
    assert record.run["init_digest"] is not None


def test_divergence_that_only_evaluation_sees_is_divergence():
    """One step of one epoch: the training loss was still finite, the weights no longer are."""
    data = split()
    one_batch = Split(data.train.images[:64], data.train.labels[:64])
    run = runs("optimizer: {name: SGD, lr: 1e38}\nepochs: 1")["constant"]
    record = reference.train_one(run, replace(data, train=one_batch), CPU)
    assert (record.run["status"], record.run["diverged_at_step"]) == ("diverged", 0)


def test_without_validation_there_is_no_val_row_and_no_best():
    schedulers = "schedulers:\n  constant: {class: constant}\n"
    record = train(runs("validation: 0\nepochs: 1", schedulers)["constant"])
    assert [row["split"] for row in record.epochs] == ["train", "train_eval", "test"]
    assert record.run["val_loss"] is None
    assert record.run["best_epoch"] is None
    assert record.run["test_loss"] == curve(record, "test")[-1]
    assert len(split(0).train_eval) == 239


@pytest.mark.parametrize(
    "optimizer",
    slow_but(
        ["{name: SGD, lr: 0.1, momentum: 0.9, nesterov: true}"],
        [
            "{name: AdamW, lr: 0.002, weight_decay: 0.1}",
            "{name: SGD, lr: 0.1, momentum: 0.9, nesterov: true}",
            "{name: RMSprop, lr: 0.001, momentum: 0.9}",
            "{name: AdamWScheduleFree, lr: 0.0025, warmup_steps: 20}",
        ],
    ),
)
def test_other_optimizers_and_batch_norm_learn(optimizer):
    text = f"optimizer: {optimizer}\nmodel: {{batch_norm: true}}\nepochs: 4"
    record = train(runs(text)["constant"])
    assert record.run["test_accuracy"] > 0.9
    assert json.loads(record.run["optimizer_args"])


def test_rows_have_the_schemas_columns():
    record = train(runs("epochs: 1")["constant"])
    assert set(record.run) == set(RUNS.names)
    assert all(set(row) == set(EPOCHS.names) for row in record.epochs)


def test_progress_is_told_of_every_epoch_and_batch():
    run, epochs, batches = runs("epochs: 2")["constant"], [], []
    reference.train_one(
        run,
        split(),
        CPU,
        lambda run, epoch: epochs.append((epoch.number, epoch.metrics["test"].accuracy)),
        lambda epoch, count, losses: batches.append((epoch, count, len(losses))),
    )
    assert [number for number, _ in epochs] == [1, 2]
    assert batches == [(epoch, 19, done) for epoch in (1, 2) for done in range(1, 20)]


def masked_loop(seed: int, epochs: int, dropout: float) -> list[float]:
    """A loop with dropout in plain PyTorch, a mask of its own for each layer and step."""
    data = split()
    model = build_model("cnn", (1, 8, 8), 10, seed=seed, dropout=0.0, batch_norm=False)
    first, last = model.classifier[2], model.classifier[5]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    means, step = [], 0
    for epoch in range(epochs):
        total = 0.0
        for batch in rng.draw_order(seed, epoch, len(data.train)).split(64):

            def drop(x, layer, step=step):
                key = rng.make_key(seed, "dropout", step, layer)
                kept = rng.draw_mask(key, rng.mask_threshold(dropout), x.shape, x.device)
                return x * kept / (1 - dropout)

            hidden = first(drop(model.features(data.train.images[batch]).flatten(1), 0)).relu()
            loss = F.cross_entropy(last(drop(hidden, 1)), data.train.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
            step += 1
        means.append(total / len(data.train))
    return means


@pytest.mark.parametrize("seed", [3, 5])
def test_every_step_of_every_epoch_has_the_masks_of_its_seed(seed):
    run = runs(f"dropout: 0.5\nepochs: 2\nseeds: [{seed}]")["constant"]
    expected = masked_loop(seed, epochs=2, dropout=0.5)
    assert curve(train(run), "train") == pytest.approx(expected, rel=1e-4)


@pytest.fixture(params=[(torch.float64, 1e-9), (torch.float32, 2e-3)], ids=["double", "single"])
def tolerance(request):
    """How near two loops come in the precision that is set here."""
    dtype, near = request.param
    torch.set_default_dtype(dtype)
    yield near
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("batch_norm", slow_but([True], [False, True]))
def test_schedule_free_is_trained_and_evaluated_as_its_package_asks(batch_norm, tolerance):
    """A plain loop after the package's README; an epoch has 60 batches, of which 50 refresh."""
    optimizer = "{name: AdamWScheduleFree, lr: 0.005, warmup_steps: 30}"
    text = f"optimizer: {optimizer}\nepochs: 2\nbatch_size: 20\ndropout: 0.3\n"
    run = runs(f"{text}model: {{batch_norm: {str(batch_norm).lower()}}}")["cosine"]
    data, step, expected = data_of(run), 0, []
    model = build_model("cnn", (1, 8, 8), 10, seed=0, dropout=0.3, batch_norm=batch_norm)
    free = schedulefree.AdamWScheduleFree(model.parameters(), lr=0.005, warmup_steps=30)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(free, T_max=2)
    for epoch in range(2):
        model.train()
        free.train()
        for batch in rng.draw_order(0, epoch, len(data.train)).split(20):
            set_dropout_step(model, 0, step)
            free.zero_grad()
            F.cross_entropy(model(data.train.images[batch]), data.train.labels[batch]).backward()
            free.step()
            step += 1
        free.eval()
        statistics = [buffer.clone() for buffer in model.buffers()]
        with torch.no_grad():
            for number, batch in enumerate(rng.draw_order(0, 0, len(data.train)).split(20)[:50]):
                set_dropout_step(model, 0, number)
                model(data.train.images[batch])
        model.eval()
        with torch.no_grad():
            logits = model(data.validation.images)
        expected.append(F.cross_entropy(logits, data.validation.labels).item())
        for buffer, value in zip(model.buffers(), statistics, strict=True):
            buffer.copy_(value)
        scheduler.step()
    record = reference.train_one(run, data, CPU)
    assert curve(record, "val") == pytest.approx(expected, rel=tolerance)
    assert curve(record, "train", "learning_rate") == pytest.approx([0.005, 0.0025])


def test_train_eval_is_its_own_sample_with_dropout_off():
    data = split()
    run = runs("dropout: 0.5\nepochs: 1\noptimizer: {name: SGD, lr: 1e-12}")["constant"]
    record = train(run)
    model = build_model("cnn", (1, 8, 8), 10, seed=0, dropout=0.0, batch_norm=False)
    for name, part in (("train_eval", data.train_eval), ("val", data.validation)):
        expected, _ = reference.evaluate(model, part)
        assert curve(record, name) == pytest.approx([expected.loss], rel=1e-5)
        assert curve(record, name, "accuracy") == [expected.accuracy]
    assert curve(record, "train_eval") != curve(record, "val")


def test_the_applied_dropout_is_the_model_s_and_not_the_one_asked_for(monkeypatch):
    build = build_model

    def other(*args, **kwargs):
        return build(*args, **{**kwargs, "dropout": 0.125})

    monkeypatch.setattr("lrdecay.components.models.build.build_model", other)
    record = train(runs("dropout: 0.5\nepochs: 1")["constant"])
    assert (record.run["dropout"], record.run["applied_dropout"]) == (0.5, 0.125)


@pytest.mark.parametrize("step", [0, 7, 18, 19, 25])
def test_the_step_of_divergence_is_exact_and_finished_epochs_stay(monkeypatch, step):
    """The loss of step `step` is made infinite; an epoch has 19 steps."""
    real, steps = F.cross_entropy, 0

    def sometimes_infinite(logits, labels, **kwargs):
        nonlocal steps
        loss = real(logits, labels, **kwargs)
        if "reduction" in kwargs:  # an evaluation
            return loss
        steps += 1
        return loss * (math.inf if steps == step + 1 else 1.0)

    monkeypatch.setattr(reference.F, "cross_entropy", sometimes_infinite)
    record = train(runs("epochs: 3")["constant"])
    assert (record.run["status"], record.run["diverged_at_step"]) == ("diverged", step)
    finished = step // 19
    assert [row["epoch"] for row in record.epochs] == [1] * 4 * finished
    for column in ("test_accuracy", "best_epoch", "test_correct", "lr_changes"):
        assert record.run[column] is None
    assert record.run["samples_per_second"] is None


@pytest.mark.parametrize(
    ("broken", "status"),
    [("train_eval", "diverged"), ("validation", "diverged"), ("test", "completed")],
)
def test_a_loss_that_is_not_finite_anywhere_but_on_test_is_divergence(broken, status):
    data = split()
    part = getattr(data, broken)
    images = part.images.clone()
    images[3, 0, 0, 0] = math.nan
    odd = replace(data, **{broken: Split(images, part.labels)})
    record = reference.train_one(runs("epochs: 1")["constant"], odd, CPU)
    assert record.run["status"] == status
    assert record.run["diverged_at_step"] == (18 if status == "diverged" else None)
    assert record.run["test_loss"] is None  # what is no number is none
    assert (record.run["test_accuracy"] is None) == (status == "diverged")


def test_every_change_of_the_rate_counts_also_back_to_one_it_had():
    cyclic = "{class: CyclicLR, base_lr: 0.001, max_lr: 0.003, step_size_up: 2}"
    record = train(runs("epochs: 1", f"schedulers:\n  cyclic: {cyclic}\n")["cyclic"])
    assert record.run["lr_changes"] == 18  # three distinct rates


def test_best_is_by_loss_where_accuracy_disagrees():
    def epoch(number, loss, accuracy):
        both = {split: Metrics(loss, accuracy) for split in ("val", "test")}
        return Epoch(number, [0.1], both)

    columns = _final_and_best([epoch(1, 0.5, 0.9), epoch(2, 0.4, 0.8), epoch(3, 0.6, 0.7)])
    assert (columns["best_epoch"], columns["best_val_accuracy"]) == (2, 0.8)
    assert (columns["test_loss"], columns["test_accuracy"]) == (0.6, 0.7)


def test_samples_per_second_are_the_images_trained_on_by_the_time_it_took():
    record = train(runs("epochs: 2")["constant"])
    seconds = record.run["seconds"]
    assert record.run["samples_per_second"] == pytest.approx(2 * 1198 / seconds)


def test_the_time_of_an_image_is_measured():
    training, evaluation = reference.time_reference(runs("epochs: 1")["constant"], split(), CPU)
    assert training > 0
    assert evaluation > 0


def test_an_error_that_names_a_path_of_any_bytes_is_recorded():
    record = record_failed(runs()["constant"], "no such file: mine\udcff", "reference", CPU)
    assert make_table([record.run], RUNS)["error"].to_pylist() == [r"no such file: mine\udcff"]
