"""GreedyLR against sequences worked out by hand."""

import math

import pytest
import torch
from helpers.training import sweep

from lrdecay.components.schedulers.adaptive import GreedyLR
from lrdecay.sweep.diagnostics import SweepFileError


def rates(losses, lr=1.0, **arguments):
    """The rate of each step: the first one, then what each loss makes of it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = GreedyLR(optimizer, **{"max_lr": 100.0, **arguments})
    found = [optimizer.param_groups[0]["lr"]]
    for loss in losses:
        optimizer.step()
        scheduler.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_each_loss_moves_the_rate_without_patience():
    losses = [3.0, 2.0, 2.0, 1.0, 5.0]  # below all before, below, not, below, not
    assert rates(losses, factor=0.5, patience=0) == [1.0, 2.0, 4.0, 2.0, 4.0, 2.0]


def test_more_than_patience_losses_in_a_row_are_needed_and_counting_begins_again():
    falling = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]
    assert rates(falling, factor=0.5, patience=2) == [1, 1, 1, 2, 2, 2, 4]
    flat = [9.0, 9.0, 9.0, 9.0, 9.0]  # the first is below all before it
    assert rates(flat, factor=0.5, patience=1) == [1, 1, 1, 0.5, 0.5, 0.25]
    # one that falls between others breaks the row
    assert rates([9.0, 9.0, 8.0, 9.0, 7.0], factor=0.5, patience=1) == [1] * 6


def test_the_best_loss_counts_and_not_the_one_before():
    # 4.0 is below 5.0 and not below 3.0
    assert rates([3.0, 5.0, 4.0], factor=0.5, patience=0) == [1.0, 2.0, 1.0, 0.5]


def test_rates_stay_within_their_bounds():
    assert rates([5.0, 4.0, 3.0], factor=0.5, patience=0, max_lr=3.0) == [1.0, 2.0, 3.0, 3.0]
    down = rates([5.0, 5.0, 5.0, 5.0], factor=0.5, patience=0, min_lr=0.4)
    assert down == [1.0, 2.0, 1.0, 0.5, 0.4]


def test_losses_are_means_over_the_window():
    # means of two: 4, 3, 3, 2.5, 3.5
    losses = [4.0, 2.0, 4.0, 1.0, 6.0]
    assert rates(losses, factor=0.5, patience=0, window=2) == [1.0, 2.0, 4.0, 2.0, 4.0, 2.0]
    # means of three: 4, 3, 10/3, 7/3, 11/3
    assert rates(losses, factor=0.5, patience=0, window=3) == [1.0, 2.0, 4.0, 2.0, 4.0, 2.0]


def test_every_group_has_its_own_rate():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.1)]
    optimizer = torch.optim.SGD(groups)
    scheduler = GreedyLR(optimizer, factor=0.5, patience=0, max_lr=1.5)
    optimizer.step()
    scheduler.step(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [1.5, 0.2]
    assert scheduler.get_last_lr() == [1.5, 0.2]


def test_a_loss_that_is_no_number_counts_as_one_that_does_not_fall():
    assert rates([1.0, math.inf], factor=0.5, patience=0) == [1.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("factor: 1.0", "factor: must be above 0 and below 1, not 1.0"),
        ("patience: -1", "patience: must not be negative, as -1 is"),
        ("window: 0", "window: must be at least 1, not 0"),
        (
            "min_lr: 0.01",
            "the base rate, 0.001, must lie within min_lr 0.01 and max_lr 1, of which none is "
            "negative",
        ),
        (
            "max_lr: 0.1 lr",
            "the base rate, 0.001, must lie within min_lr 0 and max_lr 0.0001, of which none is "
            "negative",
        ),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments, reason):
    with pytest.raises(SweepFileError) as caught:
        sweep(schedulers=f"schedulers:\n  greedy: {{class: GreedyLR, {arguments}}}\n")
    assert reason in str(caught.value)
