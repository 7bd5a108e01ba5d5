"""The networks against the tutorial's own order of layers, and dropout against its masks."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from lrdecay.components import rng
from lrdecay.components.models.build import build_model, digest_weights, has_running_statistics
from lrdecay.components.models.dropout import StreamDropout, list_dropout_layers, set_dropout_step


def build(shape=(1, 28, 28), classes=10, *, seed=0, dropout=0.0, batch_norm=False) -> nn.Module:
    return build_model("cnn", shape, classes, seed=seed, dropout=dropout, batch_norm=batch_norm)


def tutorial(shape=(1, 28, 28), classes=10, batch_norm=False) -> nn.Sequential:
    """The tutorial's network as it is written there: convolution, ReLU, pool; no dropout."""
    channels, height, width = shape

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        return [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *block(channels, 16),
        *block(16, 32),
        nn.Flatten(),
        nn.Linear(32 * (height // 4) * (width // 4), 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


def images(shape: tuple[int, int, int], count: int = 6) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))


def same_weights(model: nn.Module, other: nn.Module) -> None:
    """Give `other` the weights of `model`, which has as many in the same order."""
    values = list(model.state_dict().values())
    other.load_state_dict(dict(zip(other.state_dict(), values, strict=True)))


def assert_same_gradients(model: nn.Module, other: nn.Module) -> None:
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert theirs.grad.abs().max() > 0
        assert_close(mine.grad, theirs.grad, rtol=1e-8, atol=1e-10)


# The CNN


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8), (3, 32, 32), (1, 29, 31), (2, 4, 5)])
def test_cnn_equals_the_tutorials_order_of_layers(shape, batch_norm):
    model = build(shape, 7, batch_norm=batch_norm)
    if batch_norm:  # also where a negative scale turns the largest value into the smallest
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(2))
    other = tutorial(shape, 7, batch_norm)
    same_weights(model, other)
    # in float64, so that what differs is the mathematics
    model, other = model.double(), other.double()
    x = images(shape).double()
    labels = torch.arange(6)
    for network in (model, other):
        F.cross_entropy(network(x), labels).backward()
    assert_same_gradients(model, other)
    for network in (model, other):
        network.eval()
    logits = model(x)
    assert logits.shape == (6, 7)
    assert_close(logits, other(x), rtol=1e-8, atol=1e-10)


def test_cnn_in_float32_is_as_near_as_float32_is():
    model, other = build(), tutorial()
    same_weights(model, other)
    x = images((1, 28, 28))
    assert_close(model(x), other(x), rtol=1e-6, atol=1e-6)
    channels_last = x.contiguous(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last)
    assert_close(model(channels_last), other(x), rtol=1e-6, atol=1e-6)


def test_cnn_has_as_many_parameters_as_the_tutorials():
    convolutions = (1 * 9 + 1) * 16 + (16 * 9 + 1) * 32
    linear = (32 * 7 * 7 + 1) * 128 + (128 + 1) * 10
    count = sum(p.numel() for p in build().parameters())
    assert count == convolutions + linear == 206_922
    assert sum(p.numel() for p in build(batch_norm=True).parameters()) == count + 2 * (16 + 32)


@pytest.mark.parametrize("shape", [(1, 3, 28), (1, 28, 3), (3, 1, 1)])
def test_images_too_small_to_pool_twice_are_refused(shape):
    with pytest.raises(ValueError, match=f"at least 4x4 pixels, not {shape[1]}x{shape[2]}"):
        build(shape)


# Initial weights


@pytest.mark.parametrize("batch_norm", [False, True])
def test_initial_weights_are_torchs_own(batch_norm):
    with rng.seed_torch(3, "init"):
        other = tutorial(batch_norm=batch_norm)
    mine = build(seed=3, batch_norm=batch_norm).state_dict().values()
    for tensor, expected in zip(mine, other.state_dict().values(), strict=True):
        assert tensor.equal(expected)


def test_initial_weights_depend_on_the_seed_and_not_on_dropout():
    digests = {digest_weights(build(seed=4, dropout=rate)) for rate in (0.0, 0.2, 0.9)}
    assert digests == {digest_weights(build(seed=4))}
    assert len({digest_weights(build(seed=seed)) for seed in range(5)}) == 5


def test_initial_weights_are_what_they_were():
    assert digest_weights(build((1, 8, 8))) == "d3efbc04ec4bf68b"


# The digest


