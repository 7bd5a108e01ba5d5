"""The matrix of runs, against the straightforward computation of each run by itself."""

import itertools
import math
from dataclasses import replace

import pytest
from helpers.training import digits, sweep

from lrdecay.analysis import lr_selection
from lrdecay.components import schedulers
from lrdecay.core.run import Run, to_canonical_json
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.matrix import Matrix, expand_matrix

TEXTS = {
    "optimizers": """\
optimizer: {name: [Adam, AdamW], lr: [0.001, 0.01], betas: [0.8, 0.9], weight_decay: [0, 0.1]}
epochs: [2, 3]
batch_size: [32, 64]
dropout: [0.0, 0.5]
seeds: [3, 1]
""",
    "momentum": """\
optimizer: {name: SGD, momentum: [0.5, 0.9], nesterov: [true, false], decay_biases: [true, false]}
model: {name: cnn, batch_norm: [false, true]}
precision: bfloat16
seeds: 3
""",
    "chosen": """\
optimizer: {lr: {choose: [0.001, 0.01], per: [scheduler, dropout], seeds: 2}}
dropout: [0.0, 0.5]
epochs: [2, 3]
seeds: 2
""",
}


def compute_cells(sweep: Sweep) -> list[Run]:
    """Every question asked again for each cell."""
    cells = []
    axes = sweep.axes()
    for values in itertools.product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        given = {name: cell.pop(name) for name in sweep.optimizer.arguments()}
        spec = sweep.schedulers[cell["scheduler"]]
        steps = math.ceil((1437 - 239) / cell["batch_size"])
        horizon = schedulers.Horizon.of(cell["epochs"], steps, cell["lr"])
        resolved = schedulers.resolve_arguments(spec.class_, spec.arguments, horizon)
        choice = sweep.optimizer.choice
        cells.append(
            Run(
                dataset="digits",
                dataset_digest=digits().digest,
                validation=239,
                optimizer_args=to_canonical_json(sweep.optimizer.resolve(cell["optimizer"], given)),
                scheduler_class=spec.class_,
                scheduler_args=to_canonical_json(resolved),
                precision=sweep.precision,
                seed=0,
                lr_chosen_per=None if choice is None else ", ".join(choice.per),
                **cell,
            )
        )
    return cells


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_matrix_is_that_of_each_cell_by_itself(text):
    given = sweep(text)
    matrix, cells = expand_matrix(given, digits()), compute_cells(given)
    assert list(matrix.cells) == cells
    assert [cell.run_id for cell in matrix.cells] == [replace(cell).run_id for cell in cells]
    rates = lr_selection.list_first_rates(cells)
    compared = [
        cell
        for cell in cells
        if cell.lr_chosen_per is None or rates[lr_selection.cell_key(cell)] == cell.lr
    ]
    assert matrix.comparison(rates) == [
        replace(cell, seed=seed) for seed in given.seeds for cell in compared
    ]
    assert matrix.trials() == [
        replace(cell, seed=seed, phase="choose") for seed in given.trial_seeds for cell in cells
    ]


def test_a_run_is_made_once_whatever_it_is_asked_for():
    matrix = expand_matrix(sweep(TEXTS["chosen"]), digits())
    rates = lr_selection.list_first_rates(matrix.cells)
    again = {id(run) for run in (*matrix.trials(), *matrix.comparison(rates))}
    assert {id(run) for run in (*matrix.trials(), *matrix.comparison(rates))} == again
    # a trial and the run of the comparison at its seed are two, though they have one id
    cell = matrix.cells[0]
    both = Matrix((replace(cell, lr_chosen_per=None),), (7,), (7,))
    (trial,), (compared,) = both.trials(), both.comparison({})
    assert (trial.phase, compared.phase) == ("choose", "compare")
    assert trial.run_id == compared.run_id


def test_each_cell_has_its_own_number_of_seeds():
    matrix = expand_matrix(sweep("seeds: [5, 6, 7]"), digits())
    counts = {cell: number % 4 for number, cell in enumerate(matrix.cells)}
    assert set(counts.values()) == {0, 1, 2, 3}
    assert matrix.comparison({}, counts) == [
        replace(cell, seed=seed)
        for place, seed in enumerate((5, 6, 7))
        for cell in matrix.cells
        if place < counts[cell]
    ]


def test_a_changed_matrix_knows_no_runs_of_the_one_before():
    matrix = expand_matrix(sweep("seeds: 2"), digits())
    before = matrix.comparison({})
    other = replace(matrix, seeds=(4,))
    assert {run.seed for run in other.comparison({})} == {4}
    assert matrix.comparison({}) == before
    assert other != matrix == replace(matrix)
