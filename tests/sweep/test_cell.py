"""One cell of a sweep by its values."""

import math

import pytest
from helpers.training import digits, sweep

from lrdecay.core.errors import InputError
from lrdecay.sweep.cell import select_cell
from lrdecay.sweep.matrix import expand_matrix, list_runs, make_run

AXES = {
    "model": ["cnn"],
    "batch_norm": [False, True],
    "lr": [0.001, 0.1],
    "betas": [[0.9, 0.999]],
    "batch_size": [64],
    "scheduler": ["step", "step gamma=0.5", "a,b", "a", "64", "plain, lr=0.1"],
    "dropout": [0.0, 0.3],
}
FIRST = {"batch_norm": False, "lr": 0.001, "scheduler": "step", "dropout": 0.0}
ALONE = {"model": "cnn", "betas": [0.9, 0.999], "batch_size": 64}


def named(**changes: object) -> str:
    """The text of a cell, axis by axis."""
    return ",".join(f"{name}={value}" for name, value in ({**WORDS, **changes}).items())


WORDS = {"batch_norm": "false", "lr": "0.001", "scheduler": "step", "dropout": "0"}


def select(*texts: str) -> dict[str, object]:
    return select_cell(AXES, texts)


def test_axes_of_one_value_need_no_name_and_may_have_one():
    assert select(named()) == FIRST | ALONE
    assert list(select(named())) == list(AXES)
    assert select(named(model="cnn", batch_size="64")) == FIRST | ALONE
    assert select(named(betas="[0.9, 0.999]")) == select(named(betas="[0.9,0.999]"))


def test_pairs_may_come_in_one_text_or_in_several_in_any_order():
    texts = [f"{name}={value}" for name, value in reversed(WORDS.items())]
    assert select(*texts) == select(",".join(texts)) == select(", ".join(texts)) == FIRST | ALONE


def test_a_limit_that_clips_nothing_is_written_as_in_the_file():
    axes = {"clip_grad_norm": [math.inf, 1.0]}
    assert select_cell(axes, ["clip_grad_norm=none"]) == {"clip_grad_norm": math.inf}
    with pytest.raises(InputError, match=r"clip_grad_norm: none, 1\.0"):
        select_cell(axes, [])


@pytest.mark.parametrize(
    ("axis", "text", "value"),
    [
        ("lr", "1e-3", 0.001),
        ("lr", "0.10", 0.1),
        ("dropout", "0.30", 0.3),
        ("dropout", "0", 0.0),
        ("batch_norm", "true", True),
        ("scheduler", "step", "step"),
        ("scheduler", "step gamma=0.5", "step gamma=0.5"),
        ("scheduler", "a", "a"),
        ("scheduler", "a,b", "a,b"),
        ("scheduler", "64", "64"),
        ("scheduler", "plain, lr=0.1", "plain, lr=0.1"),
    ],
)
def test_values_are_yamls_and_labels_may_hold_commas(axis, text, value):
    chosen = select(named(**{axis: text}))
    assert chosen == FIRST | ALONE | {axis: value}
    assert type(chosen[axis]) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--cell: name a value of batch_norm, lr, scheduler and dropout\n"),
        ("lr=0.1,scheduler=a", "--cell: name a value of batch_norm and dropout\n"),
        (named(droput="0.3"), "--cell: the axis 'droput' is unknown; did you mean dropout? "),
        (named(dropout="0.4"), "--cell: dropout has no value '0.4'\n"),
        (named(dropout="false"), "--cell: dropout has no value 'false'\n"),
        (named(batch_norm="0"), "--cell: batch_norm has no value '0'\n"),
        (named(scheduler="stp"), "--cell: scheduler has no value 'stp'; did you mean step?\n"),
        (named(batch_size="32"), "--cell: batch_size has no value '32'\n"),
        (named() + ",lr=0.1", "--cell: lr is given twice\n"),
        (named() + ",cosine", "--cell: 'cosine': expected AXIS=VALUE, such as dropout=0.3\n"),
        (
            named(dropout="0.4", scheduler="b"),
            "--cell: scheduler has no value 'b'; dropout has no value '0.4'\n",
        ),
    ],
)
def test_mistakes_are_told_at_once_with_what_would_be_valid(text, message):
    with pytest.raises(InputError) as caught:
        select(text)
    said = str(caught.value)
    assert said.startswith(message)
    assert said.endswith(
        "The axes of the file:\n"
        "  batch_norm: false, true\n"
        "  lr: 0.001, 0.1\n"
        "  scheduler: step, step gamma=0.5, a,b, a, 64, plain, lr=0.1\n"
        "  dropout: 0.0, 0.3\n"
        "  of one value: model=cnn, betas=[0.9, 0.999], batch_size=64"
    )


def test_dropout_of_a_network_with_rates_of_its_own_is_no_axis():
    axes = {"scheduler": ["step"], "dropout": [None]}
    assert select_cell(axes, ()) == {"scheduler": "step", "dropout": None}
    with pytest.raises(InputError, match="the axis 'dropout' is unknown; choices: scheduler"):
        select_cell(axes, ["dropout=0.3"])


def test_of_many_values_the_first_are_listed():
    with pytest.raises(InputError, match=r"seed: 0, 1, .*, 11 and 8 others$"):
        select_cell({"seed": list(range(20))}, ())


MANY = (
    "optimizer: {name: [SGD, Adam], lr: [0.1, 0.01], weight_decay: [0, 0.001]}\n"
    "model: {batch_norm: [false, true]}\nbatch_size: [32, 64]\nepochs: [2, 3]\n"
    "dropout: [0.0, 0.3]\nseeds: [5, 6]\n"
)


def test_a_cell_is_the_run_that_the_sweep_trains_there():
    matrix = sweep(MANY)
    runs = {run.run_id: run for run in list_runs(matrix, digits()) if run.seed == 5}
    assert len(runs) == 5 * 2**7
    found = set()
    for run in list(runs.values())[::7]:
        values = {
            "optimizer": run.optimizer,
            "lr": run.lr,
            "weight_decay": run.optimizer_arguments["weight_decay"],
            "batch_norm": str(run.batch_norm).lower(),
            "batch_size": run.batch_size,
            "epochs": run.epochs,
            "dropout": run.dropout,
            "scheduler": run.scheduler,
        }
        text = ",".join(f"{name}={value}" for name, value in values.items())
        made = make_run(matrix, digits(), select_cell(matrix.axes(), [text]))
        assert made == run
        found.add(made.run_id)
    assert len(found) == 92


def test_a_rate_to_be_chosen_is_named_as_any_other():
    matrix = sweep("optimizer: {lr: {choose: [0.1, 0.01], per: scheduler, seeds: 1}}\n")
    cell = select_cell(matrix.axes(), ["scheduler=cosine,lr=0.01"])
    run = make_run(matrix, digits(), cell)
    assert (run.scheduler, run.lr, run.phase, run.seed) == ("cosine", 0.01, "compare", 0)
    assert run in expand_matrix(matrix, digits()).cells


def test_only_the_cell_s_own_schedule_must_run_to_its_end():
    matrix = sweep(
        "epochs: [2, 4]\n",
        "schedulers:\n  short: {class: OneCycleLR, max_lr: 0.1, total_steps: 2 epochs}\n",
    )
    run = make_run(matrix, digits(), select_cell(matrix.axes(), ["epochs=2"]))
    assert run.epochs == 2
    with pytest.raises(InputError, match="OneCycleLR ends after"):
        make_run(matrix, digits(), select_cell(matrix.axes(), ["epochs=4"]))
