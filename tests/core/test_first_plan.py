"""A comparison as it was first planned: read as it was written, joined, its family growing."""

import itertools
import json
from dataclasses import replace

import pytest

from lrdecay.core.first_plan import FirstPlan, join_first_plans

PLAN = FirstPlan(
    *(8, 64, 9, "test_accuracy", "constant", ("constant {}",), 0.5, 0.95),
    seeds=(0, 1, 2, 3, 4, 9, 7, 8),
)


@pytest.mark.parametrize(
    "plan",
    [
        *(PLAN, FirstPlan(), FirstPlan(3, None, 2), replace(PLAN, margin=0, confidence=0.5)),
        FirstPlan(lost=True, differing=("margin", "seeds")),
        FirstPlan(seeds=(2**62, 5, 4, 3)),
    ],
)
def test_it_is_read_as_it_was_written(plan):
    assert FirstPlan.from_json(plan.to_json()) == plan


def test_it_is_plain_json():
    assert json.loads(PLAN.to_json()) == {
        "first": 8,
        "most": 64,
        "family": 9,
        "metric": "test_accuracy",
        "reference": "constant",
        "margin": 0.5,
        "schedules": ["constant {}"],
        "confidence": 0.95,
        "seeds": [[0, 4], [9, 9], [7, 8]],
        "differing": [],
        "lost": False,
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
        *(("seeds", value) for value in (None, "0", [[0]], [[0, "1"]], [[-1, 3]], [[0, 10**9]])),
        *(("schedules", value) for value in (None, [3])),
        *(("differing", value) for value in (None, ["colour"])),
        ("lost", 0),
    ],
)
def test_what_cannot_have_been_written_is_refused(name, value):
    text = json.dumps(json.loads(PLAN.to_json()) | {name: value})
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


@pytest.mark.parametrize(
    ("asked", "now", "kept", "allowed"),
    [
        ([0, 1, 2], [0, 1, 2], [0, 1, 2], True),
        ([0, 1, 2], [0, 1, 2, 7, 3], [0, 1, 2, 7, 3], True),  # more of them
        ([0, 1, 2], [0, 1], [0, 1, 2], True),  # fewer: the first of them
        ([0, 1, 2], [], [0, 1, 2], True),
        ([0, 1, 2], [0, 2], [0, 1, 2], False),  # one is left out that was seen
        ([0, 1, 2], [1, 0, 2], [0, 1, 2], False),
        ([0, 1, 2, 3], [0, 1, 3, 2], [0, 1, 2, 3], False),
        ([0, 1, 2], [5], [0, 1, 2], False),
    ],
)
def test_seeds_may_be_added_and_the_last_ones_left_out(asked, now, kept, allowed):
    plan = FirstPlan(seeds=tuple(asked))
    assert plan.allows(now) is allowed
    assert plan.extend(now).seeds == tuple(kept)
    # what is not known takes what there is
    assert FirstPlan().allows(now)
    assert FirstPlan().extend(now).seeds == tuple(now)
    assert FirstPlan(differing=("seeds",)).extend(now).seeds == ()


@pytest.mark.parametrize(
    ("plans", "joined"),
    [
        # the smallest first, then the smallest most, the largest family
        ([FirstPlan(12), FirstPlan(8), FirstPlan(16)], FirstPlan(8)),
        ([FirstPlan(12, family=9), FirstPlan(8, family=2)], FirstPlan(8, family=9)),
        ([FirstPlan(8, 64), FirstPlan(8, 32), FirstPlan(12)], FirstPlan(8, 32)),
        ([FirstPlan(8, 64), FirstPlan(8)], FirstPlan(8)),
        ([FirstPlan(3, family=3), FirstPlan(8, 64, family=2)], FirstPlan(3, family=3)),
        # what they do not agree on is not known, and never will be
        (
            [replace(PLAN, margin=0.2), PLAN],
            replace(PLAN, margin=None, differing=("margin",)),
        ),
        (
            [replace(PLAN, margin=None, differing=("margin",)), PLAN],
            replace(PLAN, margin=None, differing=("margin",)),
        ),
        (
            [replace(PLAN, metric="test_loss", reference="a", schedules=("b",)), PLAN],
            replace(
                PLAN,
                metric="",
                reference="",
                schedules=(),
                differing=("metric", "reference", "schedules"),
            ),
        ),
        # one that knows it, and one that does not
        ([FirstPlan(8, 64, 9), PLAN], PLAN),
        ([FirstPlan(lost=True), FirstPlan(16)], FirstPlan(lost=True)),
        # seeds: one may go on where the other ends
        (
            [replace(PLAN, seeds=PLAN.seeds[:3]), PLAN, replace(PLAN, seeds=(*PLAN.seeds, 30))],
            replace(PLAN, seeds=(*PLAN.seeds, 30)),
        ),
        (
            [replace(PLAN, seeds=(0, 1, 2)), replace(PLAN, seeds=(0, 2, 1))],
            replace(PLAN, seeds=(), differing=("seeds",)),
        ),
        # those of an older lrdecay count as planned at 8
        ([None, FirstPlan(16, family=6)], FirstPlan(8, family=6)),
        ([None, FirstPlan(3)], FirstPlan(3)),
        ([None, replace(PLAN, first=12)], replace(PLAN, most=None)),
        ([None, FirstPlan(8, 64)], FirstPlan(8)),
        ([None, replace(PLAN, most=None)], replace(PLAN, most=None)),
        ([None, None], None),
        ([], None),
    ],
)
def test_plans_are_joined_in_any_order(plans, joined):
    for order in itertools.permutations(plans):
        assert join_first_plans(order) == joined
