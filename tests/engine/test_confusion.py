"""Metrics of the confusion matrix against scikit-learn's, and on every engine."""

import warnings

import numpy as np
import pytest
import torch
from helpers.pretended_training import train_there
from helpers.training import CPU, data_of, digits, runs, split, sweep
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from lrdecay.components.datasets.dataset import Split
from lrdecay.components.models import build
from lrdecay.engine import reference
from lrdecay.engine.confusion import METRICS, count_confusions, measure_classes
from lrdecay.engine.native.network import Network
from lrdecay.engine.native.train import train_native
from lrdecay.engine.record import SPLITS
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.store.columns import CLASS_METRICS
from lrdecay.sweep.matrix import list_runs

MEASURED = ("train_eval", "val", "test")
CONSTANT = "schedulers: {c: {class: constant}}\n"
STILL = "optimizer: {name: SGD, lr: 1e-12}\nepochs: 2\n"
"""At this rate no weight moves, and every evaluation is that of the first weights."""


def by_sklearn(labels, likeliest) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on classes that are not there
        return {
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(labels, likeliest),
            "macro_f1": sklearn_metrics.f1_score(
                labels, likeliest, average="macro", zero_division=0
            ),
        }


@st.composite
def guesses(draw):
    """Labels of some images, and what one to four runs take them for; often not of all classes."""
    classes, images = draw(st.integers(2, 6)), draw(st.integers(1, 30))
    kinds = st.integers(0, classes - 1)
    row = st.lists(kinds, min_size=images, max_size=images)
    return classes, draw(row), draw(st.lists(row, min_size=1, max_size=4))


@given(guesses())
def test_metrics_are_those_of_scikit_learn_whichever_classes_are_there(drawn):
    classes, labels, of_runs = drawn
    given_labels, given_likeliest = torch.tensor(labels), torch.tensor(of_runs)
    counted = count_confusions(given_labels, given_likeliest, classes)
    found = measure_classes(CLASS_METRICS, given_labels, given_likeliest, classes)
    for place, likeliest in enumerate(of_runs):
        expected = sklearn_metrics.confusion_matrix(labels, likeliest, labels=range(classes))
        np.testing.assert_array_equal(counted[place], expected)
        assert counted[place].dtype == np.int64
        assert found[place] == pytest.approx(by_sklearn(labels, likeliest), rel=1e-14, abs=0)
        alone = measure_classes(CLASS_METRICS, given_labels, given_likeliest[[place]], classes)
        assert found[place] == alone[0]  # to the bit


def test_classes_that_are_not_there_are_left_out():
    labels, likeliest = torch.tensor([0, 0, 1]), torch.tensor([[0, 2, 1]])
    (found,) = measure_classes(CLASS_METRICS, labels, likeliest, 5)
    # class 2 has no image, but one that is taken for it: no recall, and an F1 of 0
    assert found == {"balanced_accuracy": 0.75, "macro_f1": pytest.approx((2 / 3 + 1 + 0) / 3)}
    assert tuple(METRICS) == CLASS_METRICS


def test_many_classes_are_counted_a_few_runs_at_a_time(monkeypatch):
    labels = torch.arange(40) % 7
    likeliest = (labels + torch.arange(5)[:, None]) % 7
    whole = count_confusions(labels, likeliest, 7)
    monkeypatch.setattr("lrdecay.engine.confusion._COUNTS_AT_ONCE", 2 * 7**2)
    np.testing.assert_array_equal(count_confusions(labels, likeliest, 7), whole)


def test_nothing_is_counted_where_nothing_is_asked_for(monkeypatch):
    monkeypatch.delattr("lrdecay.engine.confusion.count_confusions")
    labels = torch.zeros(3, dtype=torch.int64)
    assert measure_classes((), labels, torch.zeros(2, 3, dtype=torch.int64), 2) == [{}, {}]


def predict(run, part: Split):
    """What a run's first weights take images for."""
    model = build.build_network(run, (1, 8, 8), 10).eval()
    with torch.inference_mode():
        return model(part.images).argmax(1)


def expect_rows(run, data) -> list[dict[str, object]]:
    """The rows of a run whose weights do not move."""
    parts = {"train_eval": data.train_eval, "val": data.validation, "test": data.test}
    values = {
        name: by_sklearn(part.labels, predict(run, part))
        for name, part in parts.items()
        if part is not None
    }
    return [
        {
            "run_id": run.run_id,
            "epoch": epoch,
            "split": name,
            "metric": metric,
            "value": pytest.approx(values[name][metric], rel=1e-14),
        }
        for epoch in (1, 2)
        for name in SPLITS
        if name in values
        for metric in CLASS_METRICS
    ]


