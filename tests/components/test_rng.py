"""Counter-based randomness: published values, uniformity, independence, and golden values."""

import math
from itertools import pairwise, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrdecay.components import rng

UINT64 = (1 << 64) - 1
KEYS = st.integers(0, UINT64)
MANY = 1_000_000


def unsigned(values: torch.Tensor) -> list[int]:
    return [value & UINT64 for value in values.tolist()]


def mask(key: int, rate: float, *shape: int) -> torch.Tensor:
    return rng.draw_mask(key, rng.mask_threshold(rate), torch.Size(shape), "cpu")


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.double().flatten(), b.double().flatten()]))[0, 1])


def test_bits_are_splitmix64():
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert unsigned(rng.draw_bits(1234567, 5)) == published


@given(KEYS)
def test_integers_and_tensors_mix_alike(key):
    expected = [rng._mix_int(key + i * rng._GAMMA) for i in (1, 2, 3)]
    assert unsigned(rng.draw_bits(key, 3)) == expected


@given(KEYS, st.integers(0, 40), st.integers(0, 40))
def test_bits_do_not_depend_on_how_many_are_asked_for(key, few, more):
    assert rng.draw_bits(key, few + more)[:few].equal(rng.draw_bits(key, few))


def test_bits_of_a_stream_are_its_own_to_change():
    first = rng.draw_bits(5, 8)
    expected = first.clone()
    first.zero_()
    assert rng.draw_bits(5, 8).equal(expected)


def test_all_64_bits_are_fair():
    values = rng.draw_bits(rng.make_key(0, "order"), 100_000)
    shares = torch.stack([(values >> place & 1).double().mean() for place in range(64)])
    assert (shares - 0.5).abs().max() < 4.5 * 0.5 / math.sqrt(100_000)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_draws_the_same():
    assert rng.draw_bits(9, 1001, "cuda").cpu().equal(rng.draw_bits(9, 1001))
    assert rng.draw_order(1, 2, 1001, "cuda").cpu().equal(rng.draw_order(1, 2, 1001))
    on_cpu, on_cuda = (
        rng.draw_mask(7, rng.mask_threshold(0.3), (7, 9), where) for where in ("cpu", "cuda")
    )
    assert on_cuda.cpu().equal(on_cpu)


# Keys


def test_keys_differ_in_every_part():
    keys = {
        rng.make_key(seed, purpose, *counters)
        for seed in (0, 1, 2, 10, 2**63 - 1)
        for purpose in ("init", "order", "dropout")
        for counters in [(), *product(range(20)), *product(range(20), range(3))]
    }
    assert len(keys) == 5 * 3 * (1 + 20 + 60)
    assert all(0 <= key <= UINT64 for key in keys)


def test_keys_are_what_they_were():
    assert rng.make_key(0, "order") == 6557714879691437969
    assert rng.make_key(0, "dropout", 0, 0) == 5857377500670657582
    assert rng.make_key(7, "init") == 6738398940249873639


# Order


@given(st.integers(0, 2**63 - 1), st.integers(0, 1000), st.integers(0, 300))
def test_order_is_a_permutation(seed, epoch, count):
    order = rng.draw_order(seed, epoch, count)
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(count))


def test_orders_differ_by_seed_and_epoch():
    orders = {
        tuple(rng.draw_order(seed, epoch, 30).tolist()) for seed in range(10) for epoch in range(10)
    }
    assert len(orders) == 100


def test_order_is_what_it_was():
    assert rng.draw_order(0, 0, 10).tolist() == [8, 9, 4, 6, 7, 5, 2, 0, 1, 3]
    assert rng.draw_order(0, 1, 10).tolist() == [6, 7, 0, 3, 5, 4, 8, 9, 1, 2]
    assert rng.draw_order(1, 0, 10).tolist() == [1, 9, 5, 0, 4, 6, 8, 7, 3, 2]


@pytest.mark.parametrize("varied", ["seed", "epoch"])
def test_every_image_is_as_likely_in_every_place(varied):
    count, draws = 10, 2000
    orders = torch.stack(
        [rng.draw_order(*((i, 0) if varied == "seed" else (0, i)), count) for i in range(draws)]
    )
    found = torch.stack([orders[:, place].bincount(minlength=count) for place in range(count)])
    expected = draws / count
    chi_square = float(((found - expected) ** 2 / expected).sum())
    # rows and columns have fixed sums; mean and variance of the statistic are df and 2 df
    freedom = (count - 1) ** 2
    assert abs(chi_square - freedom) < 4 * math.sqrt(2 * freedom)


