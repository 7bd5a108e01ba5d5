"""What marks say of themselves survives the way through SVG, whatever the names are."""

from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from lrdecay.plots import svg as svg_module
from lrdecay.plots.svg import figure_to_svg, mark_artists

ODD = "<b>\"'&]]> =;\x00\n\N{RIGHT-TO-LEFT OVERRIDE}"
SHOWN = "<b>\"'&]]> =;\\x00\\n\\u202e"


def drawn(points: int = 2, named: int = 2, name: str = ODD) -> ElementTree.Element:
    """The group of a line with markers whose points are named."""
    ax = Figure().subplots()
    line = ax.plot(range(points), marker="o")
    mark_artists(
        line,
        {"scheduler": name, "lr": 0.001},
        f"line of {name}",
        [({"dropout": 0.5 * i}, f"point {i}") for i in range(named)],
    )
    svg = ElementTree.fromstring(figure_to_svg(ax, "figure", "a line"))
    (group,) = (g for g in svg.iter("g") if "data-scheduler" in g.attrib)
    return group


def titles(element: ElementTree.Element) -> list[str | None]:
    return [title.text for title in element.findall("title")]


def test_a_group_says_what_it_is_of() -> None:
    group = drawn()
    assert group.attrib == {"data-scheduler": SHOWN, "data-lr": "0.001"}
    assert titles(group) == [f"line of {SHOWN}"]
    points = list(group.iter("use"))
    assert [point.get("data-dropout") for point in points] == ["0", "0.5"]
    assert [titles(point) for point in points] == [["point 0"], ["point 1"]]


def test_points_are_named_only_if_each_is_drawn() -> None:
    assert [titles(point) for point in drawn(named=3).iter("use")] == [[], []]


def test_very_many_points_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svg_module, "MAX_POINTS", 1)
    group = drawn(name="step")
    assert titles(group) == ["line of step"]
    assert [titles(point) for point in group.iter("use")] == [[], []]


def test_other_groups_say_nothing() -> None:
    ax = Figure().subplots()
    ax.plot([0, 1], gid="mine")
    svg = ElementTree.fromstring(figure_to_svg(ax, "figure", "a line"))
    assert not any("id" in group.attrib for group in svg.iter("g"))
    assert list(svg.iter("title")) == []
