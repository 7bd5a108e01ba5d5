"""`lrdecay train`: the figure of its run."""

import numpy as np
import pytest
from helpers.commands import call
from helpers.training import curve, runs
from helpers.training import train as train_run
from matplotlib.figure import Figure

from lrdecay.cli import train as command

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
