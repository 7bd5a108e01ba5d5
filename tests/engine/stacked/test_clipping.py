"""Clipping of many runs' gradients against torch's, run by run."""

import math
from dataclasses import replace

import pytest
import torch
from helpers.folders import RUN
from torch import Tensor, nn

from lrdecay.engine.stacked.clipping import Clipping

SHAPES = [(5, 7), (4, 3, 3, 3), (33,), (1,), (64, 100), ()]
LIMITS = (1e-3, 1.0, 50.0, 1e6)
RUNS = [replace(RUN, clip_grad_norm=limit) for limit in LIMITS]


def draw(dtype=torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    draws = [torch.randn(len(RUNS), *shape, generator=generator) for shape in SHAPES]
    return [each.to(dtype) for each in draws]


def clip_with_torch(gradients: list[Tensor], place: int, limit: float) -> list[Tensor]:
    parameters = [nn.Parameter(torch.zeros_like(each[place])) for each in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient[place].clone()
    nn.utils.clip_grad_norm_(parameters, limit)
    return [parameter.grad for parameter in parameters]


def assert_as_torch(gradients: list[Tensor], rtol: float = 1e-12) -> list[Tensor]:
    found = Clipping(RUNS, gradients[0]).clip(gradients)
    for place, limit in enumerate(LIMITS):
        expected = clip_with_torch(gradients, place, limit)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours[place], theirs, rtol=rtol, atol=0, equal_nan=True)
    return found


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_every_run_is_clipped_as_torch_clips_it(dtype, rtol):
    gradients = draw(dtype)
    found = assert_as_torch(gradients, rtol)
    norms = [sum(float(each[place].square().sum()) for each in found) ** 0.5 for place in range(4)]
    assert norms[:2] == pytest.approx(LIMITS[:2], rel=1e-5)
    assert 50 * 0.99 < norms[2] < 50 < 80 < norms[3]
    # what is short enough is left as it is
    assert all((ours[3] == theirs[3]).all() for ours, theirs in zip(found, gradients, strict=True))


@pytest.mark.parametrize("value", [0.0, math.inf, -math.inf, math.nan, 1e300])
def test_a_norm_that_is_not_finite_or_zero_is_as_with_torch(value):
    gradients = draw()
    for each in gradients:
        each[1] = value if value in (0.0, 1e300) else each[1]
    gradients[1][1, 2, 0, 0, 0] = value
    found = assert_as_torch(gradients)
    alone = Clipping(RUNS, gradients[0]).clip(draw())
    for ours, theirs in zip(found, alone, strict=True):
        assert (ours[[0, 2, 3]] == theirs[[0, 2, 3]]).all()  # no other run is disturbed


def test_what_has_no_gradient_has_none_after_and_shared_ones_are_scaled_once():
    first, second, *_ = draw()
    found = Clipping(RUNS, first).clip([first, None, first, second.expand_as(second)])
    assert found[1] is None
    assert (found[0] == found[2]).all()
    whole = clip_with_torch([first, first, second], 1, 1.0)
    torch.testing.assert_close(found[0][1], whole[0], rtol=1e-12, atol=0)
    assert (first == draw()[0]).all()  # nothing is changed in place


@pytest.mark.parametrize("layout", ["as it is", "transposed", "run last"])
def test_a_run_s_bits_do_not_depend_on_company(layout):
    generator = torch.Generator().manual_seed(11)
    whole = torch.randn(7, 128, 1569, generator=generator)
    rest = torch.randn(7, 31, generator=generator)
    runs = [replace(RUN, clip_grad_norm=0.5 + place) for place in range(7)]

    def clip(places: list[int]) -> list[Tensor]:
        chosen = whole[places]
        if layout == "transposed":
            chosen = chosen.transpose(1, 2).contiguous().transpose(1, 2)
        if layout == "run last":
            chosen = chosen.movedim(0, 2).contiguous().movedim(2, 0)
        return Clipping([runs[place] for place in places], whole).clip([chosen, rest[places]])

    together = clip(list(range(7)))
    for places in ([0, 1], [6, 2], [5, 3, 1, 0]):
        for few, all_of_them in zip(clip(places), together, strict=True):
            assert (few == all_of_them[places]).all()
