"""The key `metrics` of a sweep file: names, units and directions of the user's own metrics, or what
lrdecay's own training is asked for."""

import pytest
from helpers.training import digits

from lrdecay.analysis.metrics import OF_OWN_LOOPS, OWN, POINTS, SECONDS, Metric
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import expand_matrix
from lrdecay.sweep.reading import parse_sweep

TEXT = """\
trainer: script
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1}
metrics:
  test_f1: {higher_is_better: true, title: F1 on test}
  energy: {higher_is_better: false, unit: seconds}
comparison: {metric: test_f1, margin: 0.01}
"""


def test_they_are_declared_and_compared():
    sweep = parse_sweep(TEXT)
    assert sweep.declared == (
        *OF_OWN_LOOPS,
        Metric("test_f1", "F1 on test", OWN, "these data", True),
        Metric("energy", "energy", SECONDS, "these data", False),
    )
    assert sweep.comparison.metric == "test_f1"
    assert parse_sweep(TEXT[: TEXT.index("metrics:")]).declared == OF_OWN_LOOPS
    assert sweep.class_metrics == ()


MISTAKES = [
    (
        "metric: test_f1",
        "metric: test_f2",
        "8:22: comparison.metric: 'test_f2' is unknown; did ",
    ),
    ("metric: test_f1", "metric: Test-F1", "8:22: comparison.metric: 'Test-F1' is unknown; "),
    ("metric: test_f1", "metric: 3", "8:22: comparison.metric: must be one of test_accuracy, "),
    ("  energy:", "  Energy:", "7:3: metrics: 'Energy' is no name for a metric; after its split"),
    ("  energy:", "  test_loss:", "7:3: metrics: test_loss is lrdecay's own and needs no declar"),
    ("  energy:", "  seconds:", "7:3: metrics: 'seconds' is no name for a metric"),
    ("  energy:", "  test_images:", "7:3: metrics: 'test_images' is no name for a metric"),
    ("unit: seconds", "unit: hours", "7:43: metrics.energy.unit: 'hours' is unknown"),
    ("higher_is_better: false", "higher_is_better: no", "7:30: metrics.energy.higher_is_better: "),
    ("higher_is_better: false, ", "", "metrics.energy: the key higher_is_better is missing"),
    (
        "title: F1",
        "titel: F1",
        "6:37: metrics.test_f1: the key 'titel' is unknown; did you mean ",
    ),
    ("title: F1 on test", "title: ''", "metrics.test_f1.title: must not be empty"),
]


@pytest.mark.parametrize(("right", "wrong", "message"), MISTAKES)
def test_each_mistake_is_told_at_its_place(right, wrong, message):
    assert TEXT.count(right) == 1
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(TEXT.replace(right, wrong), "x.yaml")
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


# ---- of lrdecay's own training

ASKED = """\
dataset: digits
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1}
metrics: [macro_f1, balanced_accuracy]
comparison: {metric: val_macro_f1, margin: 0.5}
"""


def test_a_list_asks_lrdecay_s_own_training_for_them():
    sweep = parse_sweep(ASKED)
    assert sweep.class_metrics == ("macro_f1", "balanced_accuracy")
    assert sweep.metrics is None
    test, val = "this test set", "these validation images"
    assert sweep.declared == (
        Metric("test_macro_f1", "test macro F1", POINTS, test, True),
        Metric("val_macro_f1", "validation macro F1", POINTS, val, True),
        Metric("test_balanced_accuracy", "test balanced accuracy", POINTS, test, True),
        Metric("val_balanced_accuracy", "validation balanced accuracy", POINTS, val, True),
    )
    one = parse_sweep(ASKED.replace("[macro_f1, balanced_accuracy]", "macro_f1"))
    assert one.class_metrics == ("macro_f1",)
    assert one.declared == sweep.declared[:2]


def test_they_change_no_run():
    with_some, without = (
        expand_matrix(parse_sweep(text), digits()).comparison({})
        for text in (ASKED, ASKED[: ASKED.index("metrics:")])
    )
    assert with_some == without
    assert [run.run_id for run in with_some] == [run.run_id for run in without]


LIST = "[macro_f1, balanced_accuracy]"
TAIL = ASKED[ASKED.index("metrics:") :]
WRONG = [
    (
        LIST,
        "[macro_f1, f1]",
        "5:21: metrics: 'f1' is unknown; choices: balanced_accuracy, macro_f1",
    ),
    (LIST, "[macro_f1, macro_f1]", "5:21: metrics: 'macro_f1' is in the list already; leave it"),
    (TAIL, "metrics: []", "5:10: metrics: must not be empty; give at least one"),
    (TAIL, "metrics: 3", "5:10: metrics: must be one of balanced_accuracy, macro_f1, not 3"),
    (
        LIST,
        "{val_macro_f1: {higher_is_better: true}}",
        "5:1: metrics: keys declare what a loop of your own logs, which takes trainer; lrdecay's "
        "own training takes a list of balanced_accuracy and macro_f1, such as metrics: [macro_f1]",
    ),
    (
        LIST,
        "[balanced_accuracy]",
        "6:22: comparison.metric: 'val_macro_f1' is not measured; add metrics: [macro_f1] for "
        "val_macro_f1",
    ),
    (
        f"metrics: {LIST}\ncomparison: {{metric: val_macro_f1",
        "comparison: {metric: macro_f1",
        "5:22: comparison.metric: 'macro_f1' is not measured; add metrics: [macro_f1] for "
        "test_macro_f1",
    ),
    (
        "metric: val_macro_f1",
        "metric: macro_f1",
        "6:22: comparison.metric: needs the images that macro_f1 is of: test_macro_f1 or val_macro",
    ),
    (
        "metric: val_macro_f1",
        "metric: train_eval_macro_f1",
        "6:22: comparison.metric: 'train_eval_macro_f1' is unknown; did you mean ",
    ),
    (
        "dataset: digits",
        "validation: 0\ndataset: digits",
        "1:13: validation: must be above 0, since comparison.metric is val_macro_f1",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG)
def test_each_mistake_in_what_is_asked_for_is_told_at_its_place(right, wrong, message):
    assert ASKED.count(right) == 1
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(ASKED.replace(right, wrong), "x.yaml")
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1
