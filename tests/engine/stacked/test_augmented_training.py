"""Augmentation in whole trainings: which images networks see, and the same on both engines."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.every_kind import OPTIMIZERS
from helpers.pretended_training import Convolved, Residual, assert_graphs_hold, own, some
from helpers.recipes import assert_first_steps, make_runs, read_losses, same_bits
from helpers.tiers import slow_but
from helpers.training import CPU, curve, data_of, split
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lrdecay.components import rng
from lrdecay.components.models import build
from lrdecay.components.optimizers.build import build_optimizer
from lrdecay.components.transforms.augmentation import Augmentation
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.engine import reference
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.kinds import lockstep_kind

ALL = {"random_crop": 2, "horizontal_flip": 0.5, "cutout": 3}
GIVEN = {name: {name: value} for name, value in ALL.items()} | {"all": ALL}


def augmented(runs: list[Run], given: dict[str, float] = ALL) -> list[Run]:
    return [replace(run, augment=to_canonical_json(given)) for run in runs]


@pytest.mark.parametrize("name", slow_but(["all"], GIVEN))
@pytest.mark.parametrize(
    ("optimizer", "batch_norm"),
    slow_but([("free", True)], [*((name, False) for name in OPTIMIZERS), ("free", True)]),
)
@pytest.mark.usefixtures("double_precision")
def test_the_first_steps_are_those_of_the_reference(optimizer, batch_norm, name):
    assert_first_steps(augmented(make_runs(optimizer, batch_norm, seeds=3), GIVEN[name]))


@settings(
    max_examples=max(2, settings.default.max_examples // 40),  # each trains up to six runs
    derandomize=True,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
@given(
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    given=st.fixed_dictionaries(
        {},
        optional={
            "random_crop": st.integers(1, 9),
            "horizontal_flip": st.floats(1e-3, 1),
            "cutout": st.integers(1, 17),
        },
    ),
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3, unique=True),
)
@pytest.mark.usefixtures("double_precision")
def test_any_augmentation_is_the_reference_s(optimizer, given, seeds):
    (run,) = augmented(make_runs(optimizer, batch_norm=False, seeds=1), given)
    assert_first_steps([replace(run, seed=seed) for seed in seeds])


def test_the_reference_is_a_plain_loop():
    (run,) = augmented(make_runs("nesterov", batch_norm=False, seeds=1))
    run, data = replace(run, dropout=0.0), data_of(run)
    model = build.build_network(run, data.shape, data.classes)
    optimizer = build_optimizer(run.optimizer, model.parameters(), run.lr, run.optimizer_arguments)
    augmentation = Augmentation(ALL, data.train.black, data.train.images)
    losses, right = [], 0
    for epoch in range(2):
        keys = augmentation.make_keys([run.seed], epoch, CPU)[:, 0]
        everything = torch.arange(len(data.train))
        images = augmentation.apply(data.train.images.clone(), everything, keys)
        for batch in rng.draw_order(run.seed, epoch, len(data.train)).split(16):
            logits = model(images[batch])
            loss = F.cross_entropy(logits, data.train.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right += epoch * int((logits.argmax(1) == data.train.labels[batch]).sum())
    assert read_losses(run) == pytest.approx(losses, rel=1e-4)
    record = reference.train_one(run, data, CPU)
    # the split train is of the images as training saw them, all others of images as they are
    assert curve(record, "train", "accuracy")[1] == pytest.approx(right / len(data.train), abs=0.01)
    with torch.no_grad():
        for name, part in (("test", data.test), ("train_eval", data.train_eval)):
            plain = F.cross_entropy(model(part.images), part.labels).item()
            assert curve(record, name)[1] == pytest.approx(plain, rel=1e-3)


@contextmanager
def watch_images() -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Give the places and the images of each batch of a run or of several."""
    seen: list[tuple[Tensor, Tensor]] = []
    real = Augmentation.apply

    def apply(self: Augmentation, images: Tensor, batch: Tensor, keys: Tensor) -> Tensor:
        made = real(self, images, batch, keys)
        seen.append((batch, made))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Augmentation, "apply", apply)
        yield seen


def digest_images(seen: list[tuple[Tensor, Tensor]], place: int | None) -> str:
    """Name all images that a run saw, in order; `place` is that of a run among several."""
    sha = hashlib.sha256()
    for _, images in seen:
        of_run = images if place is None else images[place]
        sha.update(of_run.contiguous().numpy().tobytes())
    return sha.hexdigest()


SCHEDULERS = """\
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1, gamma: 0.5}
  plateau: {class: ReduceLROnPlateau, patience: 0}
"""


