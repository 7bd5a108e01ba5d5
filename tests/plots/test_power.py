"""The curve of what is resolved, as it is drawn."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from lrdecay.plots import plot_power

CURVE = pd.DataFrame({"n": [8, 12, 16], "effect": [2.0, 1.5, 1.0]})


def data_of(line) -> list[tuple[float, float]]:
    return list(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))


def legend_of(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_line_for_each_sd_the_aim_and_what_is_planned():
    ax = plot_power(CURVE, planned=[12], sds=(0.5, 2.0), unit="points", aim=1.5)
    low, high, planned, aim = ax.get_lines()
    assert data_of(low) == [(8, 1.0), (12, 0.75), (16, 0.5)]
    assert data_of(high) == [(8, 4.0), (12, 3.0), (16, 2.0)]
    assert data_of(planned) == [(12, 0.75), (12, 3.0)]
    assert aim.get_ydata() == [1.5, 1.5]
    assert low.get_linestyle() != high.get_linestyle()
    assert legend_of(ax) == [
        "sd 0.5 points",
        "sd 2 points",
        "planned",
        "3 times the margin: 1.5 points",
    ]
    assert ax.get_ylabel() == "resolved with 80% probability (points)"


def test_in_sds_there_is_one_line_and_no_legend():
    ax = Figure().subplots()
    assert plot_power(CURVE, ax=ax) is ax
    (line,) = ax.get_lines()
    assert data_of(line) == [(8, 2.0), (12, 1.5), (16, 1.0)]
    assert ax.get_legend() is None
    assert ax.get_ylabel() == "resolved with 80% probability (sd)"


@pytest.mark.parametrize(("count", "shown"), [(7, 7), (13, 7)])
def test_numbers_of_seeds_are_labelled_as_far_as_there_is_room(count, shown):
    curve = pd.DataFrame({"n": [8 * 2**k for k in range(count)], "effect": 1.0})
    ticks = plot_power(curve).xaxis.get_majorticklocs().tolist()
    assert len(ticks) == shown
    assert set(ticks) <= set(curve["n"])
