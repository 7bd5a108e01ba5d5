"""The key `trainer` of a sweep file: a loop of the user's own, its values, and what it excludes."""

import pytest
from helpers.own_plugin import SWEEP, sweep_text, write_plugin
from helpers.plugged import as_in_a_new_process

from lrdecay.components import plugins
from lrdecay.core.errors import InputError
from lrdecay.core.run import parse_arguments
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.own_matrix import expand_own_matrix
from lrdecay.sweep.reading import parse_sweep


@pytest.fixture(autouse=True)
def plugin(tmp_path):
    with as_in_a_new_process():
        plugins.load_plugins([write_plugin(tmp_path)])
        yield


def values_of(text: str) -> list[dict[str, object]]:
    cells = expand_own_matrix(parse_sweep(text)).cells
    return list(
        {cell.trainer_args: dict(parse_arguments(cell.trainer_args)) for cell in cells}.values()
    )


def test_a_name_alone_has_the_defaults_of_its_function():
    sweep = parse_sweep(sweep_text(trainer="mine"))
    assert sweep.subject == "mine"
    defaults = {"width": 8, "fail_at": [], "explode_at": -1, "slow": 0.0}
    assert values_of(sweep_text(trainer="mine")) == [defaults]
    assert values_of(sweep_text(trainer="{name: mine, slow: 1}")) == [defaults | {"slow": 1.0}]


def test_a_list_is_an_axis_unless_the_value_is_a_list_itself():
    text = sweep_text(trainer="{name: mine, width: [4, 8], fail_at: [1, 2]}")
    assert [(v["width"], v["fail_at"]) for v in values_of(text)] == [(4, [1, 2]), (8, [1, 2])]
    assert parse_sweep(text).cells == 2 * 2 * 2


def test_a_script_may_have_any_values():
    text = sweep_text(trainer="{width: [4, 8], data: wiki, deep: true, share: 0.5}")
    expected = {"data": "wiki", "deep": True, "share": 0.5}
    assert values_of(text) == [{"width": 4} | expected, {"width": 8} | expected]
    assert values_of(sweep_text(trainer="script")) == [{}]


def test_the_identity_rests_on_the_loop_its_values_and_the_schedule_as_it_is_written():
    (first, *_) = expand_own_matrix(parse_sweep(SWEEP)).cells
    assert first.model is first.batch_size is first.dataset_digest is None
    assert list(parse_arguments(first.plugins)) == ["trainer mine"]
    same = sweep_text(steps_per_epoch="", comparison="{reference: onecycle, metric: test_f1}")
    assert expand_own_matrix(parse_sweep(same)).cells[0].run_id == first.run_id
    for changes in (
        {"trainer": "{name: mine, width: 9}"},
        {"trainer": "{name: forgetful}"},
        {"epochs": "3"},
        {"optimizer": "{lr: 0.2}"},
        {"dropout": ""},
        {"schedulers": "{constant: {class: StepLR, step_size: 1}}", "seeds": "1"},
    ):
        text = sweep_text(**changes)
        assert expand_own_matrix(parse_sweep(text)).cells[0].run_id != first.run_id


