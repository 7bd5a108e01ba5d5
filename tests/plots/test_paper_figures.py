"""Figures for a paper: what those of verdicts show, their size, their text and their colours."""

import io
import re
from inspect import signature
from itertools import combinations
from pathlib import Path

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables, write_folder
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.text import Text
from typer.testing import CliRunner

from lrdecay import plots
from lrdecay.analysis import Conclusions
from lrdecay.analysis.folder_conclusions import conclude_folder
from lrdecay.cli.app import app
from lrdecay.core.errors import InputError
from lrdecay.plots.figure_file import draw_figure, draw_verdicts, write_figure
from lrdecay.plots.figure_kinds import ALIASES, KINDS, find_function, shows_verdicts
from lrdecay.plots.figure_size import FigureSize, read_size
from lrdecay.plots.style import FIGURE_INCHES
from lrdecay.report.page import read_and_render
from lrdecay.store import reader

SWEEP = """\
name: s
dataset: digits
comparison: {reference: step, metric: test_accuracy, margin: 0.3, confidence: 0.9}
"""
NAMES = ("constant", "step", "cosine", "plateau")
RUNS, EPOCHS = make_tables(NAMES, (0.0, 0.3), seeds=12, n_epochs=3)
STYLES = plots.style_schedulers(RUNS)
OF_VERDICTS = [kind for kind in KINDS if shows_verdicts(kind)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("papers") / "s", (RUNS, EPOCHS), SWEEP)


@pytest.fixture(scope="module")
def found(folder: Path) -> Conclusions:
    return conclude_folder(folder)


def plot(*arguments: object) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["plot", *map(str, arguments)])
    return result.exit_code, result.output


def lines_of(ax: Axes, scheduler: str) -> list[list[list[float]]]:
    return [
        np.asarray(line.get_xydata()).tolist()
        for line in ax.lines
        if same_color(line.get_color(), STYLES[scheduler].color)
    ]


def rows_of(found: Conclusions, scheduler: str, dropout: float | None = None) -> pd.DataFrame:
    rows = found.primary[found.primary["scheduler"] == scheduler]
    return rows if dropout is None else rows[rows["dropout"] == dropout]


def test_kinds_of_verdicts_are_those_of_the_page() -> None:
    assert OF_VERDICTS == ["differences", "slopes", "closing", "interaction"]


def test_differences_are_those_of_compare_by_the_sweep_s_criteria(found: Conclusions) -> None:
    assert (found.reference, found.criteria.margin) == ("step", 0.3)
    (ax,) = draw_verdicts("differences", found, styles=STYLES).axes
    for place, scheduler in enumerate(("constant", "cosine", "plateau"), start=1):
        drawn = lines_of(ax, scheduler)
        for row, (bar, dot) in zip(
            rows_of(found, scheduler).to_dict("records"), (drawn[:2], drawn[2:]), strict=True
        ):
            y = place + (4 if row["dropout"] == 0.3 else 0)
            assert bar == [[row["low"], y], [row["high"], y]]
            assert dot == [[row["mean"], y]]
    (band,) = ax.patches
    ends = band.get_extents().transformed(ax.transData.inverted()).intervalx
    assert ends == pytest.approx([-0.3, 0.3])
    assert ax.get_xlabel() == "difference to step (percentage points)"


def test_where_shows_a_part_of_the_same_verdicts(found: Conclusions) -> None:
    where = ["dropout=.30", "scheduler=cosine", "scheduler=step"]
    (ax,) = draw_verdicts("differences", found, where=where, styles=STYLES).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["dropout 0.3", "cosine"]
    (row,) = rows_of(found, "cosine", 0.3).to_dict("records")  # of a family of six all the same
    assert lines_of(ax, "cosine") == [[[row["low"], 1], [row["high"], 1]], [[row["mean"], 1]]]
    assert row["family_size"] == 6


def test_interaction_has_the_differences_against_dropout(found: Conclusions) -> None:
    (ax,) = draw_verdicts("interaction", found, styles=STYLES).axes
    for scheduler in ("constant", "cosine", "plateau"):
        means, *bars = lines_of(ax, scheduler)
        rows = rows_of(found, scheduler)
        assert [y for _, y in means] == rows["mean"].tolist()
        assert [[y for _, y in bar] for bar in bars] == rows[["low", "high"]].to_numpy().tolist()


def test_slopes_are_of_the_pairs_that_are_compared(found: Conclusions) -> None:
    where = ["dropout=0.3", "scheduler=cosine"]
    figure = draw_verdicts("slopes", found, EPOCHS, where, STYLES)
    (ax,) = figure.axes
    wide = 100 * RUNS[RUNS["dropout"] == 0.3].pivot(
        index="seed", columns="scheduler", values="test_accuracy"
    )
    (drawn,) = ax.collections
    assert isinstance(drawn, LineCollection)
    ends = [np.asarray(segment)[:, 1].tolist() for segment in drawn.get_segments()]
    assert ends == wide[["step", "cosine"]].to_numpy().tolist()
    (row,) = rows_of(found, "cosine", 0.3).to_dict("records")
    ((_, reference), (_, ours)) = lines_of(ax, "cosine")[0]
    assert ours - reference == pytest.approx(row["mean"])


