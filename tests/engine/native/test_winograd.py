"""The second convolution by Winograd's algorithm: its bits, on both sides of where it begins."""

import pytest
import torch
from helpers.kernels import is_there, make_images, make_network, make_run, train_in_kernel

from lrdecay.components.datasets.dataset import Split

pytestmark = pytest.mark.usefixtures("needs_kernel")

SHAPES = [
    *[(1, 8, 8), (1, 12, 11), (1, 12, 12)],  # 4, 6 and 9 pooling windows
    *[(2, 15, 21), (1, 28, 28), (1, 7, 64)],  # 15, 49 and 16 in one row
]


@pytest.mark.parametrize("shape", SHAPES)
def test_processors_with_fused_products_give_the_same_bits(shape):
    if not (is_there("avx512") and is_there("avx2")):
        pytest.skip("this processor cannot run both variants")
    run, images = make_run(dropout=0.5), make_images(shape, 10, 40)
    one, other = (train_in_kernel(run, images, 10, 9, variant=v) for v in ("avx512", "avx2"))
    assert one.losses.equal(other.losses)
    assert one.loss == other.loss
    assert one.judged.equal(other.judged)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_has_the_same_loss_in_any_company(shape, variant):
    images = make_images(shape, 10, 9)
    mine = make_network(make_run(), images, 10, variant=variant)
    alone = [
        mine.evaluate(Split(images.images[i : i + 1], images.labels[i : i + 1]))[0].loss
        for i in range(9)
    ]
    assert len(set(alone)) == 9
    for order in (torch.arange(9), torch.arange(9).flip(0)):
        together = mine.evaluate(Split(images.images[order], images.labels[order]))[0].loss
        assert together == torch.tensor(alone, dtype=torch.float64)[order].mean().item()