OF_LOOP = "is the loop's own business with trainer; give it there, under trainer if it varies"
MISTAKES = [
    ({"dataset": "digits"}, f"dataset: {OF_LOOP}"),
    ({"model": "cnn"}, f"model: {OF_LOOP}"),
    ({"validation": "100"}, f"validation: {OF_LOOP}"),
    ({"validation": "0"}, f"validation: {OF_LOOP}"),
    ({"batch_size": "[8, 16]"}, f"batch_size: {OF_LOOP}"),
    ({"precision": "bfloat16"}, f"precision: {OF_LOOP}"),
    ({"kernels": "torch"}, f"kernels: {OF_LOOP}"),
    ({"augment": "{cutout: 2}"}, f"augment: {OF_LOOP}"),
    ({"loss": "{label_smoothing: 0.1}"}, f"loss: {OF_LOOP}"),
    ({"clip_grad_norm": "1.0"}, f"clip_grad_norm: {OF_LOOP}"),
    ({"optimizer": "SGD"}, f"optimizer: {OF_LOOP}"),
    ({"optimizer": "{lr: 0.1, weight_decay: 0.1}"}, f"optimizer.weight_decay: {OF_LOOP}"),
    (
        {"trainer": "mein"},
        "trainer: 'mein' is unknown; did you mean mine? (choices: script, command, mine, ",
    ),
    ({"trainer": "{name: mine, widht: 4}"}, "trainer: the key 'widht' is unknown; did you mean wi"),
    ({"trainer": "{name: mine, width: 4.5}"}, "trainer.width: must be a whole number, not 4.5"),
    ({"trainer": "{name: mine, width: [4, wide]}"}, "trainer.width: must be a whole number, not "),
    ({"trainer": "{name: mine, width: [4, 4]}"}, "trainer.width: 4 is in the list already; leave"),
    ({"trainer": "{name: mine, fail_at: 4}"}, "trainer.fail_at: must be a list, not 4"),
    ({"trainer": "{name: mine, slow: .inf}"}, "trainer.slow: must be a finite number, not "),
    ({"trainer": "{seed: 3}"}, "trainer.seed: has a meaning already (name, trial, seed, lr, epo"),
    (
        {"trainer": "{name: command, folder: a}"},
        "trainer.folder: has a meaning already (name, trial, seed, lr, epochs, scheduler, dropout, "
        "class, args, folder have); name it otherwise",
    ),
    ({"trainer": "{deep: {a: 1}}"}, "trainer.deep: must be "),
    ({"trainer": "3"}, "trainer: must be one of script, command, mine, forgetful, not 3"),
    ({"trainer": "null"}, "trainer: must be one of script, command, mine, forgetful, not nothing"),
    ({"steps_per_epoch": "0"}, "steps_per_epoch: must be at least 1, not 0"),
    (
        {"trainer": "", "dataset": "digits", "metrics": "", "comparison": ""},
        "steps_per_epoch: is for a trainer; lrdecay's own loop",
    ),
    (
        {"metrics": "[macro_f1]", "comparison": ""},
        "metrics: a list asks lrdecay's own training for metrics; those that a loop of your own",
    ),
    ({"trainer": "", "steps_per_epoch": ""}, "the key dataset is missing (keys: name, dataset, "),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_each_mistake_has_its_one_error_at_its_place(changes, message):
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(sweep_text(**changes), "x.yaml")
    (problem,) = caught.value.problems
    assert problem.message.startswith(message)
    key = message.partition(":")[0].partition(".")[0]
    lines = sweep_text(**changes).splitlines()
    if any(line.startswith(f"{key}:") for line in lines):
        assert lines[problem.line - 1].startswith(f"{key}:")


WRONG_LOOPS = [
    ("def f(run): ...", "its first argument must be trial"),
    ("def f(): ...", "its first argument must be trial"),
    ("def f(trial, width): ...", "its argument width has no type; give it one, such as float"),
    ("def f(trial, **values): ...", "takes **values; name the arguments that a sweep file may"),
    ("def f(trial, lr: float = 1.0): ...", "its argument lr has a meaning already; name it other"),
    ("def f(trial, name: str = 'a'): ...", "its argument name has a meaning already; name it oth"),
    ("def f(trial, shape: tuple[int, int] = (1, 2)): ...", "its argument shape is of a type that "),
    ("def f(trial, model: object = None): ...", "its argument model is of a type that no sweep fi"),
    ("def f(trial, width: int = 'wide'): ...", "a default is not of its argument's type: Input s"),
    ("def f(trial, width: 'nowhere' = 1): ...", "the types of its arguments are not understood: "),
    ("class f: ...", "must be a function, not a class"),
    ("f = 3", "must be a class or a function, not int"),
]


@pytest.mark.parametrize(("loop", "message"), WRONG_LOOPS)
def test_what_is_no_loop_is_refused_as_it_is_loaded(tmp_path, loop, message):
    file = tmp_path / "wrong.py"
    file.write_text(f"{loop}\nTRAINERS = {{'wrong': f}}\n")
    with pytest.raises(InputError) as caught:
        plugins.load_plugins([file])
    assert str(caught.value).startswith(f"plug-in {file}: trainer wrong: {message}")


def test_script_is_no_name_for_a_loop_of_a_plugin(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("def f(trial): ...\nTRAINERS = {'script': f}\n")
    with pytest.raises(InputError, match="trainer script: exists already, in lrdecay; give it"):
        plugins.load_plugins([file])