def test_a_seed_s_images_are_the_same_whatever_else_differs():
    together = augmented(some("seeds: 2\ndropout: [0.0, 0.4]", SCHEDULERS))
    data = split(239).train
    few = replace(split(239), train=data.first(100))
    with watch_images() as seen:
        train.train_stacked(together, few, CPU)
    digests = {run: digest_images(seen, place) for place, run in enumerate(together)}
    for run in together[::5]:
        with watch_images() as alone:
            reference.train_one(run, few, CPU)
        assert digest_images(alone, None) == digests[run]
    by_seed = {run.seed: digest for run, digest in digests.items()}
    assert digests == {run: by_seed[run.seed] for run in together}
    assert by_seed[0] != by_seed[1]
    # and other images in a second epoch than in the first, at any size of the batches
    half = len(seen) // 2
    pictures = []
    for batches in (seen[:half], seen[half:]):
        places = torch.cat([batch[0] for batch, _ in batches])
        pictures.append(torch.cat([images[0] for _, images in batches])[places.argsort()])
    assert (pictures[0] != pictures[1]).flatten(1).any(1).float().mean() > 0.8
    with watch_images() as larger:
        reference.train_one(replace(together[0], batch_size=64), few, CPU)
    places = torch.cat([batch for batch, _ in larger[:2]])
    again = torch.cat([images for _, images in larger[:2]])[places.argsort()]
    assert torch.equal(again, pictures[0])


def test_statistics_for_averaged_weights_are_of_what_training_saw():
    """AdamWScheduleFree: of the first steps, with their images, on both engines."""
    (run,) = augmented(make_runs("free", batch_norm=True, seeds=1, epochs=1))
    with watch_images() as seen:
        reference.train_one(run, data_of(run), CPU)
    steps = len(seen) // 2
    for (batch, images), (again, refreshed) in zip(seen[:steps], seen[steps:], strict=True):
        assert torch.equal(batch, again)
        assert torch.equal(images, refreshed)
    with watch_images() as stacked:
        train.train_stacked([run], data_of(run), CPU)
    assert digest_images(stacked, 0) == digest_images(seen, None)


@pytest.mark.parametrize(
    ("optimizer", "batch_norm"),
    slow_but([], [("adam", False), ("nesterov", True), ("free", True)]),
)
@pytest.mark.parametrize("name", slow_but(["all"], GIVEN))
def test_a_run_is_the_same_to_the_bit_alone_and_in_any_company(optimizer, batch_norm, name):
    together = augmented(make_runs(optimizer, batch_norm, seeds=5), GIVEN[name])
    data = split(239)
    whole = train.train_stacked(together, data, CPU)
    for places in ([0], [4, 2], [3, 0, 1]):
        found = train.train_stacked([together[place] for place in places], data, CPU)
        for place, record in zip(places, found, strict=True):
            assert same_bits(record, whole[place])
    assert len({json.dumps(record.epochs) for record in whole}) == 5  # or nothing is shown


def test_runs_that_are_augmented_otherwise_train_apart():
    (run,) = make_runs("adam", batch_norm=False, seeds=1)
    kinds = [
        lockstep_kind(augmented([run], given)[0])
        for given in ({}, *GIVEN.values(), {"cutout": 4}, ALL)
    ]
    assert len(set(kinds)) == 6


@pytest.mark.slow
def test_a_run_that_diverges_disturbs_no_other():
    calm = augmented(make_runs("sgd", False, seeds=4))
    together = [replace(run, lr=1e38) if place == 1 else run for place, run in enumerate(calm)]
    records = train.train_stacked(together, split(239), CPU)
    assert [record.run["status"] == "diverged" for record in records] == [False, True, False, False]
    for place in (0, 2, 3):
        (record,) = train.train_stacked([calm[place]], split(239), CPU)
        assert same_bits(record, records[place])


@pytest.mark.parametrize("batch_norm", slow_but(["true"], ["false", "true"]))
@pytest.mark.parametrize("name", slow_but(["all"], GIVEN))
def test_a_step_is_a_graph(name, batch_norm):
    runs = some(f"model: {{batch_norm: {batch_norm}}}\nseeds: 3\ndropout: 0.4")
    assert_graphs_hold(augmented(runs, GIVEN[name]))


@pytest.mark.parametrize("network", [Residual, Convolved])
def test_a_step_of_a_network_of_ones_own_is_a_graph(monkeypatch, network):
    assert_graphs_hold(augmented(own(monkeypatch, network)))


def test_a_step_at_averaged_weights_is_a_graph():
    text = f"optimizer: {OPTIMIZERS['free']}\nmodel: {{batch_norm: true}}\nseeds: 3"
    assert_graphs_hold(augmented(some(text)))


def test_who_goes_on_after_a_divergence_keeps_its_own_images():
    runs = augmented(some("optimizer: SGD\nseeds: 4"))
    runs[0] = replace(runs[0], lr=1e38)
    assert_graphs_hold(runs, shapes=4)
