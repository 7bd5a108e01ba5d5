"""One figure of a results folder, for a paper: which kinds there are, and how one is drawn.

Whatever is in `KINDS` can be drawn by `lrdecay plot`: a function of `lrdecay.plots`, by name, so
that listing the kinds imports nothing.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrdecay.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from lrdecay.plots.style import Style

KINDS: dict[str, tuple[str, str]] = {
    "learning-rates": (
        "plot_learning_rates",
        "learning rates as applied, against epochs trained",
    ),
    "curves": (
        "plot_curves",
        "accuracy or loss (--metric) of a --split by epoch, at one dropout",
    ),
    "late-curves": (
        "plot_late_curves",
        "the last half of a run's curves, on a range of their own, at one dropout",
    ),
    "relative-curves": (
        "plot_relative_curves",
        "accuracy or loss less the --reference's at the same seed, by epoch, at one dropout",
    ),
    "jumps": (
        "plot_late_changes",
        "how much accuracy or loss changes per epoch in the last half of a run, at one dropout",
    ),
    "ecdf": ("plot_ecdf", "share of runs that ended at or below a test accuracy, at one dropout"),
    "accuracy-by-dropout": (
        "plot_accuracy_by_dropout",
        "test accuracy against dropout",
    ),
    "accuracy-by-rate": (
        "plot_accuracy_by_rate",
        "test accuracy against the base rate, at one dropout",
    ),
    "accuracy-by-epochs": (
        "plot_accuracy_by_epochs",
        "test accuracy against the length of the run, at one dropout",
    ),
    "heat-map": ("plot_heat_map", "test accuracy of each scheduler and dropout"),
    "spread": ("plot_spread", "how far seeds lie apart, beside two yardsticks"),
    "time-to-target": (
        "plot_time_to_target",
        "share of runs that have reached the sweep's target, by epoch, at one dropout",
    ),
    "expected-best": (
        "plot_expected_best",
        "validation accuracy to expect of the best of so many base rates tried, at one dropout",
    ),
    "gap-by-dropout": (
        "plot_gap_by_dropout",
        "training minus test accuracy against dropout",
    ),
}
"""By name: the function of `plots`, and what it shows. A function takes tables of `TABLES`, and
`ax`; other parameters have defaults."""

_SHOWN = {
    "learning-rates": ("epochs", "learning_rate"),
    # or what --metric says
    **dict.fromkeys(("curves", "late-curves", "relative-curves", "jumps"), ("epochs", "accuracy")),
    **dict.fromkeys(
        ("accuracy-by-dropout", "accuracy-by-rate", "accuracy-by-epochs", "heat-map", "spread"),
        ("runs", "test_accuracy"),
    ),
    "ecdf": ("runs", "test_accuracy"),
    "expected-best": ("trials", "val_accuracy"),
    "gap-by-dropout": ("epochs", "accuracy"),
}
"""The table and the column of which a kind shows the numbers."""

FORMATS = (".svg", ".png", ".pdf")
TABLES = ("runs", "epochs", "trials")
"""Runs of the comparison, their epochs, and trials of base rates: the runs, if there are none."""


def draw_figure(
    kind: str,
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    options: Mapping[str, str | None] | None = None,
    styles: Mapping[str, Style] | None = None,
    trials: pd.DataFrame | None = None,
) -> Figure:
    """Return a figure of one kind; where an option is None, the kind's own default holds. Without
    `trials` of base rates the runs themselves are used.

    Raises:
        InputError: there is no such kind, it does not take an option, or the runs are not such that
            it can show them.
    """
    from matplotlib.figure import Figure

    from lrdecay.plots.style import FIGURE_INCHES

    function = find_function(kind)
    takes = signature(function).parameters
    given: dict[str, Any] = {k: v for k, v in (options or {}).items() if v is not None}
    for name in given:
        if name not in takes:
            raise InputError(f"--{name}: a figure of the kind {kind} has no {name}")
    trials = runs if trials is None else trials
    tables = {"runs": runs, "epochs": epochs, "trials": trials}
    require_numbers(kind, tables, given.get("metric"))
    figure = Figure(figsize=FIGURE_INCHES, layout="constrained")
    ax = figure.subplots()
    given |= {k: v for k, v in (tables | {"styles": styles}).items() if k in takes}
    function(**given, ax=ax)
    return figure


def require_numbers(
    kind: str, tables: Mapping[str, pd.DataFrame], metric: str | None = None
) -> None:
    """Raise `InputError` where no run has what a kind shows, as others' results may lack it.

    Args:
        kind: one of `KINDS`.
        tables: by the names of `TABLES`.
        metric: accuracy or loss, where a kind can show either.
    """
    if kind not in _SHOWN:
        return
    name, column = _SHOWN[kind]
    column = metric or column
    runs, table = tables["runs"], tables[name]
    own = table if name != "epochs" else table[table["run_id"].isin(runs["run_id"])]
    if column in own and own[column].isna().all():
        raise InputError(f"nothing to draw: {kind} shows {column}, and no run has any")


def select_where(runs: pd.DataFrame, where: Sequence[str]) -> pd.DataFrame:
    """Return the rows that have the values of each "column=value"; equal columns are alternatives.

    Raises:
        InputError: there is no such column, or it has no such value.
    """
    from lrdecay.core.text import join_words, suggest_name

    wanted: dict[str, list[str]] = {}
    for pair in where:
        column, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--where {pair}: expected AXIS=VALUE, such as --where dropout=0.3")
        if column not in runs:
            raise InputError(f"--where {pair}: column {suggest_name(column, runs.columns)}")
        wanted.setdefault(column, []).append(value)
    keep = runs
    for column, texts in wanted.items():
        values = {_text(value): value for value in runs[column].drop_duplicates()}
        for text in texts:
            if _text(text) not in values:
                there = ", ".join(values)
                raise InputError(f"--where {column}={text}: no such run; choose from {there}")
        keep = keep[keep[column].isin([values[_text(text)] for text in texts])]
    if keep.empty:
        raise InputError(f"--where: no run has {join_words(list(where))}")
    return keep


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

    from lrdecay.store.atomic import write_bytes

    path = Path(path)
    check_figure_name(path)
    kind = path.suffix.lower()[1:]
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
    written = io.BytesIO()
    # text stays text, to be searched and edited
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "lrdecay", "pdf.fonttype": 42}
    ):
        figure.savefig(written, format=kind, dpi=300, metadata=date)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(written.getvalue(), path)


def write_figure(
    folder: Path,
    kind: str,
    output: Path,
    where: Sequence[str] = (),
    options: Mapping[str, str | None] | None = None,
) -> Path:
    """Draw one figure of a results folder into a file and return its path.

    Raises:
        InputError: as `draw_figure`, `select_where` and `check_figure_name`; or there are no
            results, or none of the runs has completed.
    """
    check_figure_name(output)
    takes_trials = "trials" in signature(find_function(kind)).parameters

    import matplotlib.style

    from lrdecay.analysis import compared
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
    with matplotlib.style.context(MATPLOTLIB_STYLE):
        figure = draw_figure(
            kind,
            shown,
            reader.read_epochs(folder),
            options,
            style_schedulers(runs),  # the colours of the report, whatever is left out
            select_where(own, where) if takes_trials and len(own) else None,
        )
        save_figure(figure, output)
    return output


def find_function(kind: str) -> Callable[..., Any]:
    """Return the function that draws a kind.

    Raises:
        InputError: there is no such kind.
    """
    from lrdecay import plots
    from lrdecay.core.text import suggest_name

    if kind not in KINDS:
        raise InputError(f"kind of figure {suggest_name(kind, KINDS)}")
    function: Callable[..., Any] = getattr(plots, KINDS[kind][0])
    return function


def _text(value: object) -> str:
    """A value as it is compared: numbers in their shortest form, booleans in lower case."""
    text = str(value)
    if text in ("True", "False"):
        return text.lower()
    try:
        return repr(float(text))
    except ValueError:
        return text
