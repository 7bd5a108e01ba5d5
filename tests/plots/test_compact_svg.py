"""A figure of fewer characters that shows the same."""

from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from lrdecay.plots.compact_svg import compact_svg
from lrdecay.plots.svg import figure_to_svg


def compacted(inner: str) -> str:
    svg = ElementTree.fromstring(f"<svg>{inner}</svg>")
    compact_svg(svg, "f")
    return ElementTree.tostring(svg, encoding="unicode")[5:-6]


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 1 2 L 3.456 4 L 5 -6.001 z", "M1 2L3.46 4 5 -6z"),
        ("M 0 0 L 0 3.5", "M0 0L0 3.5"),
        ("M 0 1 C 1 1 2 2 3 3 C 4 4 5 5 6 6 z", "M0 1C1 1 2 2 3 3C4 4 5 5 6 6z"),
        ("M -0.004 2 M 3 4 L 5 6", "M0 2M3 4L5 6"),
    ],
)
def test_a_path_keeps_its_numbers(path, short):
    assert compacted(f'<path d="{path}" />') == f'<path d="{short}" />'


def test_ids_are_numbered_and_those_without_a_link_go():
    assert compacted('<g id="axes"><path id="m1f" /><use href="#m1f" /><rect id="x" /></g>') == (
        '<path id="f-0" /><use href="#f-0" /><rect />'
    )
    assert compacted('<clipPath id="p" /><g clip-path="url(#p)" />') == (
        '<clipPath id="f-0" /><g clip-path="url(#f-0)" />'
    )


def test_what_points_share_is_said_by_their_group():
    point = '<use href="#m" style="fill: #ff0000; stroke: #000000" x="{}" />'
    shape = '<path id="m" style="stroke: #000000" />'
    assert compacted(f"{shape}<g>{point.format(1)}{point.format(2)}</g>") == (
        '<path style="stroke:currentColor" id="f-0" />'
        '<g style="fill:#ff0000"><use href="#f-0" x="1" /><use href="#f-0" x="2" /></g>'
    )


def test_points_of_several_colours_keep_their_own():
    points = "".join(f'<use href="#m" style="fill: {c}" />' for c in ("red", "blue"))
    assert compacted(f'<path id="m" /><g>{points}</g>') == (
        '<path id="f-0" /><use href="#f-0" style="fill:red" /><use href="#f-0" style="fill:blue" />'
    )


def test_a_group_that_says_something_stays():
    kept = '<g data-scheduler="step"><title>step</title><path d="M0 0" /></g>'
    assert compacted(f"<g><g>{kept}</g></g>") == kept
    titled = "<g><title>of all</title><path /></g>"
    assert compacted(titled) == titled


def test_more_than_36_ids_stay_apart():
    ax = Figure().subplots()
    for number in range(50):
        ax.plot([0, 1], marker=(3, 0, number))
    svg = ElementTree.fromstring(figure_to_svg(ax, "f", "many"))
    ids = [e.get("id") for e in svg.iter() if e.get("id")]
    assert len(set(ids)) == len(ids) > 50
    links = {e.get("href", "")[1:] for e in svg.iter("use")}
    assert links <= set(ids)
