"""The dropout kernel in Triton's interpreter against the masks of `components.rng`."""

import math

import pytest
import torch
from helpers.tiers import slow_but
from torch import Tensor

from lrdecay.components import rng
from lrdecay.components.models.dropout import apply_mask
from lrdecay.engine.stacked.kernels import drop

# numpy warns of what a GPU computes without a word
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered")

SEEDS = (0, 7, 2**63 - 1)
RATES = (0.0, 0.3, 0.999)


def of_runs() -> tuple[Tensor, Tensor, Tensor]:
    """Keys of which each is the next layer's, thresholds and scales."""
    keys = rng.derive_keys(rng.make_keys(SEEDS, "dropout"), torch.arange(3))
    thresholds = torch.tensor([rng.mask_threshold(rate) for rate in RATES], dtype=torch.int32)
    return keys, thresholds, torch.tensor([1 / (1 - rate) for rate in RATES])


def expected_of(x: Tensor) -> Tensor:
    keys, thresholds, scales = of_runs()
    kept = rng.draw_mask(keys[:, None], thresholds[:, None], x.shape[1:], "cpu")
    return apply_mask(x, kept, scales.view(-1, *(1,) * (x.dim() - 1)))


def bits(x: Tensor) -> Tensor:
    return x.view(torch.int32)


@pytest.mark.parametrize(
    "shape",
    [
        *((1,), (33,), (1025,), (3, 5, 7)),
        *slow_but((), [((2,),), ((1023,),), ((1024,),), ((4097,),)]),
    ],
)
def test_masks_are_those_of_the_streams_to_the_bit(shape):
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(math.prod(shape)))
    assert bits(drop(x, *of_runs())).equal(bits(expected_of(x)))
    ones = torch.ones(3, *shape)
    assert drop(ones, *of_runs())[0].equal(ones[0])  # a rate of 0 keeps all


def test_the_gradient_goes_through_the_same_mask():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 6, 50, generator=generator).requires_grad_()
    gradient = torch.randn(3, 6, 50, generator=generator)
    (found,) = torch.autograd.grad(drop(x, *of_runs()), x, gradient)
    (expected,) = torch.autograd.grad(expected_of(x), x, gradient)
    assert bits(found).equal(bits(expected))
    assert 0 < (found[1] == 0).double().mean() < 0.5


def test_what_is_dropped_is_multiplied_by_zero():
    x = torch.tensor([float("nan"), float("inf"), -1.0, -0.0]).repeat(3, 50)
    found, expected = drop(x, *of_runs()), expected_of(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    finite = x[0].isfinite()
    assert bits(found[:, finite]).equal(bits(expected[:, finite]))
    assert found[2, ::4].isnan().all()


def test_a_run_is_the_same_in_any_company():
    x = torch.randn(3, 77, generator=torch.Generator().manual_seed(2))
    together = drop(x, *of_runs())
    alone = drop(x[1:2], *(each[1:2] for each in of_runs()))
    assert bits(alone[0]).equal(bits(together[1]))


def test_what_lies_transposed_is_taken_in_the_order_of_its_places():
    x = torch.randn(3, 5, 9, generator=torch.Generator().manual_seed(3))
    turned = x.transpose(1, 2).contiguous().transpose(1, 2)
    assert not turned.is_contiguous()
    assert bits(drop(turned, *of_runs()).contiguous()).equal(bits(drop(x, *of_runs())))
