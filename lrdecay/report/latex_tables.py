r"""What a comparison found as tables of a paper, in a file for `\input`: the mean of each cell, the
best in bold, and the differences to the reference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrdecay.analysis import METRICS_COMPARED, Conclusions, axis_values, cell_summary
from lrdecay.analysis.axes import select_rows
from lrdecay.analysis.metrics import NATS, POINTS, Metric
from lrdecay.analysis.number_text import format_percent
from lrdecay.analysis.seed_blocks import State
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import (
    capitalize,
    format_dropout,
    format_named,
    join_filled,
    join_some,
    join_words,
    spell_count,
    to_text,
)
from lrdecay.report.conclusions import name_places
from lrdecay.report.later_seed_notes import explain_exclusion
from lrdecay.report.latex import (
    Group,
    Table,
    escape,
    write_floats,
    write_label,
    write_title,
)
from lrdecay.report.latex_characters import describe_characters
from lrdecay.report.latex_differences import tabulate_differences
from lrdecay.report.latex_units import MOST_DECIMALS, describe_units, find_exponent

MOST_COLUMNS = 4
"""Cells side by side; more stand in another block of rows."""
_DECIMALS = {POINTS: 2, NATS: 4}
_NAMED = 6  # cells with runs that ended early

Row = Mapping[Hashable, Any]


def write_tables(found: Conclusions, folder: str, notes: Sequence[str] = ()) -> str:
    r"""Return what was found in a results folder as LaTeX for `\input`, with what a reader should
    know of it as comments."""
    name = sanitize_line(folder)
    lines: list[str] = []
    for table in (tabulate_means(found, name), tabulate_differences(found, name)):
        if table is not None:
            lines += ["", *write_floats(table)]
    head = [
        f"% Made from {name} by lrdecay compare --format latex; read it with \\input.",
        "% It needs \\usepackage{booktabs}.",
        *describe_characters(lines),
        *(f"% {sanitize_line(note)}" for note in notes),
    ]
    return "\n".join([*head, *lines]) + "\n"


def tabulate_means(found: Conclusions, folder: str) -> Table:
    """Return mean and sd of the metric over the runs of each cell: a row per scheduler."""
    cells = measure_cells(found)
    across = _find_axis_across(cells, found.blocks.strata)
    others = [axis for axis in (*found.blocks.strata, "dropout") if axis != across]
    exponent = find_exponent(found)
    cells = cells.assign(**{name: cells[name] * 10.0**-exponent for name in ("mean", "sd")})
    decimals = _find_decimals(cells, None if exponent else _DECIMALS.get(found.metric.unit))
    usual = Counter(cells.loc[cells["n"] > 0, "n"].tolist()).most_common(1)
    count = int(usual[0][0]) if usual else 0
    values = [""] if across is None else axis_values(cells, across)
    blocks = [values[i : i + MOST_COLUMNS] for i in range(0, len(values), MOST_COLUMNS)]
    width = len(blocks[0])
    in_blocks = len(blocks) > 1  # each of which then has a row that says what its columns are of
    groups = []
    for place, rows in _list_places(cells, others):
        for shown in blocks:
            at = [rows if across is None else select_rows(rows, across, value) for value in shown]
            names = [across or "", *(_name_value(across, value) for value in shown)]
            lines = [
                [escape(name), *(_write_cell(part, name, decimals, count) for part in at)]
                for name in axis_values(rows, "scheduler")
            ]
            filled = [[*line, *[""] * (width + 1 - len(line))] for line in [names, *lines]]
            above = list(map(escape, filled[0])) if in_blocks else []
            groups.append(Group(rf"\emph{{{escape(place)}}}" if place else "", filled[1:], above))
    head = _head_means(found.metric, across, [] if in_blocks else values, width)
    caption = " ".join(_describe_means(found, cells, count))
    label = write_label(folder, found.metric, "means")
    return Table(caption, label, "l" + "r" * width, head, groups)


def _head_means(
    metric: Metric, across: str | None, values: Sequence[object], width: int
) -> list[str]:
    """Return the lines above the means: the values that columns are of, under the axis' name."""
    if across is None or not values:
        return [rf"scheduler & \multicolumn{{{width}}}{{c@{{}}}}{{{write_title(metric)}}} \\"]
    names = " & ".join(escape(_name_value(across, value)) for value in values)
    lines = [rf"scheduler & {names} \\"]
    if _is_named(across):
        return lines
    axis = escape(across.replace("_", " "))
    rule = rf"\cmidrule(l){{2-{width + 1}}}"
    return [rf"& \multicolumn{{{width}}}{{c@{{}}}}{{{axis}}} \\", rule, *lines]


