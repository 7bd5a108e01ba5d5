"""The stacked engine on a pretended GPU: graphs compute what steps do, to the bit, and nothing
within a step waits for the device."""

from dataclasses import replace

import pytest
import torch
from helpers.every_kind import OPTIMIZERS, SCHEDULERS, every_scheduler
from helpers.pretended_gpu import pretend_gpu
from helpers.pretended_training import (
    CUDA,
    SHAPES,
    Convolved,
    Residual,
    assert_graphs_hold,
    own,
    some,
    take_few,
    to_cuda,
    train_there,
)
from helpers.tiers import slow_but
from helpers.training import data_of, runs
from torch import Tensor

from lrdecay.components import rng, schedulers
from lrdecay.components.datasets.dataset import Data, make_dataset
from lrdecay.components.models.build import MODELS
from lrdecay.core.run import Run
from lrdecay.engine.stacked import cuda_graph
from lrdecay.engine.stacked.ensemble import Stack
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.runner.coordinator import run_sweep
from lrdecay.store.reader import read_runs

# All that trains


@pytest.mark.parametrize("batch_norm", ["false", "true"])
@pytest.mark.parametrize("optimizer", slow_but(["adam", "free_all"], OPTIMIZERS))
def test_every_optimizer_is_a_graph(optimizer, batch_norm):
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nmodel: {{batch_norm: {batch_norm}}}"
    assert_graphs_hold(some(f"{text}\nseeds: 2\ndropout: [0.0, 0.4]"))


@pytest.mark.parametrize("optimizer", slow_but(["adam"], ["adam", "nesterov", "rmsprop_all"]))
def test_every_scheduler_class_steers_graphs(optimizer):
    text = f"optimizer: {OPTIMIZERS[optimizer]}\ndropout: 0.3\nepochs: 3"
    by_label = runs(text, every_scheduler(optimizer), few=True)
    assert len(by_label) == len(SCHEDULERS)
    assert not any(schedulers.list_needs(run.scheduler_class) for run in by_label.values())
    together = [replace(run, seed=seed) for seed, run in enumerate(by_label.values())]
    assert_graphs_hold(together)


def noise(shape: tuple[int, int, int]) -> Data:
    """Images at random, in few classes."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(256, (200, *shape), generator=generator, dtype=torch.uint8)
    labels = torch.arange(200) % 5
    return make_dataset("noise", (images, labels), (images[:50], labels[:50])).split(40)


OF_MODELS = {"cnn": (3, 13, 10), "mnist_example": (1, 8, 8), "fmnist_2c2d": (1, 9, 8)}
OF_MODELS |= {"cifar10_3c3d": (3, 16, 16), "resnet": (1, 8, 8)}


def test_no_model_is_left_out():
    assert OF_MODELS.keys() == MODELS.keys()


@pytest.mark.parametrize("name", slow_but(["cnn"], OF_MODELS))
def test_every_model_is_a_graph(name):
    rate = {} if name == "cnn" else {"dropout": None}
    together = [replace(run, model=name, **rate) for run in some("seeds: 3\ndropout: 0.3")]
    assert_graphs_hold(together, take_few(noise(OF_MODELS[name])))


@pytest.mark.parametrize("network", [Residual, Convolved])
@pytest.mark.parametrize("optimizer", slow_but(["adam"], ["adam", "rmsprop_all", "free_all"]))
def test_a_network_of_ones_own_is_a_graph(monkeypatch, network, optimizer):
    assert_graphs_hold(own(monkeypatch, network, f"optimizer: {OPTIMIZERS[optimizer]}"))


@pytest.mark.parametrize(("images", "shapes"), [(48, 1), (33, 2), (47, 2)])
def test_a_graph_is_made_for_each_size_of_a_batch(images, shapes):
    together = some("seeds: 2")
    assert_graphs_hold(together, take_few(data_of(together[0]), images), shapes)


@pytest.mark.parametrize("seeds", [1, 3])
def test_runs_that_train_twice_are_graphs_too(seeds):
    assert_graphs_hold(some(f"seeds: {seeds}\nmodel: {{batch_norm: true}}"))


# Runs that are left out


@pytest.mark.parametrize("batch_norm", slow_but(["true"], ["false", "true"]))
@pytest.mark.parametrize("optimizer", slow_but(["momentum"], ["adam", "momentum", "free"]))
@pytest.mark.parametrize(("seeds", "wild"), slow_but([(4, [1])], [(4, [1]), (3, [0, 2]), (2, [0])]))
def test_who_goes_on_is_captured_anew(optimizer, batch_norm, seeds, wild):
    together = diverging(optimizer, batch_norm, seeds, wild)
    assert_graphs_hold(together, shapes=2 * SHAPES)
    statuses = [record.run["status"] for record in train_there(together).records]
    assert statuses == ["diverged" if i in wild else "completed" for i in range(seeds)]


def diverging(optimizer: str, batch_norm: str, seeds: int, wild: list[int]) -> list[Run]:
    """Runs of which some diverge in their first epoch."""
    text = f"optimizer: {OPTIMIZERS[optimizer]}\nmodel: {{batch_norm: {batch_norm}}}"
    calm = some(f"{text}\nseeds: {seeds}", epochs=3)
    return [replace(run, lr=1e38) if place in wild else run for place, run in enumerate(calm)]


def test_an_epoch_waits_as_often_whatever_its_steps():
    together = some("seeds: 2\nmodel: {batch_norm: true}\noptimizer: {name: AdamWScheduleFree}")
    counts = []
    for images in (32, 54):
        with pretend_gpu() as gpu:
            data = to_cuda(take_few(data_of(together[0]), images))
            group = Lockstep(together, data.train, data.classes, CUDA)
            for _ in range(2):
                before = len(gpu.waits)
                group.train_epoch()
                group.end_epoch([None, None])
            counts.append([wait.why for wait in gpu.waits[before:]])
    assert counts[0] == counts[1] != []


# Mutants


def keep_statistics(monkeypatch):
    """Batch normalisation's statistics are not put back after a capture."""
    monkeypatch.setattr(Stack, "state", property(lambda stack: stack.parameters))
    return some("seeds: 2\nmodel: {batch_norm: true}")


