"""How long and how large: measured once for all that take the same, and the most counts."""

import pytest
from helpers.training import CPU, digits, sweep

from lrdecay.engine import reference
from lrdecay.engine.stacked import train
from lrdecay.execution import estimate, grouping
from lrdecay.sweep.matrix import list_runs

TEXT = """\
optimizer: {lr: [0.001, 0.01], weight_decay: [0.0, 0.1]}
batch_size: [32, 64]
epochs: [1, 2, 3]
dropout: [0.0, 0.5]
"""


@pytest.fixture
def timed(monkeypatch):
    """The steps that were timed, as numbers of runs, batch sizes and whether there is dropout; an
    image takes as long as the batch is large."""
    steps = []

    def time_step(runs, data, device):
        steps.append((len(runs), runs[0].batch_size, runs[0].dropout != 0))
        return 1e-3 * runs[0].batch_size, 0.0

    monkeypatch.setattr(train, "time_stacked", time_step)
    monkeypatch.setattr(reference, "time_reference", lambda run, *rest: time_step([run], *rest))
    return steps


@pytest.mark.parametrize(("engine", "size"), [("stacked", 4), ("reference", 1)])
def test_a_step_is_timed_once_whatever_the_length_of_the_runs(timed, engine, size):
    runs = list_runs(sweep(TEXT), digits())
    plan = grouping.plan_groups(runs, digits(), CPU, 1, engine, size)
    seconds = estimate.estimate_seconds(plan, digits(), CPU)
    firsts = {(len(g.runs), g.runs[0].batch_size, g.runs[0].dropout != 0) for g in plan.groups}
    assert sorted(timed) == sorted(firsts)
    assert seconds == pytest.approx(
        [
            len(group.runs) * group.runs[0].epochs * 1198 * 1e-3 * group.runs[0].batch_size
            for group in plan.groups
        ]
    )


def test_the_memory_is_that_of_the_largest_group():
    # the last of the longest runs is alone, and so is the first of the shortest ones
    runs = list_runs(sweep("epochs: [1, 2]\nseeds: 5\n"), digits())
    group, one = grouping.Group("stacked", tuple(runs[:5])), grouping.Group("stacked", (runs[5],))
    of_data = 4 * (1437 + 360) * 64
    for groups in ((group, one), (one, group), (one, group, one)):
        found = estimate.estimate_bytes(grouping.Plan(groups), digits(), CPU)
        assert found == of_data + grouping.measure_group_bytes(group, digits(), CPU)
    assert estimate.estimate_bytes(grouping.Plan(()), digits(), CPU) == of_data
