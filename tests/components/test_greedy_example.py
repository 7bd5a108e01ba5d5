"""The example of a scheduler from Hugging Face's transformers, where that is installed."""

import pytest
from helpers.paths import HOME
from helpers.plugged import as_in_a_new_process
from helpers.training import CPU, digits, split, sweep

from lrdecay.components import plugins, schedulers
from lrdecay.engine import reference
from lrdecay.sweep.matrix import list_runs


def test_hugging_face_s_scheduler_trains_at_the_rates_that_it_means():
    optimization = pytest.importorskip("transformers.optimization")
    if not hasattr(optimization, "GreedyLR"):
        pytest.skip("this version of transformers has no GreedyLR")
    with as_in_a_new_process():
        plugins.load_plugins([HOME / "examples" / "plugin" / "greedy.py"])
        assert schedulers.list_needs("HuggingFaceGreedyLR") == ("loss",)
        text = "schedulers: {greedy: {class: HuggingFaceGreedyLR, patience: 1, factor: 0.9}}\n"
        (run,) = list_runs(sweep("epochs: 3", text), digits())
        losses, rates = [], []
        record = reference.train_one(
            run,
            split(run.validation),
            CPU,
            on_epoch=lambda run, epoch: rates.extend(epoch.rates),
            on_batch=lambda epoch, count, of_epoch: losses.append(float(of_epoch[-1])),
        )
    assert record.run["status"] == "completed"
    # its rule, by hand: more than one in a row below the best so far, or not
    expected, best, falls, stays = [0.001], float("inf"), 0, 0
    for loss in losses[:-1]:
        if loss < best - 1e-6:
            best, falls, stays = loss, falls + 1, 0
        else:
            falls, stays = 0, stays + 1
        rate = expected[-1]
        if falls > 1:
            rate, falls = min(rate / 0.9, 1.0), 0
        elif stays > 1:
            rate, stays = max(rate * 0.9, 1e-5), 0
        expected.append(rate if abs(rate - expected[-1]) > 1e-8 else expected[-1])
    assert rates == expected
    assert record.run["lr_changes"] > 3
