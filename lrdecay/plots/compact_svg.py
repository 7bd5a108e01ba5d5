"""An SVG figure of matplotlib's to as few characters as show the same."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

Styles = dict[str, str]
"""Property -> value."""

_DECIMALS = re.compile(r"-?\d+\.\d+")
_NUMERIC = ("d", "x", "y", "transform", "style", "width", "height")
_NOT_TURNED = re.compile(r"rotate\(-?0 ")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def compact_svg(svg: Element, name: str) -> None:
    """Shorten a figure in place: namespaces go, ids become short and begin with `name`, black
    becomes `currentColor`, numbers keep two decimals, text stands in the page's own font, and what
    several points share is said once."""
    for element in svg.iter():
        _simplify(element)
    _shorten_ids(svg, name)
    _share_styles(svg)
    _drop_wrappers(svg)
    for element in svg.iter():
        if "style" in element.attrib:
            element.set("style", _join(_split(element.attrib["style"])))


def _simplify(element: Element) -> None:
    element.tag = element.tag.rpartition("}")[2]
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    if "style" in attributes:
        style = re.sub(r"font-family: [^;]*;? ?", "", attributes["style"])
        attributes["style"] = style.replace("#000000", "currentColor")
    for key in _NUMERIC:
        if key in attributes:
            plain = _DECIMALS.sub(_round, attributes[key])
            attributes[key] = " ".join(plain.split())
    if "d" in attributes:
        attributes["d"] = _shorten_path(attributes["d"])
    if _NOT_TURNED.match(attributes.get("transform", "")):
        del attributes["transform"]
    element.attrib = attributes
    if element.tag not in ("text", "title"):
        element.text = None
    element.tail = None


def _round(number: re.Match[str]) -> str:
    return f"{round(float(number[0]), 2) + 0.0:g}"


def _shorten_path(commands: str) -> str:
    """Return a path without the blanks and the repeated letters that it can do without.

    >>> _shorten_path("M 1 2 L 3 4 L 5 -6 z")
    'M1 2L3 4 5 -6z'
    """
    parts, before = [], ""
    for letter, numbers in re.findall(r"([A-Za-z])\s*([^A-Za-z]*)", commands):
        parts.append(f" {numbers.strip()}" if letter == before == "L" else letter + numbers.strip())
        before = letter
    return "".join(parts)


def _shorten_ids(svg: Element, name: str) -> None:
    """Number the ids, those that nothing refers to aside: a page's figures must not share any."""
    links = [
        (element, key)
        for element in svg.iter()
        for key in ("href", "clip-path")
        if key in element.attrib
    ]
    used = {re.sub(r"^url\(|[#)]", "", element.attrib[key]) for element, key in links}
    short: dict[str, str] = {}
    for element in svg.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            short[old] = f"{name}-{_count(len(short))}"
            element.set("id", short[old])
    for element, key in links:
        element.set(key, re.sub(r"#([^)]*)", lambda m: f"#{short[m[1]]}", element.attrib[key]))


def _count(number: int) -> str:
    text = _DIGITS[number % 36]
    return text if number < 36 else _count(number // 36) + text


def _share_styles(svg: Element) -> None:
    """Drop from each point what the shape that it repeats says itself, as that is what counts, and
    let a group say what all of its points do."""
    shapes = {f"#{e.get('id')}": _split(e.get("style", "")) for e in svg.iter() if "id" in e.attrib}
    for use in svg.iter("use"):
        shape = shapes.get(use.get("href", ""), {})
        own = {k: v for k, v in _split(use.get("style", "")).items() if k not in shape}
        _set_style(use, own)
    for group in svg.iter("g"):
        points = [child for child in group if child.tag != "title"]
        styles = {child.get("style") if child.tag == "use" else None for child in points}
        if len(points) < 2 or len(styles) > 1 or "style" in group.attrib:
            continue
        if (shared := styles.pop()) is not None:
            group.set("style", shared)
            for point in points:
                del point.attrib["style"]


def _drop_wrappers(parent: Element) -> None:
    """Replace groups that say nothing by what they hold."""
    for child in list(parent):
        _drop_wrappers(child)
    parent[:] = list(_unwrap(parent))


def _unwrap(parent: Element) -> Iterator[Element]:
    for child in parent:
        if child.tag == "g" and not child.attrib and child.find("title") is None:
            yield from child
        else:
            yield child


def _split(style: str) -> Styles:
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _join(style: Styles) -> str:
    return ";".join(f"{key}:{value}" for key, value in style.items())


def _set_style(element: Element, style: Styles) -> None:
    if style:
        element.set("style", _join(style))
    else:
        element.attrib.pop("style", None)
