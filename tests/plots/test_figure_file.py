import re
from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables, write_folder
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from typer.testing import CliRunner

from lrdecay import analysis, plots
from lrdecay.cli.app import app
from lrdecay.core.errors import InputError
from lrdecay.plots.figure_file import draw_figure, write_figure
from lrdecay.plots.figure_kinds import FOUND, KINDS, TABLES, find_function, shows_verdicts
from lrdecay.plots.figure_rows import select_where
from lrdecay.plots.style import style_schedulers

RUNS, EPOCHS = make_tables(
    ("constant", "step", "cosine"), (0.0, 0.3), seeds=3, n_epochs=4, batch_norm=[False, True]
)
PLAIN = RUNS[~RUNS["batch_norm"]]


SCHEDULERS = ["constant", "step", "cosine"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("results") / "s", (RUNS, EPOCHS))


def plot(*arguments: object) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["plot", *map(str, arguments)])
    return result.exit_code, result.output


def is_drawable(function: Callable[..., Any]) -> bool:
    """Whether a function can be given all that it must have."""
    takes = signature(function).parameters
    needed = {name for name, p in takes.items() if p.default is Parameter.empty}
    return "ax" in takes and needed <= {*TABLES, *FOUND}


def test_every_figure_of_results_has_a_kind_and_every_kind_can_be_drawn() -> None:
    drawn = {place for place, _ in KINDS.values()}
    for name, function in vars(plots).items():
        if name.startswith("plot_") and is_drawable(function):
            assert name in drawn, f"{name} is not in lrdecay.plots.figure_kinds.KINDS"
    for kind in KINDS:
        assert is_drawable(find_function(kind)), kind
    assert not is_drawable(plots.plot_schedules)  # of what is planned, not of results


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not shows_verdicts(kind)])
def test_every_kind_draws_its_runs(kind: str) -> None:
    axes = {"accuracy-by-rate": {"lr": [0.001, 0.01]}, "accuracy-by-epochs": {"epochs": [2, 4]}}
    runs, epochs = make_tables(dropouts=(0.0,), seeds=2, n_epochs=4, **axes.get(kind, {}))
    runs = runs.assign(target=0.9, epochs_to_target=1.0)
    figure = draw_figure(kind, runs, epochs)
    (ax,) = figure.axes
    assert isinstance(ax, Axes)
    assert ax.get_xlabel() != ""
    if kind in ("heat-map", "spread"):  # they name schedulers beside their rows
        named = [text.get_text() for text in ax.get_yticklabels()]
        assert [n for n in named if n in SCHEDULERS] == SCHEDULERS
        return
    if kind == "jumps":  # beneath their columns
        assert [text.get_text() for text in ax.get_xticklabels()] == SCHEDULERS
        return
    (legend,) = figure.legends
    assert ax.get_legend() is None
    assert [text.get_text() for text in legend.get_texts()] == SCHEDULERS


def test_a_figure_shows_what_the_library_draws() -> None:
    dry = PLAIN[PLAIN["dropout"] == 0.0]
    options = {"metric": "loss", "split": "val"}
    (ax,) = draw_figure("curves", dry, EPOCHS, options).axes
    expected = plots.plot_curves(dry, EPOCHS, "loss", "val")
    for line, other in zip(ax.lines, expected.lines, strict=True):
        assert np.array_equal(line.get_xydata(), other.get_xydata())
    curves = analysis.learning_curves(dry, EPOCHS, "loss").query("split == 'val'")
    step = curves[curves["scheduler"] == "step"]["mean"].tolist()
    assert np.asarray(ax.lines[1].get_ydata()).tolist() == step
    assert ax.get_ylabel() == "val loss (nats per image)"


def test_where_takes_values_as_they_are_written() -> None:
    assert len(select_where(RUNS, ["dropout=.30", "batch_norm=true"])) == 9
    assert len(select_where(RUNS, ["scheduler=step", "scheduler=cosine", "seed=2"])) == 8
    assert select_where(RUNS, []).equals(RUNS)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("dropout", "--where dropout: expected AXIS=VALUE"),
        ("dropuot=0.3", "--where dropuot=0.3: column 'dropuot' is unknown; did you mean dropout?"),
        ("dropout=0.4", "--where dropout=0.4: no such run; choose from 0.0, 0.3"),
        ("scheduler=stop", "no such run; choose from constant, step, cosine"),
    ],
)
def test_where_says_what_would_be_valid(where: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        select_where(RUNS, [where])


def test_where_that_excludes_itself_is_refused() -> None:
    one = RUNS[(RUNS["scheduler"] == "step") | (RUNS["dropout"] == 0.3)]
    with pytest.raises(InputError, match="no run has scheduler=cosine and dropout=0"):
        select_where(one, ["scheduler=cosine", "dropout=0"])


@pytest.mark.parametrize(
    ("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG\r\n"), ("PDF", b"%PDF-1.")]
)
def test_the_same_figure_is_the_same_bytes(
    folder: Path, tmp_path: Path, suffix: str, start: bytes
) -> None:
    names = [tmp_path / "new" / f"{name}.{suffix}" for name in "ab"]
    for name, size in zip(names, (10, 20), strict=True):
        with matplotlib.rc_context({"font.size": size}):  # the reader's own settings
            write_figure(folder, "accuracy-by-dropout", name, ["batch_norm=false"])
    first, second = (name.read_bytes() for name in names)
    assert first == second
    assert first.startswith(start)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [n.name for n in names]


