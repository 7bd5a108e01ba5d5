"""What a page's figures are drawn on: labels get their room, ticks stay, and nothing is drawn or
measured twice."""

import re
from collections import Counter
from collections.abc import Callable

import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from lrdecay.plots.canvas import draw_svg, make_canvas
from lrdecay.plots.style import use_log_scale

INCHES = (3.8, 2.6)


def draw_line(ax: Axes) -> None:
    ax.plot([1, 2, 3], [0.5, 120000.0, 7.0])
    ax.set(xlabel="epoch\n(of the run)", ylabel="loss")


def draw_log(ax: Axes) -> None:
    ax.plot([1, 2, 3], [0.013, 1.0, 4.0])
    use_log_scale(ax)
    ax.set(ylabel="loss (nats per image)")


def draw_names(ax: Axes) -> None:
    ax.plot([0.5, 0.9], [0, 1])
    ax.set_yticks([0, 1], ["cosine", "a long name of mine"])
    ax.set_xticks([0.5, 0.9], ["turned and long", "b"], rotation=30, ha="right")


def draw_bare(ax: Axes) -> None:
    ax.plot([0, 1], [0, 1])
    ax.set(xticks=[], yticks=[])


KINDS = pytest.mark.parametrize("draw", [draw_line, draw_log, draw_names, draw_bare])
Draw = Callable[[Axes], None]


def read_texts(svg: str) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg)


@KINDS
def test_axes_stand_where_matplotlib_s_own_layout_puts_them(draw: Draw) -> None:
    own, other = make_canvas(INCHES), Figure(INCHES, layout="constrained").subplots()
    for ax in (own, other):
        draw(ax)
    texts, expected = (read_texts(draw_svg(ax.figure)) for ax in (own, other))
    assert texts == expected
    # within two points of either side
    for ends in zip(own.get_position().extents, other.get_position().extents, strict=True):
        assert ends[0] == pytest.approx(ends[1], abs=2.0 / (72 * min(INCHES)))


@KINDS
def test_labels_stand_where_the_axis_would_put_them(draw: Draw) -> None:
    own, other = make_canvas(INCHES), Figure(INCHES, layout="constrained").subplots()
    for ax in (own, other):
        draw(ax)
        draw_svg(ax.figure)
        ax.figure.dpi = 72
    for name in ("xaxis", "yaxis"):
        labels = [getattr(ax, name).label for ax in (own, other)]
        places = [label.get_transform().transform(label.get_position()) for label in labels]
        if labels[0].get_text():
            assert places[0] == pytest.approx(places[1], abs=2.0)


@KINDS
def test_a_figure_is_drawn_once_and_each_axis_measured_once(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def count(owner: type, name: str) -> None:
        called = getattr(owner, name)

        def counted(*args: object, **kwargs: object) -> object:
            calls[name] += 1
            return called(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    ax = make_canvas(INCHES)
    draw(ax)
    count(Figure, "draw")
    count(Axis, "get_tightbbox")
    draw_svg(ax.figure)
    assert calls == {"draw": 1, "get_tightbbox": 2}


def test_the_same_figure_gives_the_same_text_and_keeps_its_background() -> None:
    ax = make_canvas(INCHES)
    draw_line(ax)
    first, again = (re.sub("<dc:date>.*?</dc:date>", "", draw_svg(ax.figure)) for _ in range(2))
    assert first == again
    assert ax.patch.get_visible()
    assert ax.figure.patch.get_visible()
    assert ax.figure.dpi == 100
    assert "#ffffff" not in first


def test_axes_without_labels_stay_where_they_are() -> None:
    ax = Figure(figsize=(0.5, 0.17)).add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    draw_svg(ax.figure)
    assert ax.get_position().extents.tolist() == [0, 0, 1, 1]
