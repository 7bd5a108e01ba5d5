"""Arguments of schedulers that are axes: which are, their labels, and where mistakes are found."""

import json

import pytest
from helpers.training import digits
from typer.testing import CliRunner

from lrdecay.cli.app import app
from lrdecay.components import schedulers
from lrdecay.core.yaml import parse_yaml
from lrdecay.sweep import scheduler_axes
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.diagnostics import SweepFileError
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep
from lrdecay.sweep.scheduler_axes import expand_axes

STEP = "{class: StepLR, step_size: [3, 5], gamma: [0.1, 0.5]}"


def parsed(given: str, rest: str = "") -> Sweep:
    """A sweep with one scheduler, `step`."""
    return parse_sweep(f"dataset: digits\nschedulers:\n  step: {given}\n{rest}", source="s.yaml")


def expanded(given: str) -> dict[str, dict[str, object]]:
    """Its schedulers by label, with class and arguments."""
    return {
        label: {"class": spec.class_, **spec.arguments}
        for label, spec in parsed(given).schedulers.items()
    }


def mistakes(given: str, rest: str = "") -> list[str]:
    with pytest.raises(SweepFileError) as caught:
        parsed(given, rest)
    return str(caught.value).splitlines()


def test_two_lists_of_two_are_four_schedulers():
    assert expanded(STEP) == {
        f"step step_size={size} gamma={gamma}": {
            "class": "StepLR",
            "step_size": size,
            "gamma": gamma,
        }
        for size in (3, 5)
        for gamma in (0.1, 0.5)
    }
    runs = list_runs(parsed(STEP, "dropout: [0.0, 0.3]\nseeds: 2\n"), digits())
    assert len(runs) == len({run.run_id for run in runs}) == 16
    for run in runs:
        arguments = json.loads(run.scheduler_args)
        size, gamma = arguments["step_size"], arguments["gamma"]
        assert run.scheduler == f"step step_size={size} gamma={gamma:g}"


def test_a_run_is_the_one_that_is_written_out():
    """Labels do not count."""
    short = "[{class: StepLR, step_size: [3, 5]}]".strip("[]")
    [_, five] = list_runs(parsed(short), digits())
    [alone] = list_runs(parsed("{class: StepLR, step_size: 5}"), digits())
    assert five.run_id == alone.run_id


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        # the class's own type is a list
        ("{class: MultiStepLR, milestones: [3, 6]}", ["step"]),
        (
            "{class: MultiStepLR, milestones: [[3, 6], [50%]], gamma: [0.1, 1e-5]}",
            [
                *("step milestones=[3, 6] gamma=0.1", "step milestones=[3, 6] gamma=1e-05"),
                *("step milestones=[50%] gamma=0.1", "step milestones=[50%] gamma=1e-05"),
            ],
        ),
        ("{class: OneCycleLR, max_lr: [0.1], total_steps: steps}", ["step"]),
        (
            "{class: OneCycleLR, max_lr: [[0.1], [2 lr]], total_steps: steps}",
            ["step max_lr=[0.1]", "step max_lr=[2 lr]"],
        ),
        # words, choices, and what is no argument of the class itself
        (
            "{class: StepLR, step_size: [50%, 2 epochs]}",
            ["step step_size=50%", "step step_size=2 epochs"],
        ),
        (
            "{class: ReduceLROnPlateau, patience: 1, monitor: [val_loss, val_accuracy]}",
            ["step monitor=val_loss", "step monitor=val_accuracy"],
        ),
        (
            "{class: OneCycleLR, max_lr: 0.1, total_steps: steps, three_phase: [true, false]}",
            ["step three_phase=true", "step three_phase=false"],
        ),
        (
            "{class: StepLR, step_size: 5, interval: [epoch, step]}",
            ["step interval=epoch", "step interval=step"],
        ),
        # one value makes no difference that a label has to name
        ("{class: StepLR, step_size: [5]}", ["step"]),
        (
            "{class: StepLR, step_size: [5], gamma: [0.1, 0.5]}",
            ["step gamma=0.1", "step gamma=0.5"],
        ),
        # within others; the path where two arguments have one name
        (
            "{class: WarmupLR, warmup_iters: [30, 60], then: {class: StepLR, step_size: [2, 4]}}",
            [
                *("step warmup_iters=30 step_size=2", "step warmup_iters=30 step_size=4"),
                *("step warmup_iters=60 step_size=2", "step warmup_iters=60 step_size=4"),
            ],
        ),
        (
            "{class: ChainedScheduler, schedulers: [{class: ExponentialLR, gamma: [0.8, 0.9]}, "
            "{class: StepLR, step_size: 3, gamma: [0.1, 0.5]}]}",
            [
                f"step schedulers.0.gamma={one} schedulers.1.gamma={other}"
                for one in (0.8, 0.9)
                for other in (0.1, 0.5)
            ],
        ),
        (
            "{class: WarmupLR, warmup_iters: 30, then: {class: SequentialLR, milestones: [[2], "
            "[3]], schedulers: [{class: constant}, {class: StepLR, step_size: 2}]}}",
            ["step milestones=[2]", "step milestones=[3]"],
        ),
    ],
)  # fmt: skip
def test_labels_carry_the_values_that_differ(given, labels):
    assert list(expanded(given)) == labels


