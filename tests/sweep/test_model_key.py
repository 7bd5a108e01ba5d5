"""Arguments of a network in a sweep file: keys of `model`, checked by its signature, and axes."""

import json

import pytest
import torch
from helpers.plugged import as_in_a_new_process
from helpers.training import digits, sweep
from typer.testing import CliRunner

from lrdecay.cli.app import app
from lrdecay.components import plugins
from lrdecay.components.models.build import build_network
from lrdecay.core.errors import InputError
from lrdecay.core.run import Run
from lrdecay.sweep.cell import select_cell
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import list_runs, make_run

CONSTANT = "schedulers: {c: {class: constant}}\n"
BLOCKS = """\
from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field
from torch import nn


class MLP(nn.Sequential):
    def __init__(
        self, shape: Shape, classes: int, dropout: float, batch_norm: bool = False,
        width: Annotated[int, Field(ge=1)] = 16, *, widths: list[int] = [8],
        kind: Literal["relu", "gelu"] = "relu", gain: float = 1,
        wrap: Callable[[], int] | None = None, plain=3,
    ) -> None:
        self.given = {"width": width, "widths": widths, "kind": kind, "gain": gain}
        if width > 99:
            raise OverflowError("too wide")
        size = shape[0] * shape[1] * shape[2]
        super().__init__(nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, classes))


def other(shape, classes, dropout, width: float = 0.5):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))


MODELS = {"mlp": MLP, "other": other}
"""


def expand(model: str, more: str = "") -> list[Run]:
    return list_runs(sweep(f"model: {model}\n{more}", CONSTANT), digits())


def read(model: str, more: str = "") -> list[dict[str, object]]:
    return [json.loads(run.model_args) for run in expand(model, more)]


@pytest.fixture
def mlp(tmp_path):
    with as_in_a_new_process():
        path = tmp_path / "blocks.py"
        path.write_text(BLOCKS.replace("Shape, ", "tuple[int, ...], "))
        plugins.load_plugins([path])
        yield


# What runs get


def test_lists_are_axes_and_defaults_are_filled_in():
    assert read("resnet") == [{"depth": 20, "shortcut": "A"}]
    assert read("{name: resnet, depth: [20, 32], shortcut: [A, B]}") == [
        {"depth": depth, "shortcut": shortcut} for depth in (20, 32) for shortcut in "AB"
    ]
    asked = sweep("model: {name: resnet, depth: [20, 32]}\n", CONSTANT)
    assert asked.cells == 2
    assert list(asked.axes().items())[:3] == [
        ("model", ["resnet"]),
        ("depth", [20, 32]),
        ("batch_norm", [False]),
    ]
    network = {"width_mult": 1.0, "round_nearest": 8, "stem": "standard"}
    given = "{name: mobilenet_v2, width_mult: [0.5, 1], stem: small}"
    assert read("mobilenet_v2", "dropout: 0.1\n") == [network]
    assert read(given) == [network | {"stem": "small", "width_mult": wide} for wide in (0.5, 1.0)]


def test_a_default_that_is_given_is_the_same_run():
    (plain,) = expand("resnet")
    (given,) = expand("{name: resnet, shortcut: A, depth: 20}")
    (other,) = expand("{name: resnet, shortcut: B}")
    assert plain.run_id == given.run_id != other.run_id


def test_networks_without_arguments_have_the_ids_they_had():
    (run,) = expand("cnn", "seeds: 1\n")
    assert (run.model_args, run.run_id) == ("{}", CNN)
    (run,) = expand("fmnist_2c2d")
    assert run.model_args == "{}"


CNN = "c2859863b4eb0368"


def test_a_run_s_network_is_built_with_its_arguments():
    for run in expand("{name: resnet, depth: [20, 44], shortcut: B}"):
        layers = build_network(run, (1, 8, 8), 10).modules()
        convolutions = [m for m in layers if isinstance(m, torch.nn.Conv2d)]
        assert len(convolutions) == run.model_arguments["depth"] + 1  # and two of shortcuts


