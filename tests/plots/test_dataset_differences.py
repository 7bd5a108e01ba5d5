"""The forest plot over datasets draws what the tables say."""

from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.datasets import conclude_effects, draw_effects
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from lrdecay import plots
from lrdecay.analysis import DatasetAverages, average_datasets
from lrdecay.analysis.number_text import format_interval
from lrdecay.core.errors import InputError
from lrdecay.plots.dataset_differences import AVERAGE, style_datasets
from lrdecay.plots.svg import figure_to_svg

NAMES = ["mnist", "digits", "svhn"]


def make_averages(count: int = 3, **changed: list[float]) -> DatasetAverages:
    sweeps = {}
    for place, name in enumerate(NAMES[:count]):
        effects = {
            (s, d): draw_effects(10 * place + i, 8, 1.0 + i + 2 * place, 0.5)
            for i, (s, d) in enumerate([("step", 0.0), ("cosine", 0.0), ("step", 0.3)])
        }
        if name in changed:
            effects["step", 0.0] = changed[name]
        sweeps[name] = conclude_effects(name, effects)
    return average_datasets(sweeps)


def xy(line: Line2D) -> list[list[float]]:
    found: list[list[float]] = np.asarray(line.get_xydata()).tolist()
    return found


def of_color(ax: Axes, color: str) -> list[Line2D]:
    return [line for line in ax.lines if colors.same_color(line.get_color(), color)]


def find_diamonds(ax: Axes) -> list[np.ndarray]:
    return [np.asarray(patch.get_xy()) for patch in ax.patches if isinstance(patch, Polygon)]


def test_each_row_has_a_mark_for_each_dataset_and_a_diamond_below() -> None:
    averages = make_averages()
    table, averaged = averages.by_dataset, averages.table
    ax = plots.plot_differences_by_dataset(table, averaged)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["dropout 0", "step", "cosine", "dropout 0.3", "step"]
    rows = {("step", 0.0): 1, ("cosine", 0.0): 2, ("step", 0.3): 4}
    step = 0.72 / 4
    for number, (name, style) in enumerate(style_datasets(NAMES).items()):
        drawn = of_color(ax, style.color)
        own = table[table["dataset"] == name].set_index(["scheduler", "dropout"])
        assert len(drawn) == 2 * len(own) == 6
        for at, (place, bar, dot) in enumerate(
            zip(rows.values(), drawn[::2], drawn[1::2], strict=True)
        ):
            row = own.loc[list(rows)[at]]
            y = place + step * (number - 1.5)
            assert xy(bar) == [pytest.approx([row["low"], y]), pytest.approx([row["high"], y])]
            assert xy(dot) == [pytest.approx([row["mean"], y])]
            assert dot.get_marker() == style.marker
            assert dot.get_markerfacecolor() == style.color
    diamonds = find_diamonds(ax)
    lines = [line for line in ax.get_children() if isinstance(line, Line2D)]
    black = [line for line in lines if colors.same_color(line.get_color(), AVERAGE.color)]
    averaged = averaged.set_index(["scheduler", "dropout"])
    for (key, place), diamond, line in zip(rows.items(), diamonds, black, strict=True):
        row, y = averaged.loc[key], place + step * 1.5
        left, top, right, bottom = diamond[:4].tolist()
        assert [left, right] == [pytest.approx([row["low"], y]), pytest.approx([row["high"], y])]
        assert [top[0], bottom[0]] == pytest.approx([row["mean"]] * 2)
        assert top[1] < y < bottom[1]
        assert xy(line) == [
            pytest.approx([row["like_low"], y]),
            pytest.approx([row["like_high"], y]),
        ]
    assert ax.get_xlabel() == "difference to constant (percentage points)"
    # what is so wide does not press the rest together
    ends = table[["low", "high"]].to_numpy()
    assert averaged["like_high"].max() > ends.max() + 5
    assert ax.get_xlim()[1] < ends.max() + 1
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [*NAMES, "average over datasets"]


def test_of_two_datasets_there_is_no_line_and_without_averages_no_diamond() -> None:
    averages = make_averages(2)
    ax = plots.plot_differences_by_dataset(averages.by_dataset, averages.table, legend=False)
    assert len(find_diamonds(ax)) == 3
    lines = [line for line in ax.get_children() if isinstance(line, Line2D)]
    assert not [line for line in lines if colors.same_color(line.get_color(), AVERAGE.color)]
    assert ax.get_legend() is None
    ax = plots.plot_differences_by_dataset(averages.by_dataset)
    assert find_diamonds(ax) == []
    first, second = (of_color(ax, style.color)[1] for style in style_datasets(NAMES[:2]).values())
    assert [xy(first)[0][1], xy(second)[0][1]] == pytest.approx([1 - 0.18, 1 + 0.18])


def test_without_an_interval_marks_are_hollow_and_what_is_not_evaluated_says_so() -> None:
    averages = make_averages(2, digits=[0.5] * 8)
    ax = plots.plot_differences_by_dataset(averages.by_dataset, averages.table)
    mark = of_color(ax, style_datasets(NAMES)["digits"].color)[0]
    assert (xy(mark)[0][0], mark.get_markerfacecolor()) == (pytest.approx(0.5), "none")
    (hollow,) = of_color(ax, AVERAGE.color)
    assert hollow.get_markerfacecolor() == "none"
    assert xy(hollow)[0][0] == pytest.approx(averages.table["mean"].iloc[0])
    assert len(find_diamonds(ax)) == 2
    table, unseen = averages.by_dataset, averages.table.assign(mean=np.nan)
    ax = plots.plot_differences_by_dataset(table, unseen)
    assert (find_diamonds(ax), of_color(ax, AVERAGE.color)) == ([], [])
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == NAMES[:2]
    table.loc[(table["dataset"] == "digits") & (table["dropout"] == 0.3), ["mean", "low"]] = np.nan
    ax = plots.plot_differences_by_dataset(table)
    assert [text.get_text() for text in ax.texts] == ["digits: not evaluated"]
    assert ax.texts[0].get_position() == (1.0, pytest.approx(4.18))


def test_marks_say_what_they_are() -> None:
    averages = make_averages(2)
    ax = plots.plot_differences_by_dataset(averages.by_dataset, averages.table, legend=False)
    svg = ElementTree.fromstring(figure_to_svg(ax, "f", "a figure"))
    groups = [
        g
        for g in svg.iter("g")
        if g.get("data-scheduler") == "cosine" and g.find("title") is not None
    ]
    titles = {(g.findtext("title") or "").split(": ")[0]: g.findtext("title") for g in groups}
    of = "cosine \N{MINUS SIGN} constant"
    assert set(titles) == {f"mnist, {of}", f"digits, {of}", f"average, {of}"}
    row = averages.table.set_index("scheduler").loc["cosine"]
    interval = format_interval(row["low"], row["high"])
    assert titles[f"average, {of}"] == f"average, {of}: {row['mean']:.2g}, {interval}"
    assert {g.get("data-dataset") for g in groups} == {"mnist", "digits", None}


def test_several_references_are_refused() -> None:
    table = make_averages(2).by_dataset
    table.loc[0, "versus_scheduler"] = "rex"
    with pytest.raises(InputError, match=r"one versus_scheduler and the table has rex, constant"):
        plots.plot_differences_by_dataset(table)
