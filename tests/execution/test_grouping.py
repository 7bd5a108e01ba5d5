"""Which runs train together: every run once, only what can, no more than fits."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from helpers.tiers import slow_but
from helpers.training import CPU, digits, runs, sweep
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lrdecay.components.datasets.dataset import Dataset, make_dataset
from lrdecay.components.models.build import MODELS, build_model
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.engine.measured import EVALUATION_BATCH
from lrdecay.engine.stacked.kinds import find_kinds, lockstep_kind
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.execution import grouping
from lrdecay.execution.cost import estimate_flops
from lrdecay.execution.memory import find_free_memory, measure_run_bytes
from lrdecay.sweep.matrix import list_runs

pytestmark = pytest.mark.usefixtures("torch_engines")  # the native one: test_native_groups.py

MANY = 2**40
CONSTANT = "schedulers: {c: {class: constant}}\n"


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """A machine with more memory than is ever needed; a test may give it less."""

    def set_to(count: float) -> None:
        monkeypatch.setattr(grouping, "find_free_memory", lambda device: int(count))

    set_to(MANY)
    return set_to


def some(count: int, text: str = "") -> list[Run]:
    """Runs that differ in the seed alone."""
    return list_runs(sweep(f"seeds: {count}\n{text}", CONSTANT), digits())


def noise(shape: tuple[int, int, int], count: int = 300, classes: int = 10) -> Dataset:
    """A dataset of random images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    return make_dataset("noise", (images, labels), (images[:50], labels[:50]))


def images_of(dataset: Dataset, count: int) -> torch.Tensor:
    return dataset.train_images[:count].float() / dataset.full_scale


def plan(pending, dataset=None, workers=1, engine="auto", group_size=None) -> grouping.Plan:
    return grouping.plan_groups(pending, dataset or digits(), CPU, workers, engine, group_size)


def sizes(found: grouping.Plan) -> list[int]:
    return [len(group.runs) for group in found.groups]


# Every run once


@given(st.integers(1, 300), st.integers(1, 80), st.integers(0, 9))
def test_parts_are_even_and_each_worker_gets_its_share(count, size, workers):
    parts = grouping._parts(range(count), size, workers)
    assert [item for part in parts for item in part] == list(range(count))
    lengths = [len(part) for part in parts]
    assert min(lengths) >= 1
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    rounds = math.ceil(math.ceil(count / size) / max(workers, 1))
    if size == 1:
        assert len(parts) == count
    else:  # no more parts than needed, and none for which another worker would wait
        assert len(parts) == min(count, rounds * max(workers, 1))


@pytest.mark.parametrize(("engine", "name"), [("stacked", "stacked"), ("reference", "reference")])
def test_every_run_is_in_one_group_and_in_order_within_its_kind(engine, name):
    text = "optimizer: {weight_decay: [0.0, 0.1]}\nbatch_size: [32, 64]\nseeds: 3\n"
    pending = list_runs(sweep(text), digits())
    assert len(pending) == 60
    pending = pending[::2] + pending[1::2]
    found = plan(pending, workers=2, engine=engine, group_size=5)
    assert sorted(run.run_id for group in found.groups for run in group.runs) == sorted(
        run.run_id for run in pending
    )
    assert {group.engine for group in found.groups} == {name}
    assert found.notes == ()
    for kind in {lockstep_kind(run) for run in pending}:
        of_kind = [run for run in pending if lockstep_kind(run) == kind]
        grouped = [run for group in found.groups for run in group.runs]
        assert [run for run in grouped if lockstep_kind(run) == kind] == of_kind


def test_nothing_pending_is_nothing_to_train():
    assert plan([]) == grouping.Plan(())


@pytest.mark.parametrize(
    ("count", "size", "workers", "expected"),
    [
        (12, 12, 1, [12]),
        (12, 12, 2, [6, 6]),
        (12, 4, 2, [3, 3, 3, 3]),
        (13, 4, 2, [3, 3, 3, 4]),
        (7, 2, 3, [1, 1, 1, 1, 1, 2]),
        (2, 5, 4, [1, 1]),
        (5, 1, 2, [1, 1, 1, 1, 1]),
    ],
)
def test_groups_are_even_and_a_multiple_of_the_workers(count, size, workers, expected):
    found = plan(some(count), workers=workers, engine="stacked", group_size=size)
    assert sorted(sizes(found)) == expected


