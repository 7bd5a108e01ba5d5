"""A trial records what a loop of the user's own did: rates, digests, metrics, and how it ended."""

import math
import random

import numpy as np
import pytest
import torch
from helpers.own_loops import STEPS, batches, network, run, train
from torch import nn

from lrdecay.engine.record import digest_rates
from lrdecay.execution.messages import EpochDone, Note
from lrdecay.execution.own import Diverged, Terms, Trial, TrialError
from lrdecay.store.schema import EPOCHS, METRICS, RUNS, make_table

STEP = {"step_size": 1, "gamma": 0.5}


def finished(of, **options):
    trial = Trial(of)
    train(trial, **options)
    return trial.finish()


def rates_of(record) -> list[float]:
    return [row["learning_rate"] for row in record.epochs if row["split"] == "test"]


def test_a_whole_run_in_the_columns_of_the_tables():
    told = []
    trial = Trial(run("StepLR", arguments=STEP), tell=told.append)
    train(trial)
    record = trial.finish()
    assert trial.record is record
    (row,) = make_table([record.run | {"metric_values": 5}], RUNS).to_pylist()
    expected = {
        "run_id": trial.run_id,
        "status": "completed",
        "val_loss": 0.25,
        "val_accuracy": 0.5,
        "test_loss": 0.5,
        "test_accuracy": 0.25,
        "best_epoch": 4,
        "best_val_loss": 0.25,
        "best_test_loss": 0.5,
        "lr_changes": 3,
        "applied_dropout": 0.25,
        "engine": "own",
        "trainer": "mine",
        "trainer_args": '{"width":4}',
        "model": None,
        "samples_per_second": None,
        "test_correct": None,
        "group_size": 1,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["rates_digest"] == digest_rates([[0.1 * 0.5**e] * STEPS for e in range(4)])
    assert rates_of(record) == pytest.approx([0.1, 0.05, 0.025, 0.0125], rel=1e-15)
    assert [(r["epoch"], r["split"]) for r in record.epochs] == [
        (epoch, split) for epoch in range(1, 5) for split in ("val", "test")
    ]
    make_table(record.epochs, EPOCHS)
    metrics = make_table(record.metrics, METRICS).to_pylist()
    assert [(m["epoch"], m["split"], m["metric"], m["value"]) for m in metrics] == [
        *((epoch, "test", "f1", 0.125 * epoch) for epoch in range(1, 5)),
        (None, None, "energy", 3.5),
    ]
    assert [(each.epoch, each.accuracy) for each in told if isinstance(each, EpochDone)] == [
        (epoch, 0.5) for epoch in range(1, 5)
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "by_steps"),
    [
        ("constant", {}, False),
        ("StepLR", STEP, False),
        ("StepLR", STEP, True),
        ("CosineAnnealingLR", {"T_max": "epochs", "eta_min": 0.0}, False),
        ("CosineAnnealingLR", {"T_max": "steps", "eta_min": 0.0, "interval": "step"}, True),
        ("LinearLR", {"start_factor": 0.5, "end_factor": 1.0, "total_iters": "50%"}, True),
        ("ReduceLROnPlateau", {"factor": 0.5, "patience": 0}, False),
    ],
)
def test_the_rates_are_those_of_the_schedule(name, arguments, by_steps):
    record = finished(run(name, arguments=arguments), by_steps=by_steps)
    assert record.run["status"] == "completed"
    at = {
        "constant": lambda t: 1.0,
        "StepLR": lambda t: 0.5 ** int(t),
        "CosineAnnealingLR": lambda t: (1 + math.cos(math.pi * t / 4)) / 2,
        "LinearLR": lambda t: min(0.5 + 0.25 * int(t), 1.0),
        "ReduceLROnPlateau": lambda t: 1.0,  # its losses fall
    }[name]
    fine = arguments.get("interval") == "step"
    firsts = [row["learning_rate_first"] for row in record.epochs if row["split"] == "val"]
    lasts = [row["learning_rate_last"] for row in record.epochs if row["split"] == "val"]
    assert firsts == pytest.approx([0.1 * at(epoch) for epoch in range(4)], rel=1e-12)
    end = 1 - 1 / STEPS if fine else 0
    assert lasts == pytest.approx([0.1 * at(epoch + end) for epoch in range(4)], rel=1e-12)


