"""Parameters in a row: views of one tensor, and optimizers that move them all at once."""

import pytest
import torch
from test_optimizers import EPOCH, GIVEN, SHAPES, arguments, draws, go, schedules, stacked

from lrdecay.engine.stacked import optimizers
from lrdecay.engine.stacked.parameters import Row

RUNS = 3


def test_parameters_are_views_that_a_gpu_loads_four_numbers_of_at_once():
    given = draws(RUNS)[0]
    row = Row(given)
    assert len(row.views) == len(given)
    for view, before in zip(row.views, given, strict=True):
        assert view.equal(before)
        assert view.requires_grad
        assert view.untyped_storage().data_ptr() == row.values.untyped_storage().data_ptr()
        assert view.storage_offset() % 4 == view.stride(0) % 4 == 0
    used = sum(each[0].numel() for each in given)
    assert used <= row.values.shape[1] < used + 4 * len(given)
    with torch.no_grad():
        row.values.add_(1)
    assert all(v.equal(before + 1) for v, before in zip(row.views, given, strict=True))
    assert given[0].equal(draws(RUNS)[0][0])  # copied


def test_weights_stand_apart_from_what_has_one_dimension():
    given = draws(RUNS)[0]
    row = Row(given)
    whole = row.split(row.values, apart=False)
    assert [piece.data_ptr() for piece in whole] == [row.values.data_ptr()]
    weights, rest = row.split(row.values, apart=True)
    assert (weights.dim(), rest.dim()) == (3, 2)
    assert weights.shape[2] + rest.shape[1] == row.values.shape[1]
    for view, before in zip(row.views, given, strict=True):
        piece = weights if before.dim() > 2 else rest
        first = (view.data_ptr() - piece.data_ptr()) // view.element_size()
        assert 0 <= first <= piece.shape[-1] - view[0].numel()
    only = Row([given[0]])  # no biases, and no piece of none
    assert len(only.split(only.values, apart=True)) == 1


def test_gradients_are_joined_as_parameters_are():
    parameters, gradients = draws(RUNS)[:2]
    row = Row(parameters)
    joined = row.join(gradients)
    assert joined.shape == row.values.shape
    for view, gradient in zip(row.views, gradients, strict=True):
        first = view.storage_offset()
        found = joined[:, first : first + view[0].numel()].reshape(view.shape)
        assert found.equal(gradient)


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name in GIVEN for case in ("all", "decay_biases")]
)
def test_an_optimizer_moves_a_row_as_it_moves_each_parameter(name, case):
    given = arguments(name, case)
    rates, momenta = schedules(given)
    values = draws(RUNS, dtype=torch.float64)
    expected = stacked(name, given, rates, momenta, values)
    row = Row(values[0])
    apart = case == "decay_biases"
    moved = row.split(row.values, apart)
    update = optimizers.build_update(name, moved, given)
    gradients = [row.split(row.join(of_step), apart) for of_step in values[1:]]
    go(update, moved, rates, momenta, gradients, 0)
    assert len(gradients) > 2 * EPOCH
    for view, end in zip(row.views, expected, strict=True):
        assert torch.allclose(view, end, rtol=1e-12, atol=1e-14)
    used = torch.zeros_like(row.values, dtype=torch.bool)
    for view in row.views:
        used[:, view.storage_offset() : view.storage_offset() + view[0].numel()] = True
    assert (row.values[~used] == 0).all()  # between parameters nothing moves
    assert len(moved) == 1 + apart
    assert len(SHAPES) == 6