def test_digest_sees_every_weight():
    model = build((1, 8, 8), batch_norm=True)
    before = digest_weights(model)
    digests = {before}
    for tensor in model.state_dict().values():
        last = tensor.view(-1)[-1:]
        kept = last.clone()
        last.copy_(kept + 1 if kept.dtype == torch.int64 else kept.nextafter(torch.tensor(9.0)))
        digests.add(digest_weights(model))
        last.copy_(kept)
    assert len(digests) == 1 + len(model.state_dict())
    assert digest_weights(model) == before


def test_digest_sees_no_memory_layout():
    model = build((3, 8, 8))
    before = digest_weights(model)
    assert digest_weights(model.to(memory_format=torch.channels_last)) == before


# Dropout


def test_dropout_does_nothing_in_evaluation_or_at_rate_zero():
    x = images((1, 4, 4))
    assert StreamDropout(0.5).eval()(x) is x
    assert StreamDropout(0.0).train()(x) is x


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_zeroes_where_the_stream_says_and_scales_the_rest(rate):
    layer = StreamDropout(rate).train()
    layer.key = rng.make_key(1, "dropout", 2, 0)
    x = images((2, 9, 5)).requires_grad_()
    kept = rng.draw_mask(layer.key, rng.mask_threshold(rate), x.shape, "cpu")
    assert 0 < kept.sum() < x.numel()
    y = layer(x)
    assert_close(y, torch.where(kept, x / (1 - rate), torch.zeros(())), rtol=1e-6, atol=0)
    assert (y[~kept] == 0).all()
    weights = images((2, 9, 5)) + 3
    (y * weights).sum().backward()
    assert_close(x.grad, kept * weights / (1 - rate), rtol=1e-6, atol=0)


def test_dropout_leaves_the_mean_as_it_is():
    layer = StreamDropout(0.3).train()
    mean = float(layer(torch.ones(1_000_000)).double().mean())
    assert abs(mean - 1) < 4 * (0.3 / 0.7 / 1_000_000) ** 0.5


def test_dropout_draws_nothing_from_torch():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    StreamDropout(0.3).train()(torch.ones(10))
    assert torch.get_rng_state().equal(before)


def test_cnn_drops_before_each_linear_layer():
    rate, seed, step = 0.4, 6, 17
    shape, classes = (1, 8, 8), 5
    model = build(shape, classes, dropout=rate).train().double()
    other = tutorial(shape, classes)
    same_weights(model, other)
    other = other.double()
    first, relu, last = other[-3:]
    x = images(shape).double()
    masks = [
        rng.draw_mask(
            rng.make_key(seed, "dropout", step, layer), rng.mask_threshold(rate), size, "cpu"
        )
        for layer, size in enumerate([(6, 128), (6, 128)])
    ]
    flat = other[:-3](x) * masks[0] / (1 - rate)
    expected = last(relu(first(flat)) * masks[1] / (1 - rate))
    set_dropout_step(model, seed, step)
    logits = model(x)
    assert_close(logits, expected, rtol=1e-10, atol=1e-12)
    assert not model(x).equal(logits)  # a second call within the step draws other masks
    set_dropout_step(model, seed, step)
    assert model(x).equal(logits)  # the same step draws the same
    for network in (logits, expected):
        network.square().sum().backward()
    assert_same_gradients(model, other)


def test_every_layer_step_and_seed_has_a_mask_of_its_own():
    model = build((1, 8, 8), dropout=0.5)
    keys = []
    for seed in range(4):
        for step in range(10):
            set_dropout_step(model, seed, step)
            keys += [layer.key for layer in list_dropout_layers(model)]
    assert len(keys) == 2 * 4 * 10
    assert len(set(keys)) == len(keys)


def test_the_masks_of_a_step_depend_on_nothing_before_it():
    used = build((1, 8, 8), dropout=0.5)
    for step in range(3):
        set_dropout_step(used, 1, step)
        used(images((1, 8, 8)))
    fresh = build((3, 12, 12), seed=8, dropout=0.1, batch_norm=True)
    for model in (used, fresh):
        set_dropout_step(model, 1, 5)
    keys, others = ([layer.key for layer in list_dropout_layers(m)] for m in (used, fresh))
    assert keys == others


@pytest.mark.parametrize("batch_norm", [False, True])
def test_running_statistics_are_seen(batch_norm):
    model = build_model("cnn", (1, 8, 8), 10, seed=0, dropout=0.0, batch_norm=batch_norm)
    assert has_running_statistics(model) == batch_norm
    assert not has_running_statistics(nn.BatchNorm1d(3, track_running_stats=False))
