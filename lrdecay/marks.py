"""What the marks of a figure are of: said to matplotlib's artists, read again from their SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

from matplotlib.artist import Artist

from lrdecay.inert import one_line
from lrdecay.wording import text_of

MAX_POINTS = 2000
"""Points of one artist that are named one by one; more would make the page large."""

About = Mapping[str, object]
"""Axis -> value."""

_PREFIX = "mark:"
_NAME, _POINT = "-name", "-point"  # no axis begins with a dash


def mark(
    artists: Iterable[Artist], about: About, name: str, points: Sequence[tuple[About, str]] = ()
) -> None:
    """Say what artists show, and each of their points.

    In SVG an artist becomes a group with an attribute `data-AXIS` for each axis of `about`, and
    `name`, if it has one, as its title. So do its points, or the paths of a collection, if all of
    them are within the figure.
    """
    said = _said(about, name)
    if len(points) <= MAX_POINTS:
        said += [(_POINT, urlencode(_said(*point))) for point in points]
    for artist in artists:
        artist.set_gid(_PREFIX + urlencode(said))


def read_mark(group: ElementTree.Element) -> None:
    """Turn what `mark` said into attributes and titles of an SVG group, whose id is dropped."""
    said = group.attrib.pop("id", "")
    if not said.startswith(_PREFIX):
        return
    pairs = _pairs(said.removeprefix(_PREFIX))
    points = [value for key, value in pairs if key == _POINT]
    drawn = _all(group, "use") or _all(group, "path")
    if len(drawn) == len(points):
        for element, point in zip(drawn, points, strict=True):
            _say(element, _pairs(point))
    _say(group, [pair for pair in pairs if pair[0] != _POINT])


def _all(group: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [element for element in group.iter() if element.tag.rpartition("}")[2] == tag]


def _said(about: About, name: str) -> list[tuple[str, str]]:
    return [(key, one_line(text_of(value))) for key, value in (*about.items(), (_NAME, name))]


def _pairs(said: str) -> list[tuple[str, str]]:
    return parse_qsl(said, keep_blank_values=True, errors="strict")


def _say(element: ElementTree.Element, pairs: Iterable[tuple[str, str]]) -> None:
    for key, value in pairs:
        if key == _NAME and value:
            title = ElementTree.Element("title")
            title.text = value
            element.insert(0, title)
        elif key != _NAME:
            element.set(f"data-{key}", value)
