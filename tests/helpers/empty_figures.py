"""A page whose figures are empty, for tests of its words."""

from collections.abc import Sequence

import pytest
from markupsafe import Markup

from lrdecay.core.text import format_dropout, to_text
from lrdecay.report.figures import panels


def leave_figures_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan, caption and label figures as ever but do not draw them, which takes most of a page's
    time: every mark and number inside a figure is missing."""

    def svg_of(_ax: object, name: str, label: str) -> str:
        return f'<svg id="{name}" role="img" aria-label="{label}"></svg>'

    def row_of(
        dropouts: Sequence[object], _draw: object, name: str, what: str, title: str = "", *_: object
    ) -> panels.Row:
        made = []
        for number, dropout in enumerate(map(to_text, dropouts[: panels.MAX_DROPOUTS])):
            label = f"{what} at dropout {dropout}" if dropout else what
            svg = Markup(svg_of(None, f"{name}-{number}", label))
            made.append(panels.Panel(format_dropout(dropout), svg, dropout))
        return panels.Row(title, made)

    monkeypatch.setattr(panels, "figure_to_svg", svg_of)
    monkeypatch.setattr(panels, "draw_row", row_of)