def test_runs_of_one_seed_begin_alike_whatever_the_schedule_and_the_dropout():
    records = [
        finished(each)
        for each in (
            run("constant"),
            run("StepLR", arguments=STEP),
            run("constant", dropout=0.5),
            run("constant", seed=1),
        )
    ]
    starts = [(r.run["init_digest"], r.run["order_digest"]) for r in records]
    assert starts[0] == starts[1] == starts[2]
    assert starts[3][0] != starts[0][0]
    assert starts[3][1] != starts[0][1]
    assert all(len(digest) == 16 for start in starts for digest in start)


def test_the_seed_is_that_of_every_generator():
    def draw(seed):
        trial = Trial(run(seed=seed))
        assert trial.seed_everything() == seed
        return random.random(), np.random.rand(), torch.rand(1).item()

    first = draw(3)
    assert draw(3) == first
    assert all(a != b for a, b in zip(draw(4), first, strict=True))
    orders = [
        torch.randperm(9, generator=Trial(run(seed=s)).generator(p)).tolist()
        for s, p in ((3, "order"), (3, "order"), (4, "order"), (3, "noise"))
    ]
    assert orders[0] == orders[1]
    assert orders[0] not in orders[2:]


def test_batches_may_be_digested_by_hand():
    def digest(*batches):
        trial = Trial(run())
        for batch in batches:
            trial.saw(batch)
        return trial._order.hexdigest()

    one, other = torch.arange(4), torch.arange(4).flip(0)
    assert digest(one) == digest(one.numpy())
    assert len({digest(one), digest(other), digest(one, other), digest(one.float())}) == 4
    assert digest(one.bfloat16()) == digest(one.float())


def test_values_and_dropout_are_the_sweep_s():
    trial = Trial(run())
    assert (trial["width"], trial.lr, trial.epochs, trial.label) == (4, 0.1, 4, "constant")
    with pytest.raises(KeyError, match="'depth' is no value of the sweep file's trainer; there "):
        trial["depth"]
    model = trial.set_dropout(nn.Sequential(nn.Dropout(0.9), nn.Dropout2d(0.8)))
    assert [layer.p for layer in model] == [0.25, 0.25]
    with pytest.raises(TrialError, match=r"the network has no nn\.Dropout"):
        trial.set_dropout(nn.Linear(1, 1))
    with pytest.raises(TrialError, match="the sweep file gives no dropout"):
        Trial(run(dropout=None)).set_dropout(model)


def test_a_plateau_waits_for_what_is_logged():
    trial = Trial(run("ReduceLROnPlateau", arguments={"factor": 0.5, "patience": 0}))
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=trial.lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=1)
    seen = []
    for epoch, loss in enumerate((1.0, 2.0, 3.0, 0.5), start=1):
        optimizer.step()
        seen.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
        trial.log(epoch, "val", loss=loss)
    assert seen == [0.1, 0.1, 0.05, 0.025]
    assert trial.finish().run["lr_changes"] == 2


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged():
    trial = Trial(run())
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=trial.lr)
    scheduler = trial.scheduler(optimizer)
    optimizer.step()
    optimizer.step()
    trial.log(1, "train", loss=0.5)
    scheduler.step()
    optimizer.step()
    with pytest.raises(Diverged, match="diverged at step 2"):
        trial.log(2, "train", loss=torch.tensor(math.nan))
    record = trial.finish()
    assert record.run["status"] == "diverged"
    assert record.run["diverged_at_step"] == 2
    assert record.run["test_loss"] is None
    assert [(row["epoch"], row["loss"]) for row in record.epochs] == [(1, 0.5)]


