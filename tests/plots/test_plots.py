from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from helpers.frames import make_tables
from helpers.trials import GRID
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lrdecay import analysis, plots
from lrdecay.core.errors import InputError
from lrdecay.plots.style import COLORS, style_schedulers
from lrdecay.plots.svg import figure_to_svg

RUNS, EPOCHS = make_tables(("constant", "plateau", "cosine"), (0.0, 0.2, 0.5), seeds=4, n_epochs=8)
DRY = RUNS[RUNS["dropout"] == 0.0]


def points(line: Line2D) -> list[list[float]]:
    xy: list[list[float]] = np.asarray(line.get_xydata()).tolist()
    return xy


def of_color(ax: Axes, color: str) -> list[Line2D]:
    return [line for line in ax.lines if colors.same_color(line.get_color(), color)]


@pytest.mark.parametrize(("metric", "scale"), [("loss", 1.0), ("accuracy", 100.0)])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_curves_draw_the_mean_and_the_band(metric: str, scale: float, split: str) -> None:
    ax = plots.plot_curves(DRY, EPOCHS, metric, split)
    curves = analysis.learning_curves(DRY, EPOCHS, metric).query("split == @split")
    assert len(ax.lines) == len(ax.collections) == 3
    for line, band, scheduler in zip(
        ax.lines, ax.collections, analysis.axis_values(DRY, "scheduler"), strict=True
    ):
        curve = curves[curves["scheduler"] == scheduler]
        assert points(line) == curve[["epoch"]].assign(y=scale * curve["mean"]).values.tolist()
        outline = {tuple(xy) for xy in np.asarray(band.get_paths()[0].vertices).tolist()}
        limits = [*(scale * curve["low"]), *(scale * curve["high"])]
        assert outline == set(zip([*curve["epoch"], *curve["epoch"]], limits, strict=True))
    assert ax.get_yscale() == ("log" if metric == "loss" else "linear")
    assert ax.get_xlabel() == "epoch"


def test_the_loss_axis_fits_the_means_however_low_the_band_reaches() -> None:
    epochs = EPOCHS.copy()
    epochs.loc[(epochs["seed"] == 0) & (epochs["split"] == "test"), "loss"] *= 1e-6
    means = analysis.learning_curves(DRY, epochs, "loss").query("split == 'test'")["mean"]
    low, high = plots.plot_curves(DRY, epochs, "loss", "test").get_ylim()
    assert (low, high) == pytest.approx((0.8 * means.min(), 1.25 * means.max()))


def test_the_accuracy_axis_fits_what_comes_after_the_first_epochs() -> None:
    curves = analysis.learning_curves(DRY, EPOCHS, "accuracy").query("split == 'val'")
    late = 100 * curves.loc[curves["epoch"] > 0.2 * 8, "mean"]
    low, _ = plots.plot_curves(DRY, EPOCHS, "accuracy", "val").get_ylim()
    assert 100 * curves["mean"].min() < low < late.min()


def test_one_seed_has_no_band() -> None:
    ax = plots.plot_curves(DRY[DRY["seed"] == 0], EPOCHS)
    assert (len(ax.lines), len(ax.collections)) == (3, 0)


def test_learning_rates_draw_each_distinct_course() -> None:
    ax = plots.plot_learning_rates(RUNS, EPOCHS)
    curves = analysis.learning_rate_curves(RUNS, EPOCHS)
    courses = curves[["scheduler", "curve"]].drop_duplicates()
    assert len(ax.lines) == len(courses) > 3
    styles = style_schedulers(RUNS)
    (constant,) = of_color(ax, styles["constant"].color)
    trained = [epoch - before for epoch in range(1, 9) for before in (1.0, 0.0)]
    assert points(constant) == [[at, 0.001] for at in trained]
    (cosine,) = of_color(ax, styles["cosine"].color)
    rates = curves.loc[curves["scheduler"] == "cosine", "learning_rate"]
    assert np.asarray(cosine.get_ydata()).tolist() == np.repeat(rates, 2).tolist()
    thin = of_color(ax, styles["plateau"].color)
    assert len(thin) == courses["scheduler"].eq("plateau").sum()
    assert {line.get_linewidth() for line in thin} == {0.8}
    assert cosine.get_linewidth() == 1.6


