"""Networks with dropout rates of their own, and the published problems they are trained on."""

import hashlib
import html
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from helpers.bright_squares import make_squares
from helpers.frames import make_tables, write_folder
from helpers.paths import SWEEPS
from helpers.tiers import slow_but
from torch import nn
from torch.testing import assert_close
from typer.testing import CliRunner

from lrdecay import analysis, read_epochs, read_metrics, read_runs, run_sweep, write_report
from lrdecay.cli.app import app
from lrdecay.components import contracts
from lrdecay.components.datasets import sources
from lrdecay.components.datasets.dataset import make_dataset
from lrdecay.components.models import dropout
from lrdecay.components.models.build import (
    MODELS,
    build_model,
    check_shape,
    digest_weights,
    has_own_dropout,
)
from lrdecay.engine import reference
from lrdecay.engine.stacked.lockstep import Lockstep
from lrdecay.store.export.rows import Run as Exported
from lrdecay.store.export.rows import list_exported
from lrdecay.store.reader import read_plan_runs
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import load_sweep, parse_sweep

CPU = torch.device("cpu")
PUBLISHED = sorted(
    path for path in (SWEEPS / "published").glob("*.yaml") if "mls_bench" not in path.name
)
FEW = ["mnist_example", "cifar10_3c3d"]
SHAPES = {"mnist_example": (1, 28, 28), "fmnist_2c2d": (1, 28, 28), "cifar10_3c3d": (3, 32, 32)}
PARAMETERS = {"mnist_example": 1_199_882, "fmnist_2c2d": 3_274_634, "cifar10_3c3d": 895_210}
OUTPUTS = {
    "mnist_example": [(32, 26, 26), (64, 24, 24), (64, 12, 12), (9216,), (128,), (10,)],
    "fmnist_2c2d": [(32, 28, 28), (32, 14, 14), (64, 14, 14), (64, 7, 7), (3136,), (1024,), (10,)],
    "cifar10_3c3d": [
        *((64, 28, 28), (64, 14, 14), (96, 12, 12), (96, 6, 6), (128, 6, 6), (128, 3, 3)),
        *((1152,), (512,), (256,), (10,)),
    ],
}
TEXT = """\
dataset: digits
model: mnist_example
optimizer: {name: Adadelta, lr: 0.5}
epochs: 2
schedulers:
  constant: {class: constant}
  step: {class: StepLR, step_size: 1, gamma: 0.5}
seeds: 8
"""


def network(name: str, seed: int = 0) -> nn.Sequential:
    made = build_model(name, SHAPES[name], 10, seed=seed, dropout=None, batch_norm=False)
    assert isinstance(made, nn.Sequential)
    return made


# The networks


@pytest.mark.parametrize("name", SHAPES)
def test_layers_are_as_large_as_published(name):
    model = network(name).eval()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    h, found = torch.rand(1, *SHAPES[name]), []
    for layer in model:
        h = layer(h)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.Flatten | nn.Linear):
            found.append(tuple(h.shape[1:]))
    assert found == OUTPUTS[name]


def test_the_rates_are_the_network_s_own():
    rates = {
        name: [layer.p for layer in dropout.list_dropout_layers(network(name))] for name in SHAPES
    }
    assert rates == {"mnist_example": [0.25, 0.5], "fmnist_2c2d": [], "cifar10_3c3d": []}
    assert dropout.read_applied_dropout(network("mnist_example")) is None
    assert [name for name in MODELS if has_own_dropout(name)] == [*SHAPES, "resnet"]


def test_mnist_example_is_its_formula():
    """The example's own order, ReLU before pooling, with masks that drop nothing."""
    model = network("mnist_example").eval()
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = zip(*[iter(model.parameters())] * 2, strict=True)
    x = torch.rand(3, 1, 28, 28)
    h = F.max_pool2d(F.relu(F.conv2d(F.relu(F.conv2d(x, w1, b1)), w2, b2)), 2).flatten(1)
    assert_close(model(x), F.linear(F.relu(F.linear(h, w3, b3)), w4, b4))
    model.train()
    dropout.set_dropout_step(model, 0, 0)
    assert (model(x) - model.eval()(x)).abs().max() > 1e-3