def test_a_test_loss_steers_nothing_so_it_may_be_anything():
    trial = Trial(run(epochs=1))
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=trial.lr)
    trial.scheduler(optimizer)
    optimizer.step()
    trial.log(1, "test", loss=math.inf)
    assert trial.finish().run["test_loss"] is None


def test_an_error_is_that_of_one_run_and_the_loop_goes_on():
    with Trial(run()) as trial:
        raise RuntimeError("no data")
    assert trial.record.run["status"] == "failed"
    assert "no data" in trial.record.run["error"]
    with Trial(run()) as trial:
        trial.diverged(5)
    assert trial.record is None
    assert trial.finish().run["diverged_at_step"] == 5
    with pytest.raises(KeyboardInterrupt), Trial(run()):
        raise KeyboardInterrupt


def test_steps_left_out_by_mixed_precision_are_noted():
    told = []
    trial = Trial(run("StepLR", epochs=2, arguments=STEP), tell=told.append)
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=trial.lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=2)
    for step in range(4):
        if step != 1:  # the scaler found an overflow
            optimizer.step()
        scheduler.step()
        if step % 2:
            trial.log(step // 2 + 1, "test", loss=1.0)
    assert trial.finish().run["status"] == "completed"
    assert told[-1].text.startswith("the optimizer left out 1 of 4 steps")


def test_a_group_that_is_not_at_the_base_rate_is_not_compared():
    trial = Trial(run("StepLR", epochs=2, arguments=STEP))
    head, body = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    groups = [{"params": [head], "lr": 1.0}, {"params": [body], "lr": trial.lr}]
    optimizer = torch.optim.SGD(groups, lr=trial.lr)
    scheduler = trial.scheduler(optimizer)
    for epoch in (1, 2):
        optimizer.step()
        trial.log(epoch, "test", loss=1.0)
        scheduler.step()
    assert rates_of(trial.finish()) == [0.1, 0.05]


# ---- misuse


def optimizer_of(trial, lr=None):
    return torch.optim.SGD(network(trial).parameters(), lr=lr or trial.lr)


def logged(trial, *, until=4):
    for epoch in range(1, until + 1):
        trial.log(epoch, "test", loss=1.0)


def wrong_rate(trial):
    trial.scheduler(optimizer_of(trial, 0.3))


def by_steps_without_their_number(trial):
    trial.scheduler(optimizer_of(trial))


def no_step_in_an_epoch(trial):
    trial.scheduler(optimizer_of(trial), steps_per_epoch=0)


def scheduler_twice(trial):
    optimizer = optimizer_of(trial)
    trial.scheduler(optimizer)
    trial.scheduler(optimizer)


def watch_too_late(trial):
    optimizer = optimizer_of(trial)
    trial.scheduler(optimizer)
    optimizer.step()
    trial.watch(network(trial))


def watch_twice(trial):
    trial.watch(network(trial))
    trial.watch(network(trial))


def never_asked(trial):
    logged(trial)
    trial.finish()


def no_optimizer_step(trial):
    trial.scheduler(optimizer_of(trial))
    logged(trial)
    trial.finish()


def never_stepped(trial):
    optimizer = optimizer_of(trial)
    trial.scheduler(optimizer)
    for epoch in range(1, 5):
        optimizer.step()
        trial.log(epoch, "test", loss=1.0)
    trial.finish()


def stepped_too_seldom(trial):
    optimizer = optimizer_of(trial)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=2)
    for epoch in range(1, 5):
        optimizer.step()
        optimizer.step()
        scheduler.step()
        trial.log(epoch, "test", loss=1.0)
    trial.finish()


def stepped_twice(trial):
    train(trial, twice=True)
    trial.finish()


def set_by_somebody_else(trial):
    optimizer = optimizer_of(trial)
    scheduler = trial.scheduler(optimizer)
    for epoch in range(1, 5):
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.025
        trial.log(epoch, "test", loss=1.0)
        scheduler.step()
    trial.finish()


