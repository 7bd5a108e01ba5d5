"""A comparison as it was first planned: read as it was written, joined, its family growing."""

import itertools
import json
from dataclasses import asdict, replace

import pytest

from lrdecay.core.first_plan import FirstPlan, digest_seeds, join_first_plans

PLAN = FirstPlan(8, 64, 9, "test_accuracy", "constant", 0.5, 0.95, digest_seeds(range(8)))


@pytest.mark.parametrize(
    "plan", [PLAN, FirstPlan(), FirstPlan(3, None, 2), replace(PLAN, margin=0, confidence=0.5)]
)
def test_it_is_read_as_it_was_written(plan):
    assert FirstPlan.from_json(plan.to_json()) == plan
    assert json.loads(plan.to_json()) == asdict(plan)


def test_it_is_plain_json():
    assert json.loads(PLAN.to_json()) == {
        "first": 8,
        "most": 64,
        "family": 9,
        "metric": "test_accuracy",
        "reference": "constant",
        "margin": 0.5,
        "confidence": 0.95,
        "seeds": digest_seeds([0, 1, 2, 3, 4, 5, 6, 7]),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("first", value) for value in (0, -8, 8.0, "8", None, True, [8])),
        *(("most", value) for value in (0, "64", 64.5)),
        *(("family", value) for value in (0, None)),
        *(("metric", value) for value in (None, 3)),
        *(("reference", value) for value in (None, ["constant"])),
        *(("margin", value) for value in (-0.1, "wide", float("nan"))),
        *(("confidence", value) for value in (-1, [])),
        ("seeds", None),
    ],
)
def test_what_cannot_have_been_written_is_refused(name, value):
    text = json.dumps(asdict(PLAN) | {name: value})
    with pytest.raises((KeyError, TypeError, ValueError)):
        FirstPlan.from_json(text)


@pytest.mark.parametrize("text", ["", "3", "[]", "null", "{", '{"first": 8}', '"first"'])
def test_so_is_what_is_no_plan(text):
    with pytest.raises((KeyError, TypeError, ValueError)):
        FirstPlan.from_json(text)


def test_a_family_only_grows():
    assert PLAN.cover(4) == PLAN
    assert PLAN.cover(12) == replace(PLAN, family=12)
    assert PLAN.cover(12).cover(3).family == 12


def test_seeds_are_told_apart_by_value_and_order():
    digests = {digest_seeds(s) for s in ([], [0], [0, 1], [1, 0], [0, 1, 2], [12], [1, 2])}
    assert len(digests) == 7
    assert digest_seeds(range(8)) == digest_seeds(list(range(8)))
    assert len(digest_seeds([0])) == 16


@pytest.mark.parametrize(
    ("plans", "joined"),
    [
        # the smallest first, then the smallest most, the largest family
        ([FirstPlan(12), FirstPlan(8), FirstPlan(16)], FirstPlan(8)),
        ([FirstPlan(12, family=9), FirstPlan(8, family=2)], FirstPlan(8, family=9)),
        ([FirstPlan(8, 64), FirstPlan(8, 32), FirstPlan(12)], FirstPlan(8, 32)),
        ([FirstPlan(8, 64), FirstPlan(8)], FirstPlan(8)),
        ([FirstPlan(3, family=3), FirstPlan(8, 64, family=2)], FirstPlan(3, family=3)),
        # of one size whichever comes first
        ([replace(PLAN, margin=0.2), PLAN], replace(PLAN, margin=0.2)),
        # those of an older lrdecay count as planned at 8
        ([None, FirstPlan(16, family=6)], FirstPlan(8, family=6)),
        ([None, FirstPlan(3)], FirstPlan(3)),
        ([None, replace(PLAN, first=12)], replace(PLAN, most=None, seeds="")),
        ([None, FirstPlan(8, 64)], FirstPlan(8)),
        ([None, replace(PLAN, most=None)], replace(PLAN, most=None)),
        ([None, None], None),
        ([], None),
    ],
)
def test_plans_are_joined_in_any_order(plans, joined):
    for order in itertools.permutations(plans):
        assert join_first_plans(order) == joined
