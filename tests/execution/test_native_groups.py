"""Which runs train on the native engine: those that its kernel is for, where it was compiled."""

from dataclasses import replace

import pytest
import torch
from helpers.pretended_gpu import pretend_gpu
from helpers.training import CPU, digits, sweep

from lrdecay.core.errors import InputError
from lrdecay.execution import grouping
from lrdecay.execution.estimate import estimate_bytes, estimate_seconds
from lrdecay.sweep.matrix import list_runs

TEXT = "seeds: 3\nbatch_size: [32, 600]\nmodel: {name: cnn, batch_norm: [false, true]}\n"
SCHEDULERS = "schedulers: {c: {class: constant}, greedy: {class: GreedyLR}}\n"


def plan(pending, engine="auto", device=CPU):
    return grouping.plan_groups(pending, digits(), device, 2, engine)


def list_engines(found):
    return {run.run_id: group.engine for group in found.groups for run in group.runs}


@pytest.mark.usefixtures("needs_kernel")
@pytest.mark.parametrize("engine", ["auto", "native"])
def test_what_the_kernel_is_for_trains_on_it_one_by_one(engine):
    pending = list_runs(sweep(TEXT, SCHEDULERS), digits())
    assert len(pending) == 24
    found = plan(pending, engine)
    engines = list_engines(found)
    for run in pending:
        if run.scheduler == "greedy":
            expected = "reference"
        elif run.batch_norm:
            # batches of 600 of 8x8 are more pixels than gain from company
            expected = "stacked" if run.batch_size == 32 else "reference"
        else:
            expected = "native"
        assert engines[run.run_id] == expected
    assert all(len(group.runs) == 1 for group in found.groups if group.engine == "native")


@pytest.mark.usefixtures("needs_kernel")
def test_the_native_engine_where_it_cannot_train_says_why():
    pending = list_runs(sweep(TEXT, "schedulers: {c: {class: constant}}\n"), digits())
    note = "cnn: not on the native engine, since its kernel has no batch normalisation"
    assert plan(pending, "native").notes == (note,)
    assert plan(pending).notes == ()
    assert plan([run for run in pending if not run.batch_norm], "native").notes == ()


@pytest.mark.usefixtures("needs_kernel")
def test_the_engine_of_a_run_depends_on_no_other_run():
    pending = list_runs(sweep(TEXT, SCHEDULERS), digits())
    together = list_engines(plan(pending))
    assert list_engines(plan(pending[::-1])) == together
    for run in pending:
        assert list_engines(plan([run])) == {run.run_id: together[run.run_id]}


def test_where_no_kernel_was_compiled_it_is_said_once_and_torch_trains(monkeypatch):
    monkeypatch.setattr(grouping, "explain_absence", lambda: "it was not compiled; do compile it")
    pending = list_runs(sweep(TEXT, "schedulers: {c: {class: constant}}\n"), digits())
    found = plan(pending)
    assert set(list_engines(found).values()) == {"stacked", "reference"}
    assert found.notes == (
        "cnn: trains several times slower than it could, since it was not compiled; do compile it",
    )
    with pytest.raises(InputError) as raised:
        plan(pending, "native")
    assert str(raised.value) == (
        "engine: native cannot be used here, since it was not compiled; do compile it"
    )
    # where the kernel would not be used, its absence is nobody's matter
    assert plan([run for run in pending if run.batch_norm]).notes == ()


def test_a_gpu_has_engines_of_its_own():
    pending = list_runs(sweep("seeds: 2", "schedulers: {c: {class: constant}}\n"), digits())
    with pretend_gpu():
        assert set(list_engines(plan(pending, device=torch.device("cuda"))).values()) == {"stacked"}
        with pytest.raises(InputError) as raised:
            plan(pending, "native", torch.device("cuda"))
    assert str(raised.value) == "engine: native trains on a CPU; give --device cpu with it"


@pytest.mark.usefixtures("needs_kernel")
def test_its_time_and_memory_are_estimated():
    pending = list_runs(sweep("seeds: 2", "schedulers: {c: {class: constant}}\n"), digits())
    found = plan(pending)
    seconds = estimate_seconds(found, digits(), CPU)
    assert len(seconds) == 2
    assert all(0 < each < 60 for each in seconds)
    few = estimate_bytes(found, digits(), CPU)
    more = replace(found.groups[0].runs[0], batch_size=1064)
    many = estimate_bytes(grouping.Plan((grouping.Group("native", (more,)),)), digits(), CPU)
    # each of 1,000 more images takes its maps (6x6x16 framed and 128 numbers, with a byte for the
    # winner in each window), the gradient of the latter, 128 hidden numbers three times, 16 logits
    # twice, and 128 uniforms
    of_image = 4 * (576 + 128 + 128 + 3 * 128 + 2 * 16) + 256 + 128 + 4 * 128
    assert many - few == 1000 * of_image
    # more images than there are take no more than those
    whole, larger = (
        estimate_bytes(grouping.Plan((grouping.Group("native", (run,)),)), digits(), CPU)
        for run in (replace(more, batch_size=size) for size in (1437 - more.validation, 10**9))
    )
    assert whole == larger
