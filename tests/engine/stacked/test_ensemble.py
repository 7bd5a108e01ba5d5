"""Many networks as one against each network alone: values, gradients, statistics and bits."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from helpers.training import CPU
from torch import Tensor, nn
from torch.testing import assert_close

from lrdecay.components import rng
from lrdecay.components.models.build import MODELS, build_model, digest_weights
from lrdecay.components.models.dropout import StreamDropout, apply_mask, set_dropout_step
from lrdecay.engine.layers import list_layers
from lrdecay.engine.stacked import blocks, sequential
from lrdecay.engine.stacked.ensemble import Stack
from lrdecay.engine.stacked.stack_check import CannotStackError, check_same_results

CLASSES = 5
BATCH = 7
STEPS = 4
SEEDS = [3, 11, 2**63 - 1]
RATES = [0.3, 0.0, 0.6]
SHAPES = [(3, 8, 8), (3, 12, 9)]

Build = Callable[[int, float], nn.Module]
"""A network of a seed and a dropout rate."""


def networks_of(model, shape=SHAPES[0], batch_norm: bool = False) -> Build:
    """Networks as `models.build` makes them, with every scale and shift away from one and zero."""

    def build(seed: int, rate: float) -> nn.Module:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(MODELS, "mine", MODELS.get(model, model))
            network = build_model(
                "mine", shape, CLASSES, seed=seed, dropout=rate, batch_norm=batch_norm
            )
        generator = torch.Generator().manual_seed(seed % 1000)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
                nn.init.normal_(layer.weight, generator=generator)
                nn.init.normal_(layer.bias, generator=generator)
        return network

    return build


def keys_of(seeds: Sequence[int], step: int, layers: int) -> Tensor:
    """The keys of the masks of a step, (layers, runs)."""
    keys = [
        [rng.make_key(seed, "dropout", step, layer) for seed in seeds] for layer in range(layers)
    ]
    signed = [[key - (1 << 64) if key >> 63 else key for key in of_layer] for of_layer in keys]
    return torch.tensor(signed, dtype=torch.int64).view(layers, len(seeds))


def images_of(seed: int, shape: tuple[int, int, int], count: int = BATCH) -> Tensor:
    generator = torch.Generator().manual_seed(seed % 1000)
    drawn = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    # the layout and the dtype of a dataset's images
    return drawn.to(torch.get_default_dtype()).contiguous(memory_format=torch.channels_last)


def weights_of(seed: int) -> Tensor:
    """What logits are weighted with before they are summed up, so that no gradient is zero."""
    generator = torch.Generator().manual_seed(seed % 1000 + 1)
    drawn = torch.randn(BATCH, CLASSES, generator=generator, dtype=torch.float64) / BATCH
    return drawn.to(torch.get_default_dtype())


def course_alone(build: Build, seed: int, rate: float, shape) -> dict[str, Tensor]:
    """Everything that a network alone shows in a few steps of training and an evaluation."""
    network = build(seed, rate)
    found = {}
    for step in range(STEPS):
        network.train()
        set_dropout_step(network, seed, step)
        logits = network(images_of(seed + step, shape))
        network.zero_grad()
        (logits * weights_of(seed)).sum().backward()
        found[f"logits {step}"] = logits.detach()
        for name, parameter in network.named_parameters():
            found[f"gradient {step} {name}"] = parameter.grad
            parameter.data = parameter.data - 0.05 * parameter.grad
        network.zero_grad()
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        found[f"end {name}"] = value.detach()
    network.eval()
    with torch.no_grad():
        found["evaluation"] = network(images_of(5, shape))
    return found


def course_stacked(build: Build, seeds, rates, shape) -> dict[str, Tensor]:
    """The same of all networks as one, each tensor with a run axis."""
    networks = [build(seed, rate) for seed, rate in zip(seeds, rates, strict=True)]
    names = [
        *(name for name, _ in networks[0].named_parameters()),
        *(name for name, _ in networks[0].named_buffers()),
    ]
    stack = Stack(networks, CPU)
    weights = torch.stack([weights_of(seed) for seed in seeds])
    found = {}
    for step in range(STEPS):
        images = torch.stack([images_of(seed + step, shape) for seed in seeds])
        logits = stack.logits(images, keys_of(seeds, step, stack.dropout_layers))
        gradients = torch.autograd.grad((logits * weights).sum(), stack.parameters)
        found[f"logits {step}"] = logits.detach()
        for name, parameter, gradient in zip(names, stack.parameters, gradients, strict=False):
            found[f"gradient {step} {name}"] = gradient
            with torch.no_grad():
                parameter -= 0.05 * gradient
    for name, value in zip(names, stack.state, strict=True):
        found[f"end {name}"] = value.detach().clone()
    with torch.no_grad():
        found["evaluation"] = stack.logits(images_of(5, shape), None)
    return found


def assert_as_alone(build: Build, shape, rtol: float, atol: float) -> None:
    found = course_stacked(build, SEEDS, RATES, shape)
    for place, (seed, rate) in enumerate(zip(SEEDS, RATES, strict=True)):
        expected = course_alone(build, seed, rate, shape)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            if name.endswith("num_batches_tracked"):  # not looked at where there is a momentum
                continue
            assert value.abs().max() > 0
            assert_close(found[name][place], value, rtol=rtol, atol=atol, msg=name)


@pytest.fixture(params=["InChannels", "InBatch", "vmap"])
def form(request, monkeypatch):
    """The form in which a sequence of known layers is computed on the CPU."""
    if request.param == "vmap":
        monkeypatch.setattr("lrdecay.engine.stacked.ensemble.list_layers", lambda network: None)
    else:
        monkeypatch.setattr(sequential, "InChannels", getattr(sequential, request.param))
    return request.param


# Networks of one's own


class Residual(nn.Module):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        channels = shape[0]
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding="same", groups=channels)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(math.prod(shape), classes)

    def forward(self, x):
        x = x + self.drop(self.first(x).relu())
        return self.last((x + self.second(x)).flatten(1))


class Twice(nn.Module):
    """One dropout layer, called twice and each time in another shape; a second one between."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.hidden = nn.Linear(math.prod(shape), 32)
        self.other = nn.Dropout(dropout)
        self.last = nn.Linear(32, classes)

    def forward(self, x):
        h = self.other(F.gelu(self.hidden(self.drop(x).flatten(1))))
        return self.last(self.drop(h))