@pytest.mark.parametrize("group_size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("engine", ["auto", "stacked"])
def test_group_size_is_the_most(engine, group_size):
    found = plan(some(20), engine=engine, group_size=group_size)
    assert {group.engine for group in found.groups} == {"stacked"}
    assert max(sizes(found)) <= group_size
    assert len(sizes(found)) == math.ceil(20 / group_size)


@pytest.mark.parametrize("group_size", [None, 5])
def test_the_reference_engine_trains_one_by_one(group_size):
    pending = some(5)
    found = plan(pending, workers=2, engine="reference", group_size=group_size)
    assert found.groups == tuple(grouping.Group("reference", (run,)) for run in pending)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weights_of_another_type_train_alone(monkeypatch, dtype):
    class Mixed(nn.Sequential):
        def __init__(self, shape, classes, dropout, batch_norm=False):
            super().__init__(nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, classes))
            self[1].weight.data = self[1].weight.data.to(dtype)

    monkeypatch.setitem(MODELS, "mixed", Mixed)
    found = plan([replace(run, model="mixed") for run in some(2)], engine="stacked")
    assert {group.engine for group in found.groups} == {"reference"}
    reason = f"its weights are {dtype}, and not all torch.float32"
    assert found.notes == (f"mixed: runs train one at a time, since {reason}",)


# Kinds


