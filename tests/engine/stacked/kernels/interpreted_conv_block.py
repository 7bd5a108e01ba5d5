"""The fused block in Triton's interpreter against torch's four operations."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from helpers.tiers import slow_but
from torch import Tensor
from torch.testing import assert_close

from lrdecay.engine.stacked.kernels import fused_conv_block
from lrdecay.engine.stacked.kernels.tiles import DOT

NAN = float("nan")
# numpy warns of what a GPU computes without a word
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered")

SHAPES = {  # runs, images, channels, height, width, output channels
    "grey": (2, 3, 1, 8, 8, 16),
    "colour, odd": (2, 2, 3, 5, 7, 8),
    "second layer": (2, 3, 16, 4, 6, 32),
    "least, narrow": (2, 4, 2, 2, 3, 2),
    "no powers of 2": (3, 1, 5, 9, 4, 20),
    "several blocks of channels": (1, 1, 33, 4, 4, 40),
    "cnn's first, digits": (2, 64, 1, 8, 8, 16),
    "cnn's second, digits": (2, 64, 16, 4, 4, 32),
    "cnn's first, MNIST": (1, 5, 1, 28, 28, 16),
    "cnn's second, MNIST": (1, 5, 16, 14, 14, 32),
}
QUICK = ("colour, odd",)


def draw(shape, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, weights, biases and the output's gradients, all results being around 1."""
    runs, batch, channels, height, width, outputs = shape
    generator = torch.Generator().manual_seed(seed)
    pooled = batch, outputs, height // 2, width // 2
    x = torch.randn(runs, batch, channels, height, width, generator=generator)
    weight = torch.randn(runs, outputs, channels, 3, 3, generator=generator)
    bias = torch.randn(runs, outputs, generator=generator)
    gradient = torch.randn(runs, *pooled, generator=generator)
    return x, weight / (9 * channels) ** 0.5, bias, gradient / (batch * pooled[2] * pooled[3])


def whole(tensors):
    """Small whole numbers instead: all sums of their products are exact, and many are equal."""
    return [(tensor * 3 / tensor.abs().max()).round() for tensor in tensors]


def differentiate(compute, x, weight, bias, gradient):
    """The block's output, and its gradients for all three."""
    given = [tensor.detach().requires_grad_() for tensor in (x, weight, bias)]
    y = compute(*given)
    return y.detach(), *torch.autograd.grad(y, given, gradient)


def in_torch(x, weight, bias):
    blocks = zip(x, weight, bias, strict=True)
    return torch.stack([F.relu(F.max_pool2d(F.conv2d(*of_run, padding=1), 2)) for of_run in blocks])


def equal(found, expected):
    """To the bit, but for the sign of zero."""
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", slow_but(QUICK, SHAPES))
def test_values_and_gradients_are_those_of_torch_in_float64(name):
    tensors = draw(SHAPES[name])
    found = differentiate(fused_conv_block, *tensors)
    expected = differentiate(in_torch, *(tensor.double() for tensor in tensors))
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours.double(), theirs, rtol=1e-6, atol=1e-6)
    assert found[0].shape == tensors[3].shape
    assert (found[0] > 0).any()


@pytest.mark.parametrize("name", slow_but(QUICK, SHAPES))
def test_of_equals_the_first_wins_to_the_bit(name):
    tensors = whole(draw(SHAPES[name], seed=1))
    expected = differentiate(in_torch, *tensors)
    equal(differentiate(fused_conv_block, *tensors), expected)
    # the check sees ties
    convolved = torch.stack([F.conv2d(*each, padding=1) for each in zip(*tensors[:3], strict=True)])
    height, width = (2 * size for size in expected[0].shape[3:])
    windows = convolved[..., :height, :width].unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2))
    largest = windows.amax((-3, -1), keepdim=True)
    assert (((windows == largest).sum((-3, -1)) > 1) & (largest[..., 0, :, 0] > 0)).any()