def ended_early(trial):
    optimizer = optimizer_of(trial)
    scheduler = trial.scheduler(optimizer)
    for epoch in (1, 2, 3):
        optimizer.step()
        scheduler.step()
        if epoch == 1:
            trial.log(1, "test", loss=1.0)
    trial.finish()


def plateau_without_loss(trial):
    optimizer = optimizer_of(trial)
    scheduler = trial.scheduler(optimizer)
    for _ in range(2):
        optimizer.step()
        scheduler.step()


def continued(trial):
    trial.scheduler(optimizer_of(trial)).load_state_dict({"last_epoch": 3})


MISUSES = [
    (wrong_rate, "constant", "is at the base rate: give it lr=trial.lr (0.1), not 0.3"),
    (by_steps_without_their_number, "OneCycleLR", "OneCycleLR goes by steps: give trial.scheduler"),
    (no_step_in_an_epoch, "constant", "steps_per_epoch: must be a whole number from 1, not 0"),
    (scheduler_twice, "constant", "trial.scheduler was called twice"),
    (watch_too_late, "constant", "trial.watch(model) must come before the first optimizer step"),
    (watch_twice, "constant", "called twice; put several networks into one nn.ModuleList"),
    (never_asked, "constant", "the loop never asked for trial.scheduler(optimizer)"),
    (no_optimizer_step, "constant", "that trial.scheduler was given took no step"),
    (never_stepped, "StepLR", "the scheduler was never stepped: call step() after every epoch"),
    (stepped_too_seldom, "StepLR", "the scheduler was stepped 4 times in 8 steps"),
    (stepped_twice, "StepLR", "the rate of optimizer step 4 was 0.025, and StepLR means 0.05: is"),
    (set_by_somebody_else, "constant", "step 2 was 0.025, and constant means 0.1: is step() "),
    (ended_early, "constant", "the loop ended after 1 of 4 epochs logged"),
    (plateau_without_loss, "ReduceLROnPlateau", "trial.log(epoch, 'val', loss=...) must come bef"),
    (continued, "constant", "it is not continued from a checkpoint"),
]
ARGUMENTS = {
    "StepLR": STEP,
    "OneCycleLR": {"max_lr": 0.2, "total_steps": "steps", "interval": "step"},
    "ReduceLROnPlateau": {"factor": 0.5, "patience": 0},
}


@pytest.mark.parametrize(("loop", "scheduler", "message"), MISUSES)
def test_each_misuse_has_its_one_error(loop, scheduler, message):
    trial = Trial(run(scheduler, arguments=ARGUMENTS.get(scheduler, {})))
    with pytest.raises(TrialError) as caught:
        loop(trial)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


LOGGED_WRONGLY = [
    ({}, "give loss=, accuracy= or a metric of your own"),
    ({"loss": 1.0}, "loss is of an epoch and a split: give epoch= and split="),
    ({"epoch": 1, "accuracy": 0.5}, "accuracy is of an epoch and a split"),
    ({"epoch": 1, "split": "validation", "loss": 1.0}, "test, not 'validation'"),
    ({"epoch": 3, "split": "val", "loss": 1.0}, "epoch 3 after epoch 1 of 4"),
    ({"epoch": 0, "split": "val", "loss": 1.0}, "epoch 0 after epoch 1 of 4"),
    ({"epoch": 1.0, "split": "val", "loss": 1.0}, "epoch 1.0 after epoch 1 of 4"),
    ({"epoch": 1, "split": "test", "loss": 1.0}, "loss of epoch 1, test was logged already"),
    ({"epoch": 1, "split": "test", "f1": 1.0}, "f1 of epoch 1, test was logged already"),
    ({"energy": 1.0}, "energy of the whole run was logged already"),
    ({"epoch": 2, "split": "val", "accuracy": 93.4}, "a share from 0 to 1, not 93.4; divide by 1"),
    ({"epoch": 2, "split": "val", "f1": "high"}, "f1 must be a number, not str"),
    ({"epoch": 2, "split": "val", "f1": True}, "f1 must be a number, not bool"),
    ({"epoch": 2, "split": "val", "loss": torch.ones(2)}, "loss must be a number, not Tensor"),
    ({"epoch": 2, "split": "val", "f1": math.inf}, "f1 is inf, and must be finite; leave it out"),
    ({"epoch": 2, "split": "val", "F1": 1.0}, "'F1' is no name for a metric: a lower-case"),
    ({"seconds": 1.0}, "'seconds' is no name for a metric: a lower-case letter"),
]