def check_by_dropout(ax: Axes, cells: pd.DataFrame) -> None:
    """Means, bars of 1 sd and nothing else, for each scheduler in its own colour."""
    for scheduler, style in style_schedulers(RUNS).items():
        own = cells[cells["scheduler"] == scheduler]
        mean, *bars = of_color(ax, style.color)
        x = np.asarray(mean.get_xdata())
        assert np.asarray(mean.get_ydata()) == pytest.approx(own["mean"].to_numpy())
        # Shifted sideways, each by less than half of the smallest step (0.2) in dropout.
        assert x - own["dropout"].to_numpy() == pytest.approx([x[0]] * 3)
        assert abs(x[0]) < 0.1
        ends = [np.asarray(bar.get_ydata()).tolist() for bar in bars]
        expected = np.column_stack([own["mean"] - own["sd"], own["mean"] + own["sd"]])
        assert ends == pytest.approx(expected)


def test_accuracy_by_dropout() -> None:
    percent = RUNS.assign(percent=100 * RUNS["test_accuracy"])
    ax = plots.plot_accuracy_by_dropout(RUNS)
    check_by_dropout(ax, analysis.cell_summary(percent, "percent"))
    dots = np.concatenate([np.asarray(dots.get_offsets())[:, 1] for dots in ax.collections])
    assert sorted(dots) == pytest.approx(sorted(percent["percent"]))
    assert ax.get_xticks().tolist() == [0.0, 0.2, 0.5]


def test_gap_by_dropout() -> None:
    gaps = analysis.train_test_gap(RUNS, EPOCHS)
    ax = plots.plot_gap_by_dropout(RUNS, EPOCHS)
    check_by_dropout(ax, analysis.cell_summary(gaps, "train_test_gap"))
    assert any(points(line) == [[0.0, 0.0], [1.0, 0.0]] for line in ax.lines)


def test_a_scheduler_keeps_its_style_when_others_are_filtered_out() -> None:
    styles = style_schedulers(RUNS)
    cosine = DRY[DRY["scheduler"] == "cosine"]
    for ax in (
        plots.plot_curves(cosine, EPOCHS, styles=styles),
        plots.plot_learning_rates(cosine, EPOCHS, styles=styles),
        plots.plot_accuracy_by_dropout(cosine, styles=styles),
    ):
        assert ax.lines[0].get_color() == styles["cosine"].color == COLORS[2]


def test_styles_follow_first_appearance_and_never_repeat() -> None:
    labels = [f"s{i}" for i in range(40)]
    runs, _ = make_tables(labels, (0.0,), seeds=1, n_epochs=1)
    styles = style_schedulers(runs)
    assert list(styles) == labels
    assert len(set(styles.values())) == 40


def test_labels_are_drawn_as_written() -> None:
    hostile = ["_hidden", "$x_{", r"\frac $\alpha$", "<script>alert(1)</script>"]
    runs, epochs = make_tables(hostile, (0.3,), seeds=2)
    for ax in (
        plots.plot_learning_rates(runs, epochs),
        plots.plot_curves(runs, epochs),
        plots.plot_accuracy_by_dropout(runs),
    ):
        legend = ax.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == hostile
        svg = ElementTree.fromstring(figure_to_svg(ax, "figure", hostile[-1]))
        assert [text.text for text in svg.iter("text")][-4:] == hostile
        assert svg.attrib["aria-label"] == hostile[-1]
        assert not list(svg.iter("script"))


def test_an_axes_of_ones_own_and_no_global_figure() -> None:
    mine = Figure().subplots(2)
    assert plots.plot_curves(DRY, EPOCHS, ax=mine[0], legend=False) is mine[0]
    assert mine[0].get_legend() is None
    assert plots.plot_gap_by_dropout(RUNS, EPOCHS, ax=mine[1]) is mine[1]
    plots.plot_learning_rates(RUNS, EPOCHS)
    assert plt.get_fignums() == []


def test_nothing_completed_is_an_empty_axes() -> None:
    runs, epochs = make_tables(seeds=1, status=lambda *cell: "diverged")
    assert plots.plot_accuracy_by_dropout(runs).lines[:] == []
    assert plots.plot_learning_rates(runs, epochs).lines[:] == []
    assert plots.plot_curves(runs[runs["dropout"] == 0.3], epochs, "loss").lines[:] == []