def test_neighbouring_epochs_share_no_order():
    orders = [rng.draw_order(3, epoch, 10_000) for epoch in range(4)]
    for one, other in pairwise(orders):
        assert abs(correlation(one, other)) < 4 / math.sqrt(10_000)


# Dropout masks


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_masks_drop_at_the_rate(rate):
    dropped = 1 - float(mask(rng.make_key(0, "dropout", 0, 0), rate, MANY).double().mean())
    assert abs(dropped - rate) < 4 * math.sqrt(rate * (1 - rate) / MANY)


def test_rate_zero_keeps_all():
    assert mask(3, 0.0, 1001).all()


def test_mask_is_what_it_was():
    kept = mask(rng.make_key(0, "dropout", 0, 0), 0.3, 24).int().tolist()
    assert kept == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1]


@given(KEYS, st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)))
def test_what_the_lower_rate_drops_the_higher_drops_too(key, rates):
    lower, higher = sorted(rates)
    assert not (mask(key, higher, 501) & ~mask(key, lower, 501)).any()


@pytest.mark.parametrize("below_one", [2**-33, 2**-34, 1e-12])
def test_the_rate_next_to_one_drops_all(below_one):
    assert not mask(3, 1 - below_one, 1001).any()


def test_a_mask_is_of_the_uniforms_in_order_whatever_the_shape():
    uniforms = rng.draw_bits(11, 53).view(torch.int32)[:105].double() + 2**31
    expected = uniforms >= 0.4 * 2**32
    assert mask(11, 0.4, 105).equal(expected)
    assert mask(11, 0.4, 3, 5, 7).flatten().equal(expected)
    assert mask(11, 0.4, 5, 21).flatten().equal(expected)
    assert mask(11, 0.4, 104).equal(expected[:104])
    assert mask(11, 0.4, 0, 5).shape == (0, 5)
    # what equals the rate is not below it
    assert mask(11, float(uniforms[7]) / 2**32, 105).equal(uniforms >= uniforms[7])


@given(st.lists(KEYS, min_size=2, max_size=2), st.lists(st.integers(1, 40), min_size=2, max_size=2))
def test_uniforms_of_several_streams_are_those_of_each(keys, counts):
    signed = torch.tensor([[key - 2**64 if key >> 63 else key] for key in keys])
    parts = rng.draw_uniforms(signed, counts).split([count + count % 2 for count in counts], 1)
    for key, count, part in zip(keys, counts, parts, strict=True):
        expected = rng.draw_bits(key, (count + 1) // 2).view(torch.int32)[:count]
        assert part[0, :count].equal(expected)


def test_masks_of_different_steps_layers_and_seeds_are_independent():
    keys = [
        rng.make_key(seed, "dropout", step, layer)
        for seed in (0, 1)
        for step in (0, 1)
        for layer in (0, 1)
    ]
    masks = torch.stack([mask(key, 0.5, MANY // 10) for key in keys]).double()
    correlations = torch.corrcoef(masks) - torch.eye(len(keys))
    assert correlations.abs().max() < 4 / math.sqrt(MANY // 10)


@pytest.mark.parametrize("lag", [1, 2, 3, 128, 1568])
def test_elements_of_a_mask_are_independent(lag):
    kept = mask(rng.make_key(4, "dropout", 7, 1), 0.3, MANY // 4)
    assert abs(correlation(kept[lag:], kept[:-lag])) < 4 / math.sqrt(len(kept) - lag)


def test_the_order_tells_nothing_of_the_mask():
    order = rng.draw_order(0, 0, 50_000)
    kept = mask(rng.make_key(0, "dropout", 0, 0), 0.5, 50_000)
    assert abs(correlation(order, kept)) < 4 / math.sqrt(50_000)


# Initial weights


def test_initial_draws_depend_on_the_seed_alone():
    def draw(seed: int) -> list[float]:
        with rng.seed_torch(seed, "init"):
            return torch.rand(4).tolist()

    first = draw(0)
    torch.manual_seed(99)
    torch.rand(3)
    assert draw(0) == first
    assert draw(1) != first


@pytest.mark.parametrize("fails", [False, True])
def test_torch_goes_on_as_if_nothing_had_been_drawn(fails):
    torch.manual_seed(5)
    expected = torch.rand(6).tolist()
    torch.manual_seed(5)
    got = torch.rand(2).tolist()
    try:
        with rng.seed_torch(0, "init"):
            torch.rand(10)
            if fails:
                raise KeyError("in the block")
    except KeyError:
        assert fails
    assert got + torch.rand(4).tolist() == expected