class Shared(Twice):
    """One dropout layer under two names."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(shape, classes, dropout)
        self.other = self.drop


class Normed(nn.Module):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        self.hidden = nn.Linear(math.prod(shape), 64)
        self.norm = nn.BatchNorm1d(64)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(64, classes)

    def forward(self, x):
        return self.last(self.drop(self.norm(self.hidden(x.flatten(1))).tanh()))


def odd_sequence(shape, classes, dropout, batch_norm=False) -> nn.Sequential:
    """Known layers with arguments that the cnn does not use."""
    features = nn.Sequential(
        nn.Dropout(dropout),
        nn.Conv2d(shape[0], 4, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), bias=False),
        nn.BatchNorm2d(4, eps=0.1, momentum=0.3),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(4, 6, 2),
        nn.MaxPool2d((2, 3), stride=1, padding=1, ceil_mode=True),
    )
    flat = features.eval()(torch.zeros(2, *shape)).flatten(1).shape[1]
    return nn.Sequential(
        features,
        nn.Flatten(),
        nn.Linear(flat, 9, bias=False),
        nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Identity()),
        nn.Linear(9, classes),
    )


OWN = [Residual, Twice, Shared, Normed]


# Against each network alone


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.usefixtures("double_precision")
def test_the_cnn_is_what_each_is_alone(form, batch_norm, shape):
    assert_as_alone(networks_of("cnn", shape, batch_norm), shape, 1e-9, 1e-11)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_cnn_in_single_precision_too(form, batch_norm):
    assert_as_alone(networks_of("cnn", SHAPES[0], batch_norm), SHAPES[0], 1e-3, 1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("double_precision")
def test_layers_with_other_arguments_are_what_they_are_alone(form, shape):
    build = networks_of(odd_sequence, shape)
    assert Stack([build(0, 0.0)] * 2, CPU).is_chain == (form != "vmap")
    assert_as_alone(build, shape, 1e-9, 1e-11)


@pytest.mark.parametrize("model", OWN)
@pytest.mark.usefixtures("double_precision")
def test_a_network_of_ones_own_is_what_it_is_alone(model):
    build = networks_of(model)
    assert not Stack([build(0, 0.0)] * 2, CPU).is_chain
    assert_as_alone(build, SHAPES[0], 1e-9, 1e-11)


def test_frozen_weights_are_used_and_not_trained(form):
    def build(seed: int, rate: float) -> nn.Module:
        network = networks_of("cnn")(seed, rate)
        network.features[0].weight.requires_grad_(False)
        return network

    networks = [build(*each) for each in zip(SEEDS, RATES, strict=True)]
    stack = Stack(networks, CPU)
    assert len(stack.state) == len(list(networks[0].parameters()))
    assert len(stack.parameters) == len(stack.state) - 1
    x = images_of(5, SHAPES[0])
    logits = stack.logits(x, None)
    for place, network in enumerate(networks):
        assert_close(logits[place], network.eval()(x), rtol=1e-4, atol=1e-5)
    assert all(g.abs().max() > 0 for g in torch.autograd.grad(logits.sum(), stack.parameters))


def test_networks_given_to_a_stack_stay_as_they_are(form):
    build = networks_of("cnn", batch_norm=True)
    networks = [build(*each) for each in zip(SEEDS, RATES, strict=True)]
    before = [digest_weights(network) for network in networks]
    stack = Stack(networks, CPU)
    images = torch.stack([images_of(seed, SHAPES[0]) for seed in SEEDS])
    stack.logits(images, keys_of(SEEDS, 0, 2)).sum().backward()
    with torch.no_grad():
        for parameter in stack.parameters:
            parameter += 1
    assert [digest_weights(network) for network in networks] == before
    assert all(parameter.grad is None for n in networks for parameter in n.parameters())


@pytest.mark.parametrize("name", ["InChannels", "InBatch"])
def test_dropout_leaves_activations_in_bfloat16(monkeypatch, name):
    """And in each run's own network its masks and scales are the same."""
    kinds = []
    relu = F.relu

    def remember(x, *rest, **options):
        kinds.append(x.dtype)
        return relu(x, *rest, **options)

    monkeypatch.setattr(sequential, "InChannels", getattr(sequential, name))
    build = networks_of("cnn")
    networks = [build(*each) for each in zip(SEEDS, RATES, strict=True)]
    stack = Stack(networks, CPU)
    images = torch.stack([images_of(seed, SHAPES[0]) for seed in SEEDS])
    monkeypatch.setattr(F, "relu", remember)
    with torch.autocast("cpu", torch.bfloat16):
        logits = stack.logits(images, keys_of(SEEDS, 0, stack.dropout_layers))
        for seed, network in zip(SEEDS, networks, strict=True):
            set_dropout_step(network, seed, 0)
        alone = torch.stack([n(x) for n, x in zip(networks, images, strict=True)])
    assert logits.dtype == alone.dtype == torch.bfloat16
    assert set(kinds) == {torch.bfloat16}
    assert_close(logits, alone, rtol=0.05, atol=0.03)


