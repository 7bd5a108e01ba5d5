"""One figure of a results folder, for a paper: drawn as its kind says, in the size that is asked
for, into a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrdecay.core.errors import InputError
from lrdecay.plots.figure_kinds import (
    find_function,
    find_kind,
    list_parameters,
    require_numbers,
    shows_verdicts,
)
from lrdecay.plots.figure_rows import select_found, select_where
from lrdecay.plots.figure_size import FigureSize, find_inches, refuse_crowding, set_font

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrdecay.analysis import Conclusions
    from lrdecay.plots.style import Style

FORMATS = (".svg", ".png", ".pdf")
OF_VERDICTS = ("reference", "metric", "margin", "confidence")
"""Options of figures of verdicts: what is compared, and by what rule."""


def draw_figure(
    kind: str,
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    options: Mapping[str, Any] | None = None,
    styles: Mapping[str, Style] | None = None,
    trials: pd.DataFrame | None = None,
    size: FigureSize | None = None,
) -> Figure:
    """Return a figure of one kind that shows no verdicts; where an option is None, the kind's own
    default holds. Without `trials` of base rates the runs themselves are used.

    Raises:
        InputError: there is no such kind, it does not take an option, or the runs are not such that
            it can show them.
    """
    given = check_options(kind, options)
    tables = {"runs": runs, "epochs": epochs, "trials": runs if trials is None else trials}
    require_numbers(kind, tables, given.get("metric"))
    return _draw(kind, given | tables | {"styles": styles}, size)


def draw_verdicts(
    kind: str,
    found: Conclusions,
    epochs: pd.DataFrame | None = None,
    where: Sequence[str] = (),
    styles: Mapping[str, Style] | None = None,
    size: FigureSize | None = None,
) -> Figure:
    """Return a figure of a kind that shows what the comparison `found`.

    Raises:
        InputError: as `select_found`, or the rows are not such that it can show them.
    """
    given = select_found(found, where, list_parameters(kind))
    return _draw(kind, given | {"epochs": epochs, "styles": styles}, size)


def _draw(kind: str, given: Mapping[str, Any], size: FigureSize | None) -> Figure:
    """Return a figure of what the function of its kind takes of the arguments."""
    from lrdecay.plots.figure_layout import move_legend, settle_layout
    from lrdecay.plots.style import FIGURE_INCHES, TextFigure

    takes, size = list_parameters(kind), size or FigureSize()
    inches = find_inches(find_kind(kind), given, size, FIGURE_INCHES)
    figure = TextFigure(figsize=inches, layout="constrained")
    ax: Axes = figure.subplots()
    find_function(kind)(**{k: v for k, v in given.items() if k in takes}, ax=ax)
    if size.font is not None:
        set_font(figure, size.font)
    move_legend(figure, ax, grow=size.height is None)
    with refuse_crowding(figure):
        settle_layout(figure, ax)
    return figure


def check_options(kind: str, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options that are given.

    Raises:
        InputError: there is no such kind, or it does not take one of them.
    """
    takes = [*list_parameters(kind), *(OF_VERDICTS if shows_verdicts(kind) else ())]
    given = {name: value for name, value in (options or {}).items() if value is not None}
    for name in given:
        if name not in takes:
            raise InputError(f"--{name}: a figure of the kind {kind} has no {name}")
    return given


def check_figure_name(path: Path, option: str = "--output") -> None:
    """Raise `InputError` where the name of a figure's file does not end with one of `FORMATS`."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{option} {path}: the name must end with one of {', '.join(FORMATS)}")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as .pdf, .png or .svg, completely or not at all, its text as text: the same
    figure gives the same bytes.

    Raises:
        InputError: the name ends otherwise.
    """
    import matplotlib

    from lrdecay.plots.style import FONT_TYPES
    from lrdecay.store.atomic import write_bytes

    path = Path(path)
    check_figure_name(path)
    kind = path.suffix.lower()[1:]
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
    written = io.BytesIO()
    # text stays text, to be searched and edited
    with matplotlib.rc_context(FONT_TYPES | {"svg.hashsalt": "lrdecay"}):
        figure.savefig(written, format=kind, dpi=300, metadata=date)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(written.getvalue(), path)


def write_figure(
    folder: Path,
    kind: str,
    output: Path,
    where: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    size: FigureSize | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """Draw one figure of a results folder into a file and return its path.

    Verdicts are those of `lrdecay compare` and the report: by the criteria of the sweep file but
    for what `options` has of `OF_VERDICTS`.

    Args:
        folder: a results folder.
        kind: one of `figure_kinds.KINDS`.
        output: the file, whose name ends with one of `FORMATS`.
        where: "column=value" of the runs that are shown; all unless given.
        options: by name, what the kind's function takes beside tables.
        size: of the figure and its text, as `figure_size.read_size` reads it.
        tell: is told what to know of the figure beside it, in a line.

    Raises:
        InputError: as `draw_figure`, `draw_verdicts`, `select_where` and `check_figure_name`; there
            are no results, none of the runs has completed, or the size leaves no room.
    """
    check_figure_name(output)
    given, takes, size = check_options(kind, options), list_parameters(kind), size or FigureSize()

    import matplotlib.style

    from lrdecay.analysis import compared
    from lrdecay.analysis.folder_conclusions import conclude_folder
    from lrdecay.analysis.variability import find_hardware_sd
    from lrdecay.core.text import spell_count
    from lrdecay.plots.style import MATPLOTLIB_STYLE, style_schedulers
    from lrdecay.store import reader

    found = reader.read_runs(folder)
    runs = compared(found)
    # trials of the schedulers that are compared
    own = found[(found["phase"] == "choose") & found["scheduler"].isin(runs["scheduler"])]
    if runs.empty:
        raise InputError(f"no runs of a comparison in {folder}: `lrdecay sweep FILE` trains them")
    shown = select_where(runs, where)
    if not (shown["status"] == "completed").any():
        raise InputError(
            f"nothing to draw: of {spell_count(len(shown), 'run')} none has completed; "
            f"`lrdecay status {folder}` says how they ended"
        )
    styles = style_schedulers(runs)  # those of the report, whatever is left out
    epochs = reader.read_epochs(folder)
    look = [*MATPLOTLIB_STYLE, {} if size.font is None else {"font.size": size.font}]
    with matplotlib.style.context(look):
        if shows_verdicts(kind):
            verdicts = conclude_folder(folder, **given)
            if verdicts.departures:
                tell(f"Not as planned, so exploratory: {'; '.join(verdicts.departures)}")
            figure = draw_verdicts(kind, verdicts, epochs, where, styles, size)
        else:
            trials = select_where(own, where) if "trials" in takes and len(own) else None
            repeats = reader.read_repeats(folder) if "hardware_sd" in takes else None
            if repeats is not None:
                given["hardware_sd"] = find_hardware_sd(shown, repeats)
            if "reference" in takes:
                given.setdefault("reference", _read_reference(folder))
            figure = draw_figure(kind, shown, epochs, given, styles, trials, size)
        save_figure(figure, output)
    return output


def _read_reference(folder: Path) -> str | None:
    """Return the reference that a sweep file names, if it can be read and names one."""
    from lrdecay.analysis.settings import read_criteria
    from lrdecay.store import reader

    try:
        return read_criteria(reader.read_plan(folder).sweep_text).reference
    except InputError:
        return None