def test_what_is_held_has_the_values_of_its_label():
    given = "{class: WarmupLR, warmup_iters: 30, then: {class: StepLR, step_size: [2, 4]}}"
    sizes = {label: each["then"]["step_size"] for label, each in expanded(given).items()}
    assert sizes == {"step step_size=2": 2, "step step_size=4": 4}


def test_the_other_schedulers_keep_their_labels_and_places_in_the_order():
    given = f"a: {{class: constant}}, b: {STEP}, c: {{class: RexLR}}"
    labels = list(parse_sweep(f"dataset: digits\nschedulers: {{{given}}}\n").schedulers)
    assert (labels[0], len(labels), labels[-1]) == ("a", 6, "c")
    assert {label.split()[0] for label in labels[1:-1]} == {"b"}


def test_plug_ins_take_lists_where_their_types_do(monkeypatch):
    def powers(optimizer, powers: list[float], every: int = 2):
        raise NotImplementedError

    monkeypatch.setitem(schedulers.CLASSES, "Powers", powers)
    schedulers.argument_model.cache_clear()
    given = {"class": "Powers", "powers": [1.0, 2.0], "every": [2, 3]}
    text = f"dataset: digits\nschedulers: {{p: {json.dumps(given)}}}\n"
    found = expand_axes(parse_yaml(text)).document.value["schedulers"]
    assert [(each["powers"], each["every"]) for each in found.values()] == [
        ([1.0, 2.0], 2),
        ([1.0, 2.0], 3),
    ]
    schedulers.argument_model.cache_clear()


# Mistakes


def test_a_mistake_in_a_list_is_found_at_its_item():
    assert mistakes("{class: StepLR, step_size: [3, five], gamma: [0.1, high]}") == [
        "s.yaml:3:40: schedulers.step step_size=five gamma=0.1.step_size: must be a whole number, "
        "or a length such as epochs, steps, 50%, 2 epochs or 30 steps, not 'five'",
        "s.yaml:3:60: schedulers.step step_size=3 gamma=high.gamma: must be a number, not 'high'",
    ]


def test_a_mistake_that_all_share_is_said_once():
    assert mistakes("{class: StepLR, step_size: [3, 5], gama: 0.5}") == [
        "s.yaml:3:44: schedulers.step step_size=3: the key 'gama' is unknown; did you mean gamma? "
        "(choices: step_size, gamma, interval)"
    ]
    assert mistakes("{class: WarmupLR, warmup_iters: [30, 60], then: {class: Step}}") == [
        "s.yaml:3:65: schedulers.step warmup_iters=30.then.class: 'Step' is unknown; did you mean "
        "StepLR? (choices: constant, CosineToFloorLR, InverseSquareRootLR, LinearToZeroLR, RexLR, "
        "WarmupStableDecayLR, GreedyLR, WarmupLR, ChainedScheduler, ConstantLR, CosineAnnealingLR, "
        "CosineAnnealingWarmRestarts, CyclicLR, ExponentialLR, LinearLR, MultiStepLR, OneCycleLR, "
        "PolynomialLR, ReduceLROnPlateau, SequentialLR, StepLR)"
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "{class: StepLR, step_size: [3, 5, 3]}",
            "3:43: schedulers.step.step_size: 3 is in the list already; leave it out",
        ),
        (
            "{class: MultiStepLR, milestones: [[3, 6], [3, 6]]}",
            "3:51: schedulers.step.milestones: a list is in the list already; leave it out",
        ),
        (
            "{class: ExponentialLR, gamma: [0.5, .5, 0.50]}",
            "3:45: schedulers.step.gamma: 0.5 is in the list already; leave it out",
        ),
        (
            "{class: CosineAnnealingLR, T_max: [10, epochs]}",
            "3:3: schedulers.step T_max=epochs: the same scheduler as step T_max=10; leave one of "
            "them out",
        ),
        (
            "{class: StepLR, step_size: []}",
            "3:36: schedulers.step.step_size: must be a whole number, not a list",
        ),
        (
            "{class: StepLR, step_size: [[3], [5]]}",
            "3:36: schedulers.step.step_size: must be a whole number, not a list",
        ),
        (
            "{class: MultiStepLR, milestones: [[3, 6], 5]}",
            "3:43: schedulers.step.milestones: must be a whole number, not a list",
        ),
        (
            "{class: MultiStepLR, milestones: [[3, 6], [4, x]]}",
            "3:55: schedulers.step milestones=[4, x].milestones: must be a whole number, or a "
            "length such as epochs, steps, 50%, 2 epochs or 30 steps, not 'x'",
        ),
        (
            "{class: StepLR, step_size: [3, 5]}\n  step step_size=5: {class: constant}",
            "3:3: schedulers.step: the label 'step step_size=5' is here already; rename one of "
            "them",
        ),
        (
            "{class: constant}\n  a label that is too long: {class: StepLR, step_size: [2, 3], "
            "gamma: [0.1234567, 0.7654321], interval: [epoch, step]}",
            "4:3: schedulers: the label 'a label that is too long' has 67 characters with its "
            "values; shorten it to leave at most 64",
        ),
    ],
)
def test_lists_that_make_no_axes(given, message):
    assert mistakes(given)[0] == f"s.yaml:{message}"


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        (
            "{class: StepLR, step_size: [3, 3.0, '3']}",
            [
                "3:40: schedulers.step.step_size: 3.0 is in the list already as 3; leave it out",
                "3:45: schedulers.step.step_size: '3' is in the list already as 3; leave it out",
            ],
        ),
        (
            "{class: ExponentialLR, gamma: [0.5, '0.5']}",
            ["3:45: schedulers.step.gamma: '0.5' is in the list already as 0.5; leave it out"],
        ),
        (
            "{class: MultiStepLR, milestones: [[2, 4], [2.0, 4]]}",
            [
                "3:51: schedulers.step.milestones: a list is in the list already as a list; leave "
                "it out"
            ],
        ),
        (
            "{class: StepLR, step_size: [3, 4.0, '5']}",
            [
                "3:40: schedulers.step step_size=4.step_size: must be a whole number, not 4.0",
                "3:45: schedulers.step step_size=5.step_size: must be a whole number, or a length "
                "such as epochs, steps, 50%, 2 epochs or 30 steps, not '5'",
            ],
        ),
    ],
)
def test_values_of_several_kinds_are_named_each_once(given, messages):
    assert mistakes(given) == [f"s.yaml:{message}" for message in messages]