def measure_cells(found: Conclusions) -> pd.DataFrame:
    """Return a row per cell: its axes; `mean` and `sd` (ddof = 1) of the metric in its unit, and
    `n`, over the completed runs; how many `diverged`, `failed` or are `missing`; whether it was
    `compared` with another one at its place, and whether it is among the `best` there."""
    blocks, metric = found.blocks, found.metric
    runs, scale = blocks.runs, metric.scale
    if metric.needs_epochs:
        there = blocks.row >= 0
        values = pd.Series(blocks.values[there], blocks.row[there])
        runs = runs.assign(**{metric.name: values.reindex(runs.index)})
    axes = list(map(str, blocks.cells))
    numbers = cell_summary(runs, metric.name).reindex(columns=[*axes, "mean", "sd", "n"])
    cells = blocks.cells.merge(numbers, on=axes, how="left")
    states = {"diverged": State.DIVERGED, "failed": State.FAILED, "missing": State.MISSING}
    best = found.best
    compared = np.zeros(len(cells), bool) if best is None else best["n_compared"].to_numpy() > 0
    return cells.assign(
        mean=scale * cells["mean"],
        sd=scale * cells["sd"],
        n=cells["n"].fillna(0).astype(int),
        compared=compared,
        best=compared if best is None else compared & best["in_set"].to_numpy(bool),
        **{name: (blocks.state == state).sum(axis=1) for name, state in states.items()},
    )


def _find_axis_across(cells: pd.DataFrame, strata: Sequence[str]) -> str | None:
    """Return the axis that a table's columns are of: dropout, or another where it has one value."""
    if cells["dropout"].nunique(dropna=False) > 1:
        return "dropout"
    return strata[-1] if strata else None


def _find_decimals(cells: pd.DataFrame, usual: int | None) -> int:
    """Return how many decimals all cells have: the `usual` ones of the page, and at least
    as many as tell the smallest sd from 0."""
    sds = cells.loc[cells["sd"] > 0, "sd"]
    if sds.empty:
        return 4 if usual is None else usual
    first = -math.floor(math.log10(sds.min()))
    needed = first + 1 if usual is None else max(usual, first)
    return min(max(needed, 0), MOST_DECIMALS)