@pytest.mark.parametrize("rate", RATES)
def test_a_mask_is_applied_in_the_dtype_of_what_it_is_applied_to(rate):
    x, kept = torch.ones(3, 4, dtype=torch.bfloat16), torch.rand(3, 4) > 0.5
    scale = torch.full((3, 1), 1 / (1 - rate))
    dropped = apply_mask(x, kept, scale)
    assert dropped.dtype == torch.bfloat16
    assert dropped.equal(apply_mask(x, kept, 1 / (1 - rate)))


@pytest.mark.parametrize("places", [[1], [2, 0], [0, 0], [2, 1, 0]])
@pytest.mark.parametrize("model", ["cnn", *OWN])
def test_those_who_are_kept_go_on_as_before(model, places):
    build = networks_of(model, batch_norm=True)
    stack = Stack([build(*each) for each in zip(SEEDS, RATES, strict=True)], CPU)
    images = torch.stack([images_of(seed, SHAPES[0]) for seed in SEEDS])
    for step in (0, 1):  # the running statistics move on too
        keys = keys_of(SEEDS, step, stack.dropout_layers)
        logits = stack.logits(images, keys)
    evaluation = stack.logits(images[0], None)
    state = [value.detach().clone() for value in stack.state]
    stack.keep(places)
    assert stack.rates == [[RATES[place]] * stack.dropout_layers for place in places]
    for value, before in zip(stack.state, state, strict=True):
        assert value.equal(before[places])
    assert_close(stack.logits(images[0], None), evaluation[places], rtol=1e-4, atol=1e-5)
    again = stack.logits(images[places], keys[:, places])
    assert_close(again, logits[places], rtol=1e-4, atol=1e-5)
    assert all(g is not None for g in torch.autograd.grad(again.sum(), stack.parameters))