def test_closing_has_every_look_and_ends_at_the_verdict(found: Conclusions) -> None:
    (ax,) = draw_verdicts("closing", found, where=["dropout=0"], styles=STYLES).axes
    for scheduler in ("constant", "cosine", "plateau"):
        means, lows, highs, *_ = lines_of(ax, scheduler)
        (row,) = rows_of(found, scheduler, 0.0).to_dict("records")
        assert [n for n, _ in means] == [8, 12]
        assert [line[-1][1] for line in (means, lows, highs)] == [
            row[name] for name in ("mean", "low", "high")
        ]


def test_options_are_those_of_compare(folder: Path, tmp_path: Path) -> None:
    asked = {"reference": "constant", "metric": "val_loss", "margin": 0.01, "confidence": 0.8}
    other = conclude_folder(folder, **asked)
    given = [word for name, value in asked.items() for word in (f"--{name}", value)]
    file = tmp_path / "x.svg"
    code, said = plot(folder, "differences", *given, "--output", file)
    assert code == 0
    planned = "; ".join(other.departures)
    assert sorted(said.splitlines()) == sorted(
        [str(file), *([f"Not as planned, so exploratory: {planned}"] if planned else [])]
    )
    (ax,) = draw_verdicts("differences", other, styles=STYLES).axes
    assert ax.get_xlabel() == "difference to constant (nats per image)"
    assert ax.get_xlabel() in file.read_text("utf-8")
    direct = tmp_path / "direct.svg"
    write_figure(folder, "differences", direct, options=asked)
    assert direct.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("slopes",), "a figure shows one dropout and the table has 0.0, 0.3"),
        (("differences", "--where", "scheduler=step"), "no difference to step, the reference"),
        (("closing", "--where", "seed=1"), "a verdict is on all runs of a scheduler"),
        (("differences", "--split", "val"), "--split: a figure of the kind differences has no"),
        (("curves", "--margin", "1"), "--margin: a figure of the kind curves has no margin"),
        (("differences", "--metric", "f1"), "unknown metric 'f1'; choose one of test_accuracy"),
        (("differences", "--width", "wide"), "--width wide: expected a length such as 3.25in"),
        (("differences", "--width", "82,5mm"), "--width 82,5mm: expected a length such as"),
        (("differences", "--width", "0in"), "--width 0in: expected 1in to 50in"),
        (("differences", "--height", "400in"), "--height 400in: expected 1in to 50in"),
        (("differences", "--font-size", "0"), "--font-size 0: expected 4 to 40 points"),
        (("differences", "--width", "1in"), "1in by 2.68056in has no room for this figure"),
    ],
)
def test_bad_input_says_what_would_be_valid(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, said = plot(folder, *arguments, "--output", tmp_path / "x.svg")
    assert code == 2
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_verdict_yet_says_why(tmp_path: Path) -> None:
    few = RUNS[RUNS["seed"] < 3]
    folder = write_folder(tmp_path / "few", (few, EPOCHS), SWEEP)
    code, said = plot(folder, "closing", "--where", "dropout=0", "--output", tmp_path / "x.svg")
    assert code == 2
    assert "nothing to draw: intervals begin at 8 seeds, and a pair has 3 at most" in said
    runs = few.assign(status=few["status"].where(few["scheduler"] == "step", "failed"))
    with pytest.raises(InputError, match=r"nothing to draw: .* against step: Not evaluated, since"):
        draw_verdicts(
            "differences", conclude_folder(write_folder(tmp_path / "no", (runs, EPOCHS), SWEEP))
        )


@pytest.mark.parametrize(
    ("text", "inches"),
    [("3.25in", 3.25), ("8.255cm", 3.25), ("82.55mm", 3.25), ("361.35pt", 5.0), ("3.25", 3.25)],
)
def test_lengths_are_those_of_papers(text: str, inches: float) -> None:
    assert read_size(text).width == pytest.approx(inches)


def test_height_follows_the_width_and_the_rows() -> None:
    width, height = FIGURE_INCHES
    plain = draw_figure("jumps", RUNS[RUNS["dropout"] == 0], EPOCHS, size=FigureSize(3.25))
    assert plain.get_size_inches() == pytest.approx([3.25, 3.25 * height / width])
    sizes = [FigureSize(3.25, 2.0), FigureSize(3.25, font=8), FigureSize(3.25)]
    exact, small, usual = (draw_figure("spread", RUNS, EPOCHS, size=size) for size in sizes)
    assert exact.get_size_inches() == pytest.approx([3.25, 2.0])
    ratio = usual.get_size_inches()[1] / small.get_size_inches()[1]
    assert ratio == pytest.approx(10 / 8)


def shown_texts(figure: Figure, ax: Axes) -> list[Text]:
    """The texts of a figure, less the labels of ticks beyond the ends of an axis."""
    beyond = set()
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                beyond |= {tick.label1, tick.label2}
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    return [t for t in texts if t.get_visible() and t.get_text().strip() and t not in beyond]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_clipped_or_covered_in_a_column_of_a_paper(
    found: Conclusions, kind: str
) -> None:
    axes = {"accuracy-by-rate": {"lr": [0.001, 0.01]}, "accuracy-by-epochs": {"epochs": [2, 3]}}
    size, where = FigureSize(3.25, font=8.0), ["dropout=0.3"]
    with matplotlib.style.context([*plots.MATPLOTLIB_STYLE, {"font.size": 8.0}]):
        if shows_verdicts(kind):
            several = kind in ("differences", "interaction")
            figure = draw_verdicts(kind, found, EPOCHS, [] if several else where, size=size)
        else:
            several = kind in ("heat-map", "spread")
            dropouts = (0.0, 0.1, 0.2, 0.3, 0.5) if several else (0.3,)
            runs, epochs = make_tables(NAMES, dropouts, 3, 4, **axes.get(kind, {}))
            runs = runs.assign(target=0.9, epochs_to_target=1.0)
            figure = draw_figure(kind, runs, epochs, size=size)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
    (ax,) = figure.axes
    texts = shown_texts(figure, ax)
    assert {text.get_fontsize() for text in texts} == {8.0}
    boxes = {text: text.get_window_extent(renderer) for text in texts}
    for text, box in boxes.items():
        within = (
            box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        )
        assert within, text
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        if one.get_rotation() == other.get_rotation() in (0.0, 90.0):
            wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            assert wide < 1 or high < 1, (one, other)
    for legend in figure.legends:
        assert legend.get_window_extent(renderer).y0 >= ax.bbox.y1 - 1
    assert ax.get_legend() is None


def test_a_clipped_label_and_a_covered_one_would_be_seen() -> None:
    figure = Figure(figsize=(3.25, 2.3))
    ax = figure.subplots()
    ax.set_xlabel("a label that is much longer than the column of any paper is wide, by far")
    box = ax.xaxis.label.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    assert box.x0 < 0
    assert ax.xaxis.label in shown_texts(figure, ax)


def saved(figure: Figure, kind: str) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format=kind)
    return written.getvalue()