@pytest.mark.parametrize(("given", "message"), LOGGED_WRONGLY)
def test_each_wrong_value_has_its_one_error(given, message):
    trial = Trial(run())
    trial.log(1, "test", loss=np.float32(0.5), f1=torch.tensor(0.5))
    trial.log(energy=2)
    with pytest.raises(TrialError) as caught:
        trial.log(**given)
    assert message in str(caught.value)
    assert str(caught.value).startswith("trial.log: ")


def test_a_compared_metric_that_was_never_logged_is_told():
    trial = Trial(run(), terms=Terms("test_wer"))
    train(trial)
    with pytest.raises(TrialError) as caught:
        trial.finish()
    assert str(caught.value) == (
        "comparison.metric is test_wer; the loop logged val_loss, val_accuracy, test_loss, "
        "test_accuracy, test_f1, energy of the last epoch"
    )


@pytest.mark.parametrize(
    ("compared", "missing"),
    [("gap", "train_eval_accuracy"), ("best_test_accuracy", ""), ("test_f1", ""), ("energy", "")],
)
def test_what_a_comparison_is_made_of_must_be_logged(compared, missing):
    trial = Trial(run(), terms=Terms(compared))
    train(trial)
    if missing:
        with pytest.raises(TrialError, match=f"is {compared}, which needs {missing}; the loop"):
            trial.finish()
    else:
        assert trial.finish().run["status"] == "completed"


def test_a_trial_that_chooses_a_base_rate_must_log_the_validation_loss():
    trial = Trial(run(phase="choose", lr_chosen_per="scheduler", epochs=1))
    model = trial.watch(network(trial))
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr)
    trial.scheduler(optimizer)
    optimizer.step()
    trial.log(1, "test", loss=1.0)
    with pytest.raises(TrialError) as caught:
        trial.finish()
    assert str(caught.value) == (
        "optimizer.lr is chosen by val_loss; the loop logged test_loss of the last epoch"
    )


def test_the_steps_of_an_epoch_are_those_of_the_sweep_file():
    trial = Trial(run(), terms=Terms(steps_per_epoch=STEPS))
    optimizer = torch.optim.SGD(network(trial).parameters(), lr=trial.lr)
    with pytest.raises(TrialError, match="steps_per_epoch is 4 here and 3 in the sweep file"):
        trial.scheduler(optimizer, steps_per_epoch=4)
    assert trial.scheduler(optimizer, steps_per_epoch=STEPS).steps_per_epoch == STEPS


@pytest.mark.parametrize("given", [True, 4.0, "4"])
def test_steps_of_an_epoch_are_a_whole_number(given):
    trial = Trial(run())
    optimizer = torch.optim.SGD(network(trial).parameters(), lr=trial.lr)
    with pytest.raises(TrialError, match=f"must be a whole number from 1, not {given!r}"):
        trial.scheduler(optimizer, steps_per_epoch=given)


def test_steps_of_an_epoch_may_be_numpy_s():
    trial = Trial(run("OneCycleLR", arguments={"max_lr": 1.0, "total_steps": "steps"}))
    optimizer = torch.optim.SGD(network(trial).parameters(), lr=trial.lr, momentum=0.9)
    steps = trial.scheduler(optimizer, steps_per_epoch=np.int64(STEPS)).steps_per_epoch
    assert (steps, type(steps)) == (STEPS, int)