# To the bit


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("model", "batch_norm"), [("cnn", False), ("cnn", True), *((model, False) for model in OWN)]
)
def test_bits_do_not_depend_on_the_company(model, batch_norm, shape):
    build = networks_of(model, shape, batch_norm)
    seeds = list(range(9))
    rates = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.3]
    together = course_stacked(build, seeds, rates, shape)
    assert len({tuple(run.flatten().tolist()) for run in together["evaluation"]}) == len(seeds)
    for places in ([0, 1], [8, 3], [3, 8], [4, 4], [7, 2, 5], [6, 1, 0, 8, 3, 2]):
        found = course_stacked(
            build, [seeds[place] for place in places], [rates[place] for place in places], shape
        )
        for name, value in found.items():
            assert value.equal(together[name][places]), name


# What cannot be stacked


class Plain(nn.Module):
    """Two layers; what is done between them is what each of the following does."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__()
        self.first = nn.Linear(math.prod(shape), 16)
        self.last = nn.Linear(16, classes)

    def forward(self, x):
        return self.last(self.between(self.first(x.flatten(1))))

    def between(self, h):
        return h


class Branches(Plain):
    def between(self, h):
        return h if h.sum() > 0 else -h


class DrawsDropout(Plain):
    def between(self, h):
        return F.dropout(h, 0.5, self.training)


class DrawsNoise(Plain):
    def between(self, h):
        return h + torch.rand_like(h)


class DrawsInTraining(Plain):
    def between(self, h):
        return h + torch.randn(h.shape) if self.training else h


class Reads(Plain):
    def between(self, h):
        return h * h.max().item()


class Lazy(Plain):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(shape, classes, dropout)
        self.first = nn.LazyLinear(16)


class Complains(Plain):
    def between(self, h):
        raise ValueError("\n not on a Tuesday\nnor on any other day")


class SaysNothing(Plain):
    def between(self, h):
        raise NotImplementedError


class Mixes(Plain):
    """It has numbers of its own that are in no parameter and no buffer."""

    made = 0

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(shape, classes, dropout)
        Mixes.made += 1
        self.factor = float(Mixes.made)

    def between(self, h):
        return h * self.factor


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Branches, "data-dependent control flow"),
        (DrawsDropout, "random operation"),
        (DrawsNoise, "random operation"),
        (DrawsInTraining, "random operation"),
        (Reads, r"calling \.item\(\)"),
        (Lazy, "uninitialized parameter"),
        (Complains, "^not on a Tuesday$"),
        (SaysNothing, "^NotImplementedError$"),
        (Mixes, "do not compute what they compute alone"),
    ],
)
def test_what_cannot_be_stacked_says_why_in_one_line(model, reason):
    build = networks_of(model)
    with pytest.raises(CannotStackError, match=reason) as raised:
        check_same_results([build(0, 0.0), build(1, 0.5)], images_of(0, SHAPES[0]))
    assert "\n" not in str(raised.value)


class Sometimes(Plain):
    """Its structure depends on the rate."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(shape, classes, dropout)
        self.drop = nn.Dropout(dropout) if dropout else nn.Identity()

    def between(self, h):
        return self.drop(h)


class Functional(Plain):
    """It drops with torch's own generator, and not at all at a rate of 0."""

    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(shape, classes, dropout)
        self.rate = dropout

    def between(self, h):
        return F.dropout(h, self.rate, self.training)


