"""Where legend and labels go in a figure that is alone in its file, so that nothing is covered or
cut off."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

_ROOM = 0.98  # of the figure's width


def move_legend(figure: Figure, ax: Axes, grow: bool) -> None:
    """Place the legend of axes above them, in as many columns as the figure has room for; let the
    figure grow by its height, or else the axes shrink."""
    inside = ax.get_legend()
    if inside is None:
        return
    handles, texts = inside.legend_handles, inside.get_texts()
    inside.remove()
    renderer = FigureCanvasAgg(figure).get_renderer()

    def place(columns: int) -> Legend:
        legend = figure.legend(
            [handle for handle in handles if handle is not None],
            [text.get_text() for text in texts],
            loc="outside upper center",
            ncols=columns,
            frameon=False,
            columnspacing=1.2,
            handletextpad=0.5,
            prop=texts[0].get_fontproperties(),
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        return legend

    for columns in range(len(texts), 0, -1):
        legend = place(columns)
        box = legend.get_window_extent(renderer)
        if box.width <= _ROOM * figure.bbox.width or columns == 1:
            break
        legend.remove()
    if grow:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + box.height / figure.dpi)


def settle_layout(figure: Figure, ax: Axes) -> None:
    """Lay a figure out, once; labels that are longer than it has room are broken before their
    unit."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    wrapped = False
    for label in (ax.xaxis.label, ax.yaxis.label):
        box = label.get_window_extent(renderer)
        low, high, room = box.x0, box.x1, figure.bbox.width
        if label is ax.yaxis.label:
            low, high, room = box.y0, box.y1, figure.bbox.height
        words, bracket, unit = label.get_text().rpartition(" (")
        if bracket and (low < 0 or high > room):
            label.set_text(f"{words}\n({unit}")
            wrapped = True
    if not wrapped:  # to save it would lay it out again
        figure.set_layout_engine("none")
