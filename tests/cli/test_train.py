"""`lrdecay train`: the figure of its run, and the cell of a sweep file."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import call
from helpers.training import curve, digits, runs
from helpers.training import train as train_run
from matplotlib.figure import Figure

from lrdecay.cli import train as command
from lrdecay.sweep.matrix import list_runs
from lrdecay.sweep.reading import parse_sweep

FEW = ("--epochs", 2, "--device", "cpu")


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that are written."""
    figures: list[Figure] = []
    save = command.save_figure

    def keep(figure: Figure, path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(command, "save_figure", keep)
    return figures


def test_the_figure_has_the_curves_of_the_run(tmp_path, drawn):
    file = tmp_path / "made" / "curves.svg"
    result = call("train", "--scheduler", "CosineAnnealingLR", *FEW, "--plot", file)
    assert result.exit_code == 0, result.output
    assert f"The curves are drawn in {file}." in result.stdout
    assert result.stdout.splitlines()[-1].startswith("test accuracy ")
    record = train_run(runs("epochs: 2")["cosine"])
    (figure,) = drawn
    losses, accuracies, rates = figure.axes
    for place, split in enumerate(("train", "val", "test")):
        own = [row for row in record.epochs if row["split"] == split]
        assert np.asarray(losses.lines[place].get_ydata()).tolist() == curve(record, split)
        shown = [100 * row["accuracy"] for row in own]
        assert np.asarray(accuracies.lines[place].get_ydata()).tolist() == shown
    (line,) = rates.lines
    assert np.asarray(line.get_ydata()) == pytest.approx([0.001, 0.001, 0.0005, 0.0005])
    assert "digits: CosineAnnealingLR, dropout 0.3, seed 0" in file.read_text()


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_it_is_what_the_name_of_the_file_says(tmp_path, suffix, start):
    file = tmp_path / f"curves.{suffix}"
    assert call("train", "--epochs", 1, "--device", "cpu", "--plot", file).exit_code == 0
    assert file.read_bytes().startswith(start)


def test_another_name_is_refused_before_anything_trains(tmp_path):
    result = call("train", *FEW, "--plot", tmp_path / "curves.jpg")
    assert result.exit_code == 2
    assert f"--plot {tmp_path}/curves.jpg: the name must end with one of .svg, " in result.output
    assert "digits:" not in result.output


def test_of_a_run_that_diverged_at_once_nothing_is_drawn(tmp_path, drawn):
    file = tmp_path / "curves.svg"
    result = call("train", "--optimizer", "SGD", "--lr", 1e6, *FEW, "--plot", file)
    assert result.exit_code == 1
    assert f"No epoch was finished, so {file} is not written." in result.stderr
    assert not file.exists()
    assert drawn == []


def test_of_a_run_that_diverged_later_the_finished_epochs_are_drawn(tmp_path, drawn):
    file = tmp_path / "curves.svg"
    growing = ("--scheduler", "ExponentialLR", "--set", "gamma=1e12", "--optimizer", "SGD")
    result = call("train", *growing, *FEW, "--plot", file)
    assert result.exit_code == 1
    assert "the loss was not finite at step" in result.output
    (figure,) = drawn
    for ax in figure.axes[:2]:
        assert [np.asarray(line.get_xdata()).tolist() for line in ax.lines] == [[1], [1], [1]]
    assert np.asarray(figure.axes[2].lines[0].get_ydata()).tolist() == [0.001, 0.001]


# A cell of a sweep file

SWEEP = """\
name: tiny
dataset: digits
epochs: 2
optimizer: {name: SGD, lr: [0.1, 0.01], momentum: 0.9}
batch_size: 32
schedulers:
  flat: {class: constant}
  cosine: {class: CosineAnnealingLR, T_max: epochs}
dropout: [0.0, 0.3]
seeds: [4, 7]
"""
CELL = ("--cell", "scheduler=cosine,dropout=0.3", "--cell", "lr=1e-2", "--device", "cpu")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SWEEP)
    return path


@pytest.mark.parametrize(("options", "seed"), [((), 4), (("--seed", 7), 7), (("--seed", 0), 0)])
def test_a_cell_is_trained_as_the_sweep_would(file, options, seed):
    text = SWEEP.replace("[4, 7]", f"[{seed}]")
    wanted = [run for run in list_runs(parse_sweep(text), digits()) if run.scheduler == "cosine"]
    (run,) = [run for run in wanted if (run.lr, run.dropout) == (0.01, 0.3)]
    result = call("train", file, *CELL, *options)
    assert result.exit_code == 0, result.output
    record = train_run(run)
    losses = re.findall(r"; test loss (\d\.\d{4}), ", result.stdout)
    assert losses == [f"{loss:.4f}" for loss in curve(record, "test")]
    assert result.stdout.endswith(f"test accuracy {record.run['test_accuracy']:.2%}\n")


def test_the_figure_is_of_the_cell(file, tmp_path, drawn):
    result = call("train", file, *CELL, "--plot", tmp_path / "cell.svg")
    assert result.exit_code == 0, result.output
    (figure,) = drawn
    assert figure.get_suptitle() == "digits: cosine, dropout 0.3, seed 4"
    rates = np.asarray(figure.axes[2].lines[0].get_ydata())
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.005])


def test_a_file_of_one_cell_needs_no_cell_and_a_name_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = SWEEP.replace("[0.1, 0.01]", "0.1").replace("[0.0, 0.3]", "0.3")
    Path("one.yaml").write_text(one.replace("  flat: {class: constant}\n", ""))
    result = call("train", "one", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "epoch 2 of 2: learning rate 0.05; " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (),
            "--cell: name a value of lr, scheduler and dropout\nThe axes of the file:\n  lr: 0.1, ",
        ),
        (("--cell", "dropout=0.4"), "--cell: dropout has no value '0.4'\nThe axes"),
        ((*CELL, "--cell", "seed=4"), "the axis 'seed' is unknown"),
        ((*CELL, "--epochs", 2), "--epochs: the sweep file says that; choose among its values"),
        (
            (*CELL, "--batch-norm", "--set", "gamma=1", "--dataset", "digits", "--model", "cnn"),
            "--dataset, --set, --model and --batch-norm: the sweep file says that",
        ),
        ((*CELL, "--seed", -1), "--seed -1: give a whole number from 0"),
    ],
)
def test_what_is_no_cell_of_the_file_is_refused(file, arguments, message):
    result = call("train", file, *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "epoch 1" not in result.output


def test_a_cell_without_a_file_is_refused():
    result = call("train", "--cell", "dropout=0.3")
    assert result.exit_code == 2
    assert "--cell names a cell of a sweep file, which goes first: lrdecay train " in result.output


@pytest.mark.parametrize(
    ("trainer", "instead"), [("script", "run that script"), ("command", "`lrdecay sweep {file}` ")]
)
def test_a_sweep_of_a_loop_of_one_s_own_is_refused_with_what_to_do(tmp_path, trainer, instead):
    file = tmp_path / "own.yaml"
    file.write_text(f"trainer: {trainer}\nschedulers: {{flat: {{class: constant}}}}\n")
    result = call("train", file)
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert f"a loop of your own trains this sweep (trainer: {trainer}), and `lrdecay" in said
    assert f"only lrdecay's own; {instead.format(file=file)}" in said


def test_a_precision_that_the_machine_has_not_is_refused(file):
    file.write_text(SWEEP + "precision: tf32\n")
    result = call("train", file, *CELL)
    assert result.exit_code == 2
    assert "precision: tf32 needs a GPU" in result.output
