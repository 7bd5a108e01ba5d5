"""Label smoothing and clipping in whole trainings: stacked against reference, and alone against in
company."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.every_kind import OPTIMIZERS
from helpers.pretended_training import Residual, assert_graphs_hold, own, some
from helpers.recipes import assert_first_steps, make_runs, read_losses, same_bits
from helpers.tiers import slow_but
from helpers.training import CPU, curve, data_of, split
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from lrdecay.components import rng
from lrdecay.components.models import build
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.engine import reference
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.kinds import find_kinds, lockstep_kind

RECIPES = {
    "smoothing": {"label_smoothing": 0.1},
    "clipping": {"clip_grad_norm": 0.5},
    "both": {"label_smoothing": 0.2, "clip_grad_norm": 0.3},
}


@pytest.mark.parametrize("recipe", slow_but(["both"], RECIPES))
@pytest.mark.parametrize("optimizer", slow_but(["adam", "free_all"], OPTIMIZERS))
@pytest.mark.usefixtures("double_precision")
def test_the_first_steps_are_those_of_the_reference(optimizer, recipe):
    """Each run has its own share and its own norm."""
    several = {name: [value, 2 * value, value / 4] for name, value in RECIPES[recipe].items()}
    runs = make_runs(optimizer, batch_norm=False, seeds=3)
    together = [
        replace(run, **{name: values[place] for name, values in several.items()})
        for place, run in enumerate(runs)
    ]
    assert len(set(find_kinds(together))) == 1
    assert_first_steps(together)


@settings(
    max_examples=max(3, settings.default.max_examples // 30),  # each trains up to six runs
    derandomize=True,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
@given(
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    batch_norm=st.booleans(),
    smooths=st.booleans(),
    clips=st.booleans(),
    cells=st.lists(
        st.tuples(st.floats(1e-6, 0.999), st.floats(1e-3, 1e3), st.integers(0, 2**63 - 1)),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)
@pytest.mark.slow
@pytest.mark.usefixtures("double_precision")
def test_any_combination_is_the_reference_s(optimizer, batch_norm, smooths, clips, cells):
    (run,) = make_runs(optimizer, batch_norm, seeds=1)
    together = [
        replace(
            run,
            **({"label_smoothing": share} if smooths else {}),
            **({"clip_grad_norm": limit} if clips else {}),
            seed=seed,
        )
        for share, limit, seed in cells
    ]
    assert_first_steps(together)


@pytest.mark.parametrize("recipe", [{}, *RECIPES.values()], ids=["none", *RECIPES])
def test_the_reference_is_a_plain_loop(recipe):
    (run,) = make_runs("nesterov", batch_norm=False, seeds=1, epochs=1)
    run, data = replace(run, dropout=0.0, **recipe), data_of(run)
    model = build.build_network(run, data.shape, data.classes)
    optimizer = build_optimizer(run.optimizer, model.parameters(), run.lr, run.optimizer_arguments)
    losses, norms = [], []
    for batch in rng.draw_order(run.seed, 0, len(data.train)).split(16):
        logits, labels = model(data.train.images[batch]), data.train.labels[batch]
        loss = F.cross_entropy(logits, labels, label_smoothing=recipe.get("label_smoothing", 0.0))
        optimizer.zero_grad()
        loss.backward()
        if "clip_grad_norm" in recipe:
            norm = nn.utils.clip_grad_norm_(model.parameters(), recipe["clip_grad_norm"])
            norms.append(float(norm))
        optimizer.step()
        losses.append(loss.item())
    assert read_losses(run) == pytest.approx(losses, rel=1e-4)
    assert all(norm > recipe["clip_grad_norm"] for norm in norms[:5])  # or nothing is shown
    record = reference.train_one(run, data, CPU)
    sizes = [16] * (len(losses) - 1) + [len(data.train) - 16 * (len(losses) - 1)]
    assert curve(record, "train") == pytest.approx([np.average(losses, weights=sizes)], rel=1e-4)
    with torch.no_grad():
        plain = F.cross_entropy(model(data.test.images), data.test.labels).item()
    assert curve(record, "test") == pytest.approx([plain], rel=1e-3)


@pytest.mark.parametrize(
    ("optimizer", "batch_norm"), slow_but([("adam", False)], [("adam", False), ("nesterov", True)])
)
@pytest.mark.parametrize("recipe", slow_but(["both"], RECIPES))
def test_a_run_is_the_same_to_the_bit_alone_and_in_any_company(optimizer, batch_norm, recipe):
    runs = make_runs(optimizer, batch_norm, seeds=5)
    together = [
        replace(run, **{name: value * (1 + place / 10) for name, value in RECIPES[recipe].items()})
        for place, run in enumerate(runs)
    ]
    data = split(239)
    whole = train.train_stacked(together, data, CPU)
    for places in ([0], [4, 2], [3, 0, 1]):
        found = train.train_stacked([together[place] for place in places], data, CPU)
        for place, record in zip(places, found, strict=True):
            assert same_bits(record, whole[place])
    assert len({json.dumps(record.epochs) for record in whole}) == 5  # or nothing is shown


def test_runs_that_smooth_or_clip_train_apart_from_those_that_do_not():
    (run,) = make_runs("adam", batch_norm=False, seeds=1)
    kinds = [lockstep_kind(replace(run, **recipe)) for recipe in ({}, *RECIPES.values())]
    assert len(set(kinds)) == 4
    alike = [
        replace(run, label_smoothing=share, clip_grad_norm=limit)
        for share in (0.0, 0.1, 0.2)
        for limit in (1.0, 2.0, float("inf"))
    ]
    found = find_kinds(alike)
    assert found == [lockstep_kind(each) for each in alike]
    assert len(set(found)) == 4


@pytest.mark.parametrize("recipe", slow_but([], RECIPES))
def test_a_run_that_diverges_disturbs_no_other(recipe):
    calm = [replace(run, **RECIPES[recipe]) for run in make_runs("sgd", False, seeds=4)]
    together = [replace(run, lr=1e38) if place == 1 else run for place, run in enumerate(calm)]
    records = train.train_stacked(together, split(239), CPU)
    assert [record.run["status"] == "diverged" for record in records] == [False, True, False, False]
    alone = reference.train_one(together[1], split(239), CPU)
    assert records[1].run["diverged_at_step"] == alone.run["diverged_at_step"]
    for place in (0, 2, 3):
        (record,) = train.train_stacked([calm[place]], split(239), CPU)
        assert same_bits(record, records[place])


@pytest.mark.parametrize("batch_norm", slow_but(["true"], ["false", "true"]))
@pytest.mark.parametrize("recipe", slow_but(["both"], RECIPES))
def test_a_step_is_a_graph(recipe, batch_norm):
    runs = some(f"model: {{batch_norm: {batch_norm}}}\nseeds: 3\ndropout: 0.4")
    assert_graphs_hold([replace(run, **RECIPES[recipe]) for run in runs])


def test_a_step_of_a_network_of_ones_own_is_a_graph(monkeypatch):
    assert_graphs_hold([replace(run, **RECIPES["both"]) for run in own(monkeypatch, Residual)])


def test_who_goes_on_after_a_divergence_keeps_its_own_share_and_norm():
    runs = [
        replace(run, label_smoothing=0.1 * place, clip_grad_norm=float(place), lr=0.01)
        for place, run in enumerate(some("optimizer: SGD\nseeds: 4"), 1)
    ]
    runs[0] = replace(runs[0], lr=1e38)
    assert_graphs_hold(runs, shapes=4)