def test_what_is_no_repetition_is_refused() -> None:
    with pytest.raises(InputError, match=r"one dropout and the table has 0.0, 0.2, 0.5.*filter"):
        plots.plot_curves(RUNS, EPOCHS)
    runs, epochs = make_tables(("step",), lr=[0.1, 0.2], seeds=1)
    with pytest.raises(InputError, match=r"one lr and the table has 0.1, 0.2"):
        plots.plot_learning_rates(runs, epochs)
    with pytest.raises(InputError, match=r"one lr and the table has 0.1, 0.2"):
        plots.plot_accuracy_by_dropout(runs)
    with pytest.raises(InputError, match=r"unknown split 'tset'; choose one of train, "):
        plots.plot_curves(DRY, EPOCHS, split="tset")
    with pytest.raises(InputError, match=r"unknown metric 'acc'; choose one of loss, accuracy"):
        plots.plot_curves(DRY, EPOCHS, "acc")


def test_svg_is_small_adaptable_and_the_same_each_time() -> None:
    first, second = (
        figure_to_svg(plots.plot_curves(DRY, EPOCHS), "f", "test accuracy") for _ in range(2)
    )
    assert first == second
    svg = ElementTree.fromstring(first)
    ids = [element.attrib["id"] for element in svg.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    assert all(name == "f" or name.startswith("f-") for name in ids)
    used = {element.attrib["href"] for element in svg.iter("use")}
    assert used <= {f"#{name}" for name in ids}
    assert "http" not in first
    assert "#000000" not in first
    assert "currentColor" in first
    assert "test accuracy (%)" in [text.text for text in svg.iter("text")]
    assert len(first) < 20_000


def test_the_spread_has_the_hardware_noise_where_it_is_known() -> None:
    assert not [line for line in plots.plot_spread(DRY).lines if line.get_linestyle() == ":"]
    lines = plots.plot_spread(DRY, hardware_sd=0.25).lines
    (dotted,) = [line for line in lines if line.get_linestyle() == ":"]
    assert np.asarray(dotted.get_xdata()).tolist() == [0.25, 0.25]


def test_a_spread_that_is_not_known_has_no_mark() -> None:
    gone = DRY.assign(status=DRY["status"].where(DRY["scheduler"] != "cosine", "diverged"))
    whole, drawn = plots.plot_spread(DRY).lines, plots.plot_spread(gone).lines
    assert len(drawn) == len(whole) - 3
    assert np.isfinite([np.asarray(line.get_xdata(), float) for line in drawn]).all()


def test_the_expected_best_is_that_of_the_analysis() -> None:
    runs, _ = make_tables(("constant", "step"), (0.3,), 2, 2, lr=[0.001, 0.01, 0.1])
    trials = runs.assign(phase="choose", lr_chosen_per="scheduler")
    lost = (trials["scheduler"] == "step") & (trials["lr"] == 0.1)
    trials.loc[lost, "status"] = "diverged"
    ax = plots.plot_expected_best(trials)
    table = analysis.expected_best(trials).query("expected_best.notna()")
    assert table["trials"].tolist() == [1, 2, 3, 2, 3]
    styles = style_schedulers(trials)
    for scheduler, own in table.groupby("scheduler"):
        (line,) = of_color(ax, styles[scheduler].color)
        assert points(line) == own[["trials", "expected_best"]].to_numpy().tolist()
        low, high = ax.get_ylim()
        assert own["expected_best"].between(low, high).all()
    two = pd.concat([trials, trials.assign(dropout=0.5)])
    with pytest.raises(InputError, match="a figure shows one dropout"):
        plots.plot_expected_best(two)


def test_rates_below_zero_are_within_the_axis() -> None:
    epochs = EPOCHS.copy()
    assert plots.plot_learning_rates(RUNS, epochs).get_ylim()[0] == 0
    rates = [name for name in epochs if name.startswith("learning_rate")]
    epochs[rates] = epochs[rates].where(epochs["epoch"] < epochs["epoch"].max(), -0.001)
    assert plots.plot_learning_rates(RUNS, epochs).get_ylim()[0] < -0.001


def test_accuracy_by_rate_draws_means_and_deviations_over_a_log_scale() -> None:
    runs, _ = make_tables(dropouts=(0.3,), lr=[0.1, 0.001, 0.01], n_epochs=2)
    ax = plots.plot_accuracy_by_rate(runs)
    percent = runs.assign(percent=100 * runs["test_accuracy"])
    cells = percent.groupby(["scheduler", "lr"])["percent"].agg(["mean", "std"])
    assert ax.get_xscale() == "log"
    assert ax.get_xticks().tolist() == list(GRID)
    for label, style in style_schedulers(runs).items():
        mean, *bars = (line for line in ax.lines if line.get_color() == style.color)
        own = cells.loc[label]
        assert np.asarray(mean.get_ydata()) == pytest.approx(own["mean"].to_numpy())
        # shifted sideways by the same factor at each rate, far less than the step to the next
        factor = np.asarray(mean.get_xdata()) / np.array(GRID)
        assert factor == pytest.approx([factor[0]] * 3)
        assert 0.5 < factor[0] < 2
        ends = [np.asarray(bar.get_ydata()).tolist() for bar in bars]
        expected = np.column_stack([own["mean"] - own["std"], own["mean"] + own["std"]])
        assert ends == pytest.approx(expected)
    assert plt.get_fignums() == []
    two = make_tables(lr=[0.1, 0.01], n_epochs=2)[0]
    with pytest.raises(InputError, match=r"one dropout and the table has 0.0, 0.3"):
        plots.plot_accuracy_by_rate(two)


def test_a_rate_that_was_told_for_an_epoch_is_level_in_it() -> None:
    """A program tells one rate an epoch, or none: such runs are left out."""
    runs = DRY.assign(engine="command", trainer="command")
    lost = dict.fromkeys(["learning_rate_first", "learning_rate_last"], np.nan)
    told = EPOCHS["learning_rate"].where(EPOCHS["scheduler"] != "plateau")
    ax = plots.plot_learning_rates(runs, EPOCHS.assign(learning_rate=told, **lost))
    constant, cosine = ax.lines
    rates = EPOCHS[EPOCHS["scheduler"] == "cosine"].drop_duplicates("epoch")["learning_rate"]
    assert np.asarray(constant.get_ydata()).tolist() == [0.001] * 16
    assert np.asarray(cosine.get_ydata()).tolist() == np.repeat(rates, 2).tolist()
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["constant", "cosine"]


def test_a_loss_of_another_loop_has_no_unit() -> None:
    runs = DRY.assign(engine="own", trainer="mine")
    assert plots.plot_curves(runs, EPOCHS, "loss", "val").get_ylabel() == "val loss"
    assert plots.plot_curves(runs, EPOCHS).get_ylabel() == "test accuracy (%)"
    nothing = EPOCHS.assign(accuracy=np.nan)
    assert np.isfinite(plots.plot_curves(runs, nothing).get_ylim()).all()


def test_a_spread_without_bitmaps_has_marks_of_seeds_alone() -> None:
    bare = DRY.assign(engine="own", trainer="mine", test_correct=None, test_images=None)
    assert len(plots.plot_spread(DRY).lines) == 9
    sds = (100 * DRY.groupby("scheduler", sort=False)["test_accuracy"].std()).tolist()
    drawn = [float(np.asarray(line.get_xdata())[0]) for line in plots.plot_spread(bare).lines]
    assert drawn == pytest.approx(sds)


@pytest.mark.parametrize(("metric", "scale"), [("loss", 1.0), ("accuracy", 100.0)])
def test_late_curves_are_the_last_half_on_a_range_of_its_own(metric: str, scale: float) -> None:
    ax = plots.plot_late_curves(DRY, EPOCHS, metric)
    curves = analysis.learning_curves(DRY, EPOCHS, metric).query("split == 'test' and epoch >= 4")
    for line, scheduler in zip(ax.lines, analysis.axis_values(DRY, "scheduler"), strict=True):
        curve = curves[curves["scheduler"] == scheduler]
        assert curve["epoch"].tolist() == [4, 5, 6, 7, 8]
        assert points(line) == curve[["epoch"]].assign(y=scale * curve["mean"]).values.tolist()
    whole = np.diff(plots.plot_curves(DRY, EPOCHS, metric).get_ylim())
    assert np.diff(ax.get_ylim()) < 0.8 * whole