def test_the_reference_is_one_of_the_labels_written_out():
    constant = "  constant: {class: constant}\n"
    named = "comparison: {reference: step step_size=5 gamma=0.1}\n"
    assert parsed(STEP, constant + named).reference == "step step_size=5 gamma=0.1"
    assert parsed(STEP, constant).reference == "constant"
    assert parsed(STEP).reference == "step step_size=3 gamma=0.1"
    assert mistakes(STEP, constant + "comparison: {reference: step}\n") == [
        "s.yaml:5:25: comparison.reference: 'step' stands for several schedulers; give one of "
        "them: step step_size=3 gamma=0.1, step step_size=3 gamma=0.5, step step_size=5 gamma=0.1, "
        "step step_size=5 gamma=0.5"
    ]
    one = "{class: StepLR, step_size: [3]}"
    assert parsed(one, constant + "comparison: {reference: step}\n").reference == "step"


def test_seeds_are_added_for_the_schedulers_of_one_label():
    result = parsed(STEP, "seeds: {min: 8, max: 16, until: resolved}\n")
    assert (result.cells, result.adding.max) == (4, 16)


def test_so_many_at_most(monkeypatch):
    monkeypatch.setattr(scheduler_axes, "MOST", 3)
    assert mistakes(STEP) == [
        "s.yaml:3:3: schedulers.step: 4 schedulers of lists are too many; at most 3"
    ]


def test_a_product_too_large_is_never_written_out():
    values = ", ".join(f"{n}e-9" for n in range(1, 1000))
    keys = ("eta_min", "T_max")
    given = ", ".join(f"{key}: [{values}]" for key in keys)
    [first, *_] = mistakes(f"{{class: CosineAnnealingLR, {given}}}")
    assert (
        first
        == "s.yaml:3:3: schedulers.step: 998,001 schedulers of lists are too many; at most 1,000"
    )


def test_plan_shows_each_with_its_curve(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(f"dataset: digits\nepochs: 8\nschedulers:\n  step: {STEP}\n")
    result = CliRunner().invoke(app, ["plan", str(path), "--strict"], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "scheduler step step_size=5 gamma=0.5: StepLR(step_size=5, gamma=0.5)" in lines
    assert "reference step step_size=3 gamma=0.1" in lines
    assert sum(line.startswith("step step_size=") for line in lines) == 4
    assert "4 cells x 1 seed = 4 runs" in lines


def test_a_value_that_cannot_be_printed_is_told_so_that_it_can():
    text = (
        "name: s\ndataset: digits\n"
        'schedulers: {a: {class: StepLR, step_size: [1, "\\e[31m"]}, c: {class: constant}}\n'
        "seeds: 2\ncomparison: {reference: a}\n"
    )
    with pytest.raises(SweepFileError) as error:
        parse_sweep(text)
    assert "give one of them: a step_size=1, 'a step_size=\\x1b[31m'" in str(error.value)
    assert all(line.isprintable() for line in str(error.value).splitlines())
