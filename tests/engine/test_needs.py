"""Runs whose schedulers are steered by the training: the rates that they mean are those applied."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from helpers import steered
from helpers.plugged import as_in_a_new_process
from helpers.training import CPU, digits, split, sweep

from lrdecay import analysis
from lrdecay.components import plugins
from lrdecay.core.errors import InputError
from lrdecay.engine import reference
from lrdecay.engine.stacked.train import train_stacked
from lrdecay.execution import grouping
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_epochs, read_runs
from lrdecay.sweep.matrix import list_runs

SCHEDULERS = """\
schedulers:
  constant: {class: constant}
  gradnorm: {class: GradNormLR}
  updown: {class: UpAndDownLR, factor: 0.9}
  greedy: {class: GreedyLR, patience: 0, factor: 0.5, interval: epoch}
"""


@pytest.fixture(autouse=True)
def plugged():
    with as_in_a_new_process():
        plugins.load_plugins([Path(steered.__file__)])
        yield


def one_run(scheduler, text="epochs: 3"):
    (run,) = list_runs(sweep(text, f"schedulers:\n  one: {scheduler}\n"), digits())
    return run


def train(run):
    """The record of a run, the rate of each step, and the loss of each step."""
    rates, losses = [], []

    def take(epoch, count, of_epoch):
        losses.append(float(of_epoch[-1]))

    def note(run, epoch):
        rates.extend(epoch.rates)

    record = reference.train_one(run, split(run.validation), CPU, note, take)
    return record, rates, losses


def test_one_that_needs_the_loss_has_that_of_every_step():
    record, rates, losses = train(one_run("{class: UpAndDownLR, factor: 0.9}"))
    assert record.run["status"] == "completed"
    assert len(rates) == 3 * 19
    assert rates == steered.up_and_down(losses, 0.001, 0.9)
    assert record.run["lr_changes"] == len(rates) - 2
    first = [row for row in record.epochs if row["split"] == "train"]
    assert [row["learning_rate_first"] for row in first] == [rates[0], rates[19], rates[38]]
    assert first[1]["learning_rate"] == pytest.approx(np.mean(rates[19:38]), rel=1e-15)


def test_by_epochs_it_has_the_training_loss_of_the_tables():
    run = one_run("{class: GreedyLR, patience: 0, factor: 0.5, interval: epoch}", "epochs: 6")
    record, rates, _ = train(run)
    losses = [row["loss"] for row in record.epochs if row["split"] == "train"]
    expected, best = [0.001], math.inf
    for loss in losses[:-1]:
        expected.append(expected[-1] * (2.0 if loss < best else 0.5))
        best = min(best, loss)
    assert rates == [rate for rate in expected for _ in range(19)]
    assert len(set(expected)) > 3


def test_one_that_needs_gradients_sees_those_of_the_network():
    record, rates, _ = train(one_run("{class: GradNormLR}"))
    assert record.run["status"] == "completed"
    assert rates[0] == 0.001
    # the mean norm of a network that learns is neither 0 nor that of a toy
    assert len(set(rates)) == len(rates)
    assert all(0.00001 < rate < 0.001 for rate in rates[1:])


def test_after_a_warmup_it_begins_at_its_base_rate():
    scheduler = "{class: WarmupLR, warmup_iters: 5, then: {class: UpAndDownLR, factor: 0.9}}"
    _, rates, losses = train(one_run(scheduler))
    assert rates[:5] == pytest.approx([0.001 * (t + 1) / 5 for t in range(5)], rel=1e-15)
    assert rates[5:] == steered.up_and_down(losses[5:], 0.001, 0.9)


def test_one_that_says_loss_and_reads_more_has_failed():
    record, _, _ = train(one_run("{class: LiarLR}"))
    assert record.run["status"] == "failed"
    assert record.run["error"].startswith("the learning rate of epoch 1, step 2 was 0.001")
    assert record.run["error"].endswith("and LiarLR means 0.001")


@pytest.mark.parametrize(
    ("scheduler", "reason"),
    [
        (
            "{class: BrokenLR}",
            "the plug-in scheduler BrokenLR of .*steered.py fails: KeyError: "
            r"'rate' \(line \d+ of steered.py\)",
        ),
        ("{class: BrokenLR, infinite: true}", "the scheduler set the learning rate to inf"),
    ],
)
def test_one_that_fails_on_the_way_is_named(scheduler, reason):
    with pytest.raises(ValueError, match=reason):
        train(one_run(scheduler, "epochs: 4"))


def test_a_loss_that_is_no_number_ends_the_run_and_is_not_passed_on():
    run = one_run("{class: UpAndDownLR, factor: 0.9}", "optimizer: {name: SGD, lr: 1.0e+20}")
    record, rates, losses = train(run)
    assert (record.run["status"], record.run["diverged_at_step"]) == ("diverged", len(losses) - 1)
    assert len(losses) < 19
    assert not math.isfinite(losses[-1])
    assert rates == []


def test_the_digest_of_rates_is_that_of_every_step():
    text = "epochs: 2\nseeds: 2"
    found = {}
    for run in list_runs(sweep(text, SCHEDULERS), digits()):
        record, rates, _ = train(run)
        halves = [np.array([19, *rates[:19]]), np.array([19, *rates[19:]])]
        sha = hashlib.sha256(np.concatenate(halves).astype("<f8").tobytes())
        assert record.run["rates_digest"] == sha.hexdigest()[:16]
        found[run.scheduler, run.seed] = record.run["rates_digest"]
    assert found["constant", 0] == found["constant", 1]
    assert len(set(found.values())) == 7 - (found["greedy", 0] == found["greedy", 1])


def test_both_engines_have_one_digest():
    runs = list_runs(
        sweep("epochs: 2", "schedulers: {c: {class: ExponentialLR, gamma: 0.9}}\n"), digits()
    )
    (stacked,) = train_stacked(runs, split(), CPU)
    alone, _, _ = train(runs[0])
    assert stacked.run["rates_digest"] == alone.run["rates_digest"]


@pytest.mark.usefixtures("torch_engines")
def test_they_train_alone_and_the_others_together():
    runs = list_runs(sweep("seeds: 2", SCHEDULERS), digits())
    for engine in ("auto", "stacked"):
        plan = grouping.plan_groups(runs, digits(), CPU, workers=1, engine=engine)
        trained = {}
        for group in plan.groups:
            for run in group.runs:
                trained.setdefault(run.scheduler, set()).add((group.engine, len(group.runs)))
        assert trained == {
            "constant": {("stacked", 2)},
            **{label: {("reference", 1)} for label in ("gradnorm", "updown", "greedy")},
        }
        alone = "runs train one at a time, at rates not known before, since"
        assert plan.notes == (
            f"gradnorm: {alone} GradNormLR needs the gradients",
            f"updown: {alone} UpAndDownLR needs the loss",
            f"greedy: {alone} GreedyLR needs the loss",
        )


@pytest.fixture(scope="module")
def at_eight_seeds(tmp_path_factory):
    """The runs and epochs of such a sweep."""
    with as_in_a_new_process():
        file = tmp_path_factory.mktemp("steered") / "steered.yaml"
        file.write_text(
            f"name: steered\ndataset: digits\nepochs: 3\nseeds: 8\n{SCHEDULERS}"
            "comparison: {margin: 50}\n"
        )
        plugin = [str(Path(steered.__file__))]
        folder = run_sweep(file, file.parent, workers=0, plugins=plugin).folder
        return read_runs(folder), read_epochs(folder)


@pytest.mark.slow
def test_no_verdict_says_that_they_did_nothing(at_eight_seeds):
    runs, epochs = at_eight_seeds
    assert (runs["status"] == "completed").all()
    assert runs.groupby("scheduler")["rates_digest"].nunique().to_dict() == {
        "constant": 1,
        "gradnorm": 8,
        "updown": 8,
        "greedy": runs["rates_digest"].loc[runs["scheduler"] == "greedy"].nunique(),
    }
    table = analysis.compare(runs, epochs, margin=50.0).set_index("scheduler")
    assert (table["n"] == 8).all()
    assert (table["n_one_schedule"] == 0).all()
    assert not table["verdict"].isin(["identical", "not evaluated"]).any()
    for scheduler in ("gradnorm", "updown"):
        row = table.loc[scheduler]
        assert row["sd"] > 0


@pytest.mark.slow
def test_the_rates_of_the_tables_follow_from_their_losses(at_eight_seeds):
    _, epochs = at_eight_seeds
    own = epochs[(epochs["scheduler"] == "greedy") & (epochs["split"] == "train")]
    assert own["seed"].nunique() == 8
    for _, rows in own.groupby("seed"):
        rows = rows.sort_values("epoch")
        expected, best = [0.001], math.inf
        for loss in rows["loss"].tolist()[:-1]:
            expected.append(expected[-1] * (2.0 if loss < best else 0.5))
            best = min(best, loss)
        assert rows["learning_rate_last"].tolist() == expected


@pytest.mark.usefixtures("torch_engines")
def test_a_sweep_goes_on_with_the_engine_that_it_began_with(tmp_path):
    file = tmp_path / "two.yaml"
    text = "name: two\ndataset: digits\nepochs: 1\nschedulers: {c: {class: constant}}\nseeds: %d\n"
    file.write_text(text % 2)
    run_sweep(file, tmp_path, workers=0, engine="reference")
    file.write_text(text % 4)
    with pytest.raises(InputError) as caught:
        run_sweep(file, tmp_path, workers=0)
    assert str(caught.value) == (
        f"{tmp_path / 'two'}: 2 runs of this sweep trained on the reference engine, and those like "
        "them would train on the stacked one now: their numbers agree but for rounding, which "
        "training magnifies. --engine reference goes on as before; --allow-mixed mixes them, and "
        "the report names both"
    )
    assert run_sweep(file, tmp_path, workers=0, engine="reference").completed == 2
    file.write_text(text % 6)
    assert run_sweep(file, tmp_path, workers=0, allow_mixed=True).completed == 2
    assert read_runs(tmp_path / "two")["engine"].tolist() == ["reference"] * 4 + ["stacked"] * 2
    # another kind of run may train on either
    file.write_text(text % 4 + "batch_size: 128\n")
    assert run_sweep(file, tmp_path, workers=0).completed == 4
