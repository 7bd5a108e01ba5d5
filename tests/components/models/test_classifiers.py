"""torchvision's classifiers against torchvision itself."""

import subprocess
import sys

import pytest
import torch
import torchvision.models as published
from helpers.tiers import slow_but
from torch import Tensor, nn
from torch.testing import assert_close

from lrdecay.components.models.arguments import read_model_arguments, resolve_model_arguments
from lrdecay.components.models.build import (
    MODELS,
    allow_dropout,
    build_model,
    check_shape,
    digest_weights,
    has_own_dropout,
    takes_batch_norm,
)
from lrdecay.components.models.classifiers import find_classifier, list_classifiers
from lrdecay.components.models.dropout import list_dropout_layers, set_dropout_step
from lrdecay.components.models.families import FAMILIES
from lrdecay.components.registry import is_known, suggest_registered

NAMES = published.list_models(module=published)
BUILT = [name for name in NAMES if name != "regnet_y_128gf"]  # whose weights are 2.6 GB
AUXILIARY = {"inception_v3": 3_326_696}
"""Parameters of the classifiers on the way, which networks here are without."""
FEW = ("resnet18", "mobilenet_v2", "densenet121", "regnet_x_400mf", "inception_v3", "swin_t")
SMALL = {
    "resnet18": 4,
    "resnext50_32x4d": 4,
    "wide_resnet50_2": 4,
    "densenet121": 4,
    "mobilenet_v2": 2,
    "mobilenet_v3_small": 2,
    "efficientnet_b0": 2,
    "mnasnet0_5": 2,
    "regnet_x_400mf": 2,
    "shufflenet_v2_x0_5": 4,
}
"""Classifier -> how much longer the sides of its last images are with a small stem."""


def build(name: str, shape=(3, 32, 32), classes=10, seed=0, dropout=0.3, **arguments) -> nn.Module:
    rate = None if has_own_dropout(name) else dropout
    given = {"seed": seed, "dropout": rate, "batch_norm": False, "arguments": arguments}
    return build_model(name, shape, classes, **given)


def build_without_numbers(name: str, shape=(3, 224, 224), classes=1000) -> nn.Module:
    """The network in no memory; a RegNet cannot be made so."""
    if name.startswith("regnet"):
        return build(name, shape, classes)
    with torch.device("meta"):
        return build(name, shape, classes)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def draw_images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def test_there_are_all_of_the_registry_and_no_others():
    assert list(list_classifiers()) == NAMES
    assert len(NAMES) >= 80
    for other in ("fasterrcnn_resnet50_fpn", "fcn_resnet50", "quantized_resnet18", "r3d_18"):
        assert other in published.list_models()
        assert not is_known("model", other)
    assert not {*NAMES} & MODELS.keys()
    classes = {find_classifier(name).made.__name__ for name in NAMES}
    assert classes == FAMILIES.keys()


@pytest.mark.parametrize("name", slow_but(FEW, BUILT))
def test_there_are_as_many_parameters_as_torchvision_says(name):
    said = {weights.meta["num_params"] for weights in published.get_model_weights(name)}
    assert count(build_without_numbers(name)) + AUXILIARY.get(name, 0) in said


@pytest.mark.parametrize("name", slow_but(["resnet50", "efficientnet_b0", "convnext_tiny"], BUILT))
def test_defaults_are_torchvision_s(name):
    """Layer by layer, with all numbers that a layer shows."""
    arguments = resolve_model_arguments(name, {})
    assert arguments.keys() == read_model_arguments(name).keys()
    known = find_classifier(name)
    fixed = {"aux_logits": False, "init_weights": True} if name in AUXILIARY else {}
    fixed |= {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
    rate = () if known.own_dropout else (0.3,)
    theirs = {} if known.own_dropout else {known.family.dropout: 0.3}
    settled = name.startswith(("densenet", "swin"))  # whose dropout is a function there
    device = "cpu" if name.startswith("regnet") else "meta"
    with torch.device(device):
        mine = known((3, 224, 224), 10, *rate, **arguments)
        other = published.get_model(name, weights=None, num_classes=10, **theirs, **fixed)
    if not settled:
        assert str(mine) == str(other)
    shapes = [(tensor.shape, tensor.dtype) for tensor in mine.state_dict().values()]
    assert shapes == [(tensor.shape, tensor.dtype) for tensor in other.state_dict().values()]


@pytest.mark.parametrize("name", slow_but(["densenet121"], ["densenet121", "swin_t", "swin_v2_t"]))
def test_dropout_as_a_layer_computes_what_the_function_did(name):
    mine = build(name, (3, 32, 32), 5).double().eval()
    other = published.get_model(name, weights=None, num_classes=5).double().eval()
    values = mine.state_dict().values()
    other.load_state_dict(dict(zip(other.state_dict(), values, strict=True)))
    images = draw_images(2, 3, 32, 32).double()
    assert_close(mine(images), other(images), rtol=1e-10, atol=1e-12)


DROPPING = {
    "alexnet": ((3, 64, 64), {}),
    "densenet121": ((3, 32, 32), {}),
    "efficientnet_b0": ((3, 32, 32), {"stochastic_depth_prob": 0.0}),
    "mnasnet0_5": ((3, 32, 32), {}),
    "mobilenet_v2": ((3, 32, 32), {}),
    "mobilenet_v3_small": ((3, 32, 32), {}),
    "squeezenet1_1": ((3, 32, 32), {}),
    "vgg11": ((3, 32, 32), {}),
    "vit_b_32": ((3, 32, 32), {}),
}


@pytest.mark.parametrize("name", slow_but(["densenet121", "mobilenet_v2"], DROPPING))
def test_masks_are_the_run_s_own_and_of_its_rate(name):
    shape, arguments = DROPPING[name]
    model = build(name, shape, dropout=0.4, **arguments).train()
    assert {layer.p for layer in list_dropout_layers(model)} == {0.4}
    with torch.no_grad():
        for weights in model.parameters():  # some of which begin as zeros
            weights += 0.01 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(2))
    images, logits = draw_images(4, *shape), []
    for seed in (0, 1, 1):
        set_dropout_step(model, seed, step=0)
        torch.manual_seed(len(logits))  # of which nothing comes
        logits.append(model(images))
    assert logits[1].equal(logits[2])
    assert not logits[0].equal(logits[1])


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121"])
def test_weights_depend_on_the_seed_and_the_shape_alone(name):
    of_seed = {seed: digest_weights(build(name, seed=seed)) for seed in (0, 1)}
    torch.manual_seed(5)
    assert digest_weights(build(name, dropout=0.7)) == of_seed[0] != of_seed[1]
    small = {digest_weights(build(name, dropout=rate, stem="small")) for rate in (0.0, 0.5)}
    assert len(small) == 1


