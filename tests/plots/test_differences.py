"""Figures of differences, spread and targets draw what the frames say."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from pandas.testing import assert_frame_equal

from lrdecay import analysis, plots
from lrdecay.core.errors import InputError
from lrdecay.plots.differences import MOST_SEEDS
from lrdecay.plots.style import style_schedulers
from lrdecay.plots.svg import figure_to_svg

RUNS, EPOCHS = make_tables(("constant", "step", "cosine"), (0.0, 0.2, 0.5), seeds=12)
STYLES = style_schedulers(RUNS)
TABLE = analysis.compare(RUNS, margin=0.2)
PRIMARY = TABLE[TABLE["family"] == "scheduler"]


def xy(line: Line2D) -> list[list[float]]:
    found: list[list[float]] = np.asarray(line.get_xydata()).tolist()
    return found


def of_color(ax: Axes, color: str) -> list[Line2D]:
    return [line for line in ax.lines if colors.same_color(line.get_color(), color)]


def test_differences_draw_mean_interval_and_margin_a_row_each() -> None:
    ax = plots.plot_differences(PRIMARY, margin=0.2, styles=STYLES)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    heads = ["dropout 0", "dropout 0.2", "dropout 0.5"]
    assert labels == [label for head in heads for label in (head, "step", "cosine")]
    for scheduler, places in {"step": (1, 4, 7), "cosine": (2, 5, 8)}.items():
        own = PRIMARY[PRIMARY["scheduler"] == scheduler]
        drawn = of_color(ax, STYLES[scheduler].color)
        bars, dots = drawn[::2], drawn[1::2]
        for row, place, bar, dot in zip(own.to_dict("records"), places, bars, dots, strict=True):
            assert xy(bar) == [[row["low"], place], [row["high"], place]]
            assert xy(dot) == [[row["mean"], place]]
            assert dot.get_markerfacecolor() == STYLES[scheduler].color
    (band,) = ax.patches
    assert band.get_extents().transformed(ax.transData.inverted()).intervalx == pytest.approx(
        [-0.2, 0.2]
    )
    assert ax.get_xlabel() == "difference to constant (percentage points)"
    assert not plots.plot_differences(PRIMARY).patches


def test_a_difference_without_an_interval_is_hollow_and_one_without_pairs_says_so() -> None:
    runs, _ = make_tables(
        ("constant", "step", "cosine"),
        (0.3,),
        seeds=3,
        status=lambda s, d, seed: "diverged" if s == "cosine" and seed == 1 else "completed",
    )
    table = analysis.compare(runs).query("family == 'scheduler'")
    ax = plots.plot_differences(table, styles=STYLES)
    (dot,) = of_color(ax, STYLES["step"].color)
    assert xy(dot) == [[table["mean"].iloc[0], 1]]
    assert dot.get_markerfacecolor() == "none"
    assert of_color(ax, STYLES["cosine"].color) == []
    (text,) = ax.texts
    assert (text.get_text(), text.get_position()) == ("not evaluated", (0.5, 2))


def test_gain_by_dropout_has_the_same_numbers() -> None:
    ax = plots.plot_gain_by_dropout(PRIMARY, styles=STYLES)
    for scheduler in ("step", "cosine"):
        own = PRIMARY[PRIMARY["scheduler"] == scheduler]
        mean, *bars = of_color(ax, STYLES[scheduler].color)
        assert np.asarray(mean.get_ydata()).tolist() == own["mean"].tolist()
        assert np.abs(np.asarray(mean.get_xdata()) - own["dropout"].to_numpy()).max() < 0.1
        ends = [np.asarray(bar.get_ydata()).tolist() for bar in bars]
        assert ends == own[["low", "high"]].to_numpy().tolist()
    assert ax.get_xticks().tolist() == [0.0, 0.2, 0.5]


def test_slopes_join_the_runs_of_a_seed() -> None:
    dry = RUNS[RUNS["dropout"] == 0.2].copy()
    dry.loc[dry.index[(dry["scheduler"] == "step") & (dry["seed"] == 3)], "status"] = "failed"
    ax = plots.plot_slopes(dry, "constant", styles=STYLES)
    wide = 100 * dry[dry["status"] == "completed"].pivot(
        index="seed", columns="scheduler", values="test_accuracy"
    )
    for place, (scheduler, drawn) in enumerate(
        zip(("step", "cosine"), ax.collections, strict=True)
    ):
        assert isinstance(drawn, LineCollection)
        pairs = wide[["constant", scheduler]].dropna()
        assert len(pairs) == (11 if scheduler == "step" else 12)
        segments = [np.asarray(segment).tolist() for segment in drawn.get_segments()]
        assert segments == [
            [[place - 0.3, a], [place + 0.3, b]] for a, b in pairs.to_numpy().tolist()
        ]
        (mean,) = of_color(ax, STYLES[scheduler].color)
        assert np.asarray(mean.get_ydata()) == pytest.approx(pairs.mean().to_numpy())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["step", "cosine"]
    many, _ = make_tables(("constant", "step"), (0.0,), seeds=MOST_SEEDS + 5, n_epochs=1)
    (drawn,) = plots.plot_slopes(many, "constant").collections
    assert len(drawn.get_paths()) == MOST_SEEDS
    loss = plots.plot_slopes(dry, "constant", "test_loss")
    assert loss.get_ylabel() == "test loss (nats)"


def test_the_interval_closes_as_compare_says_at_each_look() -> None:
    steps = analysis.verdicts_by_look(RUNS, margin=0.2)
    assert sorted(set(steps["n"])) == [8, 12]
    assert steps.groupby("n")["planned"].all().to_dict() == {8: True, 12: False}
    names = ["scheduler", "dropout", "mean", "low", "high", "verdict"]
    for n in (8, 12):
        table = analysis.compare(RUNS[RUNS["seed"] < n], margin=0.2)
        expected = table.loc[table["family"] == "scheduler", names].reset_index(drop=True)
        assert_frame_equal(steps.loc[steps["n"] == n, names].reset_index(drop=True), expected)
    own = steps[steps["dropout"] == 0.5]
    ax = plots.plot_closing(own, margin=0.2, styles=STYLES)
    for scheduler in ("step", "cosine"):
        rows = own[own["scheduler"] == scheduler]
        mean, low, high, *ring = of_color(ax, STYLES[scheduler].color)
        for line, name in ((mean, "mean"), (low, "low"), (high, "high")):
            drawn = rows[np.isfinite(rows["high"])] if name != "mean" else rows
            assert xy(line) == drawn[["n", name]].to_numpy().tolist()
        first = rows[rows["verdict"].isin(["higher", "lower", "equivalent", "identical"])].head(1)
        assert [xy(mark) for mark in ring] == [
            [pair] for pair in first[["n", "mean"]].to_numpy().tolist()
        ]
    assert ring  # at least the last scheduler's difference is large enough for a verdict


def test_what_is_not_evaluated_closes_nowhere() -> None:
    runs, _ = make_tables(
        ("constant", "step", "cosine"),
        (0.3,),
        seeds=9,
        status=lambda s, d, seed: "diverged" if s == "cosine" and seed == 1 else "completed",
    )
    steps = analysis.verdicts_by_look(runs)
    assert (steps["scheduler"].tolist(), steps["n"].tolist()) == (["step"], [8])
    # the ends of one look are marks, since no line leads to them
    ends = [line for line in plots.plot_closing(steps).lines if line.get_marker() == "_"]
    assert [xy(line) for line in ends] == [[[8, steps["low"].item()]], [[8, steps["high"].item()]]]
    assert analysis.verdicts_by_look(runs[runs["seed"] < 7]).empty
    assert analysis.verdicts_by_look(runs[runs["scheduler"] == "step"]).empty


def test_spread_has_the_three_deviations_of_each_cell() -> None:
    ax = plots.plot_spread(RUNS, styles=STYLES)
    cells = analysis.seed_spread(RUNS).sort_values("dropout", kind="stable")
    places = [4 * (i // 3) + 1 + i % 3 for i in range(len(cells))]
    expected = [
        [cell[name], place]
        for cell, place in zip(cells.to_dict("records"), places, strict=True)
        for name in ("seed_sd", "independent_sd", "sampling_sd")
    ]
    assert [xy(line)[0] for line in ax.lines] == expected
    assert np.isfinite(np.array(expected)).all()


def test_time_to_target_steps_up_where_runs_get_there() -> None:
    runs = RUNS[RUNS["dropout"] == 0.0].assign(
        target=0.9, epochs_to_target=lambda table: (table["seed"] % 3 + 1).astype("Int32")
    )
    runs.loc[runs["seed"] == 0, "epochs_to_target"] = pd.NA
    ax = plots.plot_time_to_target(runs, styles=STYLES)
    table = analysis.time_to_target(runs)
    for scheduler, style in STYLES.items():
        (line,) = of_color(ax, style.color)
        own = table[table["scheduler"] == scheduler]
        points = own.assign(share=100 * own["share"])[["epoch", "share"]].to_numpy().tolist()
        assert xy(line) == [*points, [4.0, points[-1][1]]]
        assert points[-1][1] == pytest.approx(100 * 11 / 12)
    with pytest.raises(InputError, match="no run has a target"):
        plots.plot_time_to_target(RUNS[RUNS["dropout"] == 0.0])


def test_the_heat_map_colours_and_writes_each_cell() -> None:
    runs = RUNS.copy()
    runs.loc[(runs["scheduler"] == "step") & (runs["dropout"] == 0.2), "status"] = "diverged"
    ax = plots.plot_heat_map(runs)
    cells = analysis.cell_summary(runs)
    (mesh,) = ax.collections
    means = 100 * cells["mean"].to_numpy().reshape(3, 3)
    drawn = np.ma.asarray(mesh.get_array()).filled(np.nan).reshape(3, 3)
    assert drawn == pytest.approx(means, nan_ok=True)
    texts = {text.get_text() for text in ax.texts}
    assert texts == {
        f"{100 * c['mean']:.2f} \N{PLUS-MINUS SIGN} {100 * c['sd']:.2f}\nn = {c['n']}"
        for c in cells[cells["n"] > 0].to_dict("records")
    }
    assert [label.get_text() for label in ax.get_yticklabels()] == list(STYLES)
    low, high = mesh.get_clim()
    known = means[np.isfinite(means)]
    width = max(known.max() - known.min(), 4 * 100 * cells["sd"].median())
    assert (low, high) == pytest.approx(
        ((known.min() + known.max() - width) / 2, (known.min() + known.max() + width) / 2)
    )


def test_the_colours_of_a_map_do_not_shout_a_range_below_the_noise() -> None:
    accuracy = np.where(RUNS["seed"] % 2, 0.9, 0.8) + 0.001 * (RUNS["scheduler"] == "step")
    ax = plots.plot_heat_map(RUNS.assign(test_accuracy=accuracy))
    sd = 100 * analysis.cell_summary(RUNS.assign(test_accuracy=accuracy))["sd"].median()
    low, high = ax.collections[0].get_clim()
    assert high - low == pytest.approx(4 * sd)
    assert 0.01 * (high - low) > 0.1


def test_accuracy_by_epochs_is_on_the_axis_of_epochs() -> None:
    runs, _ = make_tables(("constant", "step"), (0.3,), seeds=3, epochs=[3, 10])
    ax = plots.plot_accuracy_by_epochs(runs)
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "length of the run (epochs)")
    assert ax.get_xticks().tolist() == [3, 10]
    means = 100 * runs.groupby(["scheduler", "epochs"])["test_accuracy"].mean()
    (line, *_) = of_color(ax, style_schedulers(runs)["step"].color)
    assert np.asarray(line.get_ydata()) == pytest.approx(means.loc["step"].to_numpy())


def test_of_many_runs_of_a_cell_the_first_seeds_get_a_dot_and_of_many_rates_some_a_label() -> None:
    rates = [0.001 * (1 + place) for place in range(12)]
    runs, _ = make_tables(("step",), (0.3,), seeds=plots.MOST_DOTS + 2, n_epochs=1, lr=rates[:1])
    (dots,) = plots.plot_accuracy_by_dropout(runs.iloc[::-1]).collections
    first = runs[runs["seed"] < plots.MOST_DOTS]
    assert sorted(np.asarray(dots.get_offsets())[:, 1]) == pytest.approx(
        sorted(100 * first["test_accuracy"])
    )
    many, _ = make_tables(("step",), (0.3,), seeds=1, n_epochs=1, lr=rates)
    assert plots.plot_accuracy_by_rate(many).get_xticks().tolist() == rates[::2]


def test_one_dropout_stands_in_the_middle() -> None:
    runs, _ = make_tables(("constant", "step", "cosine"), (0.3,), seeds=2, n_epochs=1)
    low, high = plots.plot_accuracy_by_dropout(runs).get_xlim()
    assert (low + high) / 2 == pytest.approx(0.3)


def test_marks_say_whose_they_are() -> None:
    runs, _ = make_tables(("constant", '"><script>', "a\x1bb"), (0.3,), seeds=8)
    table = analysis.compare(runs).query("family == 'scheduler'")
    svg = ElementTree.fromstring(figure_to_svg(plots.plot_differences(table), "f", "to a\x1bb"))
    assert svg.attrib["aria-label"] == "to a\\x1bb"
    groups = [
        (g.get("class"), g.attrib["data-scheduler"])
        for g in svg.iter("g")
        if "data-scheduler" in g.attrib
    ]
    names = '"><script>', "a\\x1bb"
    assert groups == [("row-label", n) for n in names] + [(None, n) for n in names for _ in "12"]
    assert "script" not in {element.tag for element in svg.iter()}


Place = dict[str, str]


def places(ax: Axes, kind: str) -> list[Place]:
    """What the rows or columns of a figure are about, from the first."""
    svg = ElementTree.fromstring(figure_to_svg(ax, "f", "a figure"))
    labels = [g for g in svg.iter("g") if g.get("class") == f"{kind}-label"]
    return [
        {name.removeprefix("data-"): value for name, value in g.attrib.items() if name != "class"}
        for g in labels
    ]


def test_rows_and_columns_say_what_they_are_about() -> None:
    def rows(names: list[str]) -> list[Place]:
        return [
            {**({"scheduler": name} if name else {}), "dropout": dropout}
            for dropout in ("0", "0.2", "0.5")
            for name in ("", *names)
        ]

    assert places(plots.plot_differences(PRIMARY), "row") == rows(["step", "cosine"])
    assert places(plots.plot_spread(RUNS), "row") == rows(["constant", "step", "cosine"])
    heat_map = plots.plot_heat_map(RUNS)
    assert places(heat_map, "row") == [{"scheduler": name} for name in STYLES]
    assert places(heat_map, "column") == [{"dropout": dropout} for dropout in ("0", "0.2", "0.5")]
    slopes = plots.plot_slopes(RUNS[RUNS["dropout"] == 0.2], "constant")
    assert places(slopes, "column") == [{"scheduler": "step"}, {"scheduler": "cosine"}]
    # numbers on an axis are no places
    assert places(plots.plot_accuracy_by_dropout(RUNS), "column") == []


def test_rows_of_averages_and_of_rates_of_its_own_are_about_no_dropout() -> None:
    averages = places(plots.plot_differences(TABLE[TABLE["family"] == "average"]), "row")
    assert averages == [{}, {"scheduler": "step"}, {"scheduler": "cosine"}]
    own = RUNS.query("dropout == 0").assign(dropout=np.nan)
    assert places(plots.plot_spread(own), "row") == [{"scheduler": name} for name in STYLES]


def test_what_was_not_evaluated_is_marked_too() -> None:
    runs, _ = make_tables(
        ("constant", "step"), (0.3,), seeds=8, status=lambda s, d, seed: "diverged"
    )
    table = analysis.compare(runs).query("family == 'scheduler'")
    svg = ElementTree.fromstring(figure_to_svg(plots.plot_differences(table), "f", "a figure"))
    (words,) = (g for g in svg.iter("g") if "not evaluated" in (t.text for t in g.findall("text")))
    assert words.attrib == {"data-scheduler": "step", "data-dropout": "0.3"}


def test_several_strata_are_refused() -> None:
    runs, _ = make_tables(("constant", "step"), (0.3,), seeds=8, lr=[0.1, 0.2])
    table = analysis.compare(runs).query("family == 'scheduler'")
    with pytest.raises(InputError, match=r"one lr and the table has 0.1, 0.2"):
        plots.plot_differences(table)
    with pytest.raises(InputError, match=r"one lr and the table has 0.1, 0.2"):
        plots.plot_gain_by_dropout(table)
    with pytest.raises(InputError, match=r"one dropout and the table has 0.0, 0.2, 0.5"):
        plots.plot_closing(analysis.verdicts_by_look(RUNS))
    with pytest.raises(InputError, match=r"one dropout and the table has 0.0, 0.2, 0.5"):
        plots.plot_slopes(RUNS, "constant")


LONGEST = "x" * 64  # the longest label that a sweep file may give


def test_long_names_leave_room_for_the_marks() -> None:
    runs, _ = make_tables(("constant", LONGEST, "step", "a" * 28), (0.0, 0.3), seeds=8)
    table = analysis.compare(runs, margin=0.2, reference=LONGEST)
    primary = table[table["family"] == "scheduler"]
    short = f"{'x' * 18}…{'x' * 9}"
    difference = plots.plot_differences(primary)
    assert difference.get_xlabel() == f"difference to {short}\n(percentage points)"
    names = [label.get_text() for label in difference.get_yticklabels()]
    assert names[1:4] == ["constant", "step", "a" * 28]
    for ax in (plots.plot_spread(runs), plots.plot_heat_map(runs)):
        assert short in [label.get_text() for label in ax.get_yticklabels()]
        figure = ax.get_figure()
        assert figure is not None
        figure.draw_without_rendering()
        assert ax.get_position().width > 0.4


def test_names_that_do_not_fit_side_by_side_are_turned() -> None:
    for label, turned in (("step", 0), ("a scheduler of some length", 30)):
        runs, _ = make_tables(("constant", label, "cosine"), (0.3,), seeds=8)
        ax = plots.plot_slopes(runs, "constant")
        assert [tick.get_rotation() for tick in ax.get_xticklabels()] == [turned, turned]
