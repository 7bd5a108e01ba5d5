"""What a sweep shows of itself: in a notebook, and in `lrdecay plan`."""

import pytest
from helpers.html_page import Fragment
from rich.console import Console

from lrdecay.cli import plan
from lrdecay.sweep.config import Sweep
from lrdecay.sweep.reading import parse_sweep

TEXT = """\
name: rates
dataset: digits
optimizer: {name: SGD, lr: [0.05, 0.1], momentum: 0.9}
epochs: 3
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
dropout: [0.0, 0.3]
seeds: [3, 5, 8]
comparison: {reference: step, metric: val_loss, margin: 0.01, confidence: 0.9}
"""
CHOOSING = """\
name: choosing
dataset: digits
optimizer: {name: Adam, lr: {choose: [0.001, 0.01, 0.1], per: [scheduler, dropout], seeds: 2}}
schedulers:
  constant: {class: constant}
  cosine:   {class: CosineAnnealingLR, T_max: epochs}
dropout: [0.0, 0.3]
seeds: {min: 8, max: 32, until: resolved}
"""
OWN_LOOP = """\
name: loop
trainer: {width: [4, 8]}
schedulers:
  constant: {class: constant}
  step:     {class: StepLR, step_size: 1, gamma: 0.5}
"""


def shown(sweep: Sweep) -> list[str]:
    return Fragment(sweep._repr_html_()).lines


def test_a_notebook_shows_the_matrix_and_what_is_asked():
    assert shown(parse_sweep(TEXT)) == [
        "rates",
        "dataset digits",
        "model cnn",
        "batch_norm False",
        "optimizer SGD",
        "lr 0.05, 0.1",
        "momentum 0.9",
        "batch_size 64",
        "epochs 3",
        "dropout 0.0, 0.3",
        "scheduler constant: constant()",
        "scheduler step: StepLR(step_size=1, gamma=0.5)",
        "seeds 3, from 3 to 8",
        "comparison validation loss, against step; margin 0.01 nats, confidence 0.9",
        "runs 8 cells x 3 seeds = 24 runs",
    ]


def test_trials_and_seeds_that_are_added_are_counted_apart():
    lines = shown(parse_sweep(CHOOSING))
    assert "lr 0.001, 0.01, 0.1 (chosen per scheduler and dropout)" in lines
    assert lines[-4:] == [
        "seeds 8 to 32, until each difference is resolved",
        "comparison test accuracy, against constant; margin 0.05 points, confidence 0.95",
        "runs To choose base rates: 4 cells x 3 rates x 2 seeds of their own = 24 trials",
        "To compare: 4 cells x 8 seeds = 32 runs to 128 runs",
    ]


def test_seeds_to_which_none_are_added_are_as_many_as_there_are():
    lines = shown(parse_sweep(CHOOSING.replace("max: 32", "max: 8, start: 200")))
    assert lines[-4] == "seeds 8, from 200 to 207"
    assert lines[-1] == "To compare: 4 cells x 8 seeds = 32 runs"


def list_names(text: str) -> list[str]:
    return [line.split()[0] for line in shown(parse_sweep(text))]


def test_a_loop_of_one_s_own_has_a_line_of_dropout_only_where_the_file_gives_it():
    axes = ["loop", "trainer", "lr", "epochs", "width"]
    rest = ["scheduler", "scheduler", "seeds", "comparison", "runs"]
    assert list_names(OWN_LOOP) == axes + rest
    given = OWN_LOOP + "dropout: [0.0, 0.3]\n"
    assert list_names(given) == [*axes, "dropout", *rest]
    assert "dropout 0.0, 0.3" in shown(parse_sweep(given))


def test_a_network_with_rates_of_its_own_has_no_line_of_dropout():
    own = TEXT.replace("dropout: [0.0, 0.3]", "model: mnist_example")
    assert list_names(own) == [
        *(name for name in list_names(TEXT) if name not in ("dropout", "batch_norm")),
    ]
    assert "dropout" in list_names(TEXT)


@pytest.mark.parametrize("text", [TEXT, CHOOSING, OWN_LOOP])
def test_plan_has_the_same_words(text, monkeypatch):
    sweep = parse_sweep(text)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        monkeypatch.setattr(plan, "out", console)
        plan.print_matrix(sweep)
    printed = [" ".join(line.split()) for line in console.export_text().splitlines()]
    of_notebook = [line.removeprefix("runs ") for line in shown(sweep)[1:]]
    kept = [line for line in of_notebook if not line.startswith("comparison ")]
    runs, reference = sweep.count_runs(), f"reference {sweep.reference}"
    assert printed == ["axis values", *kept[: -len(runs)], reference, *runs]


def test_what_a_file_says_is_no_html():
    label = "<script>alert(1)</script>"
    text = f"dataset: digits\nschedulers: {{'{label}': {{class: constant}}, \"$a'b$\": "
    text += "{class: StepLR, step_size: 1}}\n"
    found = Fragment(parse_sweep(text)._repr_html_())
    assert f"scheduler {label}: constant()" in found.lines
    assert "scheduler $a'b$: StepLR(step_size=1)" in found.lines
    assert f"comparison test accuracy, against {label}; margin 0.05 points, confidence 0.95" in (
        found.lines
    )
    assert found.names == {"div", "strong", "table", "tr", "th", "td"}
    assert found.attributes == {"class", "style"}