class Channels(Plain):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(shape, classes, dropout)
        self.drop = nn.AlphaDropout(dropout)

    def between(self, h):
        return self.drop(h)


class Unflattened(nn.Sequential):
    def __init__(self, shape, classes, dropout, batch_norm=False):
        super().__init__(nn.Conv2d(shape[0], classes, shape[1:]))


@pytest.mark.parametrize("model", [Sometimes, Functional, Channels, Unflattened])
def test_dropout_that_would_be_lost_and_odd_outputs_are_not_stacked(model):
    build = networks_of(model)
    with pytest.raises(CannotStackError):
        check_same_results([build(0, 0.0), build(1, 0.5)], images_of(0, SHAPES[0]))


def test_hooks_on_parameters_are_not_lost():
    networks = [networks_of("cnn")(seed, 0.5) for seed in (0, 1)]
    networks[0].features[0].weight.register_hook(lambda gradient: 2 * gradient)
    with pytest.raises(CannotStackError, match="a hook on a parameter would be lost"):
        check_same_results(networks, images_of(0, SHAPES[0]))


class Scaled(Plain):
    """Its values are a plain network's, and its gradients are not."""

    def between(self, h):
        if h.requires_grad:
            h.register_hook(lambda gradient: gradient / gradient.norm())
        return h


@pytest.mark.parametrize("kind", ["register_full_backward_hook", "register_full_backward_pre_hook"])
@pytest.mark.parametrize("model", ["cnn", Plain])
def test_hooks_that_change_gradients_are_not_lost(model, kind):
    networks = [networks_of(model)(seed, 0.5) for seed in (0, 1)]
    for network in networks:
        last = list(network.modules())[-1]
        getattr(last, kind)(lambda module, *gradients: (2 * gradients[-1][0],))
    with pytest.raises(CannotStackError):
        check_same_results(networks, images_of(0, SHAPES[0]))


@pytest.mark.parametrize("model", ["cnn", Plain])
def test_hooks_after_gradients_are_not_lost(model):
    def double(parameter: nn.Parameter) -> None:
        parameter.grad *= 2

    networks = [networks_of(model)(seed, 0.5) for seed in (0, 1)]
    for network in networks:
        next(network.parameters()).register_post_accumulate_grad_hook(double)
    with pytest.raises(CannotStackError, match="a hook on a parameter would be lost"):
        check_same_results(networks, images_of(0, SHAPES[0]))


def test_gradients_are_compared():
    build = networks_of(Scaled)
    with pytest.raises(CannotStackError, match="do not compute what they compute alone"):
        check_same_results([build(0, 0.0), build(1, 0.5)], images_of(0, SHAPES[0]))


def test_layers_that_share_a_parameter_are_no_chain():
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    assert list_layers(network) is not None
    network[3].bias = network[1].bias
    assert list_layers(network) is None


@pytest.mark.parametrize("model", ["cnn", odd_sequence, Plain, *OWN])
def test_what_can_be_stacked_passes_and_stays_as_it_is(model):
    build = networks_of(model, batch_norm=True)
    networks = [build(0, 0.0), build(1, 0.5)]
    before = [digest_weights(network) for network in networks]
    check_same_results(networks, images_of(0, SHAPES[0]))
    assert [digest_weights(network) for network in networks] == before
    assert all(network.training for network in networks)


@pytest.mark.parametrize("wrong", ["weights", "scale"])
def test_a_form_that_computes_something_else_is_not_used(monkeypatch, wrong):
    real = blocks.apply_linear

    def linear(h, weight, bias):
        return real(h, weight.flip(0), bias) if wrong == "weights" else real(h, weight, bias) * 1.01

    monkeypatch.setattr(blocks, "apply_linear", linear)
    build = networks_of("cnn")
    with pytest.raises(CannotStackError, match="do not compute what they compute alone"):
        check_same_results([build(0, 0.0), build(1, 0.5)], images_of(0, SHAPES[0]))


# What is a chain