@pytest.mark.parametrize("size", [28, 12, 6])
def test_pooling_of_3c3d_pads_the_far_edges_alone(size):
    """As "same" does for an even size: one row below and one column to the right."""
    pools = {layer for layer in network("cifar10_3c3d") if isinstance(layer, nn.MaxPool2d)}
    images = torch.randn(2, 3, size, size)
    expected = F.max_pool2d(F.pad(images, (0, 1, 0, 1), value=-math.inf), 3, 2)
    assert len(pools) == 3
    assert all(pool(images).equal(expected) for pool in pools)


def test_2c2d_begins_with_a_truncated_normal():
    for layer in network("fmnist_2c2d"):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.bias.equal(torch.full_like(layer.bias, 0.05))
    parameters = network("fmnist_2c2d").parameters()
    weights = torch.cat([p.detach().flatten() for p in parameters if p.dim() > 1])
    assert 0.0999 < float(weights.abs().max()) <= 0.1
    # a normal one that is cut off at 2 sd has 0.8796 of the sd
    assert float(weights.std()) == pytest.approx(0.05 * 0.87962566, rel=2e-3)
    assert abs(float(weights.mean())) < 1e-4
    within = float((weights.abs() < 0.05).double().mean())
    assert within == pytest.approx(0.682689 / 0.954500, abs=2e-3)


def test_3c3d_begins_with_xavier():
    for layer in network("cifar10_3c3d"):
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        weights = layer.weight.detach()
        area = weights[0, 0].numel() if weights.dim() > 2 else 1
        sd = math.sqrt(2 / (area * sum(weights.shape[:2])))
        most = 2 * sd / 0.87962566 if weights.dim() > 2 else math.sqrt(3) * sd
        # four standard errors of an sd
        assert float(weights.std()) == pytest.approx(sd, rel=2.9 / math.sqrt(weights.numel()))
        assert 0.98 * most < float(weights.abs().max()) <= most * (1 + 1e-6)
        assert layer.bias.equal(torch.zeros_like(layer.bias))


@pytest.mark.parametrize("name", SHAPES)
def test_initial_weights_come_from_the_run_s_own_stream(name):
    torch.manual_seed(1)
    first = digest_weights(network(name))
    torch.manual_seed(2)
    assert digest_weights(network(name)) == first
    assert digest_weights(network(name, seed=1)) != first


def test_too_small_images_are_refused():
    for name, least in (("mnist_example", 6), ("fmnist_2c2d", 4), ("cifar10_3c3d", 16)):
        check_shape(name, (1, least, least))
        with pytest.raises(ValueError, match=f"{name} needs images of at least {least}x{least}"):
            check_shape(name, (1, least - 1, least))


# Both engines


@pytest.mark.parametrize("name", slow_but(["mnist_example"], SHAPES))
def test_both_engines_train_the_same(name):
    """In float64 their losses agree to 1e-9, each step with the masks of each layer's own rate."""
    text = TEXT.replace("mnist_example", name).replace("seeds: 8", "seeds: 2")
    optimizer = "{name: SGD, lr: 0.05, weight_decay: 0.002, decay_biases: false}"
    text = text.replace("{name: Adadelta, lr: 0.5}", optimizer) + "batch_size: 8\n"
    dataset = make_squares((1, 16, 16), 40, 10)
    together = list_runs(parse_sweep(text), dataset)
    torch.set_default_dtype(torch.float64)
    try:
        data = dataset.split(together[0].validation, CPU)
        data = replace(data, **{part: doubled(getattr(data, part)) for part in PARTS})
        group = Lockstep(together, data.train, data.classes, CPU)
        found = []
        for _ in range(together[0].epochs):
            found.append(group.train_epoch().losses.numpy())
            metrics, _ = group.evaluate(data.validation)
            group.end_epoch([m.loss for m in metrics])
        for place, run in enumerate(together):
            losses: list[float] = []

            def remember(epoch, batches, of_epoch, losses=losses):
                if len(of_epoch) == batches:
                    losses.extend(loss.item() for loss in of_epoch)

            reference.train_one(run, data, CPU, on_batch=remember)
            assert len(losses) == 10
            np.testing.assert_allclose(np.concatenate(found)[:, place], losses, rtol=1e-9)
    finally:
        torch.set_default_dtype(torch.float32)


PARTS = ("train", "train_eval", "validation", "test")


def doubled(split):
    return replace(split, images=split.images.double())


# The sweep files