def _list_places(cells: pd.DataFrame, axes: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the cells of each value of some axes, and these values in words where they differ."""
    named = [axis for axis in axes if cells[axis].nunique(dropna=False) > 1]
    if not named:
        yield "", cells
        return
    for values, rows in cells.groupby(named, sort=False, dropna=False):
        words = (format_named(axis, value) for axis, value in zip(named, values, strict=True))
        yield join_filled(*words), rows


def _is_named(axis: str | None) -> bool:
    """Return whether an axis' values have names of their own."""
    return axis is not None and (axis.endswith("_args") or axis == "augment")


def _name_value(axis: str | None, value: object) -> str:
    if _is_named(axis):
        return format_named(str(axis), value)
    return to_text(value) or ("its own" if axis == "dropout" else "none")


def _write_cell(rows: pd.DataFrame, scheduler: object, decimals: int, usual: int) -> str:
    """Return mean and sd of a cell, how many runs it has where that is not as usual; nothing where
    there is no such cell, and dashes where none of its runs completed."""
    own = rows[rows["scheduler"] == scheduler]
    if own.empty:
        return ""
    (cell,) = own.to_dict("records")
    if not cell["n"]:
        return "--"
    mean = f"{round(cell['mean'], decimals) + 0.0:.{decimals}f}"
    mean = rf"\mathbf{{{mean}}}" if cell["best"] else mean
    sd = "" if math.isnan(cell["sd"]) else rf" \pm {cell['sd']:.{decimals}f}"
    n = "" if cell["n"] == usual else f" ({cell['n']})"
    return f"${mean}{sd}${n}"


def _describe_means(found: Conclusions, cells: pd.DataFrame, usual: int) -> Iterator[str]:
    """Yield the sentences of a caption."""
    metric = found.metric
    own = METRICS_COMPARED.get(metric.name) == metric and not metric.name.startswith("best_")
    when = " after the last epoch" if found.blocks.is_built_in and own else ""
    dropouts = axis_values(cells, "dropout")
    where = f" at {format_dropout(dropouts[0])}" if len(dropouts) == 1 else ""
    title = write_title(metric)
    title, at = capitalize(title), where if where != " at " else ""
    several = (cells["n"] != usual).any()
    count = f"$n = {usual}$ {'run' if usual == 1 else 'runs'} per cell" + (
        ", or as in parentheses" if several else ""
    )
    yield rf"{title}{when}{at}: mean $\pm$ standard deviation over seeds; {count}."
    yield from describe_units(found, "Means and standard deviations")
    yield from map(escape, _describe_best(found, cells))
    yield from map(escape, _describe_ended(found, cells))
    if found.departures:
        yield "Not as it was planned, so exploratory."


def _describe_best(found: Conclusions, cells: pd.DataFrame) -> Iterator[str]:
    if found.best is None:
        yield "None is in bold, since of this metric neither more nor less is better."
        return
    if not cells["compared"].any():
        yield "None is in bold, since no pair of schedulers is evaluated yet."
        return
    places = name_places(found)
    same, each = (f" at the same {places}", f"; at each {places}") if places else ("", ";")
    chance = format_percent(found.criteria.confidence)
    yield (
        f"Bold: not excluded as best, since no other scheduler{same} is shown to be better"
        f"{each} the best of those compared is in bold with {chance} confidence."
    )
    if later := explain_exclusion(found, "Bold"):
        yield later
    if not cells.loc[cells["n"] > 0, "compared"].all():
        rows = cells[~cells["compared"]].to_dict("records")
        yield f"Not compared: {join_some((_name_cell(row, found) for row in rows), _NAMED)}."


def _describe_ended(found: Conclusions, cells: pd.DataFrame) -> Iterator[str]:
    """Yield which runs enter no mean, and how many are still to come."""
    ended = []
    for row in cells.to_dict("records"):
        counts = [f"{row[name]} {name}" for name in ("diverged", "failed") if row[name]]
        if counts:
            ended.append(f"{_name_cell(row, found)}: {join_words(counts)}")
    if ended:
        total = int(cells[["diverged", "failed"]].to_numpy().sum())
        runs = "It enters" if total == 1 else "They enter"
        yield (
            f"Ended early: {'; '.join(ended[:_NAMED])}"
            + (f"; and {len(ended) - _NAMED} more cells." if len(ended) > _NAMED else ".")
            + f" {runs} no mean."
        )
    missing = int(cells["missing"].sum())
    if missing and not found.blocks.imported:  # of an import nothing was asked
        what = "still to come" if found.blocks.waiting else "missing"
        yield f"{spell_count(missing, 'run')} {'is' if missing == 1 else 'are'} {what}."


def _name_cell(row: Row, found: Conclusions) -> str:
    axes = (*found.blocks.strata, "dropout")
    several = [axis for axis in axes if found.blocks.cells[axis].nunique(dropna=False) > 1]
    return join_filled(row["scheduler"], *(format_named(axis, row[axis]) for axis in several))