def test_equal_after_rounding_is_equal():
    """A bias of 2**24 hides differences of less than 2: the first wins, though not the largest."""
    x = torch.zeros(1, 1, 1, 2, 2)
    x[..., 1, 1] = 0.25
    weight = torch.zeros(1, 1, 1, 3, 3)
    weight[..., 1, 1] = 1.0
    tensors = x, weight, torch.full((1, 1), 2.0**24), torch.ones(1, 1, 1, 1, 1)
    found = differentiate(fused_conv_block, *tensors)
    equal(found, differentiate(in_torch, *tensors))
    assert found[1].flatten().tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("where", "value"),
    slow_but([(0, NAN)], product((0, 2), (NAN, float("inf"), float("-inf")))),
)
def test_images_and_biases_that_are_not_finite_are_as_in_torch(where, value):
    tensors = whole(draw((2, 1, 3, 6, 4, 5), seed=2))
    tensors[where][0].view(-1)[2] = value
    tensors[where][0].view(-1)[-1] = value
    expected = differentiate(in_torch, *tensors)
    equal(differentiate(fused_conv_block, *tensors), expected)
    assert expected[0][0].isfinite().all() == (where == 2 and value < 0)
    assert all(each[1].isfinite().all() for each in expected)  # the other run is as it was


@pytest.mark.slow
@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_weights_that_are_not_finite_make_nan_of_their_channel(value):
    """Multiplied with the zeros around an image too, as in products of matrices."""
    tensors = whole(draw((2, 1, 3, 6, 4, 5), seed=2))
    tensors[1][0, 3, 1, 0, 2] = value
    found = differentiate(fused_conv_block, *tensors)
    expected = differentiate(in_torch, *tensors)
    assert found[0][0, :, 3, 0].isnan().all()  # where the tap lies outside of the image
    equal([found[0][0, :, :3], found[0][1]], [expected[0][0, :, :3], expected[0][1]])
    equal([each[1] for each in found], [each[1] for each in expected])


def test_no_gradient_passes_where_relu_is_zero():
    tensors = whole(draw((1, 1, 1, 4, 4, 3), seed=3))
    tensors[2].fill_(-1000.0)
    for found in differentiate(fused_conv_block, *tensors):
        assert not found.any()


def test_a_run_is_the_same_in_any_company():
    tensors = draw((3, 1, 2, 4, 4, 3), seed=4)
    together = differentiate(fused_conv_block, *tensors)
    alone = differentiate(fused_conv_block, *(tensor[1:2] for tensor in tensors))
    equal(alone, [each[1:2] for each in together])


@pytest.mark.slow
def test_images_that_all_runs_share_need_no_copies():
    x, weight, bias, _ = draw((3, 2, 3, 4, 4, 4), seed=5)
    turned = x[0].contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        shared = fused_conv_block(x[:1].expand_as(x), weight, bias)
        of_turned = fused_conv_block(turned.expand_as(x), weight, bias)
    copied = fused_conv_block(x[:1].repeat(3, 1, 1, 1, 1), weight, bias)
    equal([shared, of_turned], [copied, copied])


@pytest.mark.slow
def test_tensors_may_lie_in_any_order():
    tensors = draw((2, 1, 3, 4, 4, 4), seed=6)
    turned = [tensor.transpose(0, -1).contiguous().transpose(0, -1) for tensor in tensors]
    assert not turned[0].is_contiguous()
    row = torch.cat([tensor.flatten(1) for tensor in tensors[1:3]], 1)
    split = row.split([tensor[0].numel() for tensor in tensors[1:3]], 1)
    in_row = [part.view(like.shape) for part, like in zip(split, tensors[1:3], strict=True)]
    equal(
        differentiate(fused_conv_block, tensors[0], *in_row, tensors[3]),
        differentiate(fused_conv_block, *tensors),
    )
    equal(differentiate(fused_conv_block, *turned), differentiate(fused_conv_block, *tensors))


@pytest.mark.slow
@pytest.mark.parametrize("precision", DOT)
def test_every_precision_is_computed(precision):
    tensors = draw((1, 1, 1, 4, 4, 3), seed=7)
    found = differentiate(lambda *given: fused_conv_block(*given, precision), *tensors)
    equal(found, differentiate(fused_conv_block, *tensors))  # the interpreter has only one