def test_the_files_are_those_of_the_published_settings():
    found = {}
    for path in PUBLISHED:
        sweep = load_sweep(path)
        assert sweep.validation == 0
        found[path.stem] = (
            sweep.dataset.name,
            sweep.model.name[0],
            sweep.optimizer.name[0],
            *sweep.optimizer.rates,
            *(x for values in sweep.optimizer.arguments().values() for x in values),
            *sweep.batch_size,
            *sweep.epochs,
            *(spec.class_ for spec in sweep.schedulers.values()),
        )
    fashion = "fashion_mnist", "fmnist_2c2d"
    assert found == {
        "cifar10_3c3d": (
            *("cifar10", "cifar10_3c3d", "SGD", 0.01, 0.002, False, 128, 100, "constant"),
        ),
        "fmnist_2c2d_adam": (*fashion, "Adam", 0.001, 128, 100, "constant", "CosineAnnealingLR"),
        "fmnist_2c2d_adam_tuned": (*fashion, "Adam", 2.5118864e-4, 128, 100, "constant"),
        "fmnist_2c2d_momentum": (*fashion, "SGD", 2.5118864e-3, 0.99, 128, 100, "constant"),
        "fmnist_2c2d_sgd": (*fashion, "SGD", 0.15848932, 128, 100, "constant"),
        "mnist_example": ("mnist", "mnist_example", "Adadelta", 1.0, 64, 14, "StepLR"),
        "mnist_example_schedule_free": (
            *("mnist", "mnist_example", "AdamWScheduleFree", 0.0025, 64, 14, "constant"),
        ),
    }


@pytest.mark.parametrize(
    "name",
    slow_but(
        [],
        [path.stem for path in PUBLISHED],
        soak=[path.stem for path in PUBLISHED if path.stem not in FEW],
    ),
)
def test_each_trains_to_above_chance(name, data_dir):
    """On the first images of its dataset, for five epochs; CIFAR-10 is made up."""
    path = SWEEPS / "published" / f"{name}.yaml"
    sweep = load_sweep(path).model_copy(update={"epochs": (5,)})
    if sweep.dataset.name == "cifar10":
        dataset = make_squares((3, 32, 32), 512, 200)
    else:
        whole = sources.load_dataset(sweep.dataset, data_dir)
        dataset = make_dataset(
            whole.name,
            (whole.train_images[:384], whole.train_labels[:384]),
            (whole.test_images[:200], whole.test_labels[:200]),
        )
    run = list_runs(sweep, dataset)[-1]
    assert run.dropout is None
    record = reference.train_one(run, dataset.split(0, CPU), CPU)
    assert record.run["status"] == "completed"
    first = record.epochs[0]["loss"]
    assert record.epochs[-2]["loss"] < first  # on a sample of training images
    assert record.run["dropout"] is None
    assert record.run["applied_dropout"] is None
    # by chance 0.1, with an sd of 0.021
    assert record.run["test_accuracy"] > 0.2


_OWN = "mnist_example has dropout rates of its own, or none"
MISTAKES = {
    "dropout: 0.3\n": f"sweep.yaml:9:1: dropout: must be left out, since {_OWN}",
    "model: [cnn, mnist_example]\n": (
        f"sweep.yaml:9:8: model: {_OWN}; give networks that take one a sweep file of their own"
    ),
    "optimizer: {lr: {choose: [0.1, 0.2], per: [scheduler, dropout]}}\n": (
        f"sweep.yaml:9:43: optimizer.lr.per: must be scheduler, since {_OWN}"
    ),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_dropout_for_networks_that_have_their_own_is_refused(line):
    lines = TEXT.splitlines(keepends=True)
    text = "".join(each for each in lines if each.split(":")[0] != line.split(":")[0])
    text += "\n" * (8 - text.count("\n")) + line
    with pytest.raises(SweepFileError) as error:
        parse_sweep(text)
    assert str(error.value) == MISTAKES[line]


FIRST_DIGITS = """\
dataset: digits
optimizer: {name: Adam, lr: 0.003}
epochs: 20
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 10, gamma: 0.5}
  cosine:   {class: CosineAnnealingLR, T_max: epochs}
  plateau:  {class: ReduceLROnPlateau, factor: 0.5, patience: 1}
dropout: [0.0, 0.3, 0.5]
seeds: 8
"""
"""The first sweep that lrdecay came with."""


def test_ids_of_runs_with_a_dropout_are_as_ever():
    """All 96 of them, as they were before networks could have rates of their own."""
    sweep = parse_sweep(FIRST_DIGITS)
    ids = [run.run_id for run in list_runs(sweep, sources.load_dataset(sweep.dataset, None))]
    assert (ids[0], ids[-1]) == ("9be2475b41d99844", "f674b2470c4cfeae")
    assert hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16] == "175ddacee3ffaa60"


