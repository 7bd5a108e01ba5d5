"""What decay does, checked by what is plotted."""

import numpy as np
import pytest
from helpers.frames import make_tables
from matplotlib import colors

from lrdecay import analysis, plots
from lrdecay.core.errors import InputError
from lrdecay.plots.style import style_schedulers

RUNS, EPOCHS = make_tables(("constant", "plateau", "cosine"), (0.0, 0.2), seeds=4, n_epochs=8)
DRY = RUNS[RUNS["dropout"] == 0.0]
STYLES = style_schedulers(DRY)


@pytest.mark.parametrize(("metric", "scale"), [("loss", 1.0), ("accuracy", 100.0)])
def test_relative_curves_draw_means_and_intervals_around_the_reference(metric, scale):
    ax = plots.plot_relative_curves(DRY, EPOCHS, metric, "val")
    curves = analysis.relative_curves(DRY, EPOCHS, "constant", metric).query("split == 'val'")
    zero, *lines = ax.lines
    assert list(zero.get_ydata()) == [0, 0]
    assert colors.same_color(zero.get_color(), STYLES["constant"].color)
    for line, band, scheduler in zip(lines, ax.collections, ("plateau", "cosine"), strict=True):
        own = curves[curves["scheduler"] == scheduler]
        assert np.asarray(line.get_xydata()).tolist() == [
            [epoch, scale * mean] for epoch, mean in zip(own["epoch"], own["mean"], strict=True)
        ]
        assert colors.same_color(line.get_color(), STYLES[scheduler].color)
        outline = {tuple(xy) for xy in np.asarray(band.get_paths()[0].vertices).tolist()}
        limits = [*(scale * own["low"]), *(scale * own["high"])]
        assert outline == set(zip([*own["epoch"], *own["epoch"]], limits, strict=True))
    late = scale * curves.loc[curves["epoch"] > 1.6, "mean"]
    low, high = ax.get_ylim()
    assert low < min(late.min(), 0) <= max(late.max(), 0) < high
    unit = {"loss": "nats", "accuracy": "points"}[metric]
    assert ax.get_ylabel() == f"{metric} difference ({unit})"


def test_an_infinite_loss_leaves_the_axis_to_the_others():
    lost = (EPOCHS["scheduler"] == "cosine") & (EPOCHS["seed"] == 1) & (EPOCHS["epoch"] == 8)
    epochs = EPOCHS.assign(loss=EPOCHS["loss"].mask(lost, np.inf))
    means = analysis.relative_curves(DRY, epochs, "constant", "loss").query("split == 'test'")
    assert np.isinf(means["mean"]).sum() == 1
    late = means.loc[(means["epoch"] > 1.6) & np.isfinite(means["mean"]), "mean"]
    for draw in (plots.plot_relative_curves, plots.plot_curves, plots.plot_late_curves):
        limits = draw(DRY, epochs, "loss").get_ylim()
        assert np.isfinite(limits).all()
    low, high = plots.plot_relative_curves(DRY, epochs, "loss").get_ylim()
    assert low < min(late.min(), 0) <= max(late.max(), 0) < high
    assert np.isfinite(plots.plot_late_changes(DRY, epochs, "loss").get_ylim()).all()


def test_another_reference_and_one_that_is_not_there():
    ax = plots.plot_relative_curves(DRY, EPOCHS, reference="cosine")
    mean = analysis.relative_curves(DRY, EPOCHS, "cosine").query(
        "split == 'test' and scheduler == 'constant'"
    )["mean"]
    assert ax.lines[1].get_ydata().tolist() == pytest.approx((100 * mean).tolist())
    with pytest.raises(InputError, match="no run of the reference 'nix'"):
        plots.plot_relative_curves(DRY, EPOCHS, reference="nix")
    with pytest.raises(InputError, match="one dropout"):
        plots.plot_relative_curves(RUNS, EPOCHS)


def test_late_changes_are_a_dot_for_each_run_and_a_bar_for_the_mean():
    ax = plots.plot_late_changes(DRY, EPOCHS)
    rows = analysis.late_changes(DRY, EPOCHS)
    for place, scheduler in enumerate(("constant", "plateau", "cosine")):
        own = 100 * rows.loc[rows["scheduler"] == scheduler, "late_change"]
        dots = np.asarray(ax.collections[place].get_offsets())
        assert dots[:, 0].tolist() == [place] * 4
        assert sorted(dots[:, 1]) == pytest.approx(sorted(own))
        assert ax.lines[place].get_ydata() == pytest.approx([own.mean()] * 2)
        assert colors.same_color(ax.lines[place].get_color(), STYLES[scheduler].color)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["constant", "plateau", "cosine"]


def test_the_ecdf_counts_runs_up_to_each_accuracy():
    ax = plots.plot_ecdf(DRY)
    for line, scheduler in zip(ax.lines, ("cosine", "plateau", "constant"), strict=True):
        own = np.sort(100 * DRY.loc[DRY["scheduler"] == scheduler, "test_accuracy"])
        x, y = line.get_data()
        assert x[1:].tolist() == pytest.approx(own.tolist())
        assert y.tolist() == pytest.approx([0, 25, 50, 75, 100])
        assert colors.same_color(line.get_color(), STYLES[scheduler].color)
    diverged = DRY.assign(status=DRY["status"].where(DRY["seed"] > 0, "diverged"))
    assert len(plots.plot_ecdf(diverged).lines[0].get_xdata()) == 1 + 3
