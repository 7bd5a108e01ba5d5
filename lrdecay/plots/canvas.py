"""The canvas of a page's figures: one axes, whose labels are measured once, and drawn once.

Matplotlib's own layouts draw a figure before they write it and measure each label several times,
which a page of dozens of figures waits for.
"""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox

_PAD = 3.0  # points around everything
_TICK_LABELS = (30.0, 18.0, 6.0, 5.0)  # points they usually take: near enough for as many ticks
POINTS = 72  # per inch, as in SVG


def make_canvas(inches: tuple[float, float]) -> Axes:
    """Return the axes of a new figure that `draw_svg` makes room in."""
    return Figure(figsize=inches).add_axes((0.0, 0.0, 1.0, 1.0))


def draw_svg(figure: Figure) -> str:
    """Draw a figure, once, as SVG without a background.

    Axes that are alone in a figure without a layout get as much of it as their labels leave. Of
    figures with a layout that is what counts.
    """
    written = io.StringIO()
    dpi, figure.dpi = figure.dpi, POINTS
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
    """Let axes fill their figure but for their labels, and settle their ticks beforehand."""
    if not ax.axison:
        return
    axes = (ax.xaxis, ax.yaxis)
    high, wide = (axis.label.get_window_extent(renderer) for axis in axes)
    around = (_PAD + wide.width, _PAD + high.height, _PAD, _PAD)  # left, below, right, above
    _set_margins(ax, around, _TICK_LABELS)
    frame = ax.bbox.frozen()
    boxes = [frame]
    for axis in axes:
        axis.set_major_locator(_find_ticks(axis, axis.get_majorticklocs()))
        if len(minor := axis.get_minorticklocs()):
            axis.set_minor_locator(_find_ticks(axis, minor))
        # placed below: the axis would measure its ticks again to place it
        axis.set_label_coords(0.5, 0.5)
        axis.label.set_visible(False)
        if (box := axis.get_tightbbox(renderer)) is not None:
            boxes.append(box)
        axis.label.set_visible(True)
    room = Bbox.union(boxes)
    below, left = (
        reach + (axis.labelpad if axis.label.get_text() else 0.0)
        for axis, reach in zip(axes, (frame.y0 - room.y0, frame.x0 - room.x0), strict=True)
    )
    _set_margins(ax, around, (left, below, room.x1 - frame.x1, room.y1 - frame.y1))
    ax.xaxis.set_label_coords(0.5, -below / ax.bbox.height)
    ax.yaxis.set_label_coords(-left / ax.bbox.width, 0.5)


def _set_margins(ax: Axes, *margins: Sequence[float]) -> None:
    """Place axes so that these margins, in points, add up on each side."""
    left, below, right, above = map(sum, zip(*margins, strict=True))
    width, height = ax.figure.bbox.size
    ends = [[left / width, below / height], [1 - right / width, 1 - above / height]]
    ax.set_position(Bbox(ends))


def _find_ticks(axis: Axis, places: np.ndarray) -> FixedLocator:
    """Return those of an axis' ticks that are within its limits: others would be made and measured
    for nothing."""
    low, high = sorted(axis.get_view_interval())
    nearly = 1e-9 * (high - low)
    return FixedLocator([at for at in places.tolist() if low - nearly <= at <= high + nearly])
