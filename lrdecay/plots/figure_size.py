"""How large a figure and its text are: lengths as papers give them, and room for all it holds."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrdecay.core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27, "": 1.0}
"""Inches to a unit; points are those of TeX, as `\\the\\columnwidth` prints them."""
_LEAST_INCHES, _MOST_INCHES = 1.0, 50.0
_LEAST_POINTS, _MOST_POINTS = 4.0, 40.0
_POINTS = 72  # to an inch: those of a font's size
_LINES = {"differences": (6.5, 1.6), "spread": (5.8, 1.5), "heat-map": (5.8, 3.9)}
"""Of kinds with a row for each cell: lines of text that the figure takes, and each row."""


@dataclass(frozen=True)
class FigureSize:
    """Inches and points; None is as the kind of figure has it."""

    width: float | None = None
    height: float | None = None
    font: float | None = None


def read_size(
    width: str | None = None, height: str | None = None, font: float | None = None
) -> FigureSize:
    """Return a size of which the lengths are written like 3.25in, 82mm, 8.2cm or 234pt; a number
    alone is in inches, and that of the font in points.

    Raises:
        InputError: a length cannot be read, or one of them is too small or too large.

    >>> read_size("254mm", "3", 8)
    FigureSize(width=10.0, height=3.0, font=8)
    """
    if font is not None and not _LEAST_POINTS <= font <= _MOST_POINTS:
        raise InputError(
            f"--font-size {font:g}: expected {_LEAST_POINTS:g} to {_MOST_POINTS:g} points"
        )
    return FigureSize(_read_length("--width", width), _read_length("--height", height), font)


def _read_length(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-z]*)\s*", text, re.ASCII)
    if found is None or found[2] not in UNITS:
        raise InputError(
            f"{option} {text}: expected a length such as 3.25in, 82mm, 8.2cm or 234pt, or a number "
            f"of inches"
        )
    inches = round(float(found[1]) * UNITS[found[2]], 6)
    if not _LEAST_INCHES <= inches <= _MOST_INCHES:
        raise InputError(
            f"{option} {text}: expected {_LEAST_INCHES:g}in to {_MOST_INCHES:g}in, or as much in "
            f"cm, mm or pt"
        )
    return inches


def find_inches(
    kind: str, given: Mapping[str, Any], size: FigureSize, usual: tuple[float, float]
) -> tuple[float, float]:
    """Return width and height of a figure that a kind draws of what it is given: the `usual` ones
    in proportion, or as high as its rows are."""
    width = usual[0] if size.width is None else size.width
    if size.height is not None:
        return width, size.height
    if kind not in _LINES:
        return width, usual[1] * width / usual[0]
    around, each = _LINES[kind]
    lines = around + each * _count_rows(kind, given)
    return width, lines * (size.font or _USUAL_FONT) / _POINTS


_USUAL_FONT = 10.0


def _count_rows(kind: str, given: Mapping[str, Any]) -> int:
    """Return how many rows a kind draws, the heads of groups among them."""
    if kind == "heat-map":
        return int(given["runs"]["scheduler"].nunique())
    table = given["table" if kind == "differences" else "runs"]
    cells = table[["scheduler", "dropout"]].drop_duplicates()
    return len(cells) + int(cells["dropout"].nunique())


def set_font(figure: Figure, points: float) -> None:
    """Give all text of a figure one size."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_fontsize(points)


@contextmanager
def refuse_crowding(figure: Figure) -> Iterator[None]:
    """Raise `InputError` where a figure is drawn that has no room for its axes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "constrained_layout not applied")
        try:
            yield
        except UserWarning as error:
            width, height = figure.get_size_inches()
            raise InputError(
                f"{width:g}in by {height:g}in has no room for this figure: give a larger --width "
                f"or --height, or a smaller --font-size"
            ) from error