def test_images_of_one_channel_are_given_three_times_over():
    model, images = build("resnet18", (1, 32, 32)).eval(), draw_images(3, 1, 32, 32)
    assert count(model) == count(build("resnet18"))
    assert_close(model(images), model[1](images.repeat(1, 3, 1, 1)))
    with pytest.raises(ValueError, match=r"^resnet18 needs images of 1 or 3 channels, not 4$"):
        check_shape("resnet18", (4, 32, 32))


@pytest.mark.parametrize("name", slow_but(["resnet18", "mobilenet_v2"], SMALL))
def test_a_small_stem_leaves_images_larger(name):
    def find_last(stem: str) -> int:
        model, sides = build(name, (3, 64, 64), stem=stem).eval(), []
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda m, given, made: sides.append(made.shape[-1]))
        model(draw_images(2, 3, 64, 64))
        wide = [side for side in sides if side > 1]  # others are of squeeze and excitation
        return wide[-1]

    assert find_last("standard") == 2
    assert find_last("small") == 2 * SMALL[name]


def test_a_new_first_convolution_has_the_weights_of_its_family():
    resnet, densenet = build("resnet18", stem="small"), build("densenet121", stem="small")
    for layer, fan in ((resnet.conv1, 9 * 64), (densenet.features.conv0, 9 * 3)):
        assert (layer.kernel_size, layer.stride, layer.bias) == ((3, 3), (1, 1), None)
        assert layer.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.07)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (
            "alexnet",
            (1, 8, 8),
            r"alexnet cannot take images of 8x8 pixels: .*too small; take "
            r"larger images or another network",
        ),
        ("vit_b_16", (3, 28, 28), "vit_b_16 cannot be built: Input shape indivisible by patch"),
        ("vit_b_16", (3, 32, 48), "vit_b_16 cannot be built: needs square images, not 32x48"),
        ("densenet121", (3, 28, 28), "densenet121 cannot .* another network, or stem: small$"),
        ("inception_v3", (3, 32, 32), "inception_v3 cannot take images of 32x32 pixels: "),
    ],
)
def test_images_that_a_network_cannot_take_are_refused(name, shape, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        check_shape(name, shape, 10)


@pytest.mark.parametrize("name", slow_but(["googlenet"], ["googlenet", "inception_v3"]))
def test_classifiers_on_the_way_are_left_out(name):
    logits = build(name, (3, 96, 96)).train()(draw_images(2, 3, 96, 96))
    assert logits.shape == (2, 10)


def test_those_without_dropout_have_none_of_the_sweep_s():
    own = {name for name in NAMES if has_own_dropout(name)}
    assert {"resnet18", "convnext_tiny", "maxvit_t", "regnet_x_400mf"} < own
    assert not {"alexnet", "vgg11", "mobilenet_v2", "densenet121", "vit_b_16", "swin_t"} & own
    assert allow_dropout("resnet18", 0.5) is None
    assert not any(map(takes_batch_norm, NAMES))


def test_a_misspelt_name_gets_the_nearest_and_not_all_of_them():
    said = suggest_registered("model", "resnet19")
    assert said.startswith("'resnet19' is unknown; did you mean resnet18? (choices: cnn, ")
    assert said.endswith(", resnet, a classifier of torchvision)")


SCRIPT = """\
import sys
from lrdecay.components.datasets import sources
from lrdecay.sweep.reading import parse_sweep
from lrdecay.sweep.matrix import list_runs
text = "dataset: digits\\nschedulers: {c: {class: constant}}\\nmodel: "
for model in ("cnn", "resnet", "resnet18"):
    sweep = parse_sweep(text + model)
    list_runs(sweep, sources.load_dataset(sweep.dataset, None))
    print("torchvision" in sys.modules)
"""


@pytest.mark.slow
def test_torchvision_is_imported_only_where_a_network_of_it_is_named():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
