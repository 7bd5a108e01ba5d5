"""The canvas of a page's figures: one axes, whose labels are measured once, and drawn once.

Matplotlib's own layouts draw a figure before they write it and measure each label several times,
which a page of dozens of figures waits for.
"""

import io

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox

_PAD = 3.0  # points around everything
_ROUGHLY = (0.15, 0.18, 0.82, 0.78)  # where axes end up, near enough for as many ticks
_POINTS = 72  # per inch, as in SVG


def make_canvas(inches: tuple[float, float]) -> Axes:
    """Return the axes of a new figure that `draw_svg` makes room in."""
    return Figure(figsize=inches).add_axes(_ROUGHLY)


def draw_svg(figure: Figure) -> str:
    """Draw a figure, once, as SVG without a background.

    Axes that are alone in a figure without a layout get as much of it as their labels leave. Of
    figures with a layout that is what counts.
    """
    written = io.StringIO()
    dpi, figure.dpi = figure.dpi, _POINTS
    patches = [figure.patch, *(ax.patch for ax in figure.axes)]
    shown = [patch.get_visible() for patch in patches]
    try:
        for patch in patches:
            patch.set_visible(False)
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "lrdecay"}):
            renderer = RendererSVG(figure.bbox.width, figure.bbox.height, written)
            if figure.get_layout_engine() is None and len(figure.axes) == 1:
                _fit_axes(figure.axes[0], renderer)
            figure.draw(renderer)
            renderer.finalize()
    finally:
        figure.dpi = dpi
        for patch, visible in zip(patches, shown, strict=True):
            patch.set_visible(visible)
    return written.getvalue()


def _fit_axes(ax: Axes, renderer: RendererBase) -> None:
    """Let axes fill their figure but for their labels, and keep the ticks that were measured."""
    if not ax.axison:
        return
    frame = ax.bbox.frozen()
    axes, boxes = (ax.xaxis, ax.yaxis), [frame]
    for axis in axes:
        # placed below: the axis would measure its ticks again to place it
        axis.set_label_coords(0.5, 0.5)
        axis.label.set_visible(False)
        if (box := axis.get_tightbbox(renderer)) is not None:
            boxes.append(box)
        axis.label.set_visible(True)
        if not isinstance(axis.get_major_locator(), FixedLocator):
            axis.set_major_locator(FixedLocator(axis.get_majorticklocs().tolist()))
    room = Bbox.union(boxes)
    below, left = (
        reach + (axis.labelpad if axis.label.get_text() else 0.0)
        for axis, reach in zip(axes, (frame.y0 - room.y0, frame.x0 - room.x0), strict=True)
    )
    high, wide = (axis.label.get_window_extent(renderer) for axis in axes)
    whole = ax.figure.bbox
    x0, y0 = _PAD + wide.width + left, _PAD + high.height + below
    x1 = whole.width - _PAD - (room.x1 - frame.x1)
    y1 = whole.height - _PAD - (room.y1 - frame.y1)
    ax.set_position(
        Bbox([[x0 / whole.width, y0 / whole.height], [x1 / whole.width, y1 / whole.height]])
    )
    ax.xaxis.set_label_coords(0.5, -below / (y1 - y0))
    ax.yaxis.set_label_coords(-left / (x1 - x0), 0.5)