@pytest.mark.parametrize("validation", [239, 0])
def test_each_engine_has_them_of_each_epoch_and_split(validation, needs_kernel):
    together = list_runs(sweep(f"{STILL}seeds: 3\nvalidation: {validation}", CONSTANT), digits())
    data = split(validation)
    expected = [expect_rows(run, data) for run in together]
    of_splits = {row["split"] for row in expected[0]}
    assert of_splits == ({*MEASURED} if validation else {"train_eval", "test"})
    assert len({str(rows) for rows in expected}) == 3
    stacked = train.train_stacked(together, data, CPU, class_metrics=CLASS_METRICS)
    for run, rows, record in zip(together, expected, stacked, strict=True):
        alone = reference.train_one(run, data, CPU, class_metrics=CLASS_METRICS)
        native = train_native(run, data, class_metrics=CLASS_METRICS)
        for each in (alone, record, native):
            assert each.metrics == rows
        assert alone.metrics == record.metrics == native.metrics  # to the bit


def test_engines_agree_where_their_predictions_do(needs_kernel):
    """After training: one network in each, from the same weights."""
    run = runs("dropout: 0.0\nepochs: 1", CONSTANT)["c"]
    data = split()
    labels = data.test.labels
    model = build.build_network(run, data.shape, data.classes)
    group = Lockstep([run], data.train, data.classes, CPU)
    network = Network(run, model, data.shape, data.classes)
    of_stack, theirs = group.evaluate(data.test, ("macro_f1",))
    of_one, alone = reference.evaluate(model, data.test, ("macro_f1",))
    of_kernel, ours = network.evaluate(data.test, ("macro_f1",))
    assert alone.equal(theirs[0])
    assert alone.equal(ours)
    assert of_one.of_classes == of_stack[0].of_classes == of_kernel.of_classes
    expected = by_sklearn(labels, alone)["macro_f1"]
    assert of_one.of_classes == {"macro_f1": pytest.approx(expected, rel=1e-14)}


def test_asking_changes_nothing_else(needs_kernel):
    run = runs("epochs: 2")["plateau"]
    data = split()
    for engine in (
        lambda *asked: reference.train_one(run, data, CPU, None, None, *asked),
        lambda *asked: train.train_stacked([run], data, CPU, None, None, *asked)[0],
        lambda *asked: train_native(run, data, None, *asked),
    ):
        plain, asked = engine(), engine(("macro_f1",))
        assert plain.metrics == []
        assert plain.epochs == asked.epochs
        assert [row["metric"] for row in asked.metrics] == ["macro_f1"] * 6
        assert plain.run["test_correct"] == asked.run["test_correct"]


def test_a_run_that_diverges_has_those_of_the_epochs_that_it_finished():
    run = runs("epochs: 3", "schedulers: {c: {class: StepLR, step_size: 1, gamma: 1.0e+35}}\n")["c"]
    data = data_of(run)
    for record in (
        reference.train_one(run, data, CPU, class_metrics=("macro_f1",)),
        *train.train_stacked([run], data, CPU, class_metrics=("macro_f1",)),
    ):
        assert record.run["status"] == "diverged"
        there = [(row["epoch"], row["split"]) for row in record.epochs if row["split"] != "train"]
        assert 0 < len(there) < 9
        assert [(row["epoch"], row["split"]) for row in record.metrics] == there


def test_a_pretended_gpu_has_the_same_with_graphs_and_without():
    together = list_runs(
        sweep("epochs: 2\nbatch_size: 16\nvalidation: 239\nseeds: 3", CONSTANT), digits()
    )
    found = train_there(together, class_metrics=CLASS_METRICS)
    expected = train_there(together, eager=True, class_metrics=CLASS_METRICS)
    assert found.gpu.replays > 0
    assert found.waits == []
    for record, other in zip(found.records, expected.records, strict=True):
        assert len(record.metrics) == 2 * 3 * 2
        assert record.metrics == other.metrics


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_counts_as_a_cpu_does():
    labels = torch.randint(10, (1000,), generator=torch.Generator().manual_seed(1))
    likeliest = torch.randint(10, (5, 1000), generator=torch.Generator().manual_seed(2))
    expected = measure_classes(CLASS_METRICS, labels, likeliest, 10)
    assert measure_classes(CLASS_METRICS, labels.cuda(), likeliest.cuda(), 10) == expected