@pytest.mark.parametrize(
    ("per_epoch", "left_out", "outcome"),
    [(STEPS, 1, "as a rule"), (STEPS, 2, "noted"), (STEPS, 3, "failed"), (4, 0, "failed")],
)
def test_a_schedule_that_was_left_before_its_end_is_told(per_epoch, left_out, outcome):
    """Steps of the optimizer are left out too, as by mixed precision."""
    told = []
    trial = Trial(run("StepLR", epochs=8, arguments=STEP), tell=told.append)
    model = trial.watch(network(trial))
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=per_epoch)
    for epoch in range(1, 9):
        for place, (x, _) in enumerate(batches(trial)):
            if epoch > 1 or place >= left_out:
                model(x).sum().backward()
                optimizer.step()
                scheduler.step()
        trial.log(epoch, "val", loss=1.0)
    taken, meant = 8 * STEPS - left_out, 8 * per_epoch
    says = (
        f"the scheduler was stepped {taken} times in 8 epochs, and steps_per_epoch={per_epoch} "
        f"means {meant}"
    )
    if outcome == "failed":
        with pytest.raises(TrialError) as caught:
            trial.finish()
        assert str(caught.value) == says
    else:
        assert trial.finish().run["status"] == "completed"
        notes = [each.text for each in told if isinstance(each, Note)]
        assert notes == ([says] if outcome == "noted" else [])


@pytest.mark.parametrize("name", ["constant", "OneCycleLR"])
def test_a_schedule_that_is_stepped_beyond_its_end_is_told(name):
    of = {"max_lr": 1.0, "total_steps": "steps", "cycle_momentum": False}
    trial = Trial(run(name, epochs=2, arguments=of if name == "OneCycleLR" else {}))
    optimizer = torch.optim.SGD(network(trial).parameters(), lr=trial.lr)
    scheduler = trial.scheduler(optimizer, steps_per_epoch=2)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    with pytest.raises(TrialError) as caught:
        scheduler.step()
    assert str(caught.value) == (
        "the scheduler is stepped more than 4 times, which is what steps_per_epoch=2 means: give "
        "the number of optimizer steps in an epoch"
    )


def test_dropout_that_the_loop_has_not_set_is_told():
    trial = Trial(run(dropout=0.5))
    train(trial)
    assert trial.finish().run["applied_dropout"] == 0.5
    trial = Trial(run(dropout=0.5))
    dropout, trial.dropout = trial.dropout, 0.1  # what the loop takes in its place
    train(trial)
    trial.dropout = dropout
    with pytest.raises(TrialError, match=r"at 0\.1, and the run is of 0\.5: give nn\.Dropout\("):
        trial.finish()


@pytest.mark.parametrize("batch", [{"x": 1}, None, [[1, 2], [3]], object()])
def test_what_has_no_values_is_no_batch(batch):
    says = f"trial.saw: give tensors, arrays or numbers, .* not {type(batch).__name__}"
    with pytest.raises(TrialError, match=says):
        Trial(run()).saw(batch)


@pytest.mark.parametrize(
    "change",
    [
        torch.Tensor.to_sparse,
        lambda x: x.to(torch.float8_e4m3fn),
        lambda x: torch.complex(x, x).conj(),
        torch.Tensor.bfloat16,
    ],
)
def test_batches_of_any_kind_of_tensor_are_digested(change):
    found = []
    for value in (0.5, 0.5, 2.0):
        trial = Trial(run())
        train(trial)  # so that the trial is whole
        trial.saw(change(torch.full((2, 3), value)))
        found.append(trial.finish().run["order_digest"])
    assert found[0] == found[1] != found[2]


def test_a_base_rate_in_single_precision_is_told_to_the_last_digit():
    trial = Trial(run(lr=0.05))
    rate = torch.tensor(0.05)
    optimizer = torch.optim.Adam(network(trial).parameters(), lr=rate)
    with pytest.raises(TrialError, match=r"lr=trial\.lr \(0\.05\), not 0\.0500000007"):
        trial.scheduler(optimizer)