@pytest.mark.slow
def test_fonts_are_truetype_in_the_command_and_the_library(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.pdf"
    write_figure(folder, "differences", file, size=FigureSize(3.25, font=8))
    few = RUNS[RUNS["seed"] < 2]
    ax = plots.plot_accuracy_by_dropout(few, styles=STYLES)
    own = Figure()
    own.subplots().set_xlabel("test accuracy (%)")
    assert b"/Type3" in saved(own, "pdf")  # what matplotlib does unless told
    with matplotlib.style.context(plots.MATPLOTLIB_STYLE):
        styled = saved(own, "pdf")
    plots.save_figure(own, tmp_path / "own.pdf")
    whole = [
        file.read_bytes(),
        saved(ax.figure, "pdf"),
        styled,
        (tmp_path / "own.pdf").read_bytes(),
    ]
    for pdf in whole:
        assert b"/Type3" not in pdf
        assert b"/CIDFontType2" in pdf
    assert b"/FontType 42" in saved(ax.figure, "ps")
    assert b"/FontType 3" not in saved(ax.figure, "ps")
    assert b">test accuracy (%)<" in saved(ax.figure, "svg")
    assert matplotlib.rcParams["pdf.fonttype"] == 3  # nothing global has changed


def test_every_function_that_draws_schedulers_takes_the_styles_of_the_page() -> None:
    without = {"plot_heat_map", "plot_power", "plot_splits"}  # these draw none in its colour
    for name, function in vars(plots).items():
        if name.startswith("plot_") and callable(function):
            assert ("styles" in signature(function).parameters) == (name not in without), name


def test_a_scheduler_has_one_colour_in_library_command_and_page(tmp_path: Path) -> None:
    tables = make_tables(("constant", "step", "cosine"), (0.3,), seeds=2, n_epochs=1)
    folder = write_folder(tmp_path / "few", tables)
    code, _ = plot(folder, "differences", "--output", tmp_path / "x.svg")
    assert code == 0
    color = plots.style_schedulers(reader.read_runs(folder))["cosine"].color
    assert f"stroke: {color}" in (tmp_path / "x.svg").read_text("utf-8")
    page = read_and_render(folder)
    key = re.search(r'<span data-scheduler="cosine">(.*?)</span>', page, re.DOTALL)
    assert key is not None
    assert color in key[1]


def test_relative_curves_go_by_the_sweep_s_reference_too(folder: Path, tmp_path: Path) -> None:
    where = ["dropout=0.3"]
    files = [tmp_path / f"{name}.svg" for name in ("usual", "step", "constant")]
    for file, reference in zip(files, (None, "step", "constant"), strict=True):
        write_figure(folder, "paired", file, where, {"reference": reference})
    usual, step, constant = (file.read_bytes() for file in files)
    assert usual == step != constant


def test_an_alias_is_the_kind_that_it_names(folder: Path) -> None:
    assert ALIASES == {"paired": "relative-curves"}
    assert find_function("paired") is plots.plot_relative_curves
    code, help_text = plot("--help")
    assert code == 0
    assert "paired is relative-curves too." in " ".join(help_text.replace("│", " ").split())