@pytest.mark.parametrize(
    "changed",
    [
        {"batch_size": 32},
        {"batch_norm": True},
        {"epochs": 3},
        {"precision": "bfloat16"},
        {"validation": 100},
        {"model": "twin"},
        {"optimizer": "AdamW"},
        {
            "optimizer": "SGD",
            "optimizer_args": to_canonical_json(
                {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
            ),
        },
        {
            "optimizer_args": to_canonical_json(
                {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.1},
            )
        },
    ],
)
def test_runs_of_two_kinds_share_no_group(monkeypatch, changed):
    monkeypatch.setitem(MODELS, "twin", MODELS["cnn"])
    mine = some(4)
    others = [replace(run, **changed) for run in mine]
    mixed = [run for pair in zip(mine, others, strict=True) for run in pair]
    found = plan(mixed, engine="stacked")
    longest_first = sorted(
        [tuple(mine), tuple(others)], key=lambda runs: -estimate_flops(runs[0], digits())
    )
    assert [group.runs for group in found.groups] == longest_first


def test_momentum_or_none_are_two_kinds():
    text = "optimizer: {name: SGD, momentum: [0.0, 0.5, 0.9]}\n"
    found = plan(some(2, text), engine="stacked")
    momenta = [{run.optimizer_args for run in group.runs} for group in found.groups]
    assert [len(of_group) for of_group in momenta] == [1, 2]


def test_centered_or_not_are_two_kinds():
    text = "optimizer: {name: RMSprop, centered: [false, true], alpha: [0.9, 0.99]}\n"
    found = plan(some(4, text), engine="stacked")
    centered = [{json.loads(r.optimizer_args)["centered"] for r in g.runs} for g in found.groups]
    assert centered == [{False}, {True}]


def test_what_may_differ_within_a_group_does():
    text = "optimizer: {lr: [0.001, 0.01], weight_decay: [0.1, 0.2]}\ndropout: [0.0, 0.5]\n"
    pending = list_runs(sweep(f"{text}seeds: 2"), digits())
    assert len(pending) == 5 * 2 * 2 * 2 * 2
    assert plan(pending, engine="stacked", group_size=80).groups == (
        grouping.Group("stacked", tuple(pending)),
    )


# Which engine


@pytest.mark.parametrize(
    ("shape", "batch_size", "engine"),
    [
        ((1, 8, 8), 64, "stacked"),
        ((1, 8, 8), 312, "stacked"),
        ((1, 8, 8), 313, "reference"),
        ((1, 28, 28), 64, "reference"),
        ((1, 28, 28), 25, "stacked"),
        ((3, 16, 16), 64, "stacked"),
        ((3, 32, 32), 64, "reference"),
    ],
)
def test_auto_stacks_where_images_are_few_and_small(shape, batch_size, engine):
    pending = [replace(run, batch_size=batch_size) for run in some(4)]
    found = plan(pending, noise(shape), group_size=4)
    assert [group.engine for group in found.groups] == [engine] * len(found.groups)
    assert sizes(found) == ([4] if engine == "stacked" else [1] * 4)
    assert found.notes == ()


def test_digits_are_stacked_as_many_as_stay_near_the_core():
    # 64 images of 8x8 are 4096 pixels; 65536 are taken at once
    assert sizes(plan(some(32))) == [16, 16]
    assert sizes(plan(some(16))) == [16]
    assert sizes(plan([replace(run, batch_size=128) for run in some(16)])) == [8, 8]
    # however small a step is, there are not more than 64
    assert sizes(plan([replace(run, batch_size=4) for run in some(128)])) == [64, 64]


def test_what_the_calling_program_has_set_changes_no_engine():
    expected = plan(some(4)).groups
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            found = plan(some(4))
    finally:
        torch.set_default_dtype(torch.float32)
    assert (found.groups, found.notes) == (expected, ())


def test_stacked_is_stacked_where_auto_would_not():
    pending = some(4)
    found = plan(pending, noise((1, 28, 28)), engine="stacked", group_size=4)
    assert found.groups == (grouping.Group("stacked", tuple(pending)),)
    # 64 images of 28x28 are 50176 of the 65536 pixels
    assert sizes(plan(pending, noise((1, 28, 28)), engine="stacked")) == [1] * 4


def test_the_engine_of_a_run_depends_on_no_other_run(monkeypatch):
    monkeypatch.setitem(MODELS, "mine", Branches)
    pending = [
        replace(run, batch_size=batch_size, model=model, seed=seed)
        for batch_size in (16, 64, 600)
        for model in ("cnn", "mine")
        for seed, run in enumerate(runs().values())
    ]

    def engines(chosen: list[Run], workers: int) -> dict[str, str]:
        found = plan(chosen, workers=workers).groups
        return {run.run_id: group.engine for group in found for run in group.runs}

    together = engines(pending, 1)
    assert set(together.values()) == {"stacked", "reference"}
    assert engines(pending[::-1], 3) == together
    for run in pending[::4]:
        assert engines([run], 2) == {run.run_id: together[run.run_id]}


# What cannot be stacked


class Branches(nn.Module):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        self.last = nn.Linear(math.prod(shape), classes)

    def forward(self, x):
        logits = self.last(x.flatten(1))
        return logits if logits.sum() > 0 else -logits


@pytest.mark.parametrize("engine", ["auto", "stacked"])
def test_a_model_that_cannot_be_stacked_trains_alone_and_says_why_once(monkeypatch, engine):
    monkeypatch.setitem(MODELS, "mine", Branches)
    mine = [replace(run, model="mine", epochs=epochs) for epochs in (1, 2) for run in some(3)]
    others = some(3)
    found = plan([*mine, *others], engine=engine, group_size=3)
    alone = [grouping.Group("reference", (run,)) for run in mine]
    assert found.groups == (grouping.Group("stacked", tuple(others)), *alone[3:], *alone[:3])
    if engine == "auto":  # on a CPU other networks' bits may depend on their company
        assert found.notes == ()
        return
    (note,) = found.notes
    assert note.startswith("mine: runs train one at a time, since ")
    assert "data-dependent control flow" in note
    assert "\n" not in note


def test_the_reference_engine_tries_no_stacking(monkeypatch):
    def refuse(*_):
        raise AssertionError("tried")

    monkeypatch.setattr(grouping, "check_same_results", refuse)
    assert plan(some(2), engine="reference").notes == ()
    assert plan(some(2), noise((1, 28, 28))).notes == ()
    with pytest.raises(AssertionError, match="tried"):
        plan(some(2))


# Memory


def per_run(run: Run, dataset: Dataset | None = None) -> int:
    images = images_of(dataset or digits(), max(run.batch_size, EVALUATION_BATCH))
    return measure_run_bytes(run, images, (dataset or digits()).classes)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fits", [1, 2, 5, 15])
def test_a_group_is_no_larger_than_what_fits(memory, fits, workers):
    pending = some(30)
    # a tenth stays free; workers share the rest
    memory((fits + 0.5) * per_run(pending[0]) / 0.9 * workers)
    found = plan(pending, workers=workers)
    count = math.ceil(30 / fits)
    assert len(sizes(found)) == (30 if fits == 1 else math.ceil(count / workers) * workers)
    assert max(sizes(found)) <= fits


@pytest.mark.parametrize(("share", "expected"), [(4.01, [3, 3]), (3.99, [2, 2, 2])])
def test_nine_tenths_of_the_memory_are_used(memory, share, expected):
    """Three runs take the memory of four, as which they train."""
    pending = some(6)
    memory(share * per_run(pending[0]) / 0.9 + 1)
    assert sizes(plan(pending)) == expected


@pytest.mark.parametrize(("count", "expected"), [(1, 2), (2, 2), (3, 4), (4, 4), (5, 5)])
def test_a_group_takes_the_memory_of_those_that_train(count, expected):
    group = grouping.Group("stacked", tuple(some(count)))
    found = grouping.measure_group_bytes(group, digits(), CPU)
    assert found == expected * per_run(group.runs[0])
    trained = Lockstep(group.runs, digits().split(239).train, digits().classes, CPU)
    assert len(trained.init_digests) == expected


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_there_is_always_a_group_of_one(memory, count):
    memory(count)
    found = plan(some(3))
    assert [(group.engine, len(group.runs)) for group in found.groups] == [("stacked", 1)] * 3


def test_a_given_group_size_is_what_is_asked_for(memory):
    memory(1)
    assert sizes(plan(some(6), group_size=3)) == [3, 3]


def test_bytes_per_run_grow_with_the_batch():
    (run,) = some(1)
    counts = (8, 64, 256, 512)
    found = [
        measure_run_bytes(replace(run, batch_size=n), images_of(digits(), n), 10) for n in counts
    ]
    weights = 4 * sum(p.numel() for p in network(run, (1, 8, 8)).parameters())
    assert found[0] > 5 * weights
    assert all(more > fewer for fewer, more in pairwise(found))
    # all but the weights is of the images, the same for each
    more = zip((64, 256, 512), found[1:], strict=True)
    by_image = [(size - found[0]) / (count - 8) for count, size in more]
    assert by_image == pytest.approx([by_image[0]] * 3, rel=0.1)
    # what pooling and ReLU keep (outputs of convolutions, indices of maxima, inputs of the next
    # layer), then masks and inputs of the linear layers; once more for gradients
    features = 4 * 64 + (4 * 1024 + 8 * 256 + 4 * 256) + (4 * 512 + 8 * 128 + 4 * 128)
    classifier = 5 * 4 * 128
    assert by_image[0] == pytest.approx(2 * (features + classifier), rel=0.05)


def network(run: Run, shape) -> nn.Module:
    return build_model("cnn", shape, 10, seed=0, dropout=0.0, batch_norm=run.batch_norm)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
def test_bytes_per_run_count_weights_gradients_and_optimizer(shape):
    (run,) = some(1)
    found = measure_run_bytes(run, images_of(noise(shape), 2), 10)
    weights = 4 * sum(p.numel() for p in network(run, shape).parameters())
    assert 5 * weights < found < 8 * weights


def test_free_memory_is_that_of_the_machine():
    assert 2**26 < find_free_memory(CPU) < 2**44


# Each question once

MANY_KINDS = """\
optimizer: {name: [SGD], momentum: [0.0, 0.9], weight_decay: [0.0, 0.1]}
model: {name: cnn, batch_norm: [false, true]}
batch_size: [64, 600]
epochs: [1, 2]
dropout: [0.0, 0.5]
seeds: 3
"""


def test_a_kind_is_found_for_all_runs_of_the_same_settings(monkeypatch):
    pending = list_runs(sweep(MANY_KINDS, CONSTANT), digits())
    pending += [replace(run, precision="bfloat16") for run in pending[::5]]
    expected = [lockstep_kind(run) for run in pending]
    asked = []

    def ask(run):
        asked.append(run)
        return real(run)

    real = lockstep_kind
    monkeypatch.setattr("lrdecay.engine.stacked.kinds.lockstep_kind", ask)
    assert find_kinds(pending) == expected
    settings = {replace(run, seed=0, dropout=0.0) for run in pending}
    assert len(asked) == len(settings) < len(pending) / 3
    assert find_kinds([]) == []


@pytest.mark.parametrize("engine", slow_but(["reference"], ["auto", "stacked", "reference"]))
def test_what_is_planned_together_is_what_each_kind_would_be_alone(monkeypatch, engine):
    pending = list_runs(sweep(MANY_KINDS, CONSTANT), digits())
    kinds: dict[object, list[Run]] = {}
    for run in pending:
        kinds.setdefault(lockstep_kind(run), []).append(run)
    alone = [group for runs in kinds.values() for group in plan(runs, engine=engine).groups]
    tried = []

    def check(networks, images, precision):
        tried.append(len(images))
        return real(networks, images, precision)

    real = grouping.check_same_results
    monkeypatch.setattr(grouping, "check_same_results", check)
    found = plan(pending, engine=engine)
    assert found.groups == tuple(grouping._order_groups(alone, digits()))
    # a network is tried once for each batch size, not for each of the 32 kinds
    assert len(kinds) == 32
    expected = {"auto": [250, 250], "stacked": [250, 250, 600, 600], "reference": []}
    assert sorted(tried) == expected[engine]
