"""What the marks of a figure are of: said to matplotlib's artists, read again from their SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

from matplotlib.artist import Artist

from lrdecay.inert import one_line

MAX_POINTS = 2000
"""Points of one artist that are named one by one; they would make the page large."""
_PREFIX = "mark:"
_NAME, _POINT = "-name", "-point"  # no axis begins with a dash


def mark(
    artists: Iterable[Artist], about: Mapping[str, str], name: str, points: Sequence[str] = ()
) -> None:
    """Say what artists show.

    In SVG they become groups with an attribute `data-AXIS` for each axis of `about` and the title
    `name`, and their points, if there are as many, have the titles `points`.
    """
    pairs = [*about.items(), (_NAME, name)]
    if len(points) <= MAX_POINTS:
        pairs += [(_POINT, point) for point in points]
    for artist in artists:
        artist.set_gid(_PREFIX + urlencode([(key, one_line(value)) for key, value in pairs]))


def read_mark(group: ElementTree.Element) -> None:
    """Turn what `mark` said into attributes and titles of an SVG group, whose id is dropped."""
    said = group.attrib.pop("id", "")
    if not said.startswith(_PREFIX):
        return
    pairs = parse_qsl(said.removeprefix(_PREFIX), keep_blank_values=True)
    points = [value for key, value in pairs if key == _POINT]
    drawn = [element for element in group.iter() if element.tag.rpartition("}")[2] == "use"]
    if len(drawn) == len(points):
        for element, point in zip(drawn, points, strict=True):
            _title(element, point)
    for key, value in pairs:
        if key == _NAME:
            _title(group, value)
        elif key != _POINT:
            group.set(f"data-{key}", value)


def _title(element: ElementTree.Element, text: str) -> None:
    title = ElementTree.Element("title")
    title.text = text
    element.insert(0, title)
