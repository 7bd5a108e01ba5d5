"""How much memory a run takes: a step's, or an evaluation's where that is more."""

from dataclasses import replace

import pytest
import torch
from helpers.pretended_gpu import pretend_gpu
from helpers.training import CPU, digits, runs
from torch import nn

from lrdecay.components.models.build import MODELS
from lrdecay.engine.measured import EVALUATION_BATCH
from lrdecay.engine.operations import OperationWatch
from lrdecay.engine.stacked.ensemble import Stack
from lrdecay.execution import memory
from lrdecay.execution.memory import measure_run_bytes

WIDTH = 1000
WEIGHTS = 4 * (64 * WIDTH + WIDTH + WIDTH * 10 + 10)


class Wide(nn.Sequential):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        hidden = nn.Linear(64, WIDTH), nn.ReLU()
        super().__init__(nn.Flatten(), *hidden, nn.Linear(WIDTH, classes))


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setitem(MODELS, "wide", Wide)
    return replace(runs()["constant"], model="wide")


def images(count: int) -> torch.Tensor:
    return digits().train_images[:count].float() / digits().full_scale


@pytest.mark.parametrize("batch_size", [4, 64, 200])
def test_a_small_batch_takes_what_evaluations_take(run, batch_size):
    """Of an image a step keeps its pixels and what ReLU makes, and once more for gradients; an
    evaluation holds what goes into ReLU and what comes out, with room for the latter once more."""
    given = images(max(batch_size, EVALUATION_BATCH))
    found = measure_run_bytes(replace(run, batch_size=batch_size), given, 10)
    step, evaluation = 2 * batch_size * 4 * (64 + WIDTH), EVALUATION_BATCH * 4 * (64 + 3 * WIDTH)
    assert step < evaluation
    assert found == pytest.approx(5 * WEIGHTS + max(step, evaluation), rel=0.03)


@pytest.mark.parametrize("batch_size", [500, 1000])
def test_a_large_batch_takes_what_its_step_takes(run, batch_size):
    found = measure_run_bytes(replace(run, batch_size=batch_size), images(batch_size), 10)
    step, evaluation = 2 * batch_size * 4 * (64 + WIDTH), EVALUATION_BATCH * 4 * (64 + 3 * WIDTH)
    assert step > evaluation
    assert found == pytest.approx(5 * WEIGHTS + step, rel=0.03)


@pytest.mark.parametrize("batch_size", [64, 500])
def test_a_gpu_has_memory_for_both(run, batch_size):
    """A captured step has its own, which an evaluation does not use."""
    given = images(max(batch_size, EVALUATION_BATCH))
    few = replace(run, batch_size=batch_size)
    with pretend_gpu():
        there = given.to("cuda")
        found = measure_run_bytes(few, there, 10)
        stack = Stack(memory.build_two(few, there, 10), there.device)
        step = memory._count_kept(stack, there[:batch_size])
        evaluation = memory._count_held(stack, there[:EVALUATION_BATCH]) / 2
    assert found == pytest.approx(5 * WEIGHTS + step + evaluation)
    assert step > batch_size * 4 * WIDTH
    assert evaluation > EVALUATION_BATCH * 4 * WIDTH


def test_what_is_held_is_counted_until_it_is_dropped():
    held = memory._Held()
    with OperationWatch(held.see):
        first = torch.zeros(1000)  # 4,000 bytes, and as many while they are made
        assert held.most == 8000
        second = first.view(10, 100).add_(1.0)  # in place: nothing more
        assert held.most == 8000
        third = second + 1
        assert held.most == 12000
        del first, second, third
        fourth = torch.zeros(1500)  # alone again
        assert held.most == 12000
        fifth = fourth * 2
        assert held.most == 18000
        assert fifth.sum() == 0


@pytest.mark.parametrize("model", ["cnn", "wide"])
def test_looking_at_memory_changes_no_bit(run, model):
    stack = Stack(memory.build_two(replace(run, model=model), images(2), 10), CPU)
    expected = stack.logits(images(9), None)
    with OperationWatch(memory._Held().see):
        assert stack.logits(images(9), None).equal(expected)


def test_nobody_s_compiler_is_imported_for_it(run):
    """It takes seconds; `test_cli` sees the same of a whole plan."""
    assert OperationWatch._should_skip_dynamo() is False
    assert not hasattr(OperationWatch.__torch_dispatch__, "__wrapped__")
