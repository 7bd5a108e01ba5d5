"""A figure to a small `<svg>` element for the inside of an HTML page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, YAxis

from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import to_text
from lrdecay.plots.canvas import POINTS, draw_svg
from lrdecay.plots.compact_svg import compact_svg


def figure_to_svg(ax: Axes, name: str, label: str) -> str:
    """The figure of `ax` as a small `<svg>` element to put inside an HTML page.

    It is as short as `compact_svg` makes it, every id starts with `name`, and marks say what they
    show (`mark_artists`), as do rows and columns (`mark_places`). The same figure gives the same
    text.

    Args:
        ax: the axes whose figure is written.
        name: an id that the page does not use yet.
        label: what the figure shows, for readers who cannot see it.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("these axes were removed from their figure")
    svg = ElementTree.fromstring(draw_svg(figure))
    view = svg.attrib["viewBox"]
    for child in list(svg):
        if child.tag.endswith("}metadata") or child.find("{*}style") is not None:
            svg.remove(child)
    for element in list(svg.iter()):
        if element.tag.endswith("}g"):
            read_mark(element)
    compact_svg(svg, name)
    svg.attrib = {
        "id": name,
        "class": "plot",
        "viewBox": view,
        "role": "img",
        "aria-label": sanitize_line(label),
    }
    if svg.find(f".//g[@data-{_READINGS}]") is not None:
        svg.set("data--x", _find_scale(ax, figure.dpi))
    return ElementTree.tostring(svg, encoding="unicode")


def _find_scale(ax: Axes, dpi: float) -> str:
    """Return where 0 is on a linear x-axis, and how long 1 is, in units of the picture."""
    (zero, _), (one, _) = ax.transData.transform([(0.0, 0.0), (1.0, 0.0)]) * POINTS / dpi
    return f"{zero:.2f} {one - zero:.3f}"


MAX_POINTS = 2000
"""Points of one artist that are named one by one; more would make the page large."""

About = Mapping[str, object]
"""Axis -> value."""

_PREFIX = "mark:"
_NAME, _POINT, _CLASS, _READINGS = "-name", "-point", "-class", "-readings"  # axes have no dash


@dataclass(frozen=True)
class Readings:
    """What a curve says epoch by epoch: epoch -> words. On the x-axis an epoch is at its number and
    `shift`."""

    words: Mapping[int, str]
    shift: float = 0.0

    def __str__(self) -> str:
        said = (f"{epoch}:{words}" for epoch, words in self.words.items())
        return "|".join((f"{self.shift:g}", *said))


def mark_artists(
    artists: Iterable[Artist],
    about: About,
    name: str,
    points: Sequence[tuple[About, str]] = (),
    readings: Readings | None = None,
) -> None:
    """Say what artists show, and each of their points.

    In SVG an artist becomes a group with an attribute `data-AXIS` for each axis of `about`, and
    `name`, if it has one, as its title. So do its points, or the paths of a collection, if all of
    them are within the figure. What a curve says epoch by epoch is in an attribute too,
    `data--readings`: SHIFT|EPOCH:WORDS|...
    """
    pairs = _list_pairs(about, name)
    if readings is not None and readings.words:
        pairs.append((_READINGS, str(readings)))
    if len(points) <= MAX_POINTS:
        pairs += [(_POINT, urlencode(_list_pairs(*point))) for point in points]
    _set_mark(artists, pairs)


def mark_places(axis: Axis, places: Iterable[About]) -> None:
    """Say what the rows of a y-axis or the columns of an x-axis are about, a tick label each.

    In SVG a label becomes a group of the class `row-label` or `column-label` with the attributes of
    `mark_artists`, and the axis' title one of the class `row-title` or `column-title`. A mark
    stands at the last place that is about nothing else than the mark is.
    """
    kind = "row" if isinstance(axis, YAxis) else "column"
    for label, about in zip(axis.get_ticklabels(), places, strict=True):
        _set_mark([label], [*_list_pairs(about, ""), (_CLASS, f"{kind}-label")])
    _set_mark([axis.label], [(_CLASS, f"{kind}-title")])


def _set_mark(artists: Iterable[Artist], pairs: Sequence[tuple[str, str]]) -> None:
    for artist in artists:
        artist.set_gid(_PREFIX + urlencode(pairs))


def read_mark(group: ElementTree.Element) -> None:
    """Turn a mark of `mark_artists` into attributes and titles of an SVG group, and drop its id."""
    mark = group.attrib.pop("id", "")
    if not mark.startswith(_PREFIX):
        return
    pairs = _parse_pairs(mark.removeprefix(_PREFIX))
    points = [value for key, value in pairs if key == _POINT]
    drawn = _all(group, "use") or _all(group, "path")
    if len(drawn) == len(points):
        for element, point in zip(drawn, points, strict=True):
            _title_mark(element, _parse_pairs(point))
    _title_mark(group, [pair for pair in pairs if pair[0] != _POINT])


def _all(group: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [element for element in group.iter() if element.tag.rpartition("}")[2] == tag]


def _list_pairs(about: About, name: str) -> list[tuple[str, str]]:
    return [(key, sanitize_line(to_text(value))) for key, value in (*about.items(), (_NAME, name))]


def _parse_pairs(mark: str) -> list[tuple[str, str]]:
    return parse_qsl(mark, keep_blank_values=True, errors="strict")


def _title_mark(element: ElementTree.Element, pairs: Iterable[tuple[str, str]]) -> None:
    for key, value in pairs:
        if key == _NAME and value:
            title = ElementTree.Element("title")
            title.text = value
            element.insert(0, title)
        elif key == _CLASS:
            element.set("class", value)
        elif key != _NAME:
            element.set(f"data-{key}", value)
