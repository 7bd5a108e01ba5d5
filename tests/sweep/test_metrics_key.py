"""The key `metrics` of a sweep file: names, units and directions of the user's own metrics."""

import pytest

from lrdecay.analysis.metrics import OWN, SECONDS, Metric
from lrdecay.sweep.config import SweepFileError, parse_sweep

TEXT = """\
dataset: digits
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
        Metric("test_f1", "F1 on test", OWN, "these data", True),
        Metric("energy", "energy", SECONDS, "these data", False),
    )
    assert sweep.comparison.metric == "test_f1"
    assert parse_sweep(TEXT[: TEXT.index("metrics:")]).declared == ()


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
