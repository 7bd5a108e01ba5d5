"""Networks with shortcuts and with depthwise convolutions: stacked against reference."""

import numpy as np
import pytest
import torch
from helpers.recipes import same_bits
from helpers.tiers import slow_but
from helpers.training import CPU, digits, in_precision, sweep

from lrdecay.components.datasets.dataset import Data, Dataset, make_dataset
from lrdecay.core.run import Run
from lrdecay.engine import reference
from lrdecay.engine.stacked import train
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.execution import grouping
from lrdecay.sweep.matrix import list_runs

STEPS = {"resnet A": 20, "resnet B": 20, "mobilenet_v2": 3, "resnet18": 20}
"""How many are compared. Images of mobilenet_v2 end as single pixels, of which a batch has eight:
dividing by their deviations makes so much of rounding that the reference engine itself, given
images that differ by 1e-15, has other losses from the fourth step on."""
CONSTANT = "schedulers: {c: {class: constant}}\n"
SGD = "optimizer: {name: SGD, lr: 0.01, momentum: 0.9, nesterov: true, weight_decay: 0.0005}\n"
NETWORKS = {
    "resnet A": ("{name: resnet, shortcut: A}", 8),
    "resnet B": ("{name: resnet, shortcut: B}", 8),
    "mobilenet_v2": ("{name: mobilenet_v2, stem: small, width_mult: 0.25}", 16),
    "resnet18": ("{name: resnet18, stem: small}", 16),
}


def made_up(side: int) -> Dataset:
    """Images at random, in few classes; of eight pixels a side, digits."""
    if side == 8:
        return digits()
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(256, (220, 1, side, side), generator=generator, dtype=torch.uint8)
    labels = torch.arange(220) % 5
    return make_dataset("noise", (images, labels), (images[:40], labels[:40]))


def make_runs(network: str, seeds: int) -> tuple[list[Run], Data]:
    model, side = NETWORKS[network]
    dropout = "dropout: 0.3\n" if "mobilenet" in network else ""
    dataset = made_up(side)
    held_out = dataset.train_count - 160
    text = f"model: {model}\n{SGD}{dropout}validation: {held_out}\nbatch_size: 8\nepochs: 1\n"
    runs = list_runs(sweep(f"{text}seeds: {seeds}\n", CONSTANT), dataset)
    return runs, dataset.split(held_out)


@pytest.mark.parametrize("network", slow_but(["resnet A"], NETWORKS, soak=["resnet18"]))
@pytest.mark.usefixtures("double_precision")
def test_the_first_steps_are_those_of_the_reference(network):
    """And so is an evaluation, with the statistics that batch normalisation has gathered."""
    runs, data = make_runs(network, seeds=2)
    data, steps = in_precision(data), STEPS[network]
    group = Lockstep(runs, data.train, data.classes, CPU)
    found = group.train_epoch().losses.numpy()
    metrics, _ = group.evaluate(data.validation)
    assert len(found) == 20
    for place, run in enumerate(runs):
        losses: list[float] = []

        def remember(epoch, batches, of_epoch, losses=losses):
            losses[:] = [loss.item() for loss in of_epoch]

        record = reference.train_one(run, data, CPU, on_batch=remember)
        np.testing.assert_allclose(found[:steps, place], losses[:steps], rtol=1e-9)
        if steps < 20:
            continue
        held_out = next(e["loss"] for e in record.epochs if e["split"] == "val")
        assert metrics[place].loss == pytest.approx(held_out, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["resnet A", "resnet B"])
def test_a_run_is_the_same_to_the_bit_alone_and_in_company(network):
    """As those of torchvision are not on every processor, which on a CPU train alone for that."""
    runs, data = make_runs(network, seeds=3)
    whole = train.train_stacked(runs, data, CPU)
    for places in ([1], [2, 0]):
        found = train.train_stacked([runs[place] for place in places], data, CPU)
        assert all(same_bits(f, whole[place]) for f, place in zip(found, places, strict=True))
    assert len({record.run["init_digest"] for record in whole}) == 3  # or nothing is shown


RANDOM = "{name: efficientnet_b0, stem: small}"
ALONE = "efficientnet_b0: runs train one at a time, "


@pytest.mark.parametrize(
    ("model", "note"),
    slow_but(
        [("{name: resnet, depth: 20}", None)],
        [
            ("{name: resnet, depth: 20}", None),
            (RANDOM, ALONE),
            (RANDOM.replace("stem", "stochastic_depth_prob: 0.0, stem"), None),
        ],
    ),
)
def test_what_draws_at_random_itself_trains_alone(model, note):
    runs = list_runs(sweep(f"model: {model}\nbatch_size: 16\nseeds: 2\n", CONSTANT), digits())
    plan = grouping.plan_groups(runs, digits(), CPU, 1, "stacked", group_size=2)
    assert [len(group.runs) for group in plan.groups] == ([2] if note is None else [1, 1])
    assert [each[: len(note or "")] for each in plan.notes] == ([] if note is None else [note])


def test_depths_train_apart():
    text = "model: {name: resnet, depth: [20, 32]}\nseeds: 2\n"
    runs = list_runs(sweep(text, CONSTANT), digits())
    plan = grouping.plan_groups(runs, digits(), CPU, 1, "stacked", group_size=4)
    depths = [{run.model_arguments["depth"] for run in group.runs} for group in plan.groups]
    assert depths == [{32}, {20}]  # those that take longest first
