"""At which numbers of seeds verdicts are made, and what each of them may err."""

from itertools import islice

import pytest
from helpers.by_hand import lattice_by_hand, looks_by_hand
from helpers.tiers import slow_but

from lrdecay.analysis.looks import find_next_look, iterate_looks, list_looks

LATTICE = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024]


def shares(first, most, there):
    return {look.n: round(look.share, 4) for look in list_looks(first, most, there)}


def test_the_shares_of_three_plans_by_value():
    assert shares(8, None, 48) == {8: 0.8, 12: 0.05, 16: 0.05, 24: 0.025, 32: 0.025, 48: 0.0125}
    assert shares(12, None, 32) == {8: 0.05, 12: 0.75, 16: 0.05, 24: 0.05, 32: 0.025}
    planned = {8: 0.0632, 12: 0.0775, 16: 0.0894, 24: 0.1095, 32: 0.1265, 48: 0.1549, 64: 0.1789}
    assert shares(8, 64, 192) == planned | {96: 0.05, 128: 0.05, 192: 0.025}


def test_what_is_planned_and_what_is_not():
    assert [look.planned for look in list_looks(8, None, 24)] == [True, False, False, False]
    assert [(look.n, look.planned) for look in list_looks(20, 30, 48)] == [
        *((8, False), (12, False), (16, False)),
        *((20, True), (24, True), (30, True), (32, False), (48, False)),
    ]
    # at 20, not at a number of the lattice: what was planned is a look
    assert shares(20, None, 24) == {8: 0.0167, 12: 0.0167, 16: 0.0167, 20: 0.75, 24: 0.05}
    # fewer than 8 are planned as 8 are, and a plan of one number is one look
    assert list_looks(3, None, 100) == list_looks(8, None, 100) == list_looks(8, 8, 100)
    assert list_looks(3, 5, 100) == list_looks(8, None, 100)


def test_looks_are_on_the_lattice():
    assert [look.n for look in islice(iterate_looks(8), len(LATTICE))] == LATTICE
    assert [look.n for look in islice(iterate_looks(100), 12)] == sorted([*LATTICE[:11], 100])
    assert lattice_by_hand(1024) == LATTICE


@pytest.mark.parametrize("start", slow_but([1], range(1, 201, 25)))
def test_no_plan_may_err_more_than_it_may(start):
    """For every first number of seeds up to 200 and every most up to there."""
    for first in range(start, start + 25):
        for most in (None, *range(first, 201), 1000):
            looks = list(islice(iterate_looks(first, most), 32))
            total = sum(look.share for look in looks)
            assert 0.999 < total <= 1 + 1e-12
            planned = sum(look.share for look in looks if look.planned)
            assert planned == pytest.approx(0.8 if first <= 8 else 0.75)
            numbers = [look.n for look in looks]
            assert numbers == sorted(set(numbers))
            assert numbers[0] == 8


def test_looks_depend_on_the_first_plan_alone():
    """Not on how many seeds there are: those at fewer are the first of those at more."""
    for first, most in ((8, None), (8, 64), (12, None), (20, 30), (200, 200)):
        whole = list_looks(first, most, 500)
        for there in range(0, 500, 7):
            some = list_looks(first, most, there)
            assert some == [look for look in whole if look.n <= there]
            following = find_next_look(first, most, there)
            assert following.n > there
            assert len(list_looks(first, most, following.n)) == len(some) + 1
    assert [find_next_look(8, None, n).n for n in (0, 7, 8, 11, 12, 20)] == [8, 8, 12, 12, 16, 24]


@pytest.mark.parametrize(
    ("first", "most"), [(8, None), (5, None), (12, None), (16, 24), (8, 64), (20, 30), (100, 1000)]
)
def test_looks_are_those_of_plain_loops(first, most):
    found = [(look.n, look.share) for look in list_looks(first, most, 2000)]
    expected = looks_by_hand(2000, first, most)
    assert [n for n, _ in found] == [n for n, _ in expected]
    assert [share for _, share in found] == pytest.approx([share for _, share in expected])