def test_the_command_draws_one_scheduler_in_the_colour_that_it_has_among_all(
    folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "curves.svg"
    where = ("--where", "batch_norm=false", "--where", "dropout=0.3", "--where", "scheduler=step")
    code, said = plot(folder, "curves", *where, "--split", "train", "--output", output)
    assert (code, said) == (0, f"{output}\n")
    svg = ElementTree.parse(output).getroot()
    texts = [
        "".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text")
    ]
    assert "train accuracy (%)" in texts
    assert "step" in texts
    assert "constant" not in texts
    styles = style_schedulers(RUNS)
    colors = re.findall(r"stroke: (#[0-9a-f]{6})", output.read_text())
    assert any(same_color(color, styles["step"].color) for color in colors)
    assert not any(same_color(color, styles["constant"].color) for color in colors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("curve", "--output", "x.svg"), "kind of figure 'curve' is unknown; did you mean curves?"),
        (("curves", "--output", "x.jpg"), "x.jpg: the name must end with one of .svg, .png, .pdf"),
        (("curves", "--output", "x.svg"), "or --where batch_norm=False"),
        (
            ("accuracy-by-rate", "--output", "x.svg"),
            "no axis lr to draw against: the runs have one, or each its own",
        ),
        (
            ("gap-by-dropout", "--metric", "loss", "--output", "x.svg"),
            "--metric: a figure of the kind gap-by-dropout has no metric",
        ),
        (
            ("curves", "--where", "batch_norm=0", "--output", "x.svg"),
            "--where batch_norm=0: no such run; choose from false, true",
        ),
    ],
)
def test_bad_input_says_what_would_be_valid(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = plot(folder, *arguments)
    assert code == 2
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_kind_and_the_help_list_all_kinds(folder: Path) -> None:
    _, wrong = plot(folder, "pie", "--output", "x.svg")
    code, help_text = plot("--help")
    assert code == 0
    for kind, (_, shows) in KINDS.items():
        assert kind in wrong
        assert f"{kind}: {shows}." in help_text


def test_trials_are_drawn_of_the_schedulers_that_are_compared(tmp_path: Path) -> None:
    """A scheduler whose rates all diverged is in no comparison, and has no colour."""
    compared, epochs = make_tables(("constant", "step"), (0.3,), 2, 2)
    trials, _ = make_tables(("constant", "step", "lost"), (0.3,), 1, 2, lr=[0.001, 0.01])
    trials = trials.assign(run_id="t" + trials["run_id"], phase="choose", lr_chosen_per="scheduler")
    compared = compared.assign(lr_chosen_per="scheduler")
    runs = pd.concat([trials, compared], ignore_index=True)
    folder = write_folder(tmp_path / "s", (runs, epochs))
    code, said = plot(folder, "expected-best", "--output", tmp_path / "x.svg")
    assert (code, said) == (0, f"{tmp_path / 'x.svg'}\n")
    (ax,) = draw_figure(
        "expected-best", compared, epochs, trials=trials.query("scheduler != 'lost'")
    ).axes
    table = analysis.expected_best(trials)
    step = table.loc[table["scheduler"] == "step", "expected_best"].tolist()
    assert len(step) == 2
    assert np.asarray(ax.lines[1].get_ydata()).tolist() == step


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_an_empty_figure_is_not_drawn(tmp_path: Path, status: str) -> None:
    tables = make_tables(("constant", "step"), (0.3,), 2, 1, status=lambda *cell: status)
    folder = write_folder(tmp_path / "none", tables)
    code, said = plot(folder, "curves", "--output", tmp_path / "x.svg")
    assert code == 2
    assert f"of 4 runs none has completed; `lrdecay status {folder}` says how" in said
    assert not (tmp_path / "x.svg").exists()


@pytest.mark.parametrize("kind", ["accuracy-by-dropout", "gap-by-dropout", "heat-map"])
def test_rates_of_a_network_s_own_are_no_axis(tmp_path: Path, kind: str) -> None:
    tables = make_tables(("constant", "step"), (0.3,), seeds=2, n_epochs=1, model=["own"])
    for table in tables:
        table["dropout"] = np.nan
    folder = write_folder(tmp_path / "own", tables)
    code, said = plot(folder, kind, "--output", tmp_path / "x.svg")
    assert code == 2
    assert "no axis dropout to draw against: own has rates of its own; choose another kind" in said
    for other in ("curves", "learning-rates", "spread"):
        assert plot(folder, other, "--output", tmp_path / "y.svg")[0] == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["curves", "accuracy-by-dropout", "heat-map", "spread"])
def test_the_longest_labels_leave_room(tmp_path: Path, kind: str) -> None:
    tables = make_tables(("x" * 64, "y" * 64), (0.3,), seeds=2, n_epochs=2)
    folder = write_folder(tmp_path / "long", tables)
    code, said = plot(folder, kind, "--output", tmp_path / "x.svg")
    assert (code, said) == (0, f"{tmp_path / 'x.svg'}\n")
    assert f"{'x' * 18}…{'x' * 9}" in (tmp_path / "x.svg").read_text("utf-8")