def keep_optimizer(monkeypatch):
    """The optimizer's state is not put back."""
    real = cuda_graph.capture_step

    def capture(step, examples, state, pool):
        return real(step, examples, state[:8], pool)

    monkeypatch.setattr(cuda_graph, "capture_step", capture)
    return some("seeds: 2")


def keep_graphs(monkeypatch):
    """Graphs outlive those who are left out."""
    monkeypatch.setattr(cuda_graph.Graphs, "clear", lambda graphs: None)
    return diverging("momentum", "false", 4, [1])


def average_elsewhere(monkeypatch):
    """Training goes on from copies of its weights, not in place."""

    def to_training(group: Lockstep) -> None:
        if group._of_training:
            values = zip(group._stack._values, group._of_training, strict=True)
            group._stack._values = {name: value.requires_grad_() for name, value in values}
            group._of_training = []

    monkeypatch.setattr(Lockstep, "_to_training", to_training)
    return some(f"seeds: 2\noptimizer: {OPTIMIZERS['free']}")


def wait_in_steps(monkeypatch):
    """A step looks at its losses."""
    real = Lockstep._step

    def step(self: Lockstep, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        losses, right = real(self, *inputs)
        return losses * float(losses.isfinite().all()), right

    monkeypatch.setattr(Lockstep, "_step", step)
    return some("seeds: 2")


def stay_on_cpu(monkeypatch):
    """The keys of the masks are made on the CPU."""
    real = rng.make_keys
    monkeypatch.setattr(rng, "make_keys", lambda seeds, purpose, device="cpu": real(seeds, purpose))
    return some("seeds: 2")


def keep_inputs(monkeypatch):
    """Every step sees the batch, rates and masks of the first."""
    real = cuda_graph.capture_step

    def capture(step, examples, *more):
        replay = real(step, examples, *more)
        return lambda *inputs: replay(*examples)

    monkeypatch.setattr(cuda_graph, "capture_step", capture)
    return some("seeds: 2")


def bake_rates(monkeypatch):
    """The learning rates are numbers of the host, which a graph has once and for all."""
    real = Lockstep._step

    def step(self: Lockstep, batch: Tensor, row: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        self._seen = getattr(self, "_seen", 0) + 1
        return real(self, batch, row * (1.0 - 0.01 * self._seen), keys)

    monkeypatch.setattr(Lockstep, "_step", step)
    return some("seeds: 2")


DIFFERS = (keep_statistics, keep_optimizer, average_elsewhere, keep_inputs, bake_rates)
MUTANTS = {
    **dict.fromkeys(DIFFERS, (AssertionError, None)),
    keep_graphs: (RuntimeError, "a graph uses memory that has been freed"),
    wait_in_steps: (AssertionError, None),
    stay_on_cpu: (RuntimeError, "Expected all tensors to be on the same device: .* at rng.py:"),
}


@pytest.mark.parametrize(
    "mutant", slow_but([keep_statistics, keep_graphs, wait_in_steps, stay_on_cpu], MUTANTS)
)
def test_mutants_are_found(monkeypatch, mutant):
    together = mutant(monkeypatch)
    error, message = MUTANTS[mutant]
    shapes = SHAPES if mutant is not keep_graphs else 2 * SHAPES
    with pytest.raises(error, match=message):
        assert_graphs_hold(together, shapes=shapes)


# All of it


@pytest.mark.slow
def test_a_sweep_in_this_process_plans_and_trains_there(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\ndataset: digits\nepochs: 1\nmodel: {name: cnn, batch_norm: [false, true]}\n"
        "schedulers: {c: {class: constant}}\nseeds: 3\n"
    )
    with pretend_gpu() as gpu:
        summary = run_sweep(file, tmp_path, workers=0, device="auto")
    assert (summary.completed, summary.failed) == (6, 0)
    rows = read_runs(summary.folder)
    assert set(rows["device"]) == {"Pretended GPU"}
    assert set(rows["engine"]) == {"stacked"}
    assert set(rows["group_size"]) == {3}
    assert gpu.captures == 4  # two networks, two sizes of a batch
    assert gpu.replays == 2 * 19
