"""A figure to a small `<svg>` element for the inside of an HTML page."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes

from lrdecay.inert import one_line
from lrdecay.marks import read_mark


def to_svg(ax: Axes, name: str, label: str) -> str:
    """The figure of `ax` as a small `<svg>` element to put inside an HTML page.

    Black becomes `currentColor`, text stays text in the page's own font, numbers keep two
    decimals, every id starts with `name`, and marks say what they are of (`lrdecay.marks`). The
    same figure gives the same text.

    Args:
        ax: the axes whose figure is written.
        name: an id that the page does not use yet.
        label: what the figure shows, for readers who cannot see it.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("these axes were removed from their figure")
    written = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lrdecay"}):
        figure.savefig(written, format="svg", transparent=True)
    svg = ElementTree.fromstring(written.getvalue())
    view = svg.attrib["viewBox"]
    for element in list(svg.iter()):
        if element.tag.endswith("}g"):
            read_mark(element)
    for element in svg.iter():
        _simplify(element, name)
    svg.attrib = {
        "id": name,
        "class": "plot",
        "viewBox": view,
        "role": "img",
        "aria-label": one_line(label),
    }
    for child in svg.findall("metadata") + svg.findall("defs"):
        if child.find("style") is not None or child.tag == "metadata":
            svg.remove(child)
    return ElementTree.tostring(svg, encoding="unicode")


def _simplify(element: ElementTree.Element, name: str) -> None:
    """Drop what inline HTML does not need and make ids the page's own; see `to_svg`."""
    element.tag = element.tag.rpartition("}")[2]
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    if "id" in attributes:
        attributes["id"] = f"{name}-{attributes['id']}"
    if "href" in attributes:
        attributes["href"] = attributes["href"].replace("#", f"#{name}-")
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("#", f"#{name}-")
    if "style" in attributes:
        style = re.sub(r"font-family: [^;]*;? ?", "", attributes["style"])
        attributes["style"] = style.replace("#000000", "currentColor")
    for key in attributes.keys() & {"d", "x", "y", "transform", "style", "width", "height"}:
        plain = re.sub(r"-?\d+\.\d+", lambda number: _short(number[0]), attributes[key])
        attributes[key] = " ".join(plain.split())
    element.attrib = attributes
    if element.tag not in ("text", "title"):
        element.text = None
    element.tail = None


def _short(number: str) -> str:
    return f"{round(float(number), 2) + 0.0:g}"