class OwnForward(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + 1


class OwnReLU(nn.ReLU):
    def forward(self, x):
        return super().forward(x) + 1


def sequence(
    conv: nn.Module | None = None,
    between: nn.Module | None = None,
    flatten: nn.Module | None = None,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(conv or nn.Conv2d(4, 4, 3), between or nn.ReLU()),
        flatten or nn.Flatten(),
        nn.Linear(144, 5),
    )


@pytest.mark.parametrize(
    "network",
    [
        sequence(),
        sequence(conv=nn.Conv2d(4, 4, 3, padding=(1, 2), stride=2, dilation=2, bias=False)),
        sequence(between=nn.BatchNorm2d(4)),
        sequence(between=nn.MaxPool2d(2, padding=1, ceil_mode=True)),
        sequence(between=StreamDropout(0.5)),
        sequence(flatten=nn.Flatten(1)),
    ],
)
def test_a_sequence_of_known_layers_is_a_chain(network):
    names = [name for name, _ in list_layers(network)]
    assert names == ["0.0", "0.1", "1", "2"]
    assert [layer for _, layer in list_layers(network)] == [*network[0], *network[1:]]


@pytest.mark.parametrize(
    "network",
    [
        sequence(conv=nn.Conv2d(4, 4, 3, groups=2)),
        sequence(conv=nn.Conv2d(4, 4, 3, padding="same")),
        sequence(conv=nn.Conv2d(4, 4, 3, padding="valid")),
        sequence(conv=nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")),
        sequence(conv=nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3))),
        sequence(between=nn.BatchNorm2d(4, affine=False)),
        sequence(between=nn.BatchNorm2d(4, track_running_stats=False)),
        sequence(between=nn.BatchNorm2d(4, momentum=None)),
        sequence(between=nn.MaxPool2d(2, return_indices=True)),
        sequence(between=nn.Dropout(0.5)),
        sequence(between=nn.GELU()),
        sequence(between=OwnReLU()),
        sequence(between=nn.Linear(6, 6)),
        sequence(flatten=nn.Flatten(start_dim=2)),
        sequence(flatten=nn.Flatten(end_dim=2)),
        nn.Sequential(nn.Flatten(), nn.Flatten()),
        nn.Sequential(nn.Flatten(), nn.BatchNorm2d(4)),
        OwnForward(nn.Flatten(), nn.Linear(4, 5)),
        nn.Sequential(nn.Flatten(), OwnForward(nn.Linear(4, 5))),
        nn.Sequential(nn.Flatten(), *[nn.Linear(5, 5)] * 2),
        nn.Sequential(nn.Flatten(), *[nn.Sequential(nn.Linear(5, 5))] * 2),
        Plain((1, 2, 2), 5, 0.0),
    ],
)
def test_anything_else_is_no_chain(network):
    assert list_layers(network) is None


@pytest.mark.parametrize("place", ["", "0", "0.0", "2"])
@pytest.mark.parametrize(
    "hook",
    [
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ],
)
def test_a_network_with_hooks_is_no_chain(hook, place):
    network = sequence()
    handle = getattr(network.get_submodule(place), hook)(lambda *_: None)
    assert list_layers(network) is None
    handle.remove()
    assert list_layers(network) is not None


class StaysInEvaluation(nn.Sequential):
    """Keeps its first layers as they are in evaluation, as one freezes batch normalisation."""

    def train(self, mode: bool = True):
        super().train(mode)
        self[0].eval()
        return self


def test_a_network_with_a_mode_of_its_own_is_no_chain():
    assert list_layers(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))) is not None
    assert list_layers(StaysInEvaluation(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))) is None


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_cnn_is_a_chain(batch_norm):
    network = networks_of("cnn", batch_norm=batch_norm)(0, 0.3)
    found = list_layers(network)
    norm = nn.BatchNorm2d if batch_norm else nn.Identity
    block = [nn.Conv2d, norm, nn.MaxPool2d, nn.ReLU]
    classifier = [
        nn.Flatten,
        StreamDropout,
        nn.Linear,
        nn.ReLU,
        StreamDropout,
        nn.Linear,
    ]
    assert [type(layer) for _, layer in found] == [*block, *block, *classifier]
    names = [*(f"features.{i}" for i in range(8)), *(f"classifier.{i}" for i in range(6))]
    assert [name for name, _ in found] == names
    assert all(network.get_submodule(name) is layer for name, layer in found)
