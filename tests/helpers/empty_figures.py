"""A page whose figures are empty, for tests of its words."""

from collections.abc import Sequence
from typing import Any

import pytest
from matplotlib.figure import Figure

from lrdecay.report.figures import panels


def leave_figures_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan, caption and label figures as ever but do not draw them, which takes most of a page's
    time: every mark and number inside a figure is missing."""
    blank, draw_row = Figure().subplots(), panels.draw_row

    def write_nothing(_ax: object, name: str, label: str) -> str:
        return f'<svg id="{name}" role="img" aria-label="{label}"></svg>'

    def draw_blank(dropouts: Sequence[object], _draw: object, *others: Any) -> panels.Row:
        with monkeypatch.context() as within:
            within.setattr(panels, "make_panel", lambda _inches: blank)
            return draw_row(dropouts, lambda _dropout, ax: ax, *others)

    monkeypatch.setattr(panels, "figure_to_svg", write_nothing)
    monkeypatch.setattr(panels, "draw_row", draw_blank)