# Mistakes


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{name: resnet, depth: 21}", "model.depth: must be one of 20, 32, 44, 56, 110, not 21"),
        (
            "{name: resnet, depth: '20'}",
            "model.depth: '20' is unknown; did you mean 20? (choices: 20, ",
        ),
        ("{name: resnet, depth: [20, 20]}", "model.depth: 20 is in the list already; leave it out"),
        (
            "{name: resnet, shortcut: a}",
            "model.shortcut: 'a' is unknown; did you mean A? (choices: A, B)",
        ),
        (
            "{name: resnet, dept: 20}",
            "model: the key 'dept' is unknown; did you mean depth? "
            "(choices: name, batch_norm, depth, shortcut)",
        ),
        (
            "{depth: 20}",
            "model: the key 'depth' is unknown; the network resnet takes it (choices: "
            "name, batch_norm)",
        ),
        (
            "{name: [resnet, fmnist_2c2d], depth: 20}",
            "model.depth: fmnist_2c2d does not take it; fmnist_2c2d takes no arguments of its own",
        ),
        (
            "{name: [resnet18, resnet], depth: 20}",
            "model.depth: resnet18 does not take it; resnet18 takes zero_init_residual, stem",
        ),
        (
            "{name: vgg11, stem: small}",
            "model: the key 'stem' is unknown; no network that is named here has another stem ",
        ),
        ("{name: resnet18, stem: tiny}", "model.stem: 'tiny' is unknown; choices: standard, small"),
        (
            "{name: resnet18, weights: DEFAULT}",
            "model: the key 'weights' is unknown; leave it out, "
            "since networks start untrained (choices: name, batch_norm, zero_init_residual, stem)",
        ),
        (
            "{name: resnet, batch_norm: true}",
            "model.batch_norm: true needs a network that can have it; resnet takes none",
        ),
        ("{name: mobilenet_v2, width_mult: 0}", "model.width_mult: must be above 0, not 0"),
    ],
)
def test_mistakes_are_found_by_the_signature(model, message):
    with pytest.raises(SweepFileError) as caught:
        sweep(f"model: {model}\n", CONSTANT)
    assert message in str(caught.value)
    assert str(caught.value).startswith("small.yaml:3:")


def test_what_takes_the_images_to_see_names_the_dataset():
    with pytest.raises(InputError, match=r"^digits: alexnet cannot take images of 8x8 pixels: "):
        expand("alexnet")
    with pytest.raises(InputError, match=r"^digits: vit_b_16 cannot be built: Input shape "):
        expand("vit_b_16")


# Command lines


def test_a_cell_is_named_by_an_argument():
    asked = sweep("model: {name: resnet, depth: [20, 32]}\n", CONSTANT)
    run = make_run(asked, digits(), select_cell(asked.axes(), ["depth=32"]))
    assert run.model_arguments == {"depth": 32, "shortcut": "A"}
    with pytest.raises(InputError, match="depth has no value '44'"):
        select_cell(asked.axes(), ["depth=44"])


def call(*arguments: str):
    return CliRunner().invoke(app, ["train", *arguments])


def test_train_takes_arguments_of_the_network():
    done = call("--model", "resnet", "--model-arg", "depth=20", "--epochs", "1")
    assert (done.exit_code, "test accuracy" in done.output) == (0, True)
    wrong = call("--model", "resnet", "--model-arg", "depth=18")
    assert "model.depth: must be one of 20, 32, 44, 56, 110, not 18" in wrong.output
    wrong = call("--model", "resnet", "--model-arg", "depth")
    assert "--model-arg depth: expected KEY=VALUE, such as --model-arg depth=20" in wrong.output


# Plug-ins


@pytest.mark.usefixtures("mlp")
def test_a_plug_in_s_typed_arguments_are_keys():
    given = "{name: mlp, width: [8, 4], widths: [1, 2], gain: 2}"
    found = expand(given)
    assert [run.model_arguments for run in found] == [
        {"width": width, "widths": [1, 2], "kind": "relu", "gain": 2.0} for width in (8, 4)
    ]
    assert [build_network(run, (1, 8, 8), 10).given for run in found] == [
        dict(run.model_arguments) for run in found
    ]
    assert read("mlp") == [{"width": 16, "widths": [8], "kind": "relu", "gain": 1.0}]
    assert read("{name: [mlp, other], width: 1}")[1] == {"width": 1.0}


@pytest.mark.usefixtures("mlp")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{name: mlp, width: 0}", "model.width: must be at least 1, not 0"),
        ("{name: mlp, kind: rel}", "model.kind: 'rel' is unknown; did you mean relu?"),
        ("{name: mlp, plain: 4}", "model: the key 'plain' is unknown; "),
        ("{name: mlp, wrap: 4}", "model: the key 'wrap' is unknown; "),
        ("{name: mlp, width: 100}", "the plug-in model mlp of "),
    ],
)
def test_a_plug_in_s_arguments_are_checked(model, message):
    with pytest.raises(InputError) as caught:
        expand(model)
    assert message in str(caught.value)


def test_an_argument_of_the_optimizer_s_too_is_refused(tmp_path):
    with as_in_a_new_process():
        path = tmp_path / "own.py"
        path.write_text(BLOCKS.replace("Shape, ", "int, ").replace("gain", "momentum"))
        plugins.load_plugins([path])
        text = "model: {name: mlp, momentum: 0.5}\noptimizer: {name: SGD, momentum: 0.9}\n"
        with pytest.raises(SweepFileError, match=r":3:20: model.momentum: the optimizer "):
            sweep(text, CONSTANT)