def test_decay_of_biases_is_in_the_identity_only_where_it_is_off():
    dataset = make_squares((1, 12, 12), 40, 10)

    def first(optimizer: str):
        return list_runs(
            parse_sweep(f"{TEXT}batch_size: 8\n".replace("Adadelta", optimizer)), dataset
        )[0]

    plain = first("SGD, weight_decay: 0.1")
    assert first("SGD, weight_decay: 0.1, decay_biases: true").run_id == plain.run_id
    spared = first("SGD, weight_decay: 0.1, decay_biases: false")
    assert spared.run_id != plain.run_id
    assert json.loads(spared.optimizer_args)["decay_biases"] is False
    assert "decay_biases" not in json.loads(plain.optimizer_args)


# From the sweep to the page


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("swept")
    sweep = parse_sweep(TEXT, "own.yaml")
    for _ in range(2):  # the second time nothing trains
        summary = run_sweep(sweep, results=home, workers=0, device="cpu", engine="stacked")
        assert summary.failed == 0
    return home / "own"


@pytest.mark.slow
def test_a_sweep_records_no_dropout(swept):
    runs, epochs = read_runs(swept), read_epochs(swept)
    assert (len(runs), set(runs["status"])) == (16, {"completed"})
    assert runs["engine"].str.contains("stacked").all()
    for column in (runs["dropout"], runs["applied_dropout"], epochs["dropout"]):
        assert column.dtype == np.float64
        assert column.isna().all()
    planned = read_plan_runs(swept)
    assert [run.dropout for run in planned] == [None] * 16
    assert {run.run_id for run in planned} == set(runs["run_id"])


@pytest.mark.slow
def test_its_comparison_is_one_stratum_without_dropout(swept):
    table = analysis.compare(read_runs(swept), margin=0.5)
    assert table["family"].tolist() == ["scheduler"]
    assert table[["dropout", "versus_dropout"]].isna().all(axis=None)
    assert table["n"].tolist() == [8]
    assert table["where"].tolist() == [""]
    with_rates = read_runs(swept).assign(dropout=0.25)
    as_if = analysis.compare(with_rates, margin=0.5)
    numbers = ["n", "mean", "low", "high", "sd", "wins", "correlation", "images_low", "images_high"]
    pd.testing.assert_frame_equal(table[numbers], as_if[numbers])
    assert table["verdict"].tolist() == as_if["verdict"].tolist()
    for form in ("text", "markdown"):
        command = ["compare", str(swept), "--margin", "0.5", "--pairs", "all", "--format", form]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0
        assert "step against constant" in result.output
        assert "dropout" not in result.output
        assert "nan" not in result.output


@pytest.mark.slow
def test_its_report_says_nothing_of_dropout_that_is_not_there(tmp_path):
    tables = [
        table.assign(dropout=np.nan)
        for table in make_tables(("constant", "step", "cosine"), (0.0,), seeds=12, n_epochs=3)
    ]
    folder = write_folder(tmp_path / "own", (tables[0], tables[1]))
    page = write_report(folder).read_text()
    text = page[page.index("<body") :].split("<script")[0]
    assert "dropout nan" not in text
    assert ">nan<" not in text
    assert ">dropout<" not in text
    assert "at dropout" not in text
    assert 'id="by_dropout"' not in text
    sentences = analysis.compare(tables[0], margin=0.05)["sentence"]
    assert len(sentences) == 2
    assert all(html.escape(sentence) in text for sentence in sentences)


def test_exported_runs_are_named_without_a_dropout(swept):
    from lrdecay.store.export.base import Tables

    tables = Tables("own", read_runs(swept), read_epochs(swept), read_metrics(swept), swept)
    first: Exported = next(iter(list_exported(tables)))
    assert first.name == f"constant-seed0-{first.id}"
    assert "dropout" not in first.parameters


def test_a_plug_in_may_declare_rates_of_its_own():
    class Own(nn.Module):
        own_dropout = True

        def __init__(self, shape, classes):
            super().__init__()

    contracts.check_contract("model", "Own", Own)
    Own.own_dropout = False
    with pytest.raises(ValueError, match=r"must take \(shape, classes, dropout\): too many"):
        contracts.check_contract("model", "Own", Own)
